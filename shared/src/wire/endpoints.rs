//! The `endpoints` dialect: the organization is the key's own, ids are hyphenated, and times have whole seconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::Problem;
use super::field::{Field, Reader};
use super::headers::{HeaderValues, HeadersOut};
use super::openapi::{CapitalStatus, HyphenatedEndpointId, PausedOrActive, ShownHeaders, StoredUrl, WholeSecond};
use super::redacted::Redacted;
use crate::domain::Invalid;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::url::{EndpointUrl, UrlPolicy};
use crate::domain::endpoint::{Endpoint, EndpointSettings, EndpointStatus, NewEndpoint, WantedStatus};
use crate::domain::ids::EndpointId;
use crate::domain::signing::key::NewSecret;
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::Name;

/// Parses `ep_` and a hyphenated UUID in lower case.
pub fn parse_id(text: &str) -> Option<EndpointId> {
    let uuid = Uuid::try_parse(text.strip_prefix("ep_")?).ok()?;
    (print_id(EndpointId::from_uuid(uuid)) == text).then(|| EndpointId::from_uuid(uuid))
}

fn print_id(id: EndpointId) -> String {
    format!("ep_{}", id.uuid().hyphenated())
}

/// The body of `POST /v1/endpoints`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = endpoints::NewEndpoint)]
pub struct EndpointIn {
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl, required)]
    url: Field<String>,
    #[schema(value_type = Option<SigningSecret>)]
    secret: Field<String>,
    #[schema(value_type = Option<Headers>)]
    headers_json: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
}

impl EndpointIn {
    /// Validates the fields. The new endpoint subscribes to all events.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, urls: &UrlPolicy) -> Result<NewEndpoint, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let url = read.required("url", self.url, |url| EndpointUrl::parse(&url, urls));
        let secret = read.optional("secret", self.secret, |secret| SigningSecret::parse(&secret));
        let headers = read.optional("headers_json", self.headers_json, Headers::new).unwrap_or_default();
        let timeout = read.optional("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new).unwrap_or_default();
        let complete = name.zip(url).map(|(name, url)| NewEndpoint {
            settings: EndpointSettings {
                headers,
                timeout,
                ..EndpointSettings::new(name, url, vec![Subscription::All])
            },
            secret: secret.map_or_else(NewSecret::default, NewSecret::Supplied),
            status: WantedStatus::Active,
        });
        read.finish(complete)
    }
}

/// The body of `PATCH /v1/endpoints/{ep_id}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = endpoints::EndpointPatch)]
pub struct EndpointPatchIn {
    #[schema(value_type = Name)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl)]
    url: Field<String>,
    #[schema(value_type = SigningSecret)]
    secret: Field<String>,
    #[schema(value_type = Option<Headers>)]
    headers_json: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
    #[schema(value_type = PausedOrActive)]
    status: Field<String>,
}

impl EndpointPatchIn {
    /// Validates the fields. `null` resets the headers and the timeout.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, urls: &UrlPolicy) -> Result<EndpointPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = EndpointPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            destination: read.changed("url", self.url, |url| EndpointUrl::parse(&url, urls)).map(Into::into),
            secret: read.changed("secret", self.secret, |secret| SigningSecret::parse(&secret)),
            headers: read.cleared("headers_json", self.headers_json, Headers::new).map(Option::unwrap_or_default),
            timeout: read
                .cleared("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new)
                .map(Option::unwrap_or_default),
            status: read.changed("status", self.status, |status| match status.as_str() {
                "ACTIVE" => Ok(WantedStatus::Active),
                "PAUSED" => Ok(WantedStatus::Paused),
                _ => Err(Invalid::new("must be ACTIVE or PAUSED")),
            }),
            ..EndpointPatch::default()
        };
        read.finish(Some(patch))
    }
}

/// An endpoint. The response that generated its secret contains it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = endpoints::Endpoint)]
pub struct EndpointOut {
    #[schema(value_type = HyphenatedEndpointId)]
    id: String,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    /// The values are null if the key's role cannot change endpoints.
    #[schema(value_type = ShownHeaders)]
    headers_json: HeadersOut,
    #[schema(value_type = TimeoutSeconds)]
    timeout_seconds: u8,
    #[schema(value_type = CapitalStatus)]
    status: &'static str,
    /// When the endpoint was paused; null if it is not paused.
    #[schema(value_type = Option<WholeSecond>, required)]
    paused_at: Option<String>,
    /// Only in the response that generated it.
    #[schema(value_type = SigningSecret)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Redacted<String>>,
    #[schema(value_type = WholeSecond)]
    created_at: String,
    #[schema(value_type = WholeSecond)]
    updated_at: String,
}

impl EndpointOut {
    /// An endpoint without its secret.
    pub fn new(endpoint: &Endpoint, values: HeaderValues) -> Self {
        let settings = &endpoint.settings;
        let (status, paused_at) = match endpoint.status {
            EndpointStatus::Active => ("ACTIVE", None),
            EndpointStatus::Paused { at } => ("PAUSED", Some(at.rfc3339_seconds())),
            EndpointStatus::Disabled { .. } => ("DISABLED", None),
        };
        Self {
            id: print_id(endpoint.id),
            name: settings.name.to_string(),
            url: settings.destination.as_str().into(),
            headers_json: HeadersOut::new(&settings.headers, values),
            timeout_seconds: settings.timeout.get(),
            status,
            paused_at,
            secret: None,
            created_at: endpoint.created_at.rfc3339_seconds(),
            updated_at: endpoint.updated_at.rfc3339_seconds(),
        }
    }

    /// Adds the secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { secret: endpoint.secrets.newest.secret.reveal().map(|secret| secret.to_owned().into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_this_dialect_denotes_the_same_endpoint() {
        let id = EndpointId::parse("we_550e8400e29b41d4a716446655440000").unwrap();
        assert_eq!(print_id(id), "ep_550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(parse_id(&print_id(id)), Some(id));
        for text in [
            "",
            "ep_",
            "550e8400-e29b-41d4-a716-446655440000",
            "ep_550e8400e29b41d4a716446655440000",
            "ep_550E8400-e29b-41d4-a716-446655440000",
            "we_550e8400e29b41d4a716446655440000",
            "ep_{550e8400-e29b-41d4-a716-446655440000}",
        ] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }
}
