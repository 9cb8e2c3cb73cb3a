//! Errors of the service's operations.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::Invalid;
use crate::domain::ids::JobId;
use crate::queue::QueueError;
use crate::store::StoreError;

/// Why an operation failed, grouped by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The resource does not exist, or the caller may not access it.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The caller may not perform the operation.
    #[error("{0}")]
    Forbidden(Cow<'static, str>),
    /// Fields are invalid. Their names are those of the domain.
    #[error("invalid fields")]
    Invalid(Vec<(&'static str, Invalid)>),
    /// The operation conflicts with the current state of the resource.
    #[error("{0}")]
    Conflict(String),
    /// Another replay of the endpoint is open, as this job, and selects something else.
    #[error("another replay of the endpoint is open: {0}")]
    ReplayOpen(JobId),
    /// The idempotency key was used for a different request.
    #[error("the idempotency key was used for a different request")]
    IdempotencyConflict,
    /// A limit of the organization or of the deployment is reached.
    #[error("{0}")]
    QuotaExceeded(String),
    /// The organization publishes more than its limits allow.
    #[error("the limit {limit} is reached")]
    RateLimited {
        /// The name of the limit.
        limit: &'static str,
        /// The time after which the same request can succeed.
        after: Duration,
    },
    /// A dependency failed. The same request may succeed later.
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
    /// A defect in the service.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict | StoreError::ExternalIdTaken(_) => Self::Conflict(error.to_string()),
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Refused(_) | StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl ServiceError {
    /// The caller may not do this, for this reason.
    pub fn forbidden(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden(why.into())
    }
}

impl From<QueueError> for ServiceError {
    fn from(error: QueueError) -> Self {
        // This includes requests that SQS rejects as invalid. The deliveries are either marked already, or a
        // repeated request with the same idempotency key marks them without sending. The sweep then sends them in
        // smaller messages.
        Self::Unavailable(error.to_string())
    }
}
