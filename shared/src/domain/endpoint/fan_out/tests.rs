use std::sync::Arc;

use super::{FanOut, FanOutGroup, FanOutLimit, FanOutSize, MAX_FAN_OUT_BYTES, Target};
use crate::domain::encryption::Confidential;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::filter::Filter;
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::lane::{Lane, Route};
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::tests::{KEY, endpoint};
use crate::domain::endpoint::{Endpoint, WantedStatus};
use crate::domain::event::NewEvent;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::EndpointId;
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::{EditionId, Name};
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
    let status = |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW, KEY);
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
    let patch = |patch| endpoint().patched(patch, NOW, KEY);
    let patched = EndpointPatch::default;
    let name = Name::parse("new").unwrap();
    let headers = Headers::stored([("x-a".to_owned(), Confidential::readable("b"))].into());
    let secret = SigningSecret::generate([9; 16]);
    let watched = endpoint().watched(NOW).unwrap();
    let suspended = endpoint().suspended(NOW).unwrap();
    let probed = suspended.clone().probed(true, suspended.circuit_breaker.suspension.unwrap().probe_at).unwrap();
    for (case, before, after, expected) in [
        ("nothing", endpoint(), patch(patched()), false),
        ("name", endpoint(), patch(EndpointPatch { name: Some(name), ..patched() }), true),
        ("headers", endpoint(), patch(EndpointPatch { headers: Some(headers), ..patched() }), true),
        ("filter", endpoint(), patch(EndpointPatch { filter: Some(filter(r#"{"type":["a"]}"#)), ..patched() }), true),
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
