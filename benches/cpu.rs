//! Processor time, and a thread to measure it on.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this process has taken, all its threads together.
pub(crate) fn of_process() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Runs something as a function's process does: on one thread.
pub(crate) async fn on_one_thread<T: Send + 'static, F: Future<Output = anyhow::Result<T>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    })
    .await?
}
