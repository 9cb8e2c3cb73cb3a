//! The items of endpoints and of deleted endpoints.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::confidential::Text;
use super::secrets::{SecretItem, read_secrets, stored_secrets};
use crate::domain::delivery::schedule::RetrySchedule;
use crate::domain::endpoint::circuit_breaker::{CircuitBreaker, Suspension};
use crate::domain::endpoint::client_settings::ClientSettings;
use crate::domain::endpoint::destination::Destination;
use crate::domain::endpoint::fan_out::FanOutGroup;
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::lane::Lane;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointSettings, EndpointStatus};
use crate::domain::event::channel::Channels;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::metadata::Metadata;
use crate::domain::statistics;
use crate::domain::text::{Description, EditionId, Name};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, filter, is_zero, required, time, unknown};
use crate::store::keys;

/// The attributes of an endpoint's item.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct EndpointItem {
    #[serde(flatten)]
    base: Base,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    url: String,
    event_types: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, Text>,
    timeout_seconds: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_schedule: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_version: Option<NonZeroU16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_rate_limit: Option<NonZeroU16>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    /// The newest first.
    secrets: Vec<SecretItem>,
    created_at: String,
    updated_at: String,
    version: u64,
    fan_out_group: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    probes: u32,
    /// Absent for the fast lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

impl From<&Endpoint> for EndpointItem {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        let (status, paused_at, disabled_reason) = match endpoint.status {
            EndpointStatus::Active => ("active", None, None),
            EndpointStatus::Paused { at } => ("paused", Some(at.rfc3339()), None),
            EndpointStatus::Disabled { reason } => ("disabled", None, reason.map(|reason| reason.as_str().to_owned())),
        };
        let CircuitBreaker { failing_until, suspension } = endpoint.circuit_breaker;
        let mark = suspension.map(|suspension| keys::half_open(suspension.probe_at, endpoint.id));
        let (waiting_pk, waiting_sk) = mark.unzip();
        Self {
            base: Base::new(keys::endpoint(&endpoint.organization, endpoint.id), "endpoint"),
            name: settings.name.to_string(),
            external_id: settings.external_id.as_ref().map(ExternalId::to_string),
            description: settings.description.as_ref().map(Description::to_string),
            metadata: settings.metadata.as_map().clone(),
            url: settings.destination.as_str().to_owned(),
            event_types: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            headers: settings.headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
            timeout_seconds: settings.timeout.get(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            channels: settings.channels.names().to_vec(),
            filter: settings.filter.as_ref().map(|filter| filter.to_string()),
            retry_schedule: settings.retry_schedule.as_ref().map(|schedule| schedule.delays().to_vec()),
            client_version: settings.client.version,
            client_rate_limit: settings.client.rate_limit,
            status: status.to_owned(),
            paused_at,
            disabled_reason,
            secrets: stored_secrets(&endpoint.secrets),
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
            version: endpoint.version,
            fan_out_group: endpoint.fan_out_group.number(),
            failing_until: failing_until.map(Timestamp::rfc3339),
            suspended_since: suspension.map(|suspension| suspension.since.rfc3339()),
            probe_at: suspension.map(|suspension| suspension.probe_at.rfc3339()),
            probes: suspension.map_or(0, |suspension| suspension.probes),
            lane: (endpoint.lane != Lane::default()).then(|| endpoint.lane.as_str().to_owned()),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<EndpointItem> for Endpoint {
    type Error = Unreadable;

    fn try_from(item: EndpointItem) -> Result<Self, Unreadable> {
        let reference = keys::parse_endpoint(&item.base.key());
        let reference = reference.ok_or_else(|| Unreadable("not an endpoint's key".to_owned()))?;
        Ok(Self {
            id: reference.endpoint,
            organization: reference.organization,
            settings: EndpointSettings {
                name: Name::parse(&item.name)?,
                external_id: item.external_id.as_deref().map(ExternalId::stored),
                description: item.description.map(|text| Description::parse(&text)).transpose()?,
                metadata: Metadata::stored(item.metadata),
                destination: Destination::stored(&item.url)?,
                subscriptions: item.event_types.iter().map(|t| Subscription::parse(t)).collect::<Result<_, _>>()?,
                headers: Headers::stored(item.headers.into_iter().map(|(name, value)| (name, value.into())).collect()),
                timeout: TimeoutSeconds::new(item.timeout_seconds.into())?,
                edition: item.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
                channels: Channels::stored(item.channels),
                filter: filter(item.filter.as_deref())?,
                retry_schedule: item.retry_schedule.map(RetrySchedule::new).transpose()?,
                client: ClientSettings { version: item.client_version, rate_limit: item.client_rate_limit },
            },
            status: match item.status.as_str() {
                "active" => EndpointStatus::Active,
                "paused" => EndpointStatus::Paused { at: required("paused_at", time(item.paused_at.as_ref())?)? },
                // A reason of a later version is only shown, so it does not make the endpoint unreadable.
                "disabled" => {
                    EndpointStatus::Disabled { reason: item.disabled_reason.as_deref().and_then(DisabledReason::parse) }
                }
                other => return Err(unknown("status", other)),
            },
            secrets: read_secrets(item.secrets)?,
            circuit_breaker: CircuitBreaker {
                failing_until: time(item.failing_until.as_ref())?,
                suspension: time(item.suspended_since.as_ref())?
                    .zip(time(item.probe_at.as_ref())?)
                    .map(|(since, probe_at)| Suspension { since, probes: item.probes, probe_at }),
            },
            lane: item.lane.as_deref().and_then(Lane::parse).unwrap_or_default(),
            fan_out_group: required("fan_out_group", FanOutGroup::new(item.fan_out_group))?,
            created_at: Timestamp::parse(&item.created_at)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
            version: item.version,
        })
    }
}

/// How long a deletion is recorded after the last statistics of the endpoint can have expired.
const TOMBSTONE_MARGIN: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// Records that an endpoint was deleted, for as long as its deliveries and statistics are stored.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct DeletedEndpointItem {
    #[serde(flatten)]
    base: Base,
    deleted_at: String,
    expires_at: i64,
}

impl DeletedEndpointItem {
    /// The item for an endpoint that is deleted at `now`. `retention` is how long its deliveries are stored.
    pub(in crate::store) fn new(
        organization: &OrganizationId,
        endpoint: EndpointId,
        now: Timestamp,
        retention: Duration,
    ) -> Self {
        Self {
            base: Base::new(keys::deleted_endpoint(organization, endpoint), "deleted_endpoint"),
            deleted_at: now.rfc3339(),
            // A delivery can fail as long as it is stored.
            expires_at: now.plus(retention).plus(statistics::RETENTION).plus(TOMBSTONE_MARGIN).unix_seconds(),
        }
    }
}
