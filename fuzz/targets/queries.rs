//! Query strings, cursors, times and `Retry-After`. Parsing never panics, and parsed values are formatted as they were
//! given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::domain::ids::{DeliveryId, EventId};
use shared::domain::time::Timestamp;
use shared::sender::parse_retry_after;
use shared::wire::pages::{DeliveriesQuery, EndpointsQuery};
use shared::wire::query::Query;

fuzz_target!(|text: &str| {
    let mut query = Query::new(text);
    let paging = query.paging();
    assert!((1..=100).contains(&paging.limit));
    let (events, deliveries) = (query.event_selection(), query.delivery_filter());
    let _ = query.finish((events, deliveries));
    if let Ok(query) = EndpointsQuery::parse(Query::new(text)) {
        let range = query.page.range(1_000);
        assert!(range.is_none_or(|range| range.start <= range.end && range.end <= 1_000));
    }
    let _ = DeliveriesQuery::parse(Query::new(text));
    for text in [Some(text), paging.cursor.as_deref()].into_iter().flatten() {
        read_cursor(text);
    }
    read_times(text);
});

fn read_cursor(text: &str) {
    if let Ok(id) = DeliveryId::parse(text) {
        assert_eq!(id.to_string(), text);
        let event = id.event();
        if let Some(index) = id.index() {
            assert_eq!(event.delivery(index), Some(id));
        }
        // The order of ids is the order of their times.
        assert!(DeliveryId::first_at(id.created_at()) <= id);
        let _ = (id.next(), shared::store::shard_byte(id.uuid()), id.created_at().rfc3339());
    }
    if let Ok(id) = EventId::parse(text) {
        assert_eq!(id.to_string(), text);
        assert!(EventId::first_at(id.created_at()) <= id);
        let _ = (id.nth(99), id.delivery(0), shared::store::shard_byte(id.uuid()));
    }
}

fn read_times(text: &str) {
    let now = Timestamp::from_unix_seconds(1_774_382_400);
    if let Some(wait) = parse_retry_after(text, now) {
        let _ = now.plus(wait).rfc3339();
    }
    let Ok(at) = Timestamp::parse(text) else { return };
    assert_eq!(Timestamp::parse(&at.rfc3339()).expect("the text was formatted above"), at.to_millis());
    let _ = (DeliveryId::first_at(at), at.rfc3339_seconds());
}
