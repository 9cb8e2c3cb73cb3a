//! Implements `pigeonpost send-all`, which an operator runs after the table was restored or a queue was lost.

use aws_config::SdkConfig;
use shared::clock::Clock;
use shared::config::days;
use shared::store::Store;

/// Writes a job of the kind `send_all` for each endpoint of a table, and returns the number of jobs. The sweep performs
/// the jobs. An endpoint that already has an open job of this kind gets no other one.
///
/// # Errors
/// If the table cannot be read or written. Jobs that were written before the error remain.
pub async fn send_all(sdk: &SdkConfig, table: &str, clock: &Clock) -> anyhow::Result<usize> {
    // The retention of deliveries does not affect jobs.
    Ok(Store::new(sdk, table, days(1)).request_send_all(clock.now()).await?)
}
