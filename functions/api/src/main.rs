//! The entry point of the Lambda function `api`.

use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::edge::write_usage_at_the_end;
use shared::service::Core;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start_on_lambda(config::log_level(), &config::stack_name());
    let Settings { table, queue_urls, deployment } = Settings::from_environment()?;
    let core = Core::new(&config::aws(), &table, queue_urls, deployment, Clock::system());
    write_usage_at_the_end(core.clone()).await;
    lambda_http::run(api::router(core)).await
}
