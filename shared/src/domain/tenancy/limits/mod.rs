//! What an organization may use. The platform sets it for each; what it does not set is as the deployment says.

mod gcra;

use crate::domain::Invalid;
use crate::domain::event::MAX_DATA_BYTES;

pub use gcra::{Admission, Bucket, Form};

/// Fewest events that may come at once where the rate is limited: a batch takes as many tokens as it has events.
pub const LEAST_BURST: u32 = 100;
/// Most events a second that can be set. A request writes the item of its organization's rate, which takes some 900 writes
/// a second.
pub const MOST_EVENTS_PER_SECOND: u32 = 100_000;
/// Most events that can be set to come at once.
pub const MOST_BURST: u32 = 1_000_000;
/// Most events of a month that can be set.
pub const MOST_EVENTS_PER_MONTH: u64 = 1_000_000_000_000;
/// Most endpoints that an organization can have: an event names those that it goes to in one item, of 400 KB at most.
pub const MOST_ENDPOINTS: u32 = 8_000;

/// How fast events may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// So many events a second, of which `burst` may come at once. Without `burst`, those of a second, and at least
    /// [`LEAST_BURST`].
    ///
    /// # Errors
    /// [`Invalid`] if the rate is not 1 to [`MOST_EVENTS_PER_SECOND`] or the burst not [`LEAST_BURST`] to [`MOST_BURST`].
    pub fn new(per_second: u32, burst: Option<u32>) -> Result<Self, Invalid> {
        if !(1..=MOST_EVENTS_PER_SECOND).contains(&per_second) {
            return Err(Invalid::new(format!("must be 1 to {MOST_EVENTS_PER_SECOND}")));
        }
        let burst = burst.unwrap_or_else(|| per_second.max(LEAST_BURST));
        if !(LEAST_BURST..=MOST_BURST).contains(&burst) {
            return Err(Invalid::new(format!("must be {LEAST_BURST} to {MOST_BURST}")));
        }
        Ok(Self { per_second, burst })
    }

    /// Events a second.
    pub const fn per_second(self) -> u32 {
        self.per_second
    }

    /// Events that may come at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

/// A limit as the platform sets it for an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Own<T> {
    /// It does not: the deployment's applies.
    #[default]
    Deployments,
    /// There is no limit.
    None,
    /// So many.
    AtMost(T),
}

impl<T: Copy> Own<T> {
    fn or(self, deployments: Option<T>) -> Option<T> {
        match self {
            Self::Deployments => deployments,
            Self::None => None,
            Self::AtMost(limit) => Some(limit),
        }
    }
}

/// The limits that the platform set for an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLimits {
    /// How fast it may publish.
    pub rate: Own<Rate>,
    /// How many events it may publish in a calendar month, UTC.
    pub events_per_month: Own<u64>,
    /// How many endpoints it may have.
    pub max_endpoints: Own<u32>,
    /// How many bytes the data of an event may have.
    pub max_event_bytes: Own<u32>,
}

/// The limits that apply to an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How fast it may publish; `None` for no limit.
    pub rate: Option<Rate>,
    /// How many events it may publish in a calendar month, UTC; `None` for no limit.
    pub events_per_month: Option<u64>,
    /// How many endpoints it may have.
    pub max_endpoints: u32,
    /// How many bytes the data of an event may have.
    pub max_event_bytes: u32,
}

impl Limits {
    /// The limits of an organization, of which these are the deployment's.
    #[must_use]
    pub fn with(self, own: &OwnLimits) -> Self {
        Self {
            rate: own.rate.or(self.rate),
            events_per_month: own.events_per_month.or(self.events_per_month),
            max_endpoints: own.max_endpoints.or(Some(self.max_endpoints)).unwrap_or(MOST_ENDPOINTS),
            max_event_bytes: own.max_event_bytes.or(Some(self.max_event_bytes)).unwrap_or(MAX_DATA_BYTES as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_burst_of_at_least_a_batch() {
        for (per_second, burst, expected) in [
            (1, None, Some(100)),
            (500, None, Some(500)),
            (500, Some(100), Some(100)),
            (1, Some(1_000_000), Some(1_000_000)),
            (0, None, None),
            (100_001, None, None),
            (1, Some(99), None),
            (1, Some(1_000_001), None),
        ] {
            assert_eq!(Rate::new(per_second, burst).ok().map(Rate::burst), expected, "{per_second} {burst:?}");
        }
    }

    #[test]
    fn an_organizations_limits_come_before_the_deployments() {
        let rate = Rate::new(5, None).ok();
        let deployments = Limits { rate, events_per_month: Some(9), max_endpoints: 100, max_event_bytes: 1_000 };
        assert_eq!(deployments.with(&OwnLimits::default()), deployments);
        let none = OwnLimits {
            rate: Own::None,
            events_per_month: Own::None,
            max_endpoints: Own::None,
            max_event_bytes: Own::None,
        };
        let unlimited =
            Limits { rate: None, events_per_month: None, max_endpoints: 8_000, max_event_bytes: 256 * 1024 };
        assert_eq!(deployments.with(&none), unlimited);
        let own = OwnLimits {
            rate: Own::AtMost(Rate::new(7, None).unwrap()),
            events_per_month: Own::AtMost(3),
            max_endpoints: Own::AtMost(2),
            max_event_bytes: Own::AtMost(1),
        };
        let limits =
            Limits { rate: Rate::new(7, None).ok(), events_per_month: Some(3), max_endpoints: 2, max_event_bytes: 1 };
        assert_eq!(deployments.with(&own), limits);
    }
}
