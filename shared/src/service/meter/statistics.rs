//! Counting and reading the statistics of endpoints.

use super::unwritten::{Amount, Unwritten};
use super::{Batch, Meter, ServiceError};
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::AttemptEntry;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::statistics::{Hour, Span, Statistics};
use crate::domain::tenancy::usage::Usage;
use crate::domain::time::Timestamp;
use crate::store::{NotAdded, Store};

/// The statistics of an endpoint in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OfHour {
    organization: OrganizationId,
    endpoint: EndpointId,
    hour: Hour,
}

impl Amount for Statistics {
    type Key = OfHour;

    const NAME: &'static str = "statistics";
    /// So for a busy endpoint counting adds at most a 200th of a write to each delivery that succeeds at once.
    const MIN_WRITTEN: u64 = 200;

    fn organization(key: &OfHour) -> &OrganizationId {
        &key.organization
    }

    fn item(key: &OfHour) -> String {
        format!("{} {}", key.endpoint, key.hour)
    }

    fn largest(&self) -> u64 {
        self.attempts().max(self.ended())
    }

    async fn add_to(&self, store: &Store, key: &OfHour) -> Result<(), NotAdded> {
        store.add_statistics(key.endpoint, key.hour, self).await
    }
}

impl Meter {
    /// Counts an attempt at a delivery, which was just recorded.
    pub(in crate::service) fn count_attempt(&self, delivery: &Delivery, attempt: &AttemptEntry) {
        self.count(&delivery.organization, Usage::ATTEMPT);
        self.count_statistics(delivery, |now| Statistics::of_attempt(attempt, now));
    }

    /// Counts the end of a delivery whose record was just changed; nothing if the delivery was final before or is not final
    /// now. `before` is the former record. It may be `None` for a delivery that was not final.
    pub(in crate::service) fn count_end(&self, before: Option<&Delivery>, after: &Delivery) {
        if let Some(end) = Statistics::of_end(before.map(|before| before.status), after) {
            self.count_statistics(after, |_| end);
        }
    }

    fn count_statistics(&self, delivery: &Delivery, statistics: impl FnOnce(Timestamp) -> Statistics) {
        if !self.has_statistics {
            return;
        }
        let now = self.clock.now();
        let (organization, endpoint) = (delivery.organization.clone(), delivery.endpoint);
        let key = OfHour { organization, endpoint, hour: Hour::of(now) };
        self.statistics.add(key, Unwritten { amount: statistics(now), since: now });
    }

    /// The statistics of an endpoint in each interval, in order, with the interval's start. They include this process's
    /// counts, but not those that other processes have not written yet. Eventually consistent.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub(in crate::service) async fn statistics(
        &self,
        endpoint: EndpointId,
        span: Span,
    ) -> Result<Vec<(Timestamp, Statistics)>, ServiceError> {
        self.write_statistics_of(endpoint).await;
        let by_hour = self.store.statistics(endpoint, span.first_hour(), span.last_hour(), self.clock.now()).await?;
        Ok(span.intervals(&by_hour))
    }

    /// When the last successful attempt at an endpoint was recorded, as far as the statistics say.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub(in crate::service) async fn last_success(
        &self,
        endpoint: EndpointId,
    ) -> Result<Option<Timestamp>, ServiceError> {
        if !self.has_statistics {
            return Ok(None);
        }
        self.write_statistics_of(endpoint).await;
        Ok(self.store.last_success(endpoint, self.clock.now()).await?)
    }

    async fn write_statistics_of(&self, endpoint: EndpointId) {
        let statistics = self.statistics.take(usize::MAX, |key, _| key.endpoint == endpoint);
        self.write(Batch { statistics, ..Batch::default() }).await;
    }
}
