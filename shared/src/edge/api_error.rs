//! Errors of the API and their responses.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tracing::{error, warn};

use super::unrendered::{Render, Unrendered};
use crate::domain::ids::RequestId;
use crate::domain::tenancy::limits::EVENTS_PER_MONTH;
use crate::service::ServiceError;
use crate::wire::body::InvalidJson;
use crate::wire::error::{Details, ErrorCode, ErrorForm, ErrorOut, Problem};
use crate::wire::svix;

/// An error response. The internal cause is logged and never sent to the caller.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    problems: Vec<Problem>,
    limit: Option<&'static str>,
    retry_after_seconds: u64,
    internal: Option<Box<str>>,
    /// The status and the code in the dialect `svix`, if they do not follow from the code.
    svix: Option<Box<(u16, &'static str)>>,
}

impl ApiError {
    /// An error with this message and no details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, problems: Vec::new(), limit: None, retry_after_seconds: 1, internal: None, svix: None }
    }

    /// The error for invalid fields, parameters or headers. The message lists all of them.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let sentences: Vec<_> =
            problems.iter().map(|problem| format!("{} {}", problem.name, problem.message)).collect();
        Self { problems, ..Self::new(ErrorCode::ValidationFailed, sentences.join("; ")) }
    }

    /// The error for a limit that the organization has reached. The same request can succeed after `after`, rounded
    /// up to whole seconds.
    fn rate_limited(limit: &'static str, after: Duration) -> Self {
        let retry_after_seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
        let message = format!("the organization has reached its limit {limit}");
        Self { limit: Some(limit), retry_after_seconds, ..Self::new(ErrorCode::RateLimited, message) }
    }

    /// The error with another code in the dialect `svix`.
    #[must_use]
    pub fn with_svix_code(self, status: u16, code: &'static str) -> Self {
        Self { svix: Some(Box::new((status, code))), ..self }
    }

    /// The error for a resource that does not exist, or that the caller may not access.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    /// The error's code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The error's message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The invalid fields, parameters or headers.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// When the same request can succeed.
    pub(super) fn repeat(&self) -> Repeat {
        match (self.code, self.limit) {
            // A month is longer than a queue keeps a message.
            (ErrorCode::RateLimited, Some(EVENTS_PER_MONTH)) => Repeat::Never,
            (ErrorCode::RateLimited, _) => Repeat::After(Duration::from_secs(self.retry_after_seconds)),
            (ErrorCode::Unavailable | ErrorCode::Internal, _) => Repeat::Soon,
            _ => Repeat::Never,
        }
    }

    /// The error of the event at this position of a batch.
    pub(super) fn at(&self, index: u32) -> Self {
        Self { message: format!("events[{index}]: {}", self.message), ..self.clone() }
    }

    /// The internal cause, if there is one.
    pub(super) fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The status and the body in the dialect `svix`.
    fn in_svix(&self) -> (u16, svix::ErrorOut) {
        match self.svix.as_deref() {
            Some((status, code)) => (*status, svix::ErrorOut::Coded { code, detail: self.message.clone() }),
            None => svix::of_error(self.code, &self.message, &self.problems),
        }
    }

    /// Logs the internal cause, if there is one, with the request id.
    pub fn log(&self, request_id: RequestId) {
        let Some(cause) = &self.internal else { return };
        match self.code {
            ErrorCode::Internal => error!(%request_id, %cause, "internal error"),
            _ => warn!(%request_id, %cause, "unavailable"),
        }
    }
}

/// When a request that failed can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// After a fault has ended.
    Soon,
    /// After this time.
    After(Duration),
    /// Never, unless something else changes.
    Never,
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let internal = Some(error.to_string().into_boxed_str());
        match error {
            ServiceError::NotFound(what) => Self::not_found(what),
            ServiceError::Forbidden(why) => Self::new(ErrorCode::Forbidden, why),
            ServiceError::Invalid(fields) => {
                Self::invalid(fields.into_iter().map(|(name, invalid)| Problem::new(name, invalid)).collect())
            }
            ServiceError::Conflict(why) => Self::new(ErrorCode::Conflict, why),
            ServiceError::ReplayOpen(job) => {
                let message = format!(
                    "another replay of this endpoint is open, the job {job}; wait until it has ended, or cancel it with \
                     POST …/jobs/{job}/cancel"
                );
                Self::new(ErrorCode::ReplayOpen, message)
            }
            ServiceError::IdempotencyConflict => Self::new(
                ErrorCode::IdempotencyConflict,
                "this Idempotency-Key was used for a different request within the last 24 hours",
            ),
            ServiceError::QuotaExceeded(why) => Self::new(ErrorCode::QuotaExceeded, why),
            ServiceError::RateLimited { limit, after } => Self::rate_limited(limit, after),
            ServiceError::Unavailable(_) => {
                let message = "the service is temporarily unavailable; send the same request again";
                Self { internal, ..Self::new(ErrorCode::Unavailable, message) }
            }
            ServiceError::Internal(_) => {
                let message = "an internal error occurred; please report the request id";
                Self { internal, ..Self::new(ErrorCode::Internal, message) }
            }
        }
    }
}

impl From<InvalidJson> for ApiError {
    fn from(InvalidJson(message): InvalidJson) -> Self {
        Self::new(ErrorCode::InvalidJson, message)
    }
}

impl From<Vec<Problem>> for ApiError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::invalid(problems)
    }
}

impl Render for ApiError {
    fn render(&self, request_id: RequestId, form: ErrorForm) -> Vec<u8> {
        self.log(request_id);
        if form == ErrorForm::Svix {
            return serde_json::to_vec(&self.in_svix().1).unwrap_or_default();
        }
        let details = Details::new(&self.problems, self.limit);
        let body = ErrorOut::new(self.code, &self.message, details, request_id);
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn status(&self, form: ErrorForm) -> Option<StatusCode> {
        match form {
            ErrorForm::Own => None,
            ErrorForm::Svix => StatusCode::from_u16(self.in_svix().0).ok(),
        }
    }

    fn error_code(&self) -> Option<&'static str> {
        Some(self.code.as_str())
    }
}

/// Takes the error out of a response that has not been rendered, so that the caller can render it in another format.
pub fn take_error(response: &mut Response) -> Option<ApiError> {
    let error = response.extensions_mut().remove::<ApiError>()?;
    response.extensions_mut().remove::<Unrendered>();
    Some(error)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        match self.code {
            ErrorCode::Unauthorized => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ErrorCode::Unavailable | ErrorCode::RateLimited => {
                response.headers_mut().insert(header::RETRY_AFTER, self.retry_after_seconds.into());
            }
            _ => {}
        }
        response.extensions_mut().insert(self.clone());
        response.extensions_mut().insert(Unrendered(Arc::new(self)));
        response
    }
}
