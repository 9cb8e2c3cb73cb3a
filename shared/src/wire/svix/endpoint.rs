//! Endpoints.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::print_endpoint;
use crate::domain::Invalid;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::client_settings::{ClientSettings, ClientSettingsPatch};
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::endpoint::{Endpoint, EndpointSettings, NewEndpoint, WantedStatus};
use crate::domain::event::channel::Channels;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::EndpointId;
use crate::domain::metadata::Metadata;
use crate::domain::signing::key::NewSecret;
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::{Description, Name};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, NamesTypes, Reader, subscriptions};
use crate::wire::openapi::{Millisecond, StoredUrl};
use crate::wire::redacted::Redacted;

/// The body of `POST` and `PUT` of endpoints. The first clients call the event types `filterTypes`, later ones `eventTypes`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EndpointIn)]
pub struct EndpointIn {
    #[schema(value_type = String, required)]
    url: Field<String>,
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[schema(value_type = Option<String>)]
    uid: Field<String>,
    #[schema(value_type = Option<bool>)]
    disabled: Field<bool>,
    #[schema(value_type = Option<Vec<String>>)]
    filter_types: Field<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>)]
    event_types: Field<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>)]
    channels: Field<Vec<String>>,
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Field<BTreeMap<String, String>>,
    /// Kept and shown.
    #[schema(value_type = Option<u16>, minimum = 1)]
    version: Field<i64>,
    /// Kept and shown; the engine has no such limit.
    #[schema(value_type = Option<u16>, minimum = 1)]
    rate_limit: Field<i64>,
    /// A later name of `rateLimit`.
    #[schema(value_type = Option<u16>, minimum = 1)]
    throttle_rate: Field<i64>,
    /// Ignored by `PUT`.
    #[schema(value_type = Option<String>)]
    secret: Field<String>,
    /// Ignored by `PUT`.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Field<BTreeMap<String, String>>,
}

/// What `PUT` asks for.
#[derive(Debug)]
pub struct EndpointUpdate {
    /// The endpoint, if there is none yet. Its uid is that of the body.
    pub new: NewEndpoint,
    /// The change of an existing endpoint. An absent uid stays.
    pub patch: EndpointPatch,
}

impl NamesTypes for EndpointIn {
    fn types(&self) -> &[String] {
        named_types(&self.event_types, &self.filter_types)
    }
}

impl EndpointIn {
    /// Validates the fields. The name of a new endpoint is the URL's host.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<EndpointUpdate, Vec<Problem>> {
        let mut read = Reader::default();
        let named = |url: String| {
            let url = EndpointUrl::parse(&url, &deployment.urls)?;
            let name =
                Name::parse(url.host()).map_err(|_| Invalid::new("must have a host of at most 255 characters"))?;
            Ok((name, url))
        };
        let url = read.required("url", self.url, named);
        let description = read.optional("description", self.description, description).flatten();
        let external_id = read.cleared("uid", self.uid, |uid| ExternalId::parse(&uid));
        let is_disabled = read.optional("disabled", self.disabled, Ok).unwrap_or_default();
        let types = subscribed(&mut read, self.event_types, self.filter_types, deployment).flatten();
        let channels = read.optional("channels", self.channels, Channels::of_endpoint).unwrap_or_default();
        let metadata = read.optional("metadata", self.metadata, Metadata::new).unwrap_or_default();
        let secret = read.optional("secret", self.secret, |secret| SigningSecret::parse_standard(&secret));
        let headers = read.optional("headers", self.headers, own_headers).unwrap_or_default();
        let client = ClientSettings {
            version: read.optional("version", self.version, ClientSettings::parse),
            rate_limit: rate_limit(&mut read, self.throttle_rate, self.rate_limit).flatten(),
        };
        let complete = url.map(|(name, url)| {
            let settings = EndpointSettings {
                external_id: external_id.clone().flatten(),
                description,
                metadata,
                headers,
                channels,
                client,
                ..EndpointSettings::new(name, url, types.unwrap_or_else(|| vec![Subscription::All]))
            };
            let patch = EndpointPatch {
                external_id,
                description: Some(settings.description.clone()),
                metadata: Some(settings.metadata.clone()),
                destination: Some(settings.destination.clone()),
                subscriptions: Some(settings.subscriptions.clone()),
                channels: Some(settings.channels.clone()),
                client: ClientSettingsPatch { version: client.version, rate_limit: Some(client.rate_limit) },
                status: Some(wanted(is_disabled, WantedStatus::Enabled)),
                ..EndpointPatch::default()
            };
            let secret = secret.map_or_else(NewSecret::default, NewSecret::Supplied);
            let status = wanted(is_disabled, WantedStatus::Active);
            EndpointUpdate { new: NewEndpoint { settings, secret, status }, patch }
        });
        read.finish(complete)
    }
}

