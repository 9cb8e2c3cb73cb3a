//! Suspension: the open state of the circuit breaker. The deliveries of a suspended endpoint are parked, and
//! half-open probes try one of them at a time. So a suspended endpoint costs few attempts and no space in the
//! queue, whatever its traffic.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// The wait between the suspension and the first probe. Each later wait is twice as long, up to [`LONGEST_PROBE`].
const FIRST_PROBE: Duration = Duration::from_secs(60);
/// The longest wait between two probes.
const LONGEST_PROBE: Duration = Duration::from_secs(30 * 60);
/// The wait until the next probe if no parked delivery is available for one.
const NOTHING_TO_TRY: Duration = Duration::from_secs(60);
/// How long an endpoint may be suspended before the engine disables it.
const MAX_SUSPENDED: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The suspension of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspension {
    /// When the suspension began.
    pub since: Timestamp,
    /// How many probes were sent.
    pub probes: u32,
    /// When the next probe is due.
    pub probe_at: Timestamp,
}

impl Suspension {
    /// A suspension that begins at `now`, without probes.
    pub fn begun(now: Timestamp) -> Self {
        Self { since: now, probes: 0, probe_at: now.plus(FIRST_PROBE) }
    }

    /// Whether the endpoint must be disabled: at least one probe was sent, and none succeeded within five days.
    pub fn has_timed_out(&self, now: Timestamp) -> bool {
        self.probes > 0 && now.since(self.since) >= MAX_SUSPENDED
    }

    /// Returns the suspension with its due probe postponed, since no delivery is parked.
    #[must_use]
    pub fn postponed(self, now: Timestamp) -> Self {
        Self { probe_at: now.plus(NOTHING_TO_TRY), ..self }
    }

    /// Returns the suspension after a probe was sent.
    #[must_use]
    pub fn probed(self, now: Timestamp) -> Self {
        let probes = self.probes.saturating_add(1);
        let wait = FIRST_PROBE.saturating_mul(2_u32.saturating_pow(probes)).min(LONGEST_PROBE);
        Self { probes, probe_at: now.plus(wait), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn later(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_waits_between_probes_double_from_1_up_to_30_minutes() {
        let mut suspension = Suspension::begun(START);
        let mut waits = vec![suspension.probe_at.since(START).as_secs() / 60];
        for _ in 0..40 {
            let now = suspension.probe_at;
            suspension = suspension.probed(now);
            waits.push(suspension.probe_at.since(now).as_secs() / 60);
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(waits[8..].iter().all(|wait| *wait == 30));
    }

    #[test]
    fn an_endpoint_is_disabled_after_five_days_without_a_success() {
        let untried = Suspension::begun(START);
        let tried = untried.probed(later(60));
        for (suspension, days, expected) in [(tried, 4, false), (tried, 5, true), (untried, 5, false)] {
            assert_eq!(suspension.has_timed_out(later(days * 86_400)), expected, "{days}");
        }
        let postponed = untried.postponed(later(60));
        assert_eq!((postponed.probes, postponed.probe_at), (0, later(120)));
    }
}
