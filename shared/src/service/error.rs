//! Why a verb was not carried out.

use std::time::Duration;

use crate::domain::Invalid;
use crate::queue::QueueError;
use crate::store::StoreError;

/// Why a verb was not carried out, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such thing, or not for this caller.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Fields make no sense; their names are the domain's.
    #[error("invalid fields")]
    Invalid(Vec<(&'static str, Invalid)>),
    /// It does not go with the present state.
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for a different request")]
    IdempotencyConflict,
    /// A limit of the deployment is reached.
    #[error("{0}")]
    QuotaExceeded(String),
    /// The organization publishes more than it may.
    #[error("the limit {limit} is reached")]
    RateLimited {
        /// The limit.
        limit: &'static str,
        /// When the same request can succeed.
        after: Duration,
    },
    /// Not now; the same request may succeed later.
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
    /// A defect.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict(error.to_string()),
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Refused(_) | StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<QueueError> for ServiceError {
    fn from(error: QueueError) -> Self {
        // Also what SQS refuses for good: what was to be sent is marked, or is so when the request is repeated with its
        // key, which sends nothing itself. The sweep sends it in another shape.
        Self::Unavailable(error.to_string())
    }
}
