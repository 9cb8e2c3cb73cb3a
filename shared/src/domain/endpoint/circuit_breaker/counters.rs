//! The failure and latency counters of an endpoint, and the decisions of the circuit breaker. The counters measure
//! the share of failures, not a streak: an endpoint that fails more often than it succeeds is suspended, in
//! whatever order failures and successes occur.

use std::time::Duration;

use super::outcomes::{Bucket, Outcomes};
use super::slow_time::SlowTime;
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

/// The counters of an endpoint. An endpoint that has never failed or been slow has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Failures minus successes.
    pub failures: Bucket,
    /// Timeouts minus successes.
    pub timeouts: Bucket,
    /// The time that slow attempts take, and the lane that it calls for.
    pub slow_time: SlowTime,
}

impl Counters {
    /// Returns the counters after these outcomes.
    #[must_use]
    pub fn after(self, outcomes: &Outcomes, now: Timestamp) -> Self {
        Self {
            failures: self.failures.after(outcomes.failures, outcomes.successes),
            timeouts: self.timeouts.after(outcomes.timeouts, outcomes.successes),
            slow_time: self.slow_time.after(outcomes.slow, now),
        }
    }

    /// Whether the counts call for the suspension of the endpoint.
    pub fn call_for_suspension(&self, now: Timestamp) -> bool {
        self.failures.holds(MAX_FAILURES, MIN_FAILING, now)
            || self.failures.holds(MAX_BURST_FAILURES, MIN_BURST_FAILING, now)
            || self.timeouts.holds(MAX_TIMEOUTS, MIN_BURST_FAILING, now)
    }

    /// Whether all buckets are empty and the lane is the fast one.
    pub fn are_clear(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::attempt::Cause;
    use crate::domain::endpoint::circuit_breaker::outcomes::tests::attempt;
    use crate::domain::endpoint::lane::Lane;

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
    fn attempts_that_take_over_two_seconds_fill_the_bucket_of_slow_time_whatever_their_result() {
        for (cause, duration_ms, expected) in [
            (None, 2_000, true),
            (None, 2_001, false),
            (Some(Cause::HttpStatus), 2_001, false),
            (Some(Cause::Timeout), 10_000, false),
        ] {
            let counters = Counters::default().after(&outcome(cause, duration_ms, at(0)), at(0));
            assert_eq!(counters.slow_time == SlowTime::default(), expected, "{cause:?} after {duration_ms} ms");
            assert!(counters.are_clear() == (cause.is_none() && expected));
        }
    }

    #[test]
    fn fast_answers_do_not_keep_a_slow_endpoint_in_the_fast_lane() {
        let mut outcomes = outcome(None, 29_000, at(0));
        (0..99).for_each(|_| outcomes += outcome(None, 10, at(0)));
        let once = Counters::default().after(&outcomes, at(0));
        assert_eq!((once.slow_time.lane, once.after(&outcomes, at(30)).slow_time.lane), (Lane::Fast, Lane::Slow));
    }
}
