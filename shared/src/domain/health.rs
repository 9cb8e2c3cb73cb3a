//! The circuit breaker: an endpoint that keeps failing is suspended, so that it costs one attempt
//! now and then and no room in the queue, whatever its traffic. One that fails slowly keeps others
//! waiting, so that goes faster.

use std::time::Duration;

use super::time::Timestamp;

/// After how many failed attempts in a row an endpoint is suspended …
const MAX_FAILURES: u32 = 10;
/// … if the first of them is at least this long ago.
const MIN_FAILING: Duration = Duration::from_secs(60);
/// After how many timeouts in a row it is suspended sooner: each has kept a place busy for as long as the
/// endpoint may take, which deliveries to others could have used …
const MAX_TIMEOUTS: u32 = 10;
/// … if the first failure is at least this long ago. A consumer remembers an endpoint for five seconds:
/// by now each one knows that there were failures, and would have ended the row with a success.
const MIN_HANGING: Duration = Duration::from_secs(6);
/// How long after the suspension the first probe goes out; each later one waits twice as long …
const FIRST_PROBE: Duration = Duration::from_secs(60);
/// … up to this.
const LONGEST_PROBE: Duration = Duration::from_secs(30 * 60);
/// How long a probe is put off when nothing is parked that could be tried.
const NOTHING_TO_TRY: Duration = Duration::from_secs(60);
/// How long an endpoint may be suspended before it is disabled.
const MAX_SUSPENDED: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How an endpoint has been doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// How many attempts failed since the last success.
    pub failures: u32,
    /// How many of the latest of them were timeouts.
    pub timeouts: u32,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    /// Whether it is suspended.
    pub suspension: Option<Suspension>,
}

/// An endpoint's suspension: its deliveries are parked, and one at a time is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspension {
    /// When it began.
    pub since: Timestamp,
    /// How many probes were sent.
    pub probes: u32,
    /// When the next probe is due.
    pub probe_at: Timestamp,
}

impl Health {
    /// Whether the endpoint has failed often and long enough, or slowly enough, to be suspended.
    pub fn calls_for_suspension(&self, now: Timestamp) -> bool {
        let for_at_least = |time| self.failing_since.is_some_and(|since| now.since(since) >= time);
        let fails = self.failures >= MAX_FAILURES && for_at_least(MIN_FAILING);
        let hangs = self.timeouts >= MAX_TIMEOUTS && for_at_least(MIN_HANGING);
        self.suspension.is_none() && (fails || hangs)
    }

    /// The health of an endpoint that is suspended now.
    #[must_use]
    pub fn suspended(self, now: Timestamp) -> Self {
        let suspension = Suspension { since: now, probes: 0, probe_at: now.plus(FIRST_PROBE) };
        Self { suspension: Some(suspension), ..self }
    }
}

impl Suspension {
    /// Whether the endpoint is to be given up: it was tried, and nothing helped for long.
    pub fn is_hopeless(&self, now: Timestamp) -> bool {
        self.probes > 0 && now.since(self.since) >= MAX_SUSPENDED
    }

    /// The suspension after a probe was due and there was nothing to try.
    #[must_use]
    pub fn postponed(self, now: Timestamp) -> Self {
        Self { probe_at: now.plus(NOTHING_TO_TRY), ..self }
    }

    /// The suspension after a probe was sent.
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
    fn ten_failures_over_a_minute_suspend() {
        let table = [(10, 60, true), (9, 60, false), (10, 59, false), (1_000, 59, false), (0, 60, false)];
        for (failures, seconds, expected) in table {
            let health = Health { failures, timeouts: 9, failing_since: Some(START), suspension: None };
            assert_eq!(health.calls_for_suspension(later(seconds)), expected, "{failures} in {seconds} s");
        }
        let failing = Health { failures: 10, failing_since: Some(START), ..Health::default() };
        assert!(!failing.suspended(later(60)).calls_for_suspension(later(120)));
    }

    #[test]
    fn ten_timeouts_in_a_row_suspend_after_six_seconds() {
        for (timeouts, seconds, expected) in [(9, 6, false), (10, 5, false), (10, 6, true), (11, 7, true)] {
            let health = Health { failures: 11, timeouts, failing_since: Some(START), suspension: None };
            assert_eq!(health.calls_for_suspension(later(seconds)), expected, "{timeouts} in {seconds} s");
        }
    }

    #[test]
    fn probes_go_out_after_1_2_4_and_so_on_up_to_30_minutes() {
        let mut suspension = Health::default().suspended(START).suspension.unwrap();
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
    fn five_days_without_success_are_hopeless() {
        let untried = Health::default().suspended(START).suspension.unwrap();
        let tried = untried.probed(later(60));
        for (suspension, days, expected) in [(tried, 4, false), (tried, 5, true), (untried, 5, false)] {
            assert_eq!(suspension.is_hopeless(later(days * 86_400)), expected, "{days}");
        }
        let postponed = untried.postponed(later(60));
        assert_eq!((postponed.probes, postponed.probe_at), (0, later(120)));
    }
}
