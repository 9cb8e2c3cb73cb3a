//! Redaction of values that responses contain and logs must not.

use std::fmt;

use serde::Serialize;

/// A part of a response that may be a credential. It is serialized as it is, and its `Debug` output is redacted.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Redacted<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
