//! Requests in chunks: how many are under way, and how often what is left unprocessed is sent again.

use super::StoreError;

/// How many chunks are in progress at the same time.
pub(super) const MAX_CONCURRENT_CHUNKS: usize = 16;

/// How often a chunk is sent before unprocessed items count as a failure.
pub(super) const BATCH_TRIES: u32 = 8;

pub(super) fn unprocessed(operation: &str) -> StoreError {
    StoreError::Unavailable(format!("{operation} left items unprocessed {BATCH_TRIES} times"))
}
