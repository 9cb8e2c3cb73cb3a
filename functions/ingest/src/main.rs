//! The entry point of the Lambda function `ingest`.

use aws_lambda_events::event::sqs::SqsEvent;
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
    let sdk = config::aws();
    let parts = Parts::new(&sdk, &table, queue_urls, deployment, Clock::system());
    register_usage_flush(parts.meter()).await;
    let ingestor = &*parts.ingestor(&sdk, config::ingest_queues()?);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        Ok::<_, Error>(ingest::handle(ingestor, event.payload, Timestamp::from_unix_millis(deadline)).await)
    }))
    .await
}
