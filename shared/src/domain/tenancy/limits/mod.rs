//! The limits of an organization. The platform sets them for each organization. For a limit that it does not set, the
//! deployment's limit applies. [`Quota`] has the limits that nobody can set.

mod gcra;
mod quota;

use crate::domain::Invalid;
use crate::domain::event::MAX_DATA_BYTES;

pub use gcra::{Admission, Bucket, Form};
pub use quota::Quota;

/// The name of the limit on the events of a month.
pub const EVENTS_PER_MONTH: &str = "events_per_month";

/// Minimum burst of a rate, in events. A batch takes one token for each event, so a smaller burst would refuse full
/// batches.
pub const LEAST_BURST: u32 = 100;
/// Maximum of a rate, in events per second. Each request writes the item of its organization's rate, and DynamoDB
/// accepts about 900 writes a second to one item, so requests above that rate must be batches.
pub const MOST_EVENTS_PER_SECOND: u32 = 100_000;
/// Maximum burst of a rate, in events.
pub const MOST_BURST: u32 = 1_000_000;
/// Maximum of the limit of events per month.
pub const MOST_EVENTS_PER_MONTH: u64 = 1_000_000_000_000;
/// Maximum number of endpoints of an organization. The item of an event lists the endpoints that receive it, and an
/// item has at most 400 KB.
pub const MOST_ENDPOINTS: u32 = 8_000;

/// A limit of published events per second, with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// A rate in events per second. `burst` is the number of events that may be published at the same moment; without
    /// it, the larger of `per_second` and [`LEAST_BURST`].
    ///
    /// # Errors
    /// [`Invalid`] if the rate is not 1 to [`MOST_EVENTS_PER_SECOND`] or the burst not [`LEAST_BURST`] to
    /// [`MOST_BURST`].
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

    /// Events per second.
    pub const fn per_second(self) -> u32 {
        self.per_second
    }

    /// The number of events that may be published at the same moment, after a pause.
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

/// The platform's setting of a limit for an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Own<T> {
    /// The platform set no limit, so the deployment's limit applies.
    #[default]
    Deployments,
    /// The organization has no limit, although the deployment may have one.
    None,
    /// The organization has this limit.
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
    /// Maximum rate of published events.
    pub rate: Own<Rate>,
    /// Maximum number of published events in a calendar month, UTC.
    pub events_per_month: Own<u64>,
    /// Maximum number of endpoints. Without a limit, [`MOST_ENDPOINTS`].
    pub max_endpoints: Own<u32>,
    /// Maximum size of an event's data in bytes. Without a limit, [`MAX_DATA_BYTES`].
    pub max_event_bytes: Own<u32>,
}

/// The limits that apply to an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum rate of published events; `None` for no limit.
    pub rate: Option<Rate>,
    /// Maximum number of published events in a calendar month, UTC; `None` for no limit.
    pub events_per_month: Option<u64>,
    /// Maximum number of endpoints.
    pub max_endpoints: u32,
    /// Maximum size of an event's data in bytes.
    pub max_event_bytes: u32,
}

impl Limits {
    /// Combines the deployment's limits (`self`) with the limits that the platform set for an organization.
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
    fn rates_and_bursts_outside_their_ranges_are_refused_and_the_default_burst_is_at_least_a_batch() {
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
    fn the_limits_of_an_organization_override_those_of_the_deployment() {
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
