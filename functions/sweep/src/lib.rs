//! The sweep: every minute, what is due is sent, suspended endpoints are probed, and jobs go on.

use std::time::Duration;

use shared::domain::job::STEP;
use shared::domain::time::Timestamp;
use shared::service::{ServiceError, Sweeper, Swept};
use shared::telemetry::metrics;
use tracing::info;

/// What a run leaves of its time for the call that is under way when it stops.
const MARGIN: Duration = Duration::from_secs(10);

/// Sweeps until nothing is left to do or `deadline` is near. The next run goes on.
///
/// While a job has another step, the run waits for it and goes on with the jobs. `wait` waits for so long, and returns whether
/// the run is to go on.
///
/// # Errors
/// [`ServiceError`] if DynamoDB or SQS failed; what was done until then is done.
pub async fn handle<W: Future<Output = bool>>(
    sweeper: &Sweeper,
    deadline: Timestamp,
    wait: impl Fn(Duration) -> W,
) -> Result<(), ServiceError> {
    let deadline = deadline.minus(MARGIN);
    let mut sweeping = Box::pin(sweeper.sweep(deadline)).await;
    while let Some(due_at) = sweeping.next_due().filter(|due_at| *due_at < deadline) {
        let pause = due_at.since(sweeper.clock().now());
        // A job that waits longer is between two passes, and left to the next run.
        if pause > STEP || !wait(pause).await {
            break;
        }
        sweeper.sweep_jobs(&mut sweeping, deadline).await;
    }
    sweeper.meter().write_usage().await;
    metrics::emit(sweeper.clock().now());
    let Swept { due, released, recovered, leased_to_resend, probes, disabled, failed } = sweeping.end()?;
    info!(due, released, recovered, leased_to_resend, probes, disabled, failed, "swept");
    Ok(())
}
