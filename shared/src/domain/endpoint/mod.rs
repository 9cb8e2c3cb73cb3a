//! Endpoints: where the subscriber's deliveries go, and the settings and state of its deliveries.

pub mod change;
pub mod circuit_breaker;
pub mod client_settings;
pub mod confidential;
pub mod destination;
pub mod fan_out;
pub mod filter;
pub mod headers;
pub mod health;
pub mod lane;
pub mod secrets;
pub mod subscription;
pub mod timeout;
pub mod url;

use std::sync::Arc;

use super::delivery::schedule::RetrySchedule;
use super::event::channel::Channels;
use super::external_id::ExternalId;
use super::ids::{EndpointId, OrganizationId};
use super::metadata::Metadata;
use super::signing::key::{NewSecret, SigningKey};
use super::text::{Description, EditionId, Name};
use super::time::Timestamp;
use circuit_breaker::CircuitBreaker;
use client_settings::ClientSettings;
use destination::Destination;
use fan_out::FanOutGroup;
use filter::Filter;
use headers::Headers;
use lane::Lane;
use secrets::Secrets;
use subscription::Subscription;
use timeout::TimeoutSeconds;

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The endpoint's identifier.
    pub id: EndpointId,
    /// The organization that the endpoint belongs to.
    pub organization: OrganizationId,
    /// The settings that the owner chose.
    pub settings: EndpointSettings,
    /// Whether deliveries are attempted, parked or not created.
    pub status: EndpointStatus,
    /// The secrets that sign its deliveries.
    pub secrets: Secrets,
    /// The state of the circuit breaker.
    pub circuit_breaker: CircuitBreaker,
    /// The lane of its deliveries.
    pub lane: Lane,
    /// The group of its fan-out item. It never changes.
    pub fan_out_group: FanOutGroup,
    /// When the endpoint was created.
    pub created_at: Timestamp,
    /// When the endpoint last changed.
    pub updated_at: Timestamp,
    /// Increases with each change. A write is conditional on it, so that of two concurrent changes one is rejected.
    pub version: u64,
}

/// The settings that an endpoint's owner chose.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// The name of the endpoint.
    pub name: Name,
    /// The owner's identifier of the endpoint, unique within the organization.
    pub external_id: Option<ExternalId>,
    /// A description for people.
    pub description: Option<Description>,
    /// What the owner attached.
    pub metadata: Metadata,
    /// Where deliveries go.
    pub destination: Destination,
    /// The event types that the endpoint receives.
    pub subscriptions: Vec<Subscription>,
    /// Headers that are added to each request.
    pub headers: Headers,
    /// The time limit of one attempt.
    pub timeout: TimeoutSeconds,
    /// If set, the endpoint receives only events of the same edition.
    pub edition: Option<EditionId>,
    /// If there are any, the endpoint receives only events that share one.
    pub channels: Channels,
    /// If set, the endpoint receives only events that match it.
    pub filter: Option<Arc<Filter>>,
    /// The retry schedule; `None` for the deployment's.
    pub retry_schedule: Option<RetrySchedule>,
    /// What clients of the `svix` dialect keep with the endpoint.
    pub client: ClientSettings,
}

impl EndpointSettings {
    /// Settings with the defaults of the optional ones: no external id, description, metadata, headers, edition, channels
    /// and filter, the default timeout, and the deployment's retry schedule.
    pub fn new(name: Name, destination: impl Into<Destination>, subscriptions: Vec<Subscription>) -> Self {
        Self {
            name,
            external_id: None,
            description: None,
            metadata: Metadata::default(),
            destination: destination.into(),
            subscriptions,
            headers: Headers::default(),
            timeout: TimeoutSeconds::default(),
            edition: None,
            channels: Channels::default(),
            filter: None,
            retry_schedule: None,
            client: ClientSettings::default(),
        }
    }
}

/// Whether deliveries to an endpoint are attempted, parked or not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointStatus {
    /// Deliveries are created and attempted.
    Active,
    /// Deliveries are created and parked until the endpoint is active.
    Paused {
        /// When the owner paused it.
        at: Timestamp,
    },
    /// No deliveries are created, and those that are not final fail.
    Disabled {
        /// Why the endpoint was disabled; `None` for a reason of a later version.
        reason: Option<DisabledReason>,
    },
}

/// Why an endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// The owner disabled it.
    Owner,
    /// The receiver answered 410 Gone.
    Gone,
    /// The endpoint was suspended for five days without a successful probe.
    Failing,
}

impl DisabledReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Gone, Self::Failing];

    /// The reason's name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The status that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedStatus {
    /// Attempt deliveries. This also ends a suspension.
    Active,
    /// Park deliveries.
    Paused,
    /// Create no deliveries, and fail those that are not final.
    Disabled,
    /// Enable a disabled endpoint. An endpoint that is not disabled keeps its status.
    Enabled,
}

