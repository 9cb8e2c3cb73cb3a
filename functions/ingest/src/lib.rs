//! The ingest function: publishes the requests in the messages of the ingest queue.

pub use shared::edge::ingest::{handle, organizations};
