//! The health of an endpoint, as its owner sees it: what the circuit breaker knows of the latest attempts.

use super::Endpoint;
use super::circuit_breaker::Counters;
use crate::domain::time::Timestamp;

/// Whether attempts to an endpoint succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// No more attempts failed than succeeded.
    Healthy,
    /// More attempts failed than succeeded, and the endpoint is not suspended.
    Failing,
    /// The circuit breaker suspended the endpoint: its deliveries wait, and probes are sent.
    Suspended,
}

impl HealthState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Failing, Self::Suspended];

    /// The state's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Suspended => "suspended",
        }
    }
}

/// The health of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether attempts succeed.
    pub state: HealthState,
    /// The first of the failures that outnumber the successes; `None` if there are none.
    pub failing_since: Option<Timestamp>,
    /// When the suspension began; `None` if the endpoint is not suspended.
    pub suspended_since: Option<Timestamp>,
    /// When the next probe is due, always in the future; `None` if none is scheduled or one is due.
    pub next_probe_at: Option<Timestamp>,
    /// The last success; `None` if there was none that is still counted, or if it was not read.
    pub last_success_at: Option<Timestamp>,
}

impl Health {
    /// The health of an endpoint with these counters, without the last success.
    pub fn of(endpoint: &Endpoint, counters: &Counters, now: Timestamp) -> Self {
        let suspension = endpoint.circuit_breaker.suspension;
        let failing_since = counters.failures.since.filter(|_| Self::needs_counters(endpoint));
        Self {
            state: match (suspension, failing_since) {
                (Some(_), _) => HealthState::Suspended,
                (None, Some(_)) => HealthState::Failing,
                (None, None) => HealthState::Healthy,
            },
            failing_since,
            suspended_since: suspension.map(|suspension| suspension.since),
            next_probe_at: suspension.map(|suspension| suspension.probe_at).filter(|at| *at > now),
            last_success_at: None,
        }
    }

    /// Whether the counters of an endpoint matter for its health. Those of an endpoint that has not failed recently are
    /// empty.
    pub const fn needs_counters(endpoint: &Endpoint) -> bool {
        endpoint.circuit_breaker.failing_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::endpoint::circuit_breaker::Bucket;
    use crate::domain::endpoint::tests::endpoint;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    #[test]
    fn the_state_follows_from_the_suspension_and_the_failures() {
        let later = NOW.plus(Duration::from_secs(10));
        let counters = |count| Counters {
            failures: Bucket { count, since: Some(NOW).filter(|_| count > 0) },
            ..Counters::default()
        };
        let failing = endpoint().watched(NOW).unwrap();
        let suspended = failing.clone().suspended(later).unwrap();
        let probe_at = suspended.circuit_breaker.suspension.unwrap().probe_at;
        for (endpoint, failures, now, state, failing_since, suspended_since, next_probe_at) in [
            (endpoint(), 0, later, HealthState::Healthy, None, None, None),
            // The endpoint was settled, and the counters are older.
            (endpoint(), 3, later, HealthState::Healthy, None, None, None),
            // Slow, or as many successes as failures.
            (failing.clone(), 0, later, HealthState::Healthy, None, None, None),
            (failing, 3, later, HealthState::Failing, Some(NOW), None, None),
            (suspended.clone(), 10, later, HealthState::Suspended, Some(NOW), Some(later), Some(probe_at)),
            (suspended, 10, probe_at, HealthState::Suspended, Some(NOW), Some(later), None),
        ] {
            let health = Health::of(&endpoint, &counters(failures), now);
            let expected = Health { state, failing_since, suspended_since, next_probe_at, last_success_at: None };
            assert_eq!(health, expected);
        }
    }
}
