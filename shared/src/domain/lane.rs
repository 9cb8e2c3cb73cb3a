//! Lanes: which queue the deliveries of an endpoint wait in.
//!
//! An attempt occupies a place of the consumer for as long as its receiver takes. Endpoints that answer slowly get a queue
//! and a consumer of their own, so that they delay only each other.

use super::endpoint::Endpoint;

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

/// How a message for an endpoint is sent. The default is for a sender that has not read the endpoint: the consumer of the
/// fast lane forwards the messages for a slow one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route {
    /// The queue that it goes to.
    pub lane: Lane,
    /// The version of the endpoint that the sender has read; 0 if it has read none. A consumer that remembers an older
    /// version reads the endpoint again.
    pub endpoint_version: u64,
}

impl Endpoint {
    /// How a message for it is sent.
    pub const fn route(&self) -> Route {
        Route { lane: self.lane, endpoint_version: self.version }
    }
}

#[cfg(test)]
mod tests {
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
}
