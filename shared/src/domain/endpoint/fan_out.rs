//! Fan-out: which of an organization's endpoints receive an event.
//!
//! Publishing reads targets instead of endpoints. A target has the attributes that the fan-out needs, and contains
//! no secret, header or URL.

use std::fmt;
use std::sync::Arc;

use super::filter::Filter;
use super::lane::{Lane, Route};
use super::subscription::Subscription;
use super::{Endpoint, EndpointStatus};
use crate::domain::event::NewEvent;
use crate::domain::event::channel::Channels;
use crate::domain::ids::EndpointId;
use crate::domain::text::EditionId;

/// Most bytes of an organization's targets together, by [`Target::stored_bytes`].
pub const MAX_FAN_OUT_BYTES: u64 = 4 * 1024 * 1024;
/// Targets of an organization that have more bytes together, by [`Target::stored_bytes`], are reported when they are read.
/// They are near [`MAX_FAN_OUT_BYTES`], or beyond it, since two endpoints that are created at once may exceed it.
pub const LARGE_FAN_OUT_BYTES: u64 = 4_000_000;
/// How many endpoints of an organization go to group 0 before further ones are spread over all groups.
const FIRST_GROUP_ENDPOINTS: u64 = 64;
/// The bytes of a stored target's key and of its attributes other than subscriptions and edition.
const TARGET_BASE_BYTES: u64 = 200;
/// The bytes of a stored subscription or channel beyond its text.
const ENTRY_BASE_BYTES: u64 = 4;

/// A group of an organization's endpoints. Publishing reads only the groups that have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FanOutGroup(u8);

impl FanOutGroup {
    /// The number of groups.
    pub const COUNT: u8 = 16;

    /// Every group, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The group with this number, from 0 to 15; `None` for any other number.
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// The group of a new endpoint in an organization that has this many endpoints. A small organization has one
    /// group, so that one query reads all its targets.
    pub const fn of_new(endpoint: EndpointId, endpoints: u64) -> Self {
        if endpoints < FIRST_GROUP_ENDPOINTS { Self(0) } else { Self(endpoint.uuid().as_bytes()[13] % Self::COUNT) }
    }

    /// The group's number, from 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for FanOutGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

    const fn route(&self) -> Route {
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

/// The targets of an organization, in groups. Each group is sorted by id.
#[derive(Debug, Clone, Default)]
pub struct FanOut(Vec<Arc<[Target]>>);

impl FanOut {
    /// A fan-out of these groups. Each group must be sorted by id.
    pub const fn new(groups: Vec<Arc<[Target]>>) -> Self {
        Self(groups)
    }

    /// Every target.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.0.iter().flat_map(|group| group.iter())
    }

    /// Whether any endpoint receives the event, whatever its filter.
    pub fn wants(&self, event: &NewEvent) -> bool {
        self.targets().any(|target| target.wants(event))
    }

    /// The targets that receive the event if their filters match, the oldest endpoint first, whatever their groups.
    pub fn subscribed(&self, event: &NewEvent) -> Vec<&Target> {
        let mut wanting: Vec<_> = self.targets().filter(|target| target.wants(event)).collect();
        wanting.sort_unstable_by_key(|target| target.id);
        wanting
    }

    /// How to send a message for this endpoint; the default route if the endpoint has no target.
    pub fn route_of(&self, endpoint: EndpointId) -> Route {
        let find = |group: &Arc<[Target]>| {
            let at = group.binary_search_by_key(&endpoint, |target| target.id).ok()?;
            group.get(at).map(Target::route)
        };
        self.0.iter().find_map(find).unwrap_or_default()
    }
}

impl FromIterator<Target> for FanOut {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let mut targets: Vec<_> = targets.into_iter().collect();
        targets.sort_unstable_by_key(|target| target.id);
        Self(vec![targets.into()])
    }
}

/// The number of an organization's endpoints, and the bytes of their targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FanOutSize {
    /// The number of endpoints.
    pub endpoints: u64,
    /// The bytes of their targets, by [`Target::stored_bytes`].
    pub bytes: u64,
}

/// A limit on the size of an organization's fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOutLimit {
    /// The number of endpoints.
    Endpoints,
    /// [`MAX_FAN_OUT_BYTES`].
    Bytes,
}

