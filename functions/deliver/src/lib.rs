//! Delivering: SQS batches in, signed requests out.

pub use shared::edge::sqs::handle;
