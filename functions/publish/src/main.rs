//! The publishing Lambda function: wiring.

use shared::clock::Clock;
use shared::config::{self, Settings};
use shared::service::Core;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start_on_lambda(config::log_level());
    let Settings { table, queue_url, deployment } = Settings::from_environment()?;
    let core = Core::new(&config::aws(), &table, &queue_url, deployment, Clock::system());
    lambda_http::run(publish::router(core)).await
}
