//! Lanes: which queue and consumer an endpoint's deliveries use.
//!
//! An attempt occupies a concurrency slot of the consumer for as long as the receiver takes. Slow endpoints have a
//! queue and a consumer of their own, so that they delay only each other.

use super::Endpoint;

/// A queue of deliveries and its consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For endpoints that answer quickly, and for those without counters.
    #[default]
    Fast,
    /// For endpoints that answer slowly.
    Slow,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Slow];

    /// The lane in which resends to every endpoint are made. They are not counted, so that an endpoint that becomes slow by
    /// them would not change its lane.
    pub const OF_RESENDS: Self = Self::Slow;

    /// The lane's name in storage and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }

    /// The lane with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }

    /// Whether the consumer of this lane forwards a message for an endpoint of the lane `of_endpoint` instead of
    /// attempting it. Only the fast lane forwards, so a message cannot go back and forth when an endpoint changes
    /// lanes.
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

    /// A mutable reference to the value for this lane.
    pub const fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }
}

/// How a message for an endpoint is sent. The default is for a sender that has not read the endpoint: the fast
/// lane, whose consumer forwards messages for slow endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route {
    /// The lane of the message's queue.
    pub lane: Lane,
    /// The version of the endpoint that the sender has read; 0 if it has read none. A consumer whose cached
    /// endpoint is older reads the endpoint again.
    pub endpoint_version: u64,
}

impl Endpoint {
    /// How a message for this endpoint is sent.
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
