//! Which events a list contains.

use super::channel::Channels;
use super::event_type::EventType;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;

/// Which events a list contains, or whose deliveries. Absent fields do not restrict it.
#[derive(Debug, Default)]
pub struct EventFilter {
    /// Only events of one of these types; all if there are none.
    pub event_types: Vec<EventType>,
    /// Only events published at this time or later.
    pub since: Option<Timestamp>,
    /// Only events published before this time.
    pub until: Option<Timestamp>,
    /// Only events that have this channel.
    pub channel: Option<String>,
    /// Only the event with this external id.
    pub external_id: Option<ExternalId>,
}

/// A range of event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventIds {
    /// The first id.
    pub from: EventId,
    /// The id after the last one; `None` for all later ids.
    pub before: Option<EventId>,
}

impl EventFilter {
    /// Whether an event with an id in the filter's [range](Self::ids) meets the other conditions.
    pub fn admits(&self, event_type: &EventType, channels: &Channels) -> bool {
        (self.event_types.is_empty() || self.event_types.contains(event_type))
            && self.channel.as_ref().is_none_or(|wanted| channels.names().contains(wanted))
    }

    /// The ids that meet the conditions about the time and the external id. `named` is the event that has the external
    /// id, and `oldest` the earliest time whose events have not expired.
    pub fn ids(&self, oldest: Timestamp, named: Option<EventId>) -> EventIds {
        // Ids have the time of publishing in whole milliseconds.
        let (since, until) = (self.since.map(Timestamp::up_to_millis), self.until.map(Timestamp::up_to_millis));
        let since = EventId::first_at(since.map_or(oldest, |since| since.max(oldest)));
        let until = until.map(EventId::first_at);
        EventIds {
            from: named.map_or(since, |named| named.max(since)),
            before: until.into_iter().chain(named.map(EventId::following)).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn times_and_the_external_id_restrict_the_ids() {
        let named = EventId::new(at(10), [7; 8]);
        for (since, until, named, expected_from, expected_before) in [
            (None, None, None, EventId::first_at(at(2)), None),
            (Some(at(1)), None, None, EventId::first_at(at(2)), None),
            (Some(at(3)), Some(at(9)), None, EventId::first_at(at(3)), Some(EventId::first_at(at(9)))),
            (None, None, Some(named), named, Some(named.following())),
            (Some(at(11)), None, Some(named), EventId::first_at(at(11)), Some(named.following())),
            (None, Some(at(10)), Some(named), named, Some(EventId::first_at(at(10)))),
        ] {
            let ids = EventFilter { since, until, ..EventFilter::default() }.ids(at(2), named);
            assert_eq!(ids, EventIds { from: expected_from, before: expected_before });
        }
    }

    #[test]
    fn times_within_a_millisecond_select_the_events_that_were_published_before_or_after_them() {
        let event = |millis| EventId::new(NOW.plus(Duration::from_millis(millis)), [7; 8]);
        let within = Some(NOW.plus(Duration::from_micros(5_500)));
        let since = EventFilter { since: within, ..EventFilter::default() }.ids(NOW, None);
        let until = EventFilter { until: within, ..EventFilter::default() }.ids(NOW, None);
        assert!(event(5) < since.from && since.from < event(6));
        assert!(until.before.is_some_and(|before| event(5) < before && before < event(6)));
    }

    #[test]
    fn the_range_of_a_named_event_has_its_deliveries_and_no_others() {
        let event = EventId::new(NOW, [7; 8]);
        let (first, last) = (event.delivery(0).unwrap(), event.delivery(65_534).unwrap());
        assert!(first.uuid() > event.uuid() && last.uuid() < event.following().uuid());
        assert!(event.nth(1) >= event.following());
    }
}
