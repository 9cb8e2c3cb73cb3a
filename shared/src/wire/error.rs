//! Errors, the same in every dialect: a closed list of codes, each with one HTTP status.

use serde::Serialize;

use crate::domain::ids::RequestId;

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// A field, a parameter or a header makes no sense; `details` says which.
    ValidationFailed,
    /// The body is not JSON.
    InvalidJson,
    /// No key, or one that nobody holds.
    Unauthorized,
    /// The key's role may not do this, or the organization is suspended.
    Forbidden,
    /// There is no such thing, or not in this organization.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// It does not go with the present state.
    Conflict,
    /// The idempotency key was used for a different request.
    IdempotencyConflict,
    /// The body is too large.
    PayloadTooLarge,
    /// The body's content type is not JSON.
    UnsupportedMediaType,
    /// A limit of the deployment is reached.
    QuotaExceeded,
    /// Too many requests.
    RateLimited,
    /// A defect on our side.
    Internal,
    /// Not now; the same request may succeed later.
    Unavailable,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::ValidationFailed,
        Self::InvalidJson,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::IdempotencyConflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::QuotaExceeded,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The code as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValidationFailed => "validation_failed",
            Self::InvalidJson => "invalid_json",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::ValidationFailed | Self::InvalidJson => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict | Self::IdempotencyConflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::QuotaExceeded => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// A field, parameter or header that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its name as the dialect has it.
    pub name: String,
    /// Why, as a phrase that follows the name.
    pub message: String,
}

impl Problem {
    /// A problem with a field.
    pub fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self { name: name.into(), message: message.to_string() }
    }
}

/// The body of every error answer.
#[derive(Debug, Serialize)]
pub struct ErrorOut {
    error: ErrorBody,
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
    request_id: String,
    docs_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// Which fields are to blame.
#[derive(Debug, Serialize)]
pub struct Details {
    fields: Vec<Problem>,
}

impl Details {
    /// The details of an error, if fields are to blame.
    pub fn new(problems: &[Problem]) -> Option<Self> {
        (!problems.is_empty()).then(|| Self { fields: problems.to_vec() })
    }
}

impl ErrorOut {
    /// The answer for this error.
    pub fn new(code: ErrorCode, message: &str, problems: &[Problem], request_id: RequestId) -> Self {
        let error = ErrorBody {
            code: code.as_str(),
            message: message.to_owned(),
            request_id: request_id.to_string(),
            docs_url: format!("/docs#{}", code.as_str()),
            details: Details::new(problems),
        };
        Self { error }
    }
}
