//! What can go wrong with the table, by what a caller can do about it.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// The table did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The item is not what the caller saw: read again and decide again.
    #[error("the item was changed by somebody else")]
    Conflict,
    /// DynamoDB refused or could not be reached: try again later.
    #[error("DynamoDB: {0}")]
    Unavailable(String),
    /// A stored item cannot be read: a defect, or a newer version's item.
    #[error("unreadable item: {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(super) fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt(what.to_string())
    }
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        if error.code() == Some("ConditionalCheckFailedException") {
            return Self::Conflict;
        }
        Self::Unavailable(DisplayErrorContext(error).to_string())
    }
}
