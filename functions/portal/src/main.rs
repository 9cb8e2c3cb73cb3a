//! The entry point of the Lambda function `portal`.

use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::edge::register_usage_flush;
use shared::service::Parts;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start_on_lambda(config::log_level(), &config::stack_name());
    let Settings { table, queue_urls, deployment } = Settings::from_environment()?;
    let parts = Parts::new(&config::aws(), &table, queue_urls, deployment, Clock::system());
    register_usage_flush(parts.meter()).await;
    lambda_http::run(portal::router(parts.administrator())).await
}