/// The fields of a new endpoint.
#[derive(Debug)]
pub struct NewEndpoint {
    /// The settings that the owner chose.
    pub settings: EndpointSettings,
    /// The secret that signs its deliveries.
    pub secret: NewSecret,
    /// The initial status.
    pub status: WantedStatus,
}

impl Endpoint {
    /// A new endpoint, in fan-out group 0 and in the fast lane.
    pub fn new(
        id: EndpointId,
        organization: &OrganizationId,
        settings: EndpointSettings,
        secret: SigningKey,
        wanted: WantedStatus,
        now: Timestamp,
    ) -> Self {
        let status = match wanted {
            WantedStatus::Active | WantedStatus::Enabled => EndpointStatus::Active,
            WantedStatus::Paused => EndpointStatus::Paused { at: now },
            WantedStatus::Disabled => EndpointStatus::Disabled { reason: Some(DisabledReason::Owner) },
        };
        Self {
            id,
            organization: organization.clone(),
            settings,
            status,
            secrets: Secrets::only(secret),
            circuit_breaker: CircuitBreaker::default(),
            lane: Lane::default(),
            fan_out_group: FanOutGroup::default(),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// Whether the endpoint is disabled. Deliveries to it that are not final fail.
    pub const fn is_disabled(&self) -> bool {
        matches!(self.status, EndpointStatus::Disabled { .. })
    }

    /// Whether deliveries are attempted: the endpoint is active and not suspended.
    pub const fn accepts(&self) -> bool {
        matches!(self.status, EndpointStatus::Active) && self.circuit_breaker.suspension.is_none()
    }

    /// Whether deliveries are parked instead of attempted: the endpoint is paused or suspended.
    pub const fn parks(&self) -> bool {
        matches!(self.status, EndpointStatus::Paused { .. }) || self.circuit_breaker.suspension.is_some()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::change::EndpointPatch;
    use super::url::{EndpointUrl, UrlPolicy};
    use super::*;
    use crate::domain::signing::key::SigningKeyId;
    use crate::domain::signing::secret::SigningSecret;

    /// The identifier of a new secret.
    pub(in crate::domain) const KEY: SigningKeyId = SigningKeyId::new([7; 8]);

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
    const LATER: Timestamp = Timestamp::from_unix_seconds(1_774_382_500);

    /// An active endpoint that receives every type.
    pub(in crate::domain) fn endpoint() -> Endpoint {
        let settings = EndpointSettings::new(
            Name::parse("test").unwrap(),
            EndpointUrl::parse("https://example.com/", &UrlPolicy::default()).unwrap(),
            vec![Subscription::All],
        );
        let organization = OrganizationId::new(NOW, [2; 8]);
        let secret = SigningKey::new(SigningKeyId::new([3; 8]), SigningSecret::generate([3; 16]));
        Endpoint::new(EndpointId::new(NOW, [1; 8]), &organization, settings, secret, WantedStatus::Active, NOW)
    }

    fn status(wanted: WantedStatus) -> EndpointPatch {
        EndpointPatch { status: Some(wanted), ..EndpointPatch::default() }
    }

    #[test]
    fn a_status_change_leads_to_the_requested_status() {
        let paused = endpoint().patched(status(WantedStatus::Paused), NOW, KEY);
        assert_eq!(paused.status, EndpointStatus::Paused { at: NOW });
        assert!(paused.parks());

        let still = paused.clone().patched(status(WantedStatus::Paused), LATER, KEY);
        assert_eq!(still.status, paused.status);

        let resumed = paused.patched(status(WantedStatus::Active), LATER, KEY);
        assert_eq!(resumed.status, EndpointStatus::Active);

        let disabled = resumed.clone().patched(status(WantedStatus::Disabled), LATER, KEY);
        assert_eq!(disabled.status, EndpointStatus::Disabled { reason: Some(DisabledReason::Owner) });
        assert!(disabled.is_disabled());

        let enabled = disabled.patched(status(WantedStatus::Enabled), LATER, KEY);
        assert_eq!(enabled.status, EndpointStatus::Active);
        let paused = enabled.patched(status(WantedStatus::Paused), LATER, KEY);
        assert_eq!(paused.clone().patched(status(WantedStatus::Enabled), LATER, KEY).status, paused.status);

        let gone = resumed.disabled(DisabledReason::Gone, LATER);
        assert_eq!(gone.clone().disabled(DisabledReason::Owner, LATER).status, gone.status);
    }

    #[test]
    fn a_patch_changes_only_the_fields_that_it_contains() {
        let before = endpoint();
        let name = Name::parse("new").unwrap();
        let after =
            before.clone().patched(EndpointPatch { name: Some(name.clone()), ..EndpointPatch::default() }, LATER, KEY);
        let mut expected = before;
        expected.settings.name = name;
        expected.updated_at = LATER;
        assert_eq!(after, expected);
    }
}
