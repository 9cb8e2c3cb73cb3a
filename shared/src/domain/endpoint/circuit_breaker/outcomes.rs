//! Sums of attempt outcomes of one endpoint.

use std::ops::AddAssign;
use std::time::Duration;

use crate::domain::delivery::attempt::{AttemptEntry, Cause};
use crate::domain::time::Timestamp;

/// An attempt that takes longer than this is slow.
const SLOW: Duration = Duration::from_secs(2);

/// A counter: a failure adds 1, and a success removes 1, down to 0. It has no upper limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The current count.
    pub count: u32,
    /// When the first failure was added to the empty bucket. `None` if the bucket is empty.
    pub since: Option<Timestamp>,
}

impl Bucket {
    /// Returns the bucket after `added` failures and `removed` successes.
    #[must_use]
    pub(super) fn after(self, added: Self, removed: u32) -> Self {
        let count = self.count.saturating_add(added.count).saturating_sub(removed);
        if count == 0 { Self::default() } else { Self { count, since: self.since.or(added.since) } }
    }

    /// Whether the bucket contains at least `count`, and was last empty at least `time` ago.
    pub(super) fn holds(self, count: u32, time: Duration, now: Timestamp) -> bool {
        self.count >= count && self.since.is_some_and(|since| now.since(since) >= time)
    }
}

impl AddAssign for Bucket {
    fn add_assign(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.since = self.since.into_iter().chain(other.since).min();
    }
}

/// The outcomes of attempts that are counted in one write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The failed attempts.
    pub(super) failures: Bucket,
    /// The failed attempts that timed out.
    pub(super) timeouts: Bucket,
    /// The number of successful attempts.
    pub(super) successes: u32,
    /// How long the attempts took together that took more than two seconds, successful or not.
    pub(super) slow: Duration,
}

impl Outcomes {
    /// The outcome of one attempt that ended at `now`.
    pub fn of(attempt: &AttemptEntry, now: Timestamp) -> Self {
        let once = |is_so| Bucket { count: u32::from(is_so), since: Some(now).filter(|_| is_so) };
        let took = Duration::from_millis(attempt.duration_ms.into());
        Self {
            failures: once(attempt.error.is_some()),
            timeouts: once(attempt.error == Some(Cause::Timeout)),
            successes: u32::from(attempt.error.is_none()),
            slow: if took > SLOW { took } else { Duration::ZERO },
        }
    }

    /// Whether an attempt failed.
    pub const fn has_failure(&self) -> bool {
        self.failures.count > 0
    }

    /// Whether an attempt failed or was slow. For a healthy endpoint no other outcome is counted.
    pub const fn is_trouble(&self) -> bool {
        self.has_failure() || !self.slow.is_zero()
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.failures += other.failures;
        self.timeouts += other.timeouts;
        self.successes = self.successes.saturating_add(other.successes);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    pub(in crate::domain::endpoint::circuit_breaker) fn attempt(
        error: Option<Cause>,
        duration_ms: u32,
    ) -> AttemptEntry {
        AttemptEntry { duration_ms, error, ..AttemptEntry::at(NOW) }
    }

    #[test]
    fn an_attempt_counts_as_failure_timeout_or_success_and_if_it_is_slow_with_its_duration() {
        // Failures, timeouts, successes, milliseconds of slow attempts.
        for (error, duration_ms, expected) in [
            (None, 20, [0, 0, 1, 0]),
            (None, 2_000, [0, 0, 1, 0]),
            (None, 2_001, [0, 0, 1, 2_001]),
            (Some(Cause::HttpStatus), 20, [1, 0, 0, 0]),
            (Some(Cause::HttpStatus), 29_000, [1, 0, 0, 29_000]),
            (Some(Cause::Timeout), 1_000, [1, 1, 0, 0]),
            (Some(Cause::Timeout), 10_000, [1, 1, 0, 10_000]),
        ] {
            let it = Outcomes::of(&attempt(error, duration_ms), NOW);
            let slow_ms = u32::try_from(it.slow.as_millis()).unwrap();
            let counts = [it.failures.count, it.timeouts.count, it.successes, slow_ms];
            assert_eq!(counts, expected, "{error:?} after {duration_ms} ms");
            assert_eq!(it.is_trouble(), error.is_some() || duration_ms > 2_000);
            assert_eq!(it.failures.since, error.map(|_| NOW));
        }
    }

    #[test]
    fn a_sum_of_outcomes_keeps_the_time_of_the_first_failure() {
        let later = NOW.plus(Duration::from_secs(3));
        let (success, failure) = (attempt(None, 10), attempt(Some(Cause::Dns), 10));
        let mut all = Outcomes::of(&success, NOW);
        all += Outcomes::of(&failure, later);
        all += Outcomes::of(&failure, NOW);
        all += Outcomes::of(&success, later);
        assert_eq!((all.failures, all.successes), (Bucket { count: 2, since: Some(NOW) }, 2));
    }
}
