//! Answers whose body is written once the request id is known.

use std::sync::Arc;

use http::StatusCode;

use crate::domain::ids::RequestId;
use crate::wire::error::ErrorForm;

/// A body that has the request id in it.
pub(super) trait Render: Send + Sync {
    /// The body as JSON. Empty if it cannot be rendered. If it is an error, it has this form.
    fn render(&self, request_id: RequestId, form: ErrorForm) -> Vec<u8>;

    /// The status of an error in this form; `None` for the response's own.
    fn status(&self, _: ErrorForm) -> Option<StatusCode> {
        None
    }

    /// The error's code, if the answer is an error.
    fn error_code(&self) -> Option<&'static str> {
        None
    }
}

/// An extension of a response: its body, which the request-id layer writes.
#[derive(Clone)]
pub(super) struct Unrendered(pub(super) Arc<dyn Render>);
