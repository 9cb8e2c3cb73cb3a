//! Answers whose body is written once the request id is known.

use std::sync::Arc;

use crate::domain::ids::RequestId;

/// A body that has the request id in it.
pub(super) trait Render: Send + Sync {
    /// The body as JSON. Empty if it cannot be rendered.
    fn render(&self, request_id: RequestId) -> Vec<u8>;

    /// The error's code, if the answer is an error.
    fn error_code(&self) -> Option<&'static str> {
        None
    }
}

/// An extension of a response: its body, which the request-id layer writes.
#[derive(Clone)]
pub(super) struct Unrendered(pub(super) Arc<dyn Render>);
