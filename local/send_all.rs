//! Sending everything again, for a deployment's operator: after its table was restored or its queue was lost.

use aws_config::SdkConfig;
use shared::clock::Clock;
use shared::config::days;
use shared::store::Store;

/// Requests for each endpoint of a table that what should be in the queue is sent again, and returns how many were requested.
/// The sweep does it. An endpoint for which that is under way is left out.
///
/// # Errors
/// If the table cannot be read or written. What was requested until then stays.
pub async fn send_all(sdk: &SdkConfig, table: &str, clock: &Clock) -> anyhow::Result<usize> {
    // How long deliveries are kept makes no difference to jobs.
    Ok(Store::new(sdk, table, days(1)).request_send_all(clock.now()).await?)
}
