//! Changes of an endpoint that result from its health.

use super::{CircuitBreaker, Outcomes, Suspension};
use crate::domain::endpoint::lane::Lane;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointStatus};
use crate::domain::time::Timestamp;

impl Endpoint {
    /// Whether these outcomes are counted. Fast successes of a healthy endpoint are not, and neither are outcomes
    /// of a suspended endpoint: only probes are sent to it.
    pub const fn counts(&self, outcomes: &Outcomes) -> bool {
        self.circuit_breaker.suspension.is_none()
            && (self.circuit_breaker.failing_until.is_some() || outcomes.is_trouble())
    }

    /// Returns the endpoint after a failure or a slow attempt. Its successes are counted from then on. `None` if
    /// they are counted for at least five minutes already.
    pub fn watched(self, now: Timestamp) -> Option<Self> {
        let circuit_breaker = self.circuit_breaker.watched(now)?;
        Some(Self { circuit_breaker, ..self })
    }

    /// Returns the endpoint without [`failing_until`](CircuitBreaker::failing_until): the counters are clear, so its
    /// successes need not be counted. `None` if that time has not passed, or if the endpoint is still in the slow
    /// lane.
    pub fn settled(self, now: Timestamp) -> Option<Self> {
        let is_over = self.circuit_breaker.is_overdue(now) && self.lane == Lane::Fast;
        is_over
            .then_some(Self { circuit_breaker: CircuitBreaker { failing_until: None, ..self.circuit_breaker }, ..self })
    }

    /// Returns the endpoint in this lane; `None` if it is already in it.
    pub fn moved_to(self, lane: Lane) -> Option<Self> {
        (self.lane != lane).then_some(Self { lane, ..self })
    }

    /// Returns the endpoint after its counters called for suspension; `None` if it is not active or already
    /// suspended.
    pub fn suspended(self, now: Timestamp) -> Option<Self> {
        let is_due = self.status == EndpointStatus::Active && self.circuit_breaker.suspension.is_none();
        let suspended = CircuitBreaker { suspension: Some(Suspension::begun(now)), ..self.circuit_breaker };
        is_due.then_some(Self { circuit_breaker: suspended, ..self })
    }

    /// Returns the endpoint after a probe was sent, or was postponed because `something_to_try` is false. `None` if
    /// no probe is due.
    pub fn probed(self, something_to_try: bool, now: Timestamp) -> Option<Self> {
        let due = self.circuit_breaker.suspension.filter(|suspension| suspension.probe_at <= now)?;
        let suspension = if something_to_try { due.probed(now) } else { due.postponed(now) };
        Some(Self { circuit_breaker: CircuitBreaker { suspension: Some(suspension), ..self.circuit_breaker }, ..self })
    }

    /// Returns the endpoint disabled after a suspension without success; `None` if its suspension has ended or does
    /// not call for it.
    pub fn disabled_after_timeout(self, now: Timestamp) -> Option<Self> {
        let timed_out = self.circuit_breaker.suspension.is_some_and(|suspension| suspension.has_timed_out(now));
        timed_out.then(|| self.disabled(DisabledReason::Failing, now))
    }

    /// Returns the endpoint after a probe succeeded; `None` if it is not suspended.
    pub fn resumed(self) -> Option<Self> {
        self.circuit_breaker.suspension?;
        Some(Self { circuit_breaker: self.circuit_breaker.unsuspended(), ..self })
    }

    /// Whether the failure counts must be reset after a change from `before`: the URL has changed, or attempts
    /// begin again after the endpoint was paused, disabled or suspended. A healthy endpoint has no counts.
    pub fn forgets_failures_of(&self, before: &Self) -> bool {
        let is_attempted = |it: &Self| it.status == EndpointStatus::Active && it.circuit_breaker.suspension.is_none();
        let is_reset =
            self.settings.destination != before.settings.destination || (is_attempted(self) && !is_attempted(before));
        before.circuit_breaker.failing_until.is_some() && is_reset
    }
}

