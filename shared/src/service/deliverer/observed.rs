//! Outcomes of this process's attempts, before they are added to the counters of their endpoints. One write counts
//! all attempts of a batch to an endpoint, and a process writes the counters of an endpoint at most once a second.
//! Otherwise an endpoint with much traffic that fails would exceed the write rate of one item. Counts that a
//! process has not written when it ends are lost.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::Deliverer;
use super::health::{Counted, Tally};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::circuit_breaker::Outcomes;
use crate::domain::ids::EndpointId;
use crate::domain::time::Timestamp;
use crate::service::ServiceError;

/// The shortest time between two writes of an endpoint's counters by one process.
const WRITES_EVERY: Duration = Duration::from_secs(1);
/// Unwritten counts are dropped after this time: the process may have been frozen, and the endpoint may have
/// recovered.
const DROPS_AFTER: Duration = Duration::from_secs(60);
/// Most endpoints for which a process holds counts.
const MAX_ENDPOINTS: usize = 10_000;

/// The outcomes of a batch's attempts to one endpoint. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Observations(Arc<Mutex<Observed>>);

#[derive(Debug, Default)]
struct Observed {
    tally: Tally,
    /// The endpoint as it was attempted; `None` while nothing has to be counted for it.
    endpoint: Option<Endpoint>,
}

impl Observations {
    /// Returns the observations of each task. Tasks for the same endpoint share them. All are created before the
    /// first task can end, because the last owner counts.
    pub(super) fn shared(endpoints: impl Iterator<Item = Option<EndpointId>>) -> Vec<Self> {
        let mut by_endpoint = HashMap::<_, Self>::new();
        endpoints.map(|endpoint| by_endpoint.entry(endpoint).or_default().clone()).collect()
    }

    /// Adds an attempt that was just recorded.
    pub(super) fn add(&self, endpoint: &Endpoint, delivery: &Delivery, now: Timestamp) {
        let Some(attempt) = delivery.log.last() else { return };
        let outcomes = Outcomes::of(attempt, now);
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observed.tally += Tally { outcomes, is_announced: !delivery.event_type.is_operational() };
        if observed.endpoint.is_none() && endpoint.counts(&outcomes) {
            observed.endpoint = Some(endpoint.clone());
        }
    }
}

/// Counts that this process has not written yet, by endpoint.
#[derive(Debug, Default)]
pub(super) struct Carried(Mutex<HashMap<EndpointId, Carry>>);

#[derive(Debug)]
struct Carry {
    written_at: Timestamp,
    tally: Tally,
}

impl Carried {
    /// Returns all counts of an endpoint that must be written now, including this tally. `None` if the last write
    /// was less than a second ago; the tally is then kept for the next write.
    fn due(&self, endpoint: EndpointId, tally: Tally, now: Timestamp) -> Option<Tally> {
        let mut carried = self.carry();
        if carried.len() >= MAX_ENDPOINTS {
            carried.retain(|_, carry| now.since(carry.written_at) < WRITES_EVERY);
        }
        if carried.len() >= MAX_ENDPOINTS {
            carried.clear();
        }
        match carried.entry(endpoint) {
            Entry::Vacant(key) => {
                key.insert(Carry { written_at: now, tally: Tally::default() });
                Some(tally)
            }
            Entry::Occupied(key) => {
                let carry = key.into_mut();
                let age = now.since(carry.written_at);
                if age >= DROPS_AFTER {
                    carry.tally = Tally::default();
                }
                carry.tally += tally;
                (age >= WRITES_EVERY).then(|| {
                    carry.written_at = now;
                    std::mem::take(&mut carry.tally)
                })
            }
        }
    }

    /// Keeps a tally that could not be written for the next write.
    fn put_back(&self, endpoint: EndpointId, tally: Tally) {
        if let Some(carry) = self.carry().get_mut(&endpoint) {
            carry.tally += tally;
        }
    }

    fn carry(&self) -> MutexGuard<'_, HashMap<EndpointId, Carry>> {
        // A panic in another thread cannot leave a partial count behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deliverer {
    /// Counts the outcomes of a batch for an endpoint if these are the last observations: all its attempts have
    /// ended.
    pub(super) async fn count_if_last(&self, observations: Observations) {
        let Some(last) = Arc::into_inner(observations.0) else { return };
        let Observed { tally, endpoint } = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(endpoint) = endpoint else { return };
        let now = self.clock.now();
        let key = (endpoint.organization.clone(), endpoint.id);
        let known = self.caches.endpoints.get(&key, now);
        let known = known.as_ref().unwrap_or(&endpoint);
        // The owner may have changed the URL since, or another batch may have suspended the endpoint.
        if known.settings.destination != endpoint.settings.destination || !known.counts(&tally.outcomes) {
            return;
        }
        let Some(due) = self.carried.due(endpoint.id, tally, now) else { return };
        match self.health.count_outcomes(known, &due).await {
            Ok(Counted::Yes) => return,
            Ok(Counted::AndChanged) | Err(ServiceError::NotFound(_)) => {}
            Ok(Counted::No) => self.carried.put_back(endpoint.id, due),
            Err(error) => warn!(endpoint = %endpoint.id, %error, "attempts may not have been counted"),
        }
        self.caches.endpoints.forget(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::attempt::{AttemptEntry, Cause};

    const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
    const ENDPOINT: [u8; 8] = [1; 8];

    fn at(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    fn failures(count: u32) -> Tally {
        let failed = AttemptEntry { error: Some(Cause::HttpStatus), ..AttemptEntry::at(START) };
        let mut tally = Tally::default();
        (0..count).for_each(|_| tally += Tally { outcomes: Outcomes::of(&failed, START), is_announced: true });
        tally
    }

    #[test]
    fn the_first_outcomes_are_written_immediately_and_later_ones_once_a_second() {
        let (carried, endpoint) = (Carried::default(), EndpointId::new(START, ENDPOINT));
        for (millis, count, expected) in [
            (0, 1, Some(1)),
            (1, 2, None),
            (999, 4, None),
            (1_000, 8, Some(14)),
            (1_999, 16, None),
            (2_500, 32, Some(48)),
            (2_600, 64, None),
            // Counts that are older than a minute are dropped.
            (62_500, 128, Some(128)),
        ] {
            let due = carried.due(endpoint, failures(count), at(millis));
            assert_eq!(due.map(|due| due.outcomes), expected.map(|count| failures(count).outcomes), "{millis} ms");
        }
        carried.put_back(endpoint, failures(3));
        let due = carried.due(endpoint, failures(1), at(63_500)).unwrap();
        assert_eq!(due.outcomes, failures(4).outcomes);
    }

    #[test]
    fn a_process_holds_counts_for_a_bounded_number_of_endpoints() {
        let carried = Carried::default();
        for number in 0..2 * MAX_ENDPOINTS as u64 {
            assert!(carried.due(EndpointId::new(START, number.to_be_bytes()), failures(1), at(number)).is_some());
        }
        assert!(carried.carry().len() <= MAX_ENDPOINTS);
    }
}
