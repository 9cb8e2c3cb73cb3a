//! SweepFunction: reads the configuration and runs the handler in Lambda's runtime.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::domain::time::Timestamp;
use shared::edge::register_usage_flush;
use shared::service::Parts;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start_on_lambda(config::log_level(), &config::stack_name());
    let Settings { table, queue_urls, deployment } = Settings::from_environment()?;
    let parts = Parts::new(&config::aws(), &table, queue_urls, deployment, Clock::system());
    register_usage_flush(parts.meter()).await;
    let sweeper = &*parts.sweeper();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<EventBridgeEvent>| {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let wait = async |pause| {
            tokio::time::sleep(pause).await;
            true
        };
        sweep::handle(sweeper, Timestamp::from_unix_millis(deadline), wait).await.map_err(Error::from)
    }))
    .await
}
