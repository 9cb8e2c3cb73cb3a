//! The end of a function's process.

use lambda_runtime::spawn_graceful_shutdown_handler;
use tracing::warn;

use super::AppState;

/// Has what this process counted written when Lambda ends it. To be waited for before the first invocation is taken.
///
/// A process that nobody will tell of its end does its work all the same: what is lost with it are the counts of its last
/// minutes.
pub async fn write_usage_at_the_end(core: AppState) {
    // The library registers an extension with Lambda, and panics where that is refused: a task of its own can fail alone.
    let registering = tokio::spawn(spawn_graceful_shutdown_handler(async move || core.write_all_usage().await));
    if registering.await.is_err() {
        warn!("this process will not be told of its end: the usage that it has not written then is lost");
    }
}
