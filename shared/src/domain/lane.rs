//! Lanes: which queue the deliveries of an endpoint wait in.
//!
//! An attempt occupies a place of the consumer for as long as its receiver takes. Endpoints that answer slowly get a queue
//! and a consumer of their own, so that they delay only each other.

use std::collections::HashSet;

use super::endpoint::Endpoint;
use super::ids::EndpointId;

/// A queue of deliveries and its consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For endpoints that answer quickly, and for those that nothing is known of.
    #[default]
    Fast,
    /// For endpoints that answer slowly.
    Slow,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Slow];

    /// The lane's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }

    /// The lane with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }

    /// Whether the consumer of this lane forwards messages for an endpoint of the other lane instead of attempting them.
    /// The slow lane forwards nothing, so that no message goes back and forth when an endpoint changes lanes.
    pub fn forwards_to(self, of_endpoint: Self) -> bool {
        (self, of_endpoint) == (Self::Fast, Self::Slow)
    }
}

/// A value for each lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByLane<T> {
    /// The value for the fast lane.
    pub fast: T,
    /// The value for the slow lane.
    pub slow: T,
}

impl<T> ByLane<T> {
    /// The value for this lane.
    pub const fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Fast => &self.fast,
            Lane::Slow => &self.slow,
        }
    }

    /// The value for this lane, to be changed.
    pub const fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }
}

/// The lanes of the endpoints that a sender of messages has read. Any other endpoint counts as fast: the consumer of the
/// fast lane forwards the messages for a slow one.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    slow: HashSet<EndpointId>,
}

impl Lanes {
    /// The lane of this endpoint.
    pub fn of(&self, endpoint: EndpointId) -> Lane {
        if self.slow.contains(&endpoint) { Lane::Slow } else { Lane::Fast }
    }
}

impl<'a> FromIterator<&'a Endpoint> for Lanes {
    fn from_iter<I: IntoIterator<Item = &'a Endpoint>>(endpoints: I) -> Self {
        let slow = endpoints.into_iter().filter(|endpoint| endpoint.lane == Lane::Slow);
        Self { slow: slow.map(|endpoint| endpoint.id).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::tests::endpoint;
    use super::super::time::Timestamp;
    use super::*;

    #[test]
    fn a_lane_is_found_by_its_name() {
        for lane in Lane::ALL {
            assert_eq!(Lane::parse(lane.as_str()), Some(lane));
        }
        assert_eq!(Lane::parse("slower"), None);
    }

    #[test]
    fn only_the_fast_lane_forwards_and_only_to_the_slow_one() {
        for (consumer, endpoint, expected) in [
            (Lane::Fast, Lane::Fast, false),
            (Lane::Fast, Lane::Slow, true),
            (Lane::Slow, Lane::Fast, false),
            (Lane::Slow, Lane::Slow, false),
        ] {
            assert_eq!(consumer.forwards_to(endpoint), expected, "{consumer:?} {endpoint:?}");
        }
    }

    #[test]
    fn an_endpoint_that_was_not_read_counts_as_fast() {
        let id = |second| EndpointId::new(Timestamp::from_unix_seconds(second), [0; 8]);
        let read =
            [(1, Lane::Fast), (2, Lane::Slow)].map(|(second, lane)| Endpoint { id: id(second), lane, ..endpoint() });
        let lanes: Lanes = read.iter().collect();
        assert_eq!([1, 2, 3].map(|second| lanes.of(id(second))), [Lane::Fast, Lane::Slow, Lane::Fast]);
    }
}
