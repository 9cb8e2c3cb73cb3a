//! The sweep. It runs every minute, sends due deliveries, sends half-open probes to suspended endpoints, and does jobs.

use std::time::Duration;

use shared::domain::job::STEP;
use shared::domain::time::Timestamp;
use shared::service::{ServiceError, Sweeper, Swept};
use shared::telemetry::metrics;
use tracing::info;

/// The time that a run leaves before its deadline, so that calls that are in progress can end and counts are written.
const MARGIN: Duration = Duration::from_secs(10);
/// The time that the last writes of counts leave before the deadline.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Sweeps until nothing is left or until ten seconds before `deadline`. The next run does the rest.
///
/// While a job has another step, the run waits for the step and then continues with the jobs. `wait` waits for the
/// given time, and returns whether the run shall continue.
///
/// # Errors
/// The last [`ServiceError`], if DynamoDB or SQS failed. The other parts of the run were completed.
pub async fn handle<W: Future<Output = bool>>(
    sweeper: &Sweeper,
    deadline: Timestamp,
    wait: impl Fn(Duration) -> W,
) -> Result<(), ServiceError> {
    let (deadline, last_writes) = (deadline.minus(MARGIN), deadline.minus(LAST_WRITES));
    let mut sweeping = Box::pin(sweeper.sweep(deadline)).await;
    while let Some(due_at) = sweeping.next_due().filter(|due_at| *due_at < deadline) {
        let pause = due_at.since(sweeper.clock().now());
        // A job that waits longer than a step is between two passes. The next run does its next page.
        if pause > STEP || !wait(pause).await {
            break;
        }
        sweeper.sweep_jobs(&mut sweeping, deadline).await;
    }
    // Only a run that failed deliveries or replayed has counted some, and the next such run may be far away.
    sweeper.meter().write_until(last_writes).await;
    metrics::emit(sweeper.clock().now());
    let Swept { due, released, recovered, replayed, resent, probes, disabled, failed, expunged, removed } =
        sweeping.end()?;
    info!(due, released, recovered, replayed, resent, probes, disabled, failed, expunged, removed, "swept");
    Ok(())
}
