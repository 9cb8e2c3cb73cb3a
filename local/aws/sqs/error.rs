//! The errors of SQS with the codes that AWS documents.

use super::super::answer::Answer;

/// The code of an error in the service. All other errors are the caller's.
pub(crate) const INTERNAL: &str = "InternalError";

/// An error of an SQS operation.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct SqsError {
    /// The code in the spelling of the JSON protocol.
    pub(crate) code: &'static str,
    /// The message for people.
    pub(crate) message: String,
}

impl SqsError {
    /// An error with the given code.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// An error for an invalid parameter value.
    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// The code in the spelling of the older query protocol. Entries of batches and many programs still show it.
    pub(crate) fn query_code(&self) -> String {
        match self.code {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            "QueueNameExists" => "QueueAlreadyExists".to_owned(),
            "BatchEntryIdsNotDistinct"
            | "BatchRequestTooLong"
            | "EmptyBatchRequest"
            | "InvalidBatchEntryId"
            | "MessageNotInflight"
            | "PurgeQueueInProgress"
            | "TooManyEntriesInBatchRequest"
            | "UnsupportedOperation" => {
                format!("AWS.SimpleQueueService.{}", self.code)
            }
            code => code.to_owned(),
        }
    }
}

impl From<SqsError> for Answer {
    fn from(error: SqsError) -> Self {
        let (status, fault) = if error.code == INTERNAL { (500, "Receiver") } else { (400, "Sender") };
        Self {
            query_error: Some(format!("{};{fault}", error.query_code())),
            ..Self::error(status, &format!("com.amazonaws.sqs#{}", error.code), &error.message)
        }
    }
}
