//! Limits the rate of publishing to the rate at which the consumer makes deliveries, for each organization.
//!
//! On AWS the consumer has CPUs of its own. Here it shares them with the publishers, which would otherwise fill the
//! queue first and delay the deliveries. A publish request waits while the number of its organization's deliveries in
//! the queue or being published is at least what the consumer makes in about ten milliseconds. The wait is short, so
//! that deliveries to receivers that do not respond cannot stop publishers. Deliveries of other organizations do not
//! count. Only the fast lane counts, because deliveries in the slow lane wait for their receivers.
//!
//! A path names its organization by its id or by an external id. The latter is resolved by the function: the response to
//! the first request that succeeds says which organization the path names. Until then requests do not wait.

mod layer;
mod line;

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::domain::ids::OrganizationId;
use tokio::time::Instant;

pub(crate) use layer::at_pace_of_queue;

use line::{Line, Publishing};

use crate::aws::EmbeddedAws;

/// The longest wait of a request, measured from its turn.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The beginning of the canonical paths of an organization.
const OF_ORGANIZATION: &str = "/v1/organizations/";

/// Delays publish requests.
#[derive(Debug)]
pub(crate) struct Pace {
    aws: EmbeddedAws,
    queue_url: String,
    /// The callers that have requests waiting or in progress.
    lines: Mutex<HashMap<Caller, Arc<Line>>>,
    /// The organizations of the paths that name them by external ids.
    named: Mutex<HashMap<Box<str>, Box<str>>>,
    /// The moving average of deliveries per request, for each organization that has sent messages.
    learned: Mutex<HashMap<Box<str>, f64>>,
    hasher: RandomState,
}

/// The part of the path that names an organization, and a hash of the credentials. Requests with invalid credentials have a queue of their own, so they
/// cannot delay the organization's requests.
type Caller = (Box<str>, u64);

impl Pace {
    /// The pace of publishing into this queue.
    pub(crate) fn new(aws: EmbeddedAws, queue_url: &str) -> Self {
        Self {
            aws,
            queue_url: queue_url.to_owned(),
            lines: Mutex::default(),
            named: Mutex::default(),
            learned: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until publishing for all of these organizations may go on, or as long as a request waits at most.
    pub(crate) async fn wait_for(&self, organizations: impl Iterator<Item = OrganizationId>) {
        let latest = Instant::now() + LONGEST_WAIT;
        for organization in organizations {
            let publishing = self.enter(&format!("{OF_ORGANIZATION}{organization}"), 0);
            publishing.wait(latest.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Records which organization a path names by an external id. Only existing organizations are recorded.
    fn name(&self, path: &str, organization: &str) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if organization_in(path).is_none() && named.get(path).is_none_or(|known| **known != *organization) {
            named.insert(path.into(), organization.into());
        }
    }

    /// The organization that a path names; `None` if it is not known.
    fn organization(&self, path: &str) -> Option<Box<str>> {
        let named = || self.named.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        organization_in(path).map(|id| id.as_str().into()).or_else(named)
    }

    fn enter(&self, name: &str, credentials: u64) -> Publishing<'_> {
        let caller = (name.into(), credentials);
        let mut lines = self.lines();
        let line = Arc::clone(lines.entry(caller.clone()).or_default());
        line.entered.fetch_add(1, Ordering::Relaxed);
        Publishing { pace: self, caller, line }
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<Box<str>, f64>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Caller, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The organization that a path names by its id.
fn organization_in(path: &str) -> Option<OrganizationId> {
    OrganizationId::parse(path.strip_prefix(OF_ORGANIZATION)?).ok()
}

#[cfg(test)]
mod tests;
