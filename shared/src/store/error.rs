//! Errors of the table, grouped by what a caller can do about them.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

/// An operation on the table failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The stored item is not as the caller read it: read it again and repeat the decision.
    #[error("another process changed the item")]
    Conflict,
    /// Another resource has the external id. This is its id.
    #[error("the external_id is taken by {0}")]
    ExternalIdTaken(String),
    /// DynamoDB is unreachable, faulty, throttled or not set up. The same request may succeed later.
    #[error("DynamoDB: {0}")]
    Unavailable(String),
    /// DynamoDB rejected the request as invalid. This is a defect: the same request never succeeds.
    #[error("DynamoDB rejected the request: {0}")]
    Refused(String),
    /// A stored item cannot be read: a defect, or an item of a later version.
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
        let unanswered = match &error {
            SdkError::ConstructionFailure(_) => Meaning::Never,
            _ => Meaning::Later,
        };
        match error.code().map_or(unanswered, meaning_of) {
            Meaning::Conflict => Self::Conflict,
            Meaning::Later => Self::Unavailable(DisplayErrorContext(error).to_string()),
            Meaning::Never => Self::Refused(DisplayErrorContext(error).to_string()),
        }
    }
}

/// Converts the error of a transaction. The reasons for its cancellation decide whether it is permanent.
pub(super) fn of_transaction(error: SdkError<TransactWriteItemsError>) -> StoreError {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        if codes.any(|code| meaning_of(code) == Meaning::Never) {
            return StoreError::Refused(DisplayErrorContext(error).to_string());
        }
    }
    error.into()
}

/// What an error of DynamoDB means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A condition failed.
    Conflict,
    /// The same request may succeed later. Errors that an operator must fix (permissions, credentials, a missing
    /// table) are in this group, since the request itself is valid.
    Later,
    /// The same request never succeeds.
    Never,
}

/// The meaning of an error code. An unknown code means [`Meaning::Later`]: callers bound their retries, whereas a
/// permanent error loses the request.
fn meaning_of(code: &str) -> Meaning {
    match code {
        // A transaction was changing the item at the same time.
        "ConditionalCheckFailedException" | "TransactionConflictException" => Meaning::Conflict,
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "ItemCollectionSizeLimitExceededException"
        | "ItemCollectionSizeLimitExceeded"
        | "IdempotentParameterMismatchException"
        | "DuplicateItemException"
        | "UnknownOperationException"
        | "InvalidAction"
        | "InvalidParameterCombination"
        | "InvalidParameterValue"
        | "InvalidQueryParameter"
        | "MalformedQueryString"
        | "MissingAction"
        | "MissingParameter" => Meaning::Never,
        _ => Meaning::Later,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_dynamodb::operation::put_item::PutItemError;

    use super::*;

    type Failure = SdkError<PutItemError, ()>;

    fn answered(code: Option<&str>) -> Failure {
        let metadata = code.map_or_else(ErrorMetadata::builder, |code| ErrorMetadata::builder().code(code));
        Failure::service_error(PutItemError::generic(metadata.build()), ())
    }

    #[test]
    fn an_error_of_dynamodb_is_a_conflict_temporary_or_permanent() {
        let table = [
            (Some("ConditionalCheckFailedException"), Meaning::Conflict),
            (Some("ValidationException"), Meaning::Never),
            (Some("SerializationException"), Meaning::Never),
            (Some("ItemCollectionSizeLimitExceededException"), Meaning::Never),
            (Some("UnknownOperationException"), Meaning::Never),
            (Some("MissingParameter"), Meaning::Never),
            (Some("ThrottlingException"), Meaning::Later),
            (Some("ProvisionedThroughputExceededException"), Meaning::Later),
            (Some("RequestLimitExceeded"), Meaning::Later),
            (Some("LimitExceededException"), Meaning::Later),
            (Some("TransactionConflictException"), Meaning::Conflict),
            (Some("TransactionInProgressException"), Meaning::Later),
            (Some("TransactionCanceledException"), Meaning::Later),
            (Some("ReplicatedWriteConflictException"), Meaning::Later),
            (Some("ResourceNotFoundException"), Meaning::Later),
            (Some("AccessDeniedException"), Meaning::Later),
            (Some("UnrecognizedClientException"), Meaning::Later),
            (Some("ExpiredTokenException"), Meaning::Later),
            (Some("RequestExpired"), Meaning::Later),
            (Some("SomethingNew"), Meaning::Later),
            (Some("InternalServerError"), Meaning::Later),
            (Some("ServiceUnavailable"), Meaning::Later),
            (None, Meaning::Later),
        ];
        for (code, expected) in table {
            let meaning = match StoreError::from(answered(code)) {
                StoreError::Conflict => Meaning::Conflict,
                StoreError::Unavailable(_) => Meaning::Later,
                StoreError::Refused(_) => Meaning::Never,
                StoreError::Corrupt(reason) | StoreError::ExternalIdTaken(reason) => panic!("{reason}"),
            };
            assert_eq!(meaning, expected, "{code:?}");
        }
    }

    #[test]
    fn a_request_without_a_response_may_succeed_later_and_one_that_cannot_be_built_never_does() {
        let unbuilt = Failure::construction_failure("no table");
        assert!(matches!(StoreError::from(unbuilt), StoreError::Refused(_)));
        let connector = || ConnectorError::io("reset".into());
        for unanswered in [Failure::timeout_error("late"), Failure::dispatch_failure(connector())] {
            assert!(matches!(StoreError::from(unanswered), StoreError::Unavailable(_)));
        }
    }
}
