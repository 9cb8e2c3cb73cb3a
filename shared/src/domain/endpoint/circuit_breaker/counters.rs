//! The failure and latency counters of an endpoint, and the decisions of the circuit breaker. The counters measure
//! the share of failures, not a streak: an endpoint that fails more often than it succeeds is suspended, in
//! whatever order failures and successes occur.

use std::time::Duration;

use super::outcomes::{Bucket, Outcomes};
use crate::domain::endpoint::lane::Lane;
use crate::domain::time::Timestamp;

/// An endpoint is suspended at this many more failures than successes, if failures have outnumbered successes for
/// at least [`MIN_FAILING`].
const MAX_FAILURES: u32 = 10;
/// See [`MAX_FAILURES`].
const MIN_FAILING: Duration = Duration::from_secs(60);
/// An endpoint is suspended at this many more failures than successes after only [`MIN_BURST_FAILING`]. Only
/// heavy traffic reaches it.
const MAX_BURST_FAILURES: u32 = 1_000;
/// An endpoint is suspended at this many more timeouts than successes after [`MIN_BURST_FAILING`]. Each timeout
/// occupies a concurrency slot of the consumer for the endpoint's whole timeout.
const MAX_TIMEOUTS: u32 = 10;
/// The shortest time between an endpoint's first failure and its suspension. A consumer caches an endpoint for five
/// seconds. Until then it does not count successes if it does not know of failures that other consumers saw.
const MIN_BURST_FAILING: Duration = Duration::from_secs(6);
/// At this many more slow attempts than fast ones an endpoint moves to the slow lane. At 0 it moves to the fast
/// lane.
const MIN_SLOW: u32 = 5;
/// The count of slow attempts is limited to this number, so that an endpoint that answers quickly again soon
/// returns to the fast lane.
const MAX_SLOW: u32 = 20;
/// The shortest time that an endpoint stays in a lane.
const MIN_IN_LANE: Duration = Duration::from_secs(5 * 60);

/// The counters of an endpoint. An endpoint that has never failed or been slow has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Failures minus successes.
    pub failures: Bucket,
    /// Timeouts minus successes.
    pub timeouts: Bucket,
    /// Slow attempts minus fast ones, from 0 to 20.
    pub slow: u32,
    /// The lane that the counts call for. The endpoint's own lane is updated afterwards.
    pub lane: Lane,
    /// When [`lane`](Self::lane) last changed; `None` if it never has.
    pub lane_changed_at: Option<Timestamp>,
}

impl Counters {
    /// Returns the counters after these outcomes.
    #[must_use]
    pub fn after(self, outcomes: &Outcomes, now: Timestamp) -> Self {
        let slow = self.slow.saturating_add(outcomes.slow).saturating_sub(outcomes.fast).min(MAX_SLOW);
        let counted = Self {
            failures: self.failures.after(outcomes.failures, outcomes.successes),
            timeouts: self.timeouts.after(outcomes.timeouts, outcomes.successes),
            slow,
            ..self
        };
        let lane = match slow {
            0 => Lane::Fast,
            MIN_SLOW.. => Lane::Slow,
            _ => self.lane,
        };
        let may_change = self.lane_changed_at.is_none_or(|changed| now.since(changed) >= MIN_IN_LANE);
        if lane == self.lane || !may_change {
            return counted;
        }
        Self { lane, lane_changed_at: Some(now), ..counted }
    }

    /// Whether the counts call for the suspension of the endpoint.
    pub fn call_for_suspension(&self, now: Timestamp) -> bool {
        self.failures.holds(MAX_FAILURES, MIN_FAILING, now)
            || self.failures.holds(MAX_BURST_FAILURES, MIN_BURST_FAILING, now)
            || self.timeouts.holds(MAX_TIMEOUTS, MIN_BURST_FAILING, now)
    }

