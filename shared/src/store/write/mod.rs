//! Writes: conditional puts, transactions, batches, and calls that several requests share.

pub(super) mod batch;
pub(super) mod coalesced;
pub(super) mod put;
pub(super) mod transaction;
