//! Reads: single items and batches, queries, and queries of several partitions merged into one list.

pub(super) mod due;
pub(super) mod get;
pub(super) mod load;
pub(super) mod merge;
pub(super) mod waiting;
