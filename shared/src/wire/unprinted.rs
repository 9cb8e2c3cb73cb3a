//! Redaction of values that responses contain and logs must not.

use std::fmt;

use serde::Serialize;

/// A part of a response that may be a credential. It is serialized as it is, and its `Debug` output is redacted.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Unprinted<T>(T);

impl<T> From<T> for Unprinted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Unprinted<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<T> fmt::Debug for Unprinted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
