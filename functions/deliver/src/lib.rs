//! The delivery function: receives SQS batches and sends signed HTTP requests.

pub use shared::edge::sqs::handle;
