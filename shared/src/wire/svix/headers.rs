//! The headers of an endpoint, as a resource of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::endpoint::own_headers;
use crate::domain::Invalid;
use crate::domain::endpoint::headers::{HeaderChanges, Headers};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Kind, Reader};
use crate::wire::headers::HeaderValues;
use crate::wire::redacted::Redacted;

/// Names of headers whose values are credentials, so that no response has them.
const SENSITIVE: [&str; 10] = [
    "authorization",
    "api-key",
    "apikey",
    "cookie",
    "x-access-token",
    "x-api-key",
    "x-auth-token",
    "x-auth",
    "x-secret",
    "x-token",
];

/// The body of `PUT …/headers`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = svix::EndpointHeadersIn)]
pub struct HeadersIn {
    #[schema(value_type = BTreeMap<String, String>, required)]
    headers: Field<BTreeMap<String, String>>,
}

impl HeadersIn {
    /// Validates the headers.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Headers, Vec<Problem>> {
        let mut read = Reader::default();
        let headers = read.required("headers", self.headers, own_headers);
        read.finish(headers)
    }
}

/// The values of headers, or null for those to remove.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Changed(BTreeMap<String, Option<String>>);

impl Kind for Changed {
    const EXPECTED: &'static str = "must be an object whose values are strings or null";

    fn read(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

/// The body of `PATCH …/headers`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EndpointHeadersPatchIn)]
pub struct HeadersPatchIn {
    /// Values to set, and nulls for headers to remove.
    #[schema(value_type = BTreeMap<String, Option<String>>, required)]
    headers: Field<Changed>,
    #[schema(value_type = Option<Vec<String>>)]
    delete_headers: Field<Vec<String>>,
}

impl HeadersPatchIn {
    /// Validates the headers.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<HeaderChanges, Vec<Problem>> {
        let mut read = Reader::default();
        let changes = read.optional("headers", self.headers, |Changed(headers)| {
            let (set, removed): (Vec<_>, Vec<_>) = headers.into_iter().partition(|(_, value)| value.is_some());
            let set = own_headers(set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())?;
            let removed: BTreeSet<_> = removed.into_iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            Ok::<_, Invalid>(HeaderChanges { set, removed })
        });
        let mut changes = changes.unwrap_or_default();
        let deleted = read.optional("deleteHeaders", self.delete_headers, Ok).unwrap_or_default();
        changes.removed.extend(deleted.iter().map(|name| name.to_ascii_lowercase()));
        read.finish(Some(changes))
    }
}

/// The headers of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::EndpointHeadersOut)]
pub struct HeadersOut {
    #[schema(value_type = BTreeMap<String, String>)]
    headers: Redacted<BTreeMap<String, String>>,
    /// The names of the headers whose values are not shown.
    sensitive: Vec<String>,
}

impl HeadersOut {
    /// The headers for a response. Those whose values may not or cannot be shown are listed by name.
    pub fn new(headers: &Headers, values: HeaderValues) -> Self {
        let (mut shown, mut sensitive) = (BTreeMap::new(), Vec::new());
        for (name, value) in headers.iter() {
            let is_sensitive = SENSITIVE.contains(&name.to_ascii_lowercase().as_str());
            match value.as_text().filter(|_| values == HeaderValues::Shown && !is_sensitive) {
                Some(value) => drop(shown.insert(name.to_owned(), value.to_owned())),
                None => sensitive.push(name.to_owned()),
            }
        }
        Self { headers: shown.into(), sensitive }
    }
}
