//! A catalogue of event types as an OpenAPI document, in which each type is a webhook.

mod export;
mod import;
mod openapi_3_0;
mod standalone;
#[cfg(test)]
mod tests;
mod walk;

pub use export::{placed, webhook_item};
pub use import::import;

use serde_json::Value;

/// The extension of an operation that is not for the public.
const INTERNAL: &str = "x-internal";
/// Most bytes of an OpenAPI document.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Most webhooks of a document.
pub const MAX_WEBHOOKS: usize = 1_000;
/// Most bytes of all schemas, each with the components to which it refers, and of all examples.
pub const MAX_CONTENTS_BYTES: usize = 4 * 1024 * 1024;

/// An event type in a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Webhook {
    /// The type's name: the webhook's key.
    pub name: String,
    /// A short title.
    pub summary: Option<String>,
    /// A description, in Markdown.
    pub description: Option<String>,
    /// The group of the type: the first tag.
    pub group: Option<String>,
    /// Whether receivers should not use the type any more.
    pub deprecated: bool,
    /// Whether the type is not for the public: the extension `x-internal`.
    pub internal: bool,
    /// The JSON Schema of the event's body.
    pub schema: Option<Value>,
    /// An example of the event's body.
    pub example: Option<Value>,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer:?} {reason}")]
pub struct DocumentError {
    /// The JSON Pointer of the fault in the document.
    pub pointer: String,
    /// What is wrong, as a phrase that follows the place.
    pub reason: String,
}

impl DocumentError {
    fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

/// A pointer with a segment appended.
fn joined(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}
