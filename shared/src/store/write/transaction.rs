//! Why a transaction was cancelled.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;

/// The cancellation reason of each item of a cancelled transaction; empty for any other error.
pub(in crate::store) fn cancellation_reasons(error: &SdkError<TransactWriteItemsError>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
        _ => &[],
    }
}

/// For each item of a cancelled transaction, whether its condition failed; empty for any other error.
pub(in crate::store) fn failed_conditions(error: &SdkError<TransactWriteItemsError>) -> Vec<bool> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    cancellation_reasons(error).iter().map(failed).collect()
}
