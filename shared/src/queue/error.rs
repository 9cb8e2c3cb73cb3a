//! What can go wrong with the queue, by what a caller can do about it.

use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};

/// The queue did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// SQS could not be reached or had a fault: try again later.
    #[error("SQS: {0}")]
    Unavailable(String),
    /// SQS will not do it, however often it is asked.
    #[error("SQS refused: {0}")]
    Refused(String),
}

impl QueueError {
    pub(super) fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

impl<E, R> From<SdkError<E, R>> for QueueError
where
    SdkError<E, R>: std::error::Error,
{
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(DisplayErrorContext(error).to_string())
    }
}
