//! Why a schema is refused.

/// A fault of a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer:?} {reason}")]
pub struct SchemaError {
    /// The JSON Pointer of the fault in the schema.
    pub pointer: String,
    /// What is wrong, as a phrase that follows the place: "must be a string".
    pub reason: String,
}

impl SchemaError {
    pub(crate) fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}
