//! The errors of SQS, by the codes that AWS documents.

use super::super::answer::Answer;

/// The code of the one error that is not the caller's fault.
pub(crate) const INTERNAL: &str = "InternalError";

/// A refusal.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct SqsError {
    /// The code as the JSON protocol spells it.
    pub(crate) code: &'static str,
    /// What is wrong, for people.
    pub(crate) message: String,
}

impl SqsError {
    /// An error of the given code.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// A parameter whose value is not allowed.
    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// The code as the older query protocol spelled it; batches' entries and many programs still show that one.
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
