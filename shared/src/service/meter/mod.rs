//! Metering: a process adds up the usage of each organization and the statistics of each endpoint in memory, and writes
//! them from time to time. Counts that a process has not written when it is killed are lost. So a written count may be
//! too low, but never too high.

mod statistics;
mod unwritten;

use std::sync::Arc;

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use tracing::{error, warn};

use super::{Published, ServiceError};
use crate::clock::Clock;
use crate::domain::ids::OrganizationId;
use crate::domain::statistics::Statistics;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::tenancy::usage::{Day, Days, Usage};
use crate::store::{NotAdded, Store};
use unwritten::{Amount, Counts, Unwritten};

/// How many counts are written at the same time.
const MAX_CONCURRENT_WRITES: usize = 16;
/// How many counts of a kind are written together with other work, which waits for them. Further counts are written
/// later.
const MAX_WRITES_BESIDE_WORK: usize = 32;

/// Counts the usage of organizations and the statistics of endpoints.
#[derive(Debug)]
pub struct Meter {
    store: Arc<Store>,
    clock: Clock,
    usage: Counts<Usage>,
    /// `None` if the deployment has no statistics.
    statistics: Option<Counts<Statistics>>,
}

impl Amount for Usage {
    type Key = (OrganizationId, Day);

    const NAME: &'static str = "usage";
    /// So for a busy organization counting adds at most a 25th of a write to each delivery: a 50th when it is created, and
    /// a 50th when it is attempted.
    const MIN_WRITTEN: u64 = 50;

    fn organization((organization, _): &Self::Key) -> &OrganizationId {
        organization
    }

    fn item((_, day): &Self::Key) -> String {
        day.to_string()
    }

    fn largest(&self) -> u64 {
        self.events.max(self.deliveries).max(self.attempts)
    }

    async fn add_to(&self, store: &Store, (organization, day): &Self::Key) -> Result<(), NotAdded> {
        store.add_usage(organization, *day, *self).await
    }
}

impl Meter {
    pub(super) fn new(store: Arc<Store>, clock: Clock, has_statistics: bool) -> Self {
        Self { store, clock, usage: Counts::new(), statistics: has_statistics.then(Counts::new) }
    }

    /// Adds to an organization's usage of today. The count is written later.
    pub(super) fn count(&self, organization: &OrganizationId, usage: Usage) {
        if usage == Usage::default() {
            return;
        }
        let now = self.clock.now();
        self.usage.add((organization.clone(), Day::of(now)), Unwritten { amount: usage, since: now });
    }

    /// Counts accepted events and their deliveries.
    pub(super) fn count_published(&self, organization: &OrganizationId, published: &[Published]) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let deliveries = number(published.iter().map(|published| published.deliveries.len()).sum());
        self.count(organization, Usage { events: number(published.len()), deliveries, attempts: 0 });
    }

    /// Writes counts that are large or old enough. Call it concurrently with other work.
    pub async fn write_usage(&self) {
        let now = self.clock.now();
        let statistics = self.statistics.iter().map(|counts| counts.take_due(MAX_WRITES_BESIDE_WORK, now));
        self.write_both(self.usage.take_due(MAX_WRITES_BESIDE_WORK, now), statistics.flatten().collect()).await;
    }

    /// Writes usage that is too large to be lost with the process.
    pub(super) async fn write_large_counts(&self) {
        let large = self.usage.take(MAX_WRITES_BESIDE_WORK, |_, unwritten| unwritten.exceeds_max_loss());
        self.write(&self.usage, large).await;
    }

    /// Writes all statistics.
    pub async fn write_statistics(&self) {
        if let Some(counts) = &self.statistics {
            self.write(counts, counts.take(usize::MAX, |_, _| true)).await;
        }
    }

    /// Writes all counts. Call it before the process ends.
    pub async fn write_all_usage(&self) {
        let statistics = self.statistics.iter().map(|counts| counts.take(usize::MAX, |_, _| true));
        self.write_both(self.usage.take(usize::MAX, |_, _| true), statistics.flatten().collect()).await;
    }

    /// An organization's usage of each day, in order; zero for days without usage. It includes this process's
    /// counts, but not those that other processes have not written yet.
    ///
    /// # Errors
    /// [`ServiceError`] if the usage could not be read.
    pub async fn usage(&self, organization: &OrganizationId, days: Days) -> Result<Vec<(Day, Usage)>, ServiceError> {
        let own = self.usage.take(usize::MAX, |(of, _), _| of == organization);
        self.write(&self.usage, own).await;
        let found = self.store.usage(organization, days).await?;
        Ok(days.iter().map(|day| (day, found.get(&day).copied().unwrap_or_default())).collect())
    }

    async fn write_both(&self, usage: Taken<Usage>, statistics: Taken<Statistics>) {
        let statistics = async {
            if let Some(counts) = &self.statistics {
                self.write(counts, statistics).await;
            }
        };
        join(self.write(&self.usage, usage), statistics).await;
    }

    /// Writes counts that were taken. What was certainly not written is put back.
    async fn write<A: Amount>(&self, counts: &Counts<A>, taken: Taken<A>) {
        let writes: Vec<_> = taken.into_iter().map(|(key, unwritten)| self.write_one(counts, key, unwritten)).collect();
        stream::iter(writes).buffer_unordered(MAX_CONCURRENT_WRITES).collect::<()>().await;
    }

    async fn write_one<A: Amount>(&self, counts: &Counts<A>, key: A::Key, unwritten: Unwritten<A>) {
        let (kind, organization, item) = (A::NAME, A::organization(&key).clone(), A::item(&key));
        if unwritten.may_outlive_its_organization(self.clock.now()) {
            match self.store.organization_state(&organization).await {
                Ok(Some(state)) if state.status != OrganizationStatus::Deleting => {}
                Ok(_) => return,
                Err(error) => {
                    warn!(%organization, item, %error, "{kind} was not written and is kept for later");
                    return counts.add(key, unwritten);
                }
            }
        }
        match unwritten.amount.add_to(&self.store, &key).await {
            Ok(()) => {}
            Err(NotAdded::Refused(error)) => {
                warn!(%organization, item, %error, "{kind} was not written and is kept for later");
                counts.add(key, unwritten);
            }
            // It is not written again, because it could be counted twice.
            Err(NotAdded::Unknown(error)) => {
                error!(%organization, item, counted = ?unwritten.amount, %error, "{kind} may not have been written");
            }
        }
    }
}

/// Counts that were taken out of [`Counts`] to be written.
type Taken<A> = Vec<(<A as Amount>::Key, Unwritten<A>)>;
