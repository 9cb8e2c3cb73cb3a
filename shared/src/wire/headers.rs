//! The headers of an endpoint in answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unprinted::Unprinted;
use crate::domain::fields::Headers;

/// Whether an answer has the values of an endpoint's headers. They may be credentials of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValues {
    /// Names and values.
    Shown,
    /// Names alone.
    Hidden,
}

/// Names, and values or nulls.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct HeadersOut(Unprinted<BTreeMap<String, Option<String>>>);

impl HeadersOut {
    /// An endpoint's headers.
    pub fn new(headers: &Headers, values: HeaderValues) -> Self {
        let shown = |value: &str| (values == HeaderValues::Shown).then(|| value.to_owned());
        let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.to_owned(), shown(value))).collect();
        Self(headers.into())
    }
}