impl FanOutSize {
    /// The limit that this size exceeds together with `growth`; `None` if it exceeds none. A dimension that does
    /// not grow is not checked.
    pub const fn exceeds_with(self, growth: Self, max_endpoints: u64) -> Option<FanOutLimit> {
        if growth.endpoints > 0 && self.endpoints.saturating_add(growth.endpoints) > max_endpoints {
            Some(FanOutLimit::Endpoints)
        } else if growth.bytes > 0 && self.bytes.saturating_add(growth.bytes) > MAX_FAN_OUT_BYTES {
            Some(FanOutLimit::Bytes)
        } else {
            None
        }
    }
}

impl FromIterator<Target> for FanOutSize {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let add = |size: Self, target: Target| Self {
            endpoints: size.endpoints + 1,
            bytes: size.bytes + target.stored_bytes(),
        };
        targets.into_iter().fold(Self::default(), add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::WantedStatus;
    use crate::domain::endpoint::change::EndpointPatch;
    use crate::domain::endpoint::headers::Headers;
    use crate::domain::endpoint::tests::endpoint;
    use crate::domain::event::event_type::EventType;
    use crate::domain::signing::secret::SigningSecret;
    use crate::domain::text::Name;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn id(second: i64, byte: u8) -> EndpointId {
        EndpointId::new(Timestamp::from_unix_seconds(second), [byte; 8])
    }

    fn event(event_type: &str) -> NewEvent {
        NewEvent::new(EventType::parse(event_type).unwrap(), "{}".to_owned())
    }

    fn channels(names: &[&str]) -> Channels {
        Channels::stored(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn filter(text: &str) -> Option<Arc<Filter>> {
        Some(Arc::new(Filter::parse(text).unwrap()))
    }

    #[test]
    fn channels_restrict_a_target_to_events_that_share_one_and_to_operational_events() {
        let subscriptions = vec![Subscription::All, Subscription::parse("webhook.*").unwrap()];
        let target = Target { subscriptions, channels: channels(&["eu", "us"]), ..endpoint().target() };
        for (event_type, published, wanted) in [
            ("member.added", &["us"][..], true),
            ("member.added", &["asia"], false),
            ("member.added", &[], false),
            ("webhook.disabled", &[], true),
            ("webhook.own", &[], false),
        ] {
            let event = NewEvent { channels: channels(published), ..event(event_type) };
            assert_eq!(target.wants(&event), wanted, "{event_type} {published:?}");
        }
    }

    #[test]
    fn a_target_counts_with_its_channels_and_filter() {
        let bytes = |target: Target| target.stored_bytes() - endpoint().target().stored_bytes();
        assert_eq!(bytes(Target { channels: channels(&["eu", "asia"]), ..endpoint().target() }), 4 + 2 + 4 + 4);
        let filter = filter(r#"{"type":["a"]}"#);
        assert_eq!(bytes(Target { filter, ..endpoint().target() }), 14 + 2 * 48);
    }

    #[test]
    fn an_edition_restricts_a_target_to_events_of_the_same_edition() {
        let edition = |text| Some(EditionId::parse(text).unwrap());
        for (own, published, wanted) in [
            (None, None, true),
            (None, edition("a"), true),
            (edition("a"), edition("a"), true),
            (edition("a"), edition("b"), false),
            (edition("a"), None, false),
        ] {
            let target = Target { edition: own.clone(), ..endpoint().target() };
            let event = NewEvent { edition: published.clone(), ..event("member.added") };
            assert_eq!(target.wants(&event), wanted, "{own:?} {published:?}");
        }
    }

    #[test]
    fn deliveries_of_a_paused_or_suspended_target_are_parked_and_a_disabled_one_gets_none() {
        let status = |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW);
        for (name, endpoint, wants, parks) in [
            ("active", endpoint(), true, false),
            ("paused", status(WantedStatus::Paused), true, true),
            ("suspended", endpoint().suspended(NOW).unwrap(), true, true),
            ("disabled", status(WantedStatus::Disabled), false, false),
        ] {
            let target = endpoint.target();
            assert_eq!((target.wants(&event("member.added")), target.parks()), (wants, parks), "{name}");
        }
    }

    #[test]
    fn a_small_organization_has_one_group_and_a_large_one_uses_all() {
        for (endpoints, byte, expected) in [(0, 5, 0), (63, 5, 0), (64, 5, 5), (64, 21, 5), (8_000, 255, 15)] {
            let id = id(1, byte);
            let expected = if endpoints < 64 { expected } else { id.uuid().as_bytes()[13] % 16 };
            assert_eq!(FanOutGroup::of_new(id, endpoints).number(), expected, "{endpoints}");
        }
        assert_eq!(FanOutGroup::new(15).map(FanOutGroup::number), Some(15));
        assert_eq!(FanOutGroup::new(16), None);
    }

    #[test]
    fn a_target_is_written_if_it_or_the_settings_or_secrets_change() {
        let patch = |patch| endpoint().patched(patch, NOW);
        let patched = EndpointPatch::default;
        let name = Name::parse("new").unwrap();
        let headers = Headers::stored([("x-a".to_owned(), "b".to_owned())].into());
        let secret = SigningSecret::generate([9; 16]);
        let watched = endpoint().watched(NOW).unwrap();
        let suspended = endpoint().suspended(NOW).unwrap();
        let probed = suspended.clone().probed(true, suspended.circuit_breaker.suspension.unwrap().probe_at).unwrap();
        for (case, before, after, expected) in [
            ("nothing", endpoint(), patch(patched()), false),
            ("name", endpoint(), patch(EndpointPatch { name: Some(name), ..patched() }), true),
            ("headers", endpoint(), patch(EndpointPatch { headers: Some(headers), ..patched() }), true),
            (
                "filter",
                endpoint(),
                patch(EndpointPatch { filter: Some(filter(r#"{"type":["a"]}"#)), ..patched() }),
                true,
            ),
            ("channels", endpoint(), patch(EndpointPatch { channels: Some(channels(&["a"])), ..patched() }), true),
            ("secret", endpoint(), patch(EndpointPatch { secret: Some(secret), ..patched() }), true),
            ("status", endpoint(), patch(EndpointPatch { status: Some(WantedStatus::Paused), ..patched() }), true),
            ("suspension", endpoint(), suspended.clone(), true),
            ("lane", endpoint(), endpoint().moved_to(Lane::Slow).unwrap(), true),
            ("a failure", endpoint(), watched, false),
            ("a probe", suspended, probed, false),
        ] {
            let after = Endpoint { version: before.version + 1, ..after };
            assert_eq!(after.changes_target_of(&before), expected, "{case}");
        }
    }

    #[test]
    fn a_message_for_an_endpoint_without_a_target_goes_to_the_fast_lane() {
        let target = |second, lane| Target { id: id(second, 0), lane, version: 7, ..endpoint().target() };
        let group = |targets: [Target; 2]| -> Arc<[Target]> { targets.into() };
        let fan_out = FanOut::new(vec![
            group([target(1, Lane::Fast), target(4, Lane::Slow)]),
            group([target(2, Lane::Slow), target(3, Lane::Fast)]),
        ]);
        let lanes = [1, 2, 3, 4].map(|second| fan_out.route_of(id(second, 0)).lane);
        assert_eq!(lanes, [Lane::Fast, Lane::Slow, Lane::Fast, Lane::Slow]);
        assert_eq!(fan_out.route_of(id(1, 0)).endpoint_version, 7);
        assert_eq!(fan_out.route_of(id(5, 0)), Route::default());
    }

    #[test]
    fn only_growth_beyond_a_limit_is_rejected() {
        let size = |endpoints, bytes| FanOutSize { endpoints, bytes };
        let full = MAX_FAN_OUT_BYTES;
        for (before, growth, expected) in [
            (size(9, 0), size(1, 200), None),
            (size(10, 0), size(1, 200), Some(FanOutLimit::Endpoints)),
            (size(5, full - 200), size(1, 200), None),
            (size(5, full - 199), size(1, 200), Some(FanOutLimit::Bytes)),
            (size(11, full), size(0, 1), Some(FanOutLimit::Bytes)),
            // A change may shrink an endpoint although its organization exceeds a limit that was lowered.
            (size(11, full + 1), size(0, 0), None),
        ] {
            assert_eq!(before.exceeds_with(growth, 10), expected, "{before:?} {growth:?}");
        }
    }
}