impl CircuitBreaker {
    /// Returns the health without a suspension. `failing_until` stays.
    #[must_use]
    pub const fn unsuspended(self) -> Self {
        Self { suspension: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::delivery::attempt::Cause;
    use crate::domain::endpoint::WantedStatus;
    use crate::domain::endpoint::change::EndpointPatch;
    use crate::domain::endpoint::circuit_breaker::outcomes::tests::attempt;
    use crate::domain::endpoint::tests::{KEY, endpoint};
    use crate::domain::endpoint::url::{EndpointUrl, UrlPolicy};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
    const LATER: Timestamp = Timestamp::from_unix_seconds(1_774_382_500);

    fn status(wanted: WantedStatus) -> EndpointPatch {
        EndpointPatch { status: Some(wanted), ..EndpointPatch::default() }
    }

    fn url() -> EndpointPatch {
        let url = EndpointUrl::parse("https://example.com/new", &UrlPolicy::default()).unwrap();
        EndpointPatch { destination: Some(url.into()), ..EndpointPatch::default() }
    }

    fn failing() -> Endpoint {
        endpoint().watched(NOW).unwrap()
    }

    #[test]
    fn fast_successes_are_counted_only_for_an_endpoint_that_failed_or_was_slow() {
        let outcomes = |error, duration_ms| Outcomes::of(&attempt(error, duration_ms), NOW);
        let (success, slow, failure) = (outcomes(None, 10), outcomes(None, 3_000), outcomes(Some(Cause::Dns), 10));
        let suspended = failing().suspended(NOW).unwrap();
        for (name, endpoint, expected) in [
            ("healthy", endpoint(), [false, true, true]),
            ("failing", failing(), [true, true, true]),
            ("suspended", suspended, [false, false, false]),
        ] {
            assert_eq!([success, slow, failure].map(|outcomes| endpoint.counts(&outcomes)), expected, "{name}");
        }
    }

    #[test]
    fn successes_are_counted_for_ten_minutes_and_as_long_as_the_endpoint_is_in_the_slow_lane() {
        let ended = NOW.plus(Duration::from_secs(600));
        assert_eq!(endpoint().settled(ended), None);
        assert_eq!(failing().settled(NOW.plus(Duration::from_secs(599))), None);
        assert_eq!(failing().settled(ended), Some(endpoint()));
        let slow = failing().moved_to(Lane::Slow).unwrap();
        assert_eq!(slow.clone().settled(ended), None);
        assert_eq!(slow.clone().moved_to(Lane::Slow), None);
        assert_eq!(slow.moved_to(Lane::Fast), Some(failing()));
    }

    #[test]
    fn a_suspension_lasts_until_a_probe_succeeds_or_the_owner_ends_it() {
        let suspended = failing().suspended(LATER).unwrap();
        assert!(suspended.parks() && suspended.status == EndpointStatus::Active);
        assert_eq!(suspended.clone().suspended(LATER), None);
        assert_eq!(failing().patched(status(WantedStatus::Paused), LATER, KEY).suspended(LATER), None);
        assert_eq!(suspended.clone().probed(true, LATER), None);
        let due = suspended.circuit_breaker.suspension.unwrap().probe_at;
        for (something_to_try, probes) in [(true, 1), (false, 0)] {
            let probed = suspended.clone().probed(something_to_try, due).unwrap().circuit_breaker.suspension.unwrap();
            assert_eq!(probed.probes, probes);
            assert!(probed.probe_at > due);
        }
        assert_eq!(suspended.clone().disabled_after_timeout(due), None);

        let resumed = suspended.clone().resumed().unwrap();
        assert_eq!(resumed.circuit_breaker, failing().circuit_breaker);
        assert_eq!(resumed.resumed(), None);
        for patch in [url(), status(WantedStatus::Active), status(WantedStatus::Paused)] {
            assert_eq!(suspended.clone().patched(patch, due, KEY).circuit_breaker, failing().circuit_breaker);
        }
    }

    #[test]
    fn failures_are_reset_by_a_new_url_and_when_attempts_begin_again() {
        let suspended = failing().suspended(NOW).unwrap();
        let paused = failing().patched(status(WantedStatus::Paused), NOW, KEY);
        let disabled = failing().patched(status(WantedStatus::Disabled), NOW, KEY);
        for (name, before, patch, expected) in [
            ("moved", failing(), url(), true),
            ("suspended and moved", suspended.clone(), url(), true),
            ("taken up by its owner", suspended.clone(), status(WantedStatus::Active), true),
            ("resumed", paused.clone(), status(WantedStatus::Active), true),
            ("enabled", disabled, status(WantedStatus::Enabled), true),
            ("paused", failing(), status(WantedStatus::Paused), false),
            ("suspended and paused", suspended.clone(), status(WantedStatus::Paused), false),
            ("suspended and disabled", suspended.clone(), status(WantedStatus::Disabled), false),
            ("left active", failing(), status(WantedStatus::Active), false),
            ("healthy and moved", endpoint(), url(), false),
        ] {
            assert_eq!(before.clone().patched(patch, NOW, KEY).forgets_failures_of(&before), expected, "{name}");
        }
        assert!(suspended.clone().resumed().unwrap().forgets_failures_of(&suspended));
        assert!(!suspended.forgets_failures_of(&failing()));
    }
}
