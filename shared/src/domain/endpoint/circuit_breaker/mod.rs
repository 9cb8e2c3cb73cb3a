//! Endpoint health: the circuit breaker, which suspends an endpoint that keeps failing, and the choice of an
//! endpoint's lane.

mod counters;
mod outcomes;
mod slow_time;
mod suspension;
mod transitions;

use std::time::Duration;

pub use counters::Counters;
pub use outcomes::{Bucket, Outcomes};
pub use slow_time::SlowTime;
pub use suspension::Suspension;

use crate::domain::time::Timestamp;

/// A failure or a slow attempt sets [`CircuitBreaker::failing_until`] this far ahead.
const WATCHED: Duration = Duration::from_secs(10 * 60);
/// `failing_until` is set again only if less than this time is left.
const RENEWED_BELOW: Duration = Duration::from_secs(5 * 60);

/// The health attributes of the endpoint item. The [`Counters`] are a separate item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Until this time at least, successes are counted as well, because the endpoint recently failed or was slow.
    /// `None` if nothing is counted; then a success costs neither a read nor a write.
    pub failing_until: Option<Timestamp>,
    /// The suspension; `None` if the endpoint is not suspended.
    pub suspension: Option<Suspension>,
}

impl CircuitBreaker {
    /// The health after a failure or a slow attempt; `None` if it does not change. It changes at most once in five
    /// minutes.
    pub fn watched(self, now: Timestamp) -> Option<Self> {
        let is_ahead = self.failing_until.is_some_and(|until| until.since(now) >= RENEWED_BELOW);
        (!is_ahead).then(|| Self { failing_until: Some(now.plus(WATCHED)), ..self })
    }

    /// Whether [`failing_until`](Self::failing_until) has passed. It is removed then once the counters are clear.
    pub fn is_overdue(self, now: Timestamp) -> bool {
        self.failing_until.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    #[test]
    fn a_failure_with_less_than_five_minutes_left_sets_failing_until_ten_minutes_ahead() {
        let at = |seconds: u64| START.plus(Duration::from_secs(seconds));
        for (until, now, expected) in [
            (None, 0, Some(600)),
            (Some(600), 0, None),
            (Some(600), 300, None),
            (Some(600), 301, Some(901)),
            (Some(600), 5_000, Some(5_600)),
        ] {
            let circuit_breaker = CircuitBreaker { failing_until: until.map(at), suspension: None };
            let watched = circuit_breaker.watched(at(now)).map(|circuit_breaker| circuit_breaker.failing_until);
            assert_eq!(watched, expected.map(|seconds| Some(at(seconds))), "{until:?} at {now}");
            assert_eq!(
                circuit_breaker.is_overdue(at(now)),
                until.is_some_and(|until| until <= now),
                "{until:?} at {now}"
            );
        }
    }
}
