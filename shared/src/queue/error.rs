//! Errors of the queue, grouped by what a caller can do about them.

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// An operation on a queue failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// SQS is unreachable, faulty, throttled or not set up. The same request may succeed later.
    #[error("SQS: {0}")]
    Unavailable(String),
    /// SQS rejected the request or the message as invalid. The same request never succeeds.
    #[error("SQS rejected the request: {0}")]
    Refused(String),
}

impl QueueError {
    pub(super) fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

impl<E, R> From<SdkError<E, R>> for QueueError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let is_built = !matches!(error, SdkError::ConstructionFailure(_));
        let is_permanent = error.code().map_or(!is_built, is_permanent);
        let reason = DisplayErrorContext(error).to_string();
        if is_permanent { Self::Refused(reason) } else { Self::Unavailable(reason) }
    }
}

/// Whether a request with this error code never succeeds. Errors that an operator must fix (permissions,
/// credentials, a missing queue) and unknown codes are not permanent.
fn is_permanent(code: &str) -> bool {
    // The older protocol of SQS prefixes these names.
    let name = code.rsplit('.').next().unwrap_or(code);
    matches!(
        name,
        "InvalidMessageContents"
            | "InvalidAttributeName"
            | "InvalidAttributeValue"
            | "InvalidIdFormat"
            | "InvalidBatchEntryId"
            | "BatchEntryIdsNotDistinct"
            | "BatchRequestTooLong"
            | "EmptyBatchRequest"
            | "TooManyEntriesInBatchRequest"
            | "ReceiptHandleIsInvalid"
            | "MessageNotInflight"
            | "UnsupportedOperation"
            | "InvalidAction"
            | "InvalidParameterCombination"
            | "InvalidParameterValue"
            | "InvalidQueryParameter"
            | "MalformedQueryString"
            | "MissingAction"
            | "MissingParameter"
            | "ValidationException"
            | "ValidationError"
            | "SerializationException"
            | "UnknownOperationException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_sqs_is_permanent_if_the_request_itself_is_wrong() {
        for (code, expected) in [
            ("InvalidMessageContents", true),
            ("AWS.SimpleQueueService.BatchRequestTooLong", true),
            ("AWS.SimpleQueueService.UnsupportedOperation", true),
            ("ReceiptHandleIsInvalid", true),
            ("InvalidParameterValue", true),
            ("SerializationException", true),
            ("RequestThrottled", false),
            ("ThrottlingException", false),
            ("OverLimit", false),
            ("KmsThrottled", false),
            ("KmsAccessDenied", false),
            ("InternalFailure", false),
            ("ServiceUnavailable", false),
            ("AccessDenied", false),
            ("AccessDeniedException", false),
            ("QueueDoesNotExist", false),
            ("AWS.SimpleQueueService.NonExistentQueue", false),
            ("InvalidClientTokenId", false),
            ("RequestExpired", false),
            ("SomethingNew", false),
        ] {
            assert_eq!(is_permanent(code), expected, "{code}");
        }
    }
}
