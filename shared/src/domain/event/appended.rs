//! Endpoints that replays added to the fan-out of an event after it was published.
//!
//! They are stored in lists of their own, so that adding one costs one write unit, whatever the size of the event. A list
//! is full before the next one begins, and an entry never changes. So the position of an entry, and with it the id of its
//! delivery, is fixed once it is written.

use crate::domain::ids::{EndpointId, EventId};

/// Most endpoints of one list. So its item has at most 1,024 bytes, which is a write unit.
pub const MAX_LISTED: usize = 53;
/// Most endpoints of an event, including those that it had when it was published. A replay adds none beyond.
pub const MAX_FAN_OUT: usize = 20_000;

/// One list of appended endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedList {
    /// The event that the endpoints receive.
    pub event: EventId,
    /// The number of the list, from 0.
    pub number: usize,
    /// The endpoints, in the order in which they were added; at most [`MAX_LISTED`].
    pub endpoints: Vec<EndpointId>,
}

/// The endpoints of all lists of an event, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended(Vec<EndpointId>);

impl Appended {
    /// Joins the lists of an event, which may be in any order. Lists that were read at different times may leave a gap:
    /// what follows it is left out.
    pub fn join(lists: impl IntoIterator<Item = AppendedList>) -> Self {
        let mut lists: Vec<_> = lists.into_iter().collect();
        lists.sort_unstable_by_key(|list| list.number);
        let mut endpoints = Vec::new();
        for list in lists {
            if endpoints.len() != list.number * MAX_LISTED {
                break;
            }
            endpoints.extend(list.endpoints);
        }
        Self(endpoints)
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &[EndpointId] {
        &self.0
    }

    /// The list to which the next endpoint is added, as it is now. It is empty if it does not exist yet.
    pub fn open_list(&self, event: EventId) -> AppendedList {
        let number = self.0.len() / MAX_LISTED;
        let endpoints = self.0.get(number * MAX_LISTED..).unwrap_or_default().to_vec();
        AppendedList { event, number, endpoints }
    }

    /// Replaces the [open list](Self::open_list) by what another process made of it.
    pub fn replace_open(&mut self, endpoints: Vec<EndpointId>) {
        self.0.truncate(self.0.len() / MAX_LISTED * MAX_LISTED);
        self.0.extend(endpoints);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn endpoints(range: std::ops::Range<usize>) -> Vec<EndpointId> {
        range.map(|n| EndpointId::new(Timestamp::from_unix_seconds(i64::try_from(n).unwrap()), [0; 8])).collect()
    }

    fn event() -> EventId {
        EventId::new(Timestamp::from_unix_seconds(0), [0; 8])
    }

    fn list(number: usize, range: std::ops::Range<usize>) -> AppendedList {
        AppendedList { event: event(), number, endpoints: endpoints(range) }
    }

    #[test]
    fn lists_are_joined_up_to_a_gap() {
        for (lists, expected) in [
            (vec![], 0),
            (vec![list(0, 0..1)], 1),
            (vec![list(1, 53..54), list(0, 0..53)], 54),
            (vec![list(1, 53..106), list(0, 0..52)], 52),
            (vec![list(0, 0..53), list(2, 106..107)], 53),
            (vec![list(1, 53..54)], 0),
        ] {
            assert_eq!(Appended::join(lists.clone()), Appended(endpoints(0..expected)), "{lists:?}");
        }
    }

    #[test]
    fn an_endpoint_is_added_to_the_last_list_until_it_is_full() {
        for (count, expected) in
            [(0, list(0, 0..0)), (52, list(0, 0..52)), (53, list(1, 53..53)), (54, list(1, 53..54))]
        {
            assert_eq!(Appended(endpoints(0..count)).open_list(event()), expected);
        }
        let mut appended = Appended(endpoints(0..54));
        appended.replace_open(endpoints(53..57));
        assert_eq!(appended, Appended(endpoints(0..57)));
        let mut none = Appended::default();
        none.replace_open(endpoints(0..53));
        assert_eq!(none.open_list(event()), list(1, 53..53));
    }
}
