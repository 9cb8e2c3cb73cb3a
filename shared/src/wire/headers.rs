//! The headers of an endpoint in responses.

use std::collections::BTreeMap;

use serde::Serialize;

use super::redacted::Redacted;
use crate::domain::encryption::Confidential;
use crate::domain::endpoint::headers::Headers;

/// Whether a response contains the values of an endpoint's headers, which may be credentials of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValues {
    /// Names and values.
    Shown,
    /// Names only.
    Hidden,
}

/// The names of the headers, with values or nulls.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct HeadersOut(Redacted<BTreeMap<String, Option<String>>>);

impl HeadersOut {
    /// The headers of an endpoint for a response. The value of one that could not be decrypted is null.
    pub fn new(headers: &Headers, values: HeaderValues) -> Self {
        let shown = |value: &Confidential| value.as_text().filter(|_| values == HeaderValues::Shown).map(str::to_owned);
        let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.to_owned(), shown(value))).collect();
        Self(headers.into())
    }
}