/// The body of `PATCH` of endpoints.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EndpointPatch)]
pub struct EndpointPatchIn {
    #[schema(value_type = Option<String>)]
    url: Field<String>,
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[schema(value_type = Option<String>)]
    uid: Field<String>,
    #[schema(value_type = Option<bool>)]
    disabled: Field<bool>,
    #[schema(value_type = Option<Vec<String>>)]
    filter_types: Field<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>)]
    event_types: Field<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>)]
    channels: Field<Vec<String>>,
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Field<BTreeMap<String, String>>,
    /// Kept and shown.
    #[schema(value_type = Option<u16>, minimum = 1)]
    version: Field<i64>,
    /// Kept and shown; the engine has no such limit.
    #[schema(value_type = Option<u16>, minimum = 1)]
    rate_limit: Field<i64>,
    /// A later name of `rateLimit`.
    #[schema(value_type = Option<u16>, minimum = 1)]
    throttle_rate: Field<i64>,
    #[schema(value_type = Option<String>)]
    secret: Field<String>,
}

impl NamesTypes for EndpointPatchIn {
    fn types(&self) -> &[String] {
        named_types(&self.event_types, &self.filter_types)
    }
}

impl EndpointPatchIn {
    /// Validates the fields. `null` resets all but URL, status and secret.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<EndpointPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let types = subscribed(&mut read, self.event_types, self.filter_types, deployment);
        let client = ClientSettingsPatch {
            version: read.changed("version", self.version, ClientSettings::parse),
            rate_limit: rate_limit(&mut read, self.throttle_rate, self.rate_limit),
        };
        let patch = EndpointPatch {
            destination: read
                .changed("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls))
                .map(Into::into),
            description: read.cleared("description", self.description, description).map(Option::flatten),
            external_id: read.cleared("uid", self.uid, |uid| ExternalId::parse(&uid)),
            subscriptions: types.map(|types| types.unwrap_or_else(|| vec![Subscription::All])),
            channels: read.cleared("channels", self.channels, Channels::of_endpoint).map(Option::unwrap_or_default),
            metadata: read.cleared("metadata", self.metadata, Metadata::new).map(Option::unwrap_or_default),
            secret: read.changed("secret", self.secret, |secret| SigningSecret::parse_standard(&secret)),
            client,
            status: read
                .changed("disabled", self.disabled, |is_disabled| Ok(wanted(is_disabled, WantedStatus::Enabled))),
            ..EndpointPatch::default()
        };
        read.finish(Some(patch))
    }
}

/// The types of the two fields, of which the newer one counts.
fn named_types<'a>(newer: &'a Field<Vec<String>>, older: &'a Field<Vec<String>>) -> &'a [String] {
    newer.value().or_else(|| older.value()).map_or(&[], Vec::as_slice)
}

