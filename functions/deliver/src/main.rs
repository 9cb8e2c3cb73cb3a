//! The entry point of the Lambda function `deliver`.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::domain::time::Timestamp;
use shared::edge::write_usage_at_the_end;
use shared::sender::Sender;
use shared::service::{Consumer, Core};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start_on_lambda(config::log_level(), &config::stack_name());
    let Settings { table, queue_urls, deployment } = Settings::from_environment()?;
    let sender = Sender::new(deployment.urls.addresses.clone(), Clock::system())?;
    let core = Core::new(&config::aws(), &table, queue_urls, deployment, Clock::system());
    write_usage_at_the_end(core.clone()).await;
    let consumer = &Consumer::new(core, sender);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        Ok::<_, Error>(deliver::handle(consumer, event.payload, Timestamp::from_unix_millis(deadline)).await)
    }))
    .await
}
