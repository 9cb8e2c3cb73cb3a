//! What a caller is shown and a log is not.

use std::fmt;

use serde::Serialize;

/// Part of an answer that may be a credential: written into the answer as it is, and never printed.
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