/// Validates the event types. `Some(None)` stands for all.
fn subscribed(
    read: &mut Reader,
    newer: Field<Vec<String>>,
    older: Field<Vec<String>>,
    deployment: &Deployment,
) -> Option<Option<Vec<Subscription>>> {
    let (name, field) = match newer {
        Field::Absent => ("filterTypes", older),
        newer => ("eventTypes", newer),
    };
    read.cleared(name, field, |types| subscriptions(&types, &deployment.catalogue))
}

/// Validates the rate. `Some(None)` stands for none.
fn rate_limit(read: &mut Reader, newer: Field<i64>, older: Field<i64>) -> Option<Option<NonZeroU16>> {
    let (name, field) = match newer {
        Field::Absent => ("rateLimit", older),
        newer => ("throttleRate", newer),
    };
    read.cleared(name, field, ClientSettings::parse)
}

fn description(text: String) -> Result<Option<Description>, Invalid> {
    if text.is_empty() { Ok(None) } else { Description::parse(&text).map(Some) }
}

const fn wanted(is_disabled: bool, otherwise: WantedStatus) -> WantedStatus {
    if is_disabled { WantedStatus::Disabled } else { otherwise }
}

/// The prefixes of headers that this dialect refuses beside those that no endpoint can have.
const REFUSED_PREFIXES: [&str; 3] = ["x-amz-", "x-google-", "x-svix-"];

/// Validates headers.
pub(super) fn own_headers(headers: BTreeMap<String, String>) -> Result<Headers, Invalid> {
    for name in headers.keys() {
        let lower = name.to_ascii_lowercase();
        if REFUSED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(Invalid::new(format!("must not set {name}")));
        }
    }
    Headers::new(headers)
}

/// An endpoint.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::EndpointOut)]
pub struct EndpointOut {
    id: String,
    #[schema(required)]
    uid: Option<String>,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    description: String,
    /// False for paused and suspended endpoints too.
    disabled: bool,
    /// Null for all types.
    #[schema(required)]
    filter_types: Option<Vec<String>>,
    /// Null for all types.
    #[schema(required)]
    event_types: Option<Vec<String>>,
    /// Null for all channels.
    #[schema(required)]
    channels: Option<Vec<String>>,
    metadata: BTreeMap<String, String>,
    version: u16,
    #[schema(required)]
    rate_limit: Option<u16>,
    /// As `rateLimit`.
    #[schema(required)]
    throttle_rate: Option<u16>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl EndpointOut {
    /// An endpoint that was deleted, of which a message from this time is left.
    pub(super) fn deleted(id: EndpointId, at: Timestamp) -> Self {
        Self {
            id: print_endpoint(id),
            uid: None,
            url: "".into(),
            description: String::new(),
            disabled: true,
            filter_types: None,
            event_types: None,
            channels: None,
            metadata: BTreeMap::new(),
            version: 1,
            rate_limit: None,
            throttle_rate: None,
            created_at: at.rfc3339(),
            updated_at: at.rfc3339(),
        }
    }
}

impl From<&Endpoint> for EndpointOut {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        let is_all = settings.subscriptions.contains(&Subscription::All);
        let types: Option<Vec<_>> =
            (!is_all).then(|| settings.subscriptions.iter().map(Subscription::to_string).collect());
        let channels = settings.channels.names();
        let rate_limit = settings.client.rate_limit.map(NonZeroU16::get);
        Self {
            id: print_endpoint(endpoint.id),
            uid: settings.external_id.as_ref().map(ExternalId::to_string),
            url: settings.destination.as_str().into(),
            description: settings.description.as_ref().map(Description::to_string).unwrap_or_default(),
            disabled: endpoint.is_disabled(),
            filter_types: types.clone(),
            event_types: types,
            channels: (!channels.is_empty()).then(|| channels.to_vec()),
            metadata: settings.metadata.as_map().clone(),
            version: settings.client.version.map_or(1, NonZeroU16::get),
            rate_limit,
            throttle_rate: rate_limit,
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
        }
    }
}
