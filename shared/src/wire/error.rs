//! Errors, the same in every dialect: a closed list of codes, each with one HTTP status.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::RequestId;

/// One row for each code, so that none is without a name, a status and a meaning. The meaning is both the code's
/// documentation here and what callers read.
macro_rules! error_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal, $status:literal;)+) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[doc = $meaning])+ $code,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The code as it is sent.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$code => $status,)+
                }
            }

            /// What it means, in a sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

error_codes! {
    /// A field, a parameter or a header makes no sense; `details` says which.
    ValidationFailed = "validation_failed", 400;
    /// The body is not JSON.
    InvalidJson = "invalid_json", 400;
    /// No key, or one that nobody holds.
    Unauthorized = "unauthorized", 401;
    /// The key's role may not do this, or the organization is suspended.
    Forbidden = "forbidden", 403;
    /// There is no such thing, or not in this organization.
    NotFound = "not_found", 404;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// It does not go with the present state.
    Conflict = "conflict", 409;
    /// The idempotency key was used for a different request.
    IdempotencyConflict = "idempotency_conflict", 409;
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", 413;
    /// The body's content type is not JSON, or the body is compressed.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// A limit of the deployment is reached.
    QuotaExceeded = "quota_exceeded", 422;
    /// The organization has published as much as it may for now; `details` says which limit it reached, and `Retry-After`
    /// when the same request can succeed.
    RateLimited = "rate_limited", 429;
    /// A defect on our side.
    Internal = "internal", 500;
    /// Not now; the same request may succeed later.
    Unavailable = "unavailable", 503;
}

/// A field, parameter or header that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Its name as the dialect has it.
    #[schema(examples("url"))]
    pub name: String,
    /// Why, as a phrase that follows the name.
    #[schema(examples("must be an https URL"))]
    pub message: String,
}

impl Problem {
    /// A problem with a field.
    pub fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self { name: name.into(), message: message.to_string() }
    }
}

/// The body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorOut {
    #[schema(inline)]
    error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    #[schema(value_type = ErrorCode)]
    code: &'static str,
    /// What went wrong, for people.
    #[schema(examples("url must be an https URL"))]
    message: String,
    #[schema(value_type = RequestId)]
    request_id: String,
    /// Where the code is explained.
    #[schema(format = "uri-reference", examples("/docs#validation_failed"))]
    docs_url: String,
    #[schema(value_type = Details)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// Which fields are to blame, or which limit was reached.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorDetails)]
pub struct Details {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Problem>,
    #[schema(value_type = String, examples("events_per_second"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
}

impl Details {
    /// The details of an error, if there are any.
    pub fn new(problems: &[Problem], limit: Option<&'static str>) -> Option<Self> {
        (!problems.is_empty() || limit.is_some()).then(|| Self { fields: problems.to_vec(), limit })
    }
}

impl ErrorOut {
    /// The answer for this error.
    pub fn new(code: ErrorCode, message: &str, details: Option<Details>, request_id: RequestId) -> Self {
        let error = ErrorBody {
            code: code.as_str(),
            message: message.to_owned(),
            request_id: request_id.to_string(),
            docs_url: format!("/docs#{}", code.as_str()),
            details,
        };
        Self { error }
    }
}
