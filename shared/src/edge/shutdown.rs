//! The shutdown of a function's process.

use std::sync::Arc;

use lambda_runtime::spawn_graceful_shutdown_handler;
use tracing::warn;

use crate::service::Meter;

/// Registers a shutdown hook that writes the usage counts of this process. Call it before the first invocation.
///
/// A failed registration is logged only. The process then loses the counts that it has not written when it ends.
pub async fn register_usage_flush(meter: Arc<Meter>) {
    // The library registers an extension with Lambda, and panics if Lambda rejects it. The panic is confined to
    // this task.
    let registering = tokio::spawn(spawn_graceful_shutdown_handler(async move || meter.write_all_usage().await));
    if registering.await.is_err() {
        warn!("the shutdown hook could not be registered: usage that is not written when this process ends is lost");
    }
}
