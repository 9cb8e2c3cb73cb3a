//! The errors of all dialects: a closed list of codes, each with one HTTP status.

use serde::Serialize;
use utoipa::ToSchema;

use super::svix;
use crate::domain::catalogue::Refusal;
use crate::domain::ids::RequestId;
use crate::domain::schema::Violation;

/// Defines the codes. Each row has a name, a status and a meaning. The meaning is the variant's doc comment, and is
/// shown in the OpenAPI document.
macro_rules! error_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal, $status:literal;)+) => {
        /// The reason of an error, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[doc = $meaning])+ $code,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The code in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// The HTTP status of the code.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$code => $status,)+
                }
            }

            /// The meaning of the code, for the OpenAPI document.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

error_codes! {
    /// A field, a parameter or a header is invalid; `details` names it.
    ValidationFailed = "validation_failed", 400;
    /// The body is not JSON.
    InvalidJson = "invalid_json", 400;
    /// The key is missing, unknown, revoked or expired.
    Unauthorized = "unauthorized", 401;
    /// The key lacks the scope for the operation, or is bound to endpoints and the operation concerns more than these, or the
    /// organization is suspended.
    Forbidden = "forbidden", 403;
    /// The resource does not exist in this organization.
    NotFound = "not_found", 404;
    /// The path does not support this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The operation conflicts with the current state of the resource.
    Conflict = "conflict", 409;
    /// Another replay of the endpoint is open; the message names its job.
    ReplayOpen = "replay_open", 409;
    /// The idempotency key was used for a different request.
    IdempotencyConflict = "idempotency_conflict", 409;
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", 413;
    /// The body's content type is not JSON, or the body is compressed.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// A limit of the organization or of the deployment is reached.
    QuotaExceeded = "quota_exceeded", 422;
    /// The organization has reached a limit on publishing; `details` names the limit, and `Retry-After` says when
    /// the same request can succeed.
    RateLimited = "rate_limited", 429;
    /// A defect in the service.
    Internal = "internal", 500;
    /// The service is temporarily unavailable; the same request may succeed later.
    Unavailable = "unavailable", 503;
}

/// The form of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// [`ErrorOut`].
    Own,
    /// [`svix::ErrorOut`].
    Svix,
}

impl ErrorForm {
    /// The form of the errors at this path.
    pub fn of_path(path: &str) -> Self {
        if svix::is_path(path) { Self::Svix } else { Self::Own }
    }
}

/// An invalid field, parameter or header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The name in this dialect.
    #[schema(examples("url"))]
    pub name: String,
    /// The reason, as a phrase that follows the name.
    #[schema(examples("must be an https URL"))]
    pub message: String,
    /// The keyword of the schema that the data of an event violates, or `limit` if the validation would take too long. The
    /// name is the JSON Pointer of the place, such as `/data/amount`, then.
    #[schema(value_type = String, examples("required"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Problem {
    /// A problem of the field, parameter or header `name`.
    pub fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self { name: name.into(), message: message.to_string(), rule: None }
    }

    /// The problems of an event that the catalogue refuses.
    pub fn of_refusal(refusal: &Refusal) -> Vec<Self> {
        let of_violation = |violation: &Violation| Self {
            name: format!("/data{}", violation.pointer),
            message: violation.message.clone(),
            rule: Some(violation.rule.clone()),
        };
        match refusal {
            Refusal::Field(name, invalid) => vec![Self::new(*name, invalid)],
            Refusal::Data(violations) => violations.iter().map(of_violation).collect(),
        }
    }
}

/// The body of an error response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorOut {
    #[schema(inline)]
    error: ErrorBody,
}

/// The details of an error.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    #[schema(value_type = ErrorCode)]
    code: &'static str,
    /// The reason of the error, for people.
    #[schema(examples("url must be an https URL"))]
    message: String,
    #[schema(value_type = RequestId)]
    request_id: String,
    /// The documentation of the code.
    #[schema(format = "uri-reference", examples("/docs#validation_failed"))]
    docs_url: String,
    #[schema(value_type = Details)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// The invalid fields, or the limit that was reached.
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
    /// The details of an error; `None` if there are none.
    pub fn new(problems: &[Problem], limit: Option<&'static str>) -> Option<Self> {
        (!problems.is_empty() || limit.is_some()).then(|| Self { fields: problems.to_vec(), limit })
    }
}

impl ErrorOut {
    /// The body for this error.
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
