//! The sweep: every minute, what is due is sent, suspended endpoints are probed, and jobs go on.

use std::time::Duration;

use shared::domain::time::Timestamp;
use shared::service::{Core, ServiceError, Swept};
use shared::telemetry::metrics;
use tracing::info;

/// What a run leaves of its time for the call that is under way when it stops.
const MARGIN: Duration = Duration::from_secs(10);

/// Sweeps until nothing is left to do or `deadline` is near. The next run goes on.
///
/// # Errors
/// [`ServiceError`] if DynamoDB or SQS failed; what was done until then is done.
pub async fn handle(core: &Core, deadline: Timestamp) -> Result<(), ServiceError> {
    let swept = Box::pin(core.sweep(deadline.minus(MARGIN))).await;
    core.write_usage().await;
    metrics::emit(core.clock().now());
    let Swept { due, released, recovered, sent_again, probes, disabled, failed } = swept?;
    info!(due, released, recovered, sent_again, probes, disabled, failed, "swept");
    Ok(())
}