    /// Whether all counts are 0 and the lane is the fast one.
    pub fn are_clear(&self) -> bool {
        Self { lane_changed_at: None, ..*self } == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::attempt::Cause;
    use crate::domain::endpoint::circuit_breaker::outcomes::tests::attempt;

    const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn outcome(error: Option<Cause>, duration_ms: u32, now: Timestamp) -> Outcomes {
        Outcomes::of(&attempt(error, duration_ms), now)
    }

    /// The counters after a sequence of attempts, one a second: `f` is a failure, `t` a timeout, `s` a success.
    fn after(sequence: &str) -> Counters {
        sequence.chars().zip(0..).fold(Counters::default(), |counters, (kind, second)| {
            let cause = match kind {
                'f' => Some(Cause::HttpStatus),
                't' => Some(Cause::Timeout),
                _ => None,
            };
            counters.after(&outcome(cause, 1_500, at(second)), at(second))
        })
    }

    #[test]
    fn a_failure_adds_one_and_a_success_removes_one_down_to_zero() {
        // The count and the age of the failures, then of the timeouts.
        for (sequence, failures, timeouts) in [
            ("", (0, None), (0, None)),
            ("f", (1, Some(0)), (0, None)),
            ("sf", (1, Some(1)), (0, None)),
            ("fsf", (1, Some(2)), (0, None)),
            ("ffs", (1, Some(0)), (0, None)),
            ("ffsff", (3, Some(0)), (0, None)),
            ("ffssssf", (1, Some(6)), (0, None)),
            ("t", (1, Some(0)), (1, Some(0))),
            ("ft", (2, Some(0)), (1, Some(1))),
            ("tfs", (1, Some(0)), (0, None)),
            ("tftst", (3, Some(0)), (2, Some(0))),
        ] {
            let counters = after(sequence);
            let shown = |(count, second): (u32, Option<u64>)| Bucket { count, since: second.map(at) };
            assert_eq!((counters.failures, counters.timeouts), (shown(failures), shown(timeouts)), "{sequence}");
        }
    }

    #[test]
    fn outcomes_that_are_counted_together_add_their_difference() {
        let mut together = Outcomes::default();
        for second in 0..7 {
            together += outcome((second % 7 < 4).then_some(Cause::Timeout), 10, at(second));
        }
        let counters = Counters::default().after(&together, at(7));
        let expected = Bucket { count: 1, since: Some(START) };
        assert_eq!((counters.failures, counters.timeouts), (expected, expected));
    }

    #[test]
    fn ten_failures_in_a_minute_a_thousand_in_six_seconds_or_ten_timeouts_in_six_seconds_suspend() {
        for (failures, timeouts, seconds, expected) in [
            (10, 0, 60, true),
            (9, 0, 60, false),
            (10, 0, 59, false),
            (0, 0, 60, false),
            (1_000, 0, 6, true),
            (1_000, 0, 5, false),
            (999, 0, 59, false),
            (10, 10, 6, true),
            (10, 10, 5, false),
            (10, 9, 6, false),
        ] {
            let bucket = |count| Bucket { count, since: (count > 0).then_some(START) };
            let counters = Counters { failures: bucket(failures), timeouts: bucket(timeouts), ..Counters::default() };
            let suspends = counters.call_for_suspension(at(seconds));
            assert_eq!(suspends, expected, "{failures} failures, {timeouts} timeouts, {seconds} s");
        }
    }

    #[test]
    fn an_endpoint_that_fails_half_of_its_attempts_is_not_suspended_and_one_that_fails_three_of_five_is() {
        for (pattern, expected) in [("fs", false), ("fssff", true), ("ffsss", false), ("ts", false), ("tst", true)] {
            let sequence = pattern.repeat(200);
            let suspends = (1..=sequence.len())
                .any(|attempts| after(&sequence[..attempts]).call_for_suspension(at(attempts as u64 - 1)));
            assert_eq!(suspends, expected, "{pattern}");
        }
    }

    #[test]
    fn five_slow_attempts_select_the_slow_lane_and_as_many_fast_ones_the_fast_lane() {
        let count = |counters: Counters, attempts: usize, duration_ms, now| {
            (0..attempts).fold(counters, |counters, _| counters.after(&outcome(None, duration_ms, now), now))
        };
        let four = count(Counters::default(), 4, 2_001, at(0));
        assert_eq!((four.slow, four.lane), (4, Lane::Fast));
        let neither = count(four, 9, 1_500, at(1));
        assert_eq!((neither.slow, neither.lane), (4, Lane::Fast));
        let slow = count(neither, 1, 29_000, at(2));
        assert_eq!((slow.slow, slow.lane, slow.lane_changed_at), (5, Lane::Slow, Some(at(2))));
        let full = count(slow, 1_000, 29_000, at(3));
        assert_eq!(full.slow, 20);
        let some = count(full, 19, 10, at(400));
        assert_eq!((some.slow, some.lane), (1, Lane::Slow));
        let fast = count(some, 1, 10, at(401));
        assert_eq!((fast.slow, fast.lane, fast.lane_changed_at), (0, Lane::Fast, Some(at(401))));
        assert!(!full.are_clear() && fast.are_clear());
    }

    #[test]
    fn an_endpoint_stays_in_a_lane_for_at_least_five_minutes() {
        let mut slow = Outcomes::default();
        (0..5).for_each(|_| slow += outcome(None, 3_000, START));
        let mut fast = Outcomes::default();
        (0..20).for_each(|_| fast += outcome(None, 10, START));
        let mut counters = Counters::default().after(&slow, at(0));
        for (seconds, outcomes, expected) in [
            (1, &fast, Lane::Slow),
            (299, &fast, Lane::Slow),
            (300, &fast, Lane::Fast),
            (301, &slow, Lane::Fast),
            (599, &slow, Lane::Fast),
            // A lane change that is due needs no slow or fast attempt.
            (600, &Outcomes::default(), Lane::Slow),
        ] {
            counters = counters.after(outcomes, at(seconds));
            assert_eq!(counters.lane, expected, "after {seconds} s");
        }
    }
}
