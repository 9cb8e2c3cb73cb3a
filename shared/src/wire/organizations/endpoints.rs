//! Webhook endpoints and test events.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::HealthOut;
use super::secrets::new_secret;
use crate::domain::delivery::schedule::RetrySchedule;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::client_settings::ClientSettingsPatch;
use crate::domain::endpoint::destination::Destination;
use crate::domain::endpoint::filter::{Filter, FilterError};
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::health::Health;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointSettings, EndpointStatus, NewEndpoint, WantedStatus};
use crate::domain::event::channel::Channels;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::metadata::Metadata;
use crate::domain::signing::ed25519::Ed25519PublicKey;
use crate::domain::signing::secret::{Algorithm, SigningSecret};
use crate::domain::text::{Description, EditionId, Name};
use crate::wire::error::Problem;
use crate::wire::field::{Field, NamesTypes, RawField, Reader, subscriptions, wanted_status};
use crate::wire::headers::{HeaderValues, HeadersOut};
use crate::wire::openapi::{
    EndpointChannels, Millisecond, ShownHeaders, StoredUrl, Subscriptions, VerifiableSecret, object,
};
use crate::wire::redacted::Redacted;

/// The body of `POST …/webhooks/endpoints`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewEndpoint)]
pub struct EndpointIn {
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = Option<ExternalId>)]
    external_id: Field<String>,
    #[schema(value_type = Option<Description>)]
    description: Field<String>,
    #[schema(value_type = Option<Metadata>)]
    metadata: Field<BTreeMap<String, String>>,
    #[schema(value_type = Destination, required)]
    url: Field<String>,
    #[schema(value_type = Subscriptions, required)]
    event_types: Field<Vec<String>>,
    #[schema(value_type = Option<VerifiableSecret>)]
    secret: Field<String>,
    /// The algorithm of a generated secret; by default `hmac-sha256`.
    #[schema(value_type = Option<Algorithm>)]
    signing_algorithm: Field<String>,
    #[schema(value_type = Option<Headers>)]
    headers: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    #[schema(value_type = Option<EndpointChannels>)]
    channels: Field<Vec<String>>,
    #[schema(value_type = Option<Filter>)]
    filter: RawField,
    #[schema(value_type = Option<RetrySchedule>)]
    retry_schedule: Field<Vec<u32>>,
    #[schema(value_type = Option<EndpointStatus>)]
    status: Field<String>,
}

/// The body of `PATCH …/webhooks/endpoints/{we}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::EndpointPatch)]
pub struct EndpointPatchIn {
    #[schema(value_type = Name)]
    name: Field<String>,
    #[schema(value_type = Option<ExternalId>)]
    external_id: Field<String>,
    #[schema(value_type = Option<Description>)]
    description: Field<String>,
    #[schema(value_type = Option<Metadata>)]
    metadata: Field<BTreeMap<String, String>>,
    #[schema(value_type = Destination)]
    url: Field<String>,
    #[schema(value_type = Subscriptions)]
    event_types: Field<Vec<String>>,
    #[schema(value_type = VerifiableSecret)]
    secret: Field<String>,
    #[schema(value_type = Option<Headers>)]
    headers: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    #[schema(value_type = Option<EndpointChannels>)]
    channels: Field<Vec<String>>,
    #[schema(value_type = Option<Filter>)]
    filter: RawField,
    #[schema(value_type = Option<RetrySchedule>)]
    retry_schedule: Field<Vec<u32>>,
    #[schema(value_type = EndpointStatus)]
    status: Field<String>,
}

impl NamesTypes for EndpointIn {
    fn types(&self) -> &[String] {
        self.event_types.value().map_or(&[], Vec::as_slice)
    }
}

impl EndpointIn {
    /// Validates the fields. Only the holder of the platform's key may name an ARN.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment, holds_platform_key: bool) -> Result<NewEndpoint, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let external_id = read.optional("external_id", self.external_id, |text| ExternalId::parse(&text));
        let description = read.optional("description", self.description, |text| Description::parse(&text));
        let metadata = read.optional("metadata", self.metadata, Metadata::new).unwrap_or_default();
        let url = read.required("url", self.url, |url| Destination::parse(&url, deployment, holds_platform_key));
        let subscriptions =
            read.required("event_types", self.event_types, |types| subscriptions(&types, &deployment.catalogue));
        let headers = read.optional("headers", self.headers, Headers::new).unwrap_or_default();
        let timeout = read.optional("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new).unwrap_or_default();
        let edition = read.optional("edition_id", self.edition_id, |edition| EditionId::parse(&edition));
        let channels = read.optional("channels", self.channels, Channels::of_endpoint).unwrap_or_default();
        let filter = self.filter.cleared("filter", &mut read, parse_filter).flatten();
        let retry_schedule = read.optional("retry_schedule", self.retry_schedule, RetrySchedule::new);
        let secret = new_secret(&mut read, self.secret, self.signing_algorithm);
        let status = read.optional("status", self.status, wanted_status).unwrap_or(WantedStatus::Active);
        let complete = name.zip(url).zip(subscriptions).map(|((name, url), subscriptions)| NewEndpoint {
            settings: EndpointSettings {
                external_id,
                description,
                metadata,
                headers,
                timeout,
                edition,
                channels,
                filter,
                retry_schedule,
                ..EndpointSettings::new(name, url, subscriptions)
            },
            secret: secret.unwrap_or_default(),
            status,
        });
        read.finish(complete)
    }
}

impl NamesTypes for EndpointPatchIn {
    fn types(&self) -> &[String] {
        self.event_types.value().map_or(&[], Vec::as_slice)
    }
}

