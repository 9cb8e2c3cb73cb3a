//! Metering: a process adds up the usage of each organization and the statistics of each endpoint in memory, and writes
//! them from time to time. Counts that a process has not written when it is killed are lost. So a written count may be
//! too low, but never too high.

mod statistics;
mod unwritten;

use std::collections::{HashMap, HashSet};
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
use crate::domain::time::Timestamp;
use crate::store::{NotAdded, Store, StoreError};
use unwritten::{Amount, Counts, Pending, Unwritten, is_unchecked};

/// How many counts are written at the same time, and how many organizations are read.
const MAX_CONCURRENT_CALLS: usize = 16;
/// How many counts of a kind are written together with other work, which waits for them. Further counts are written
/// later.
const MAX_WRITES_BESIDE_WORK: usize = 32;

/// Counts the usage of organizations and the statistics of endpoints.
#[derive(Debug)]
pub struct Meter {
    store: Arc<Store>,
    clock: Clock,
    usage: Counts<Usage>,
    statistics: Counts<Statistics>,
    /// Whether the deployment has statistics. Otherwise nothing is added to them.
    has_statistics: bool,
}

/// Counts that were taken to be written.
#[derive(Default)]
struct Batch {
    usage: Pending<Usage>,
    statistics: Pending<Statistics>,
    /// What is not written before this time is kept.
    deadline: Option<Timestamp>,
}

/// When organizations were read and existed; `None` for one that is deleted.
type Found = HashMap<OrganizationId, Result<Option<Timestamp>, StoreError>>;

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
        Self { store, clock, usage: Counts::new(), statistics: Counts::new(), has_statistics }
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

    /// Writes counts that are large or old enough, at most 32 of each kind. Call it concurrently with other work.
    pub async fn write_usage(&self) {
        self.write_due(MAX_WRITES_BESIDE_WORK).await;
    }

    /// Writes counts that are large or old enough, at most so many of each kind.
    pub(super) async fn write_due(&self, most: usize) {
        let now = self.clock.now();
        let (usage, statistics) = (self.usage.take_due(most, now), self.statistics.take_due(most, now));
        self.write(Batch { usage, statistics, deadline: None }).await;
    }

    /// Writes usage that is too large to be lost with the process.
    pub(super) async fn write_large_counts(&self) {
        let usage = self.usage.take(MAX_WRITES_BESIDE_WORK, |_, unwritten| unwritten.exceeds_max_loss());
        self.write(Batch { usage, ..Batch::default() }).await;
    }

    /// Writes all statistics.
    pub(super) async fn write_statistics(&self) {
        self.write(Batch { statistics: self.statistics.take_all(), ..Batch::default() }).await;
    }

    /// Writes all counts, as far as they can be written before `deadline`. Call it after other work.
    pub async fn write_until(&self, deadline: Timestamp) {
        let (usage, statistics) = (self.usage.take_all(), self.statistics.take_all());
        self.write(Batch { usage, statistics, deadline: Some(deadline) }).await;
    }

    /// Writes all counts. Call it before the process ends.
    pub async fn write_all_usage(&self) {
        let (usage, statistics) = (self.usage.take_all(), self.statistics.take_all());
        self.write(Batch { usage, statistics, deadline: None }).await;
    }

    /// An organization's usage of each day, in order; zero for days without usage. It includes this process's
    /// counts, but not those that other processes have not written yet.
    ///
    /// # Errors
    /// [`ServiceError`] if the usage could not be read.
    pub async fn usage(&self, organization: &OrganizationId, days: Days) -> Result<Vec<(Day, Usage)>, ServiceError> {
        let usage = self.usage.take(usize::MAX, |(of, _), _| of == organization);
        self.write(Batch { usage, ..Batch::default() }).await;
        let found = self.store.usage(organization, days).await?;
        Ok(days.iter().map(|day| (day, found.get(&day).copied().unwrap_or_default())).collect())
    }

    /// Writes counts that were taken. What was certainly not written is put back.
    async fn write(&self, batch: Batch) {
        let Batch { usage, statistics, deadline } = batch;
        let now = self.clock.now();
        let found = self.find(unchecked(&usage, now).chain(unchecked(&statistics, now)).collect()).await;
        join(
            self.write_each(&self.usage, usage, &found, deadline),
            self.write_each(&self.statistics, statistics, &found, deadline),
        )
        .await;
    }

    /// Reads which of these organizations exist.
    async fn find(&self, organizations: HashSet<OrganizationId>) -> Found {
        let reads = organizations.into_iter().map(async |organization| {
            let read_at = self.clock.now();
            let state = self.store.organization_state(&organization).await;
            let exists = |status| status != OrganizationStatus::Deleting;
            let found = state.map(|state| state.filter(|state| exists(state.status)).map(|_| read_at));
            (organization, found)
        });
        let reads: Vec<_> = reads.collect();
        stream::iter(reads).buffer_unordered(MAX_CONCURRENT_CALLS).collect().await
    }

    async fn write_each<A: Amount>(
        &self,
        counts: &Counts<A>,
        taken: Pending<A>,
        found: &Found,
        deadline: Option<Timestamp>,
    ) {
        let write = async |(key, unwritten)| self.write_one(counts, key, unwritten, found, deadline).await;
        let writes: Vec<_> = taken.into_iter().map(write).collect();
        stream::iter(writes).buffer_unordered(MAX_CONCURRENT_CALLS).collect::<()>().await;
    }

    async fn write_one<A: Amount>(
        &self,
        counts: &Counts<A>,
        key: A::Key,
        unwritten: Unwritten<A>,
        found: &Found,
        deadline: Option<Timestamp>,
    ) {
        let (kind, organization, item, now) = (A::NAME, A::organization(&key), A::item(&key), self.clock.now());
        if deadline.is_some_and(|deadline| now >= deadline) {
            return counts.add(key, unwritten);
        }
        if unwritten.may_outlive_its_organization(now) {
            match found.get(organization) {
                Some(Ok(Some(read_at))) if !is_unchecked(*read_at, now) => {}
                Some(Ok(None)) => return,
                Some(Err(error)) => {
                    warn!(%organization, item, %error, "{kind} was not written and is kept for later");
                    return counts.add(key, unwritten);
                }
                // The process was suspended since.
                Some(Ok(Some(_))) | None => return counts.add(key, unwritten),
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

/// The organizations of those counts that may outlive them.
fn unchecked<A: Amount>(taken: &Pending<A>, now: Timestamp) -> impl Iterator<Item = OrganizationId> {
    let old = taken.iter().filter(move |(_, unwritten)| unwritten.may_outlive_its_organization(now));
    old.map(|(key, _)| A::organization(key).clone())
}
