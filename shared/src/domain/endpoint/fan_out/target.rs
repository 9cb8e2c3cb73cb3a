//! The target of an endpoint.

use std::sync::Arc;

use crate::domain::endpoint::filter::Filter;
use crate::domain::endpoint::lane::{Lane, Route};
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::{Endpoint, EndpointStatus};
use crate::domain::event::NewEvent;
use crate::domain::event::channel::Channels;
use crate::domain::ids::EndpointId;
use crate::domain::text::EditionId;

/// The bytes of a stored target's key and of its attributes other than subscriptions and edition.
const TARGET_BASE_BYTES: u64 = 200;
/// The bytes of a stored subscription or channel beyond its text.
const ENTRY_BASE_BYTES: u64 = 4;

/// The attributes of an endpoint that publishing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The endpoint.
    pub id: EndpointId,
    /// Whether deliveries are created for the endpoint.
    pub status: TargetStatus,
    /// Whether the endpoint is suspended. Its deliveries are created parked.
    pub is_suspended: bool,
    /// The event types that the endpoint receives.
    pub subscriptions: Vec<Subscription>,
    /// If set, the endpoint receives only events of the same edition.
    pub edition: Option<EditionId>,
    /// If there are any, the endpoint receives only events that share one.
    pub channels: Channels,
    /// If set, the endpoint receives only events that match it.
    pub filter: Option<Arc<Filter>>,
    /// The lane of the endpoint's deliveries.
    pub lane: Lane,
    /// The endpoint's version when its target was last written.
    pub version: u64,
}

/// An endpoint's status, without its times and reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetStatus {
    /// Deliveries are attempted.
    Active,
    /// Deliveries are created and parked.
    Paused,
    /// No deliveries are created.
    Disabled,
}

impl Target {
    /// Whether the endpoint is enabled and receives events of this type, edition and channels. Its filter is not
    /// compared.
    pub fn wants(&self, event: &NewEvent) -> bool {
        self.status != TargetStatus::Disabled
            && self.is_of_edition(event)
            && self.subscribes_to(event)
            && self.is_in_channel(event)
    }

    /// Whether a subscription includes the event's type.
    pub fn subscribes_to(&self, event: &NewEvent) -> bool {
        self.subscriptions.iter().any(|wanted| wanted.matches(&event.event_type))
    }

    /// Whether the endpoint's edition includes the event.
    pub fn is_of_edition(&self, event: &NewEvent) -> bool {
        self.edition.is_none() || self.edition == event.edition
    }

    /// Whether the endpoint's channels include the event. Operational events have no channels, so these are not compared.
    pub fn is_in_channel(&self, event: &NewEvent) -> bool {
        self.channels.admit(&event.channels) || event.event_type.is_operational()
    }

    /// Whether the endpoint's deliveries are created parked instead of queued.
    pub fn parks(&self) -> bool {
        self.is_suspended || self.status == TargetStatus::Paused
    }

    /// The approximate size of the stored target in bytes, and of the compiled filter, which is larger than its text.
    /// It depends only on settings that the owner chose.
    pub fn stored_bytes(&self) -> u64 {
        let length = |text: String| text.len() as u64;
        let subscriptions = self.subscriptions.iter().map(|it| ENTRY_BASE_BYTES + length(it.to_string()));
        let edition = self.edition.as_ref().map_or(0, |edition| length(edition.to_string()));
        let channels = self.channels.names().iter().map(|name| ENTRY_BASE_BYTES + name.len() as u64);
        let filter = self.filter.as_ref().map_or(0, |filter| filter.bytes() as u64);
        TARGET_BASE_BYTES + subscriptions.sum::<u64>() + edition + channels.sum::<u64>() + filter
    }

    pub(super) const fn route(&self) -> Route {
        Route { lane: self.lane, endpoint_version: self.version }
    }
}

impl Endpoint {
    /// The endpoint's target.
    pub fn target(&self) -> Target {
        Target {
            id: self.id,
            status: match self.status {
                EndpointStatus::Active => TargetStatus::Active,
                EndpointStatus::Paused { .. } => TargetStatus::Paused,
                EndpointStatus::Disabled { .. } => TargetStatus::Disabled,
            },
            is_suspended: self.circuit_breaker.suspension.is_some(),
            subscriptions: self.settings.subscriptions.clone(),
            edition: self.settings.edition.clone(),
            channels: self.settings.channels.clone(),
            filter: self.settings.filter.clone(),
            lane: self.lane,
            version: self.version,
        }
    }

    /// Whether a change from `before` also writes the target. It does if the target itself has changed, or if
    /// settings or secrets have: consumers learn from the version in the target that they must read the endpoint
    /// again.
    pub fn changes_target_of(&self, before: &Self) -> bool {
        let without_version = |endpoint: &Self| Target { version: 0, ..endpoint.target() };
        self.settings != before.settings
            || self.secrets != before.secrets
            || without_version(self) != without_version(before)
    }
}