impl EndpointPatchIn {
    /// Validates the fields. `null` resets external id, description, metadata, headers, timeout, edition, channels, filter
    /// and retry schedule. Only the holder of the platform's key may name an ARN.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment, holds_platform_key: bool) -> Result<EndpointPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = EndpointPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            external_id: read.cleared("external_id", self.external_id, |text| ExternalId::parse(&text)),
            description: read.cleared("description", self.description, |text| Description::parse(&text)),
            metadata: read.cleared("metadata", self.metadata, Metadata::new).map(Option::unwrap_or_default),
            destination: read.changed("url", self.url, |url| Destination::parse(&url, deployment, holds_platform_key)),
            subscriptions: read
                .changed("event_types", self.event_types, |types| subscriptions(&types, &deployment.catalogue)),
            headers: read.cleared("headers", self.headers, Headers::new).map(Option::unwrap_or_default),
            timeout: read
                .cleared("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new)
                .map(Option::unwrap_or_default),
            edition: read.cleared("edition_id", self.edition_id, |edition| EditionId::parse(&edition)),
            channels: read.cleared("channels", self.channels, Channels::of_endpoint).map(Option::unwrap_or_default),
            filter: self.filter.cleared("filter", &mut read, parse_filter),
            retry_schedule: read.cleared("retry_schedule", self.retry_schedule, RetrySchedule::new),
            secret: read.changed("secret", self.secret, |secret| SigningSecret::parse_verifiable(&secret)),
            status: read.changed("status", self.status, wanted_status),
            client: ClientSettingsPatch::default(),
        };
        read.finish(Some(patch))
    }
}

/// An endpoint. The response that generated its secret contains it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Endpoint)]
pub struct EndpointOut {
    #[schema(schema_with = object::webhook_endpoint)]
    object: &'static str,
    #[schema(value_type = EndpointId)]
    id: String,
    #[schema(value_type = OrganizationId)]
    organization_id: String,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<ExternalId>, required)]
    external_id: Option<String>,
    #[schema(value_type = Option<Description>, required)]
    description: Option<String>,
    #[schema(value_type = Metadata)]
    metadata: BTreeMap<String, String>,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    #[schema(value_type = EndpointStatus)]
    status: &'static str,
    #[schema(value_type = Subscriptions)]
    event_types: Vec<String>,
    /// The values are null if the key's role cannot change endpoints.
    #[schema(value_type = ShownHeaders)]
    headers: HeadersOut,
    #[schema(value_type = TimeoutSeconds)]
    timeout_seconds: u8,
    #[schema(value_type = Option<EditionId>, required)]
    edition_id: Option<String>,
    #[schema(value_type = EndpointChannels)]
    channels: Vec<String>,
    /// In its canonical form: fields are sorted by name, and `$or` is last.
    #[schema(value_type = Option<Filter>, required)]
    filter: Option<Box<RawValue>>,
    #[schema(value_type = Option<RetrySchedule>, required)]
    retry_schedule: Option<Vec<u32>>,
    /// When the endpoint was paused; null if it is not paused.
    #[schema(value_type = Option<Millisecond>, required)]
    paused_at: Option<String>,
    /// Why the endpoint is disabled; null if it is not disabled.
    #[schema(value_type = Option<DisabledReason>, required)]
    disabled_reason: Option<&'static str>,
    health: HealthOut,
    /// The algorithm of the newest secret.
    #[schema(value_type = Algorithm)]
    signing_algorithm: &'static str,
    /// The public key of the newest secret; null for HMAC-SHA256.
    #[schema(value_type = Option<Ed25519PublicKey>, required)]
    signing_public_key: Option<String>,
    /// Null, except in the response that generated it.
    #[schema(value_type = Option<SigningSecret>, required)]
    signing_secret: Option<Redacted<String>>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl EndpointOut {
    /// An endpoint without its secret.
    pub fn new(endpoint: &Endpoint, health: &Health, values: HeaderValues) -> Self {
        let settings = &endpoint.settings;
        let (status, paused_at, disabled_reason) = match endpoint.status {
            EndpointStatus::Active => ("active", None, None),
            EndpointStatus::Paused { at } => ("paused", Some(at.rfc3339()), None),
            EndpointStatus::Disabled { reason } => ("disabled", None, reason.map(DisabledReason::as_str)),
        };
        Self {
            object: "webhook_endpoint",
            id: endpoint.id.to_string(),
            organization_id: endpoint.organization.to_string(),
            name: settings.name.to_string(),
            external_id: settings.external_id.as_ref().map(ExternalId::to_string),
            description: settings.description.as_ref().map(Description::to_string),
            metadata: settings.metadata.as_map().clone(),
            url: settings.destination.as_str().into(),
            status,
            event_types: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            headers: HeadersOut::new(&settings.headers, values),
            timeout_seconds: settings.timeout.get(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            channels: settings.channels.names().to_vec(),
            filter: settings.filter.as_ref().and_then(|it| RawValue::from_string(it.to_string()).ok()),
            retry_schedule: settings.retry_schedule.as_ref().map(|schedule| schedule.delays().to_vec()),
            paused_at,
            disabled_reason,
            health: health.into(),
            signing_algorithm: endpoint.secrets.newest.secret.algorithm().as_str(),
            signing_public_key: endpoint.secrets.newest.secret.public_key().map(|key| key.to_string()),
            signing_secret: None,
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
        }
    }

    /// Adds the current secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { signing_secret: endpoint.secrets.newest.secret.reveal().map(|secret| secret.to_owned().into()), ..self }
    }
}

fn parse_filter(text: &str) -> Result<Arc<Filter>, FilterError> {
    Filter::parse(text).map(Arc::new)
}
