//! Metering: a process adds up the usage of each organization in memory, and writes it from time to time. Counts
//! that a process has not written when it is killed are lost. So usage may be too low, but never too high.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::{error, warn};

use super::{Published, ServiceError};
use crate::clock::Clock;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::tenancy::usage::{Day, Days, Usage};
use crate::domain::time::Timestamp;
use crate::store::{NotAdded, Store};

/// A smaller count is not written immediately. So for a busy organization counting adds at most a 25th of a write
/// to each delivery: a 50th when it is created, and a 50th when it is attempted.
const MIN_WRITTEN_COUNT: u64 = 50;
/// A count of this size is written immediately. A smaller count is kept in memory for at most [`MAX_WRITE_DELAY`].
const MAX_LOST_COUNT: u64 = 100;
/// How long a process keeps a count in memory while it handles requests.
const MAX_WRITE_DELAY: Duration = Duration::from_secs(10 * 60);
/// A count that is kept for longer, by a process that handled no requests, is written only after the organization was
/// read: the last pass of a deletion removes what is written before.
const UNCHECKED: Duration = Duration::from_secs(13 * 60);
/// How many counts are written at the same time.
const MAX_CONCURRENT_WRITES: usize = 16;
/// How many counts are written together with other work, which waits for them. Further counts are written later.
const MAX_WRITES_BESIDE_WORK: usize = 32;

/// Counts that this process has not written yet.
#[derive(Debug, Default)]
struct Counts(Mutex<HashMap<(OrganizationId, Day), Unwritten>>);

#[derive(Debug, Clone, Copy)]
struct Unwritten {
    usage: Usage,
    since: Timestamp,
}

impl Unwritten {
    /// Whether the count is written together with other work, after the process has kept it for `waited`.
    fn is_due(&self, now: Timestamp) -> bool {
        self.largest_count() >= MIN_WRITTEN_COUNT || now.since(self.since) >= MAX_WRITE_DELAY
    }

    /// Whether the count is written immediately.
    fn exceeds_max_loss(&self) -> bool {
        self.largest_count() >= MAX_LOST_COUNT
    }

    /// Whether the count is so old that the organization may have been deleted since.
    fn may_outlive_its_organization(&self, now: Timestamp) -> bool {
        now.since(self.since) >= UNCHECKED
    }

    fn largest_count(&self) -> u64 {
        let Usage { events, deliveries, attempts } = self.usage;
        events.max(deliveries).max(attempts)
    }
}

impl Counts {
    fn add(&self, key: (OrganizationId, Day), added: Unwritten) {
        let mut unwritten = self.unwritten();
        let entry = unwritten.entry(key).or_insert(Unwritten { usage: Usage::default(), since: added.since });
        entry.usage += added.usage;
        entry.since = entry.since.min(added.since);
    }

    /// Removes and returns at most `most` matching counts, the oldest first.
    fn take(
        &self,
        most: usize,
        is_wanted: impl Fn(&OrganizationId, &Unwritten) -> bool,
    ) -> Vec<((OrganizationId, Day), Unwritten)> {
        let mut unwritten = self.unwritten();
        let mut wanted: Vec<_> = unwritten
            .iter()
            .filter(|((organization, _), unwritten)| is_wanted(organization, unwritten))
            .map(|(key, unwritten)| (key.clone(), *unwritten))
            .collect();
        wanted.sort_unstable_by_key(|(_, unwritten)| unwritten.since);
        wanted.truncate(most);
        for (key, _) in &wanted {
            unwritten.remove(key);
        }
        wanted
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<(OrganizationId, Day), Unwritten>> {
        // A panic in another thread cannot leave a partial count behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the usage of organizations.
#[derive(Debug)]
pub struct Meter {
    store: Arc<Store>,
    clock: Clock,
    counts: Counts,
}

impl Meter {
    pub(super) fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, counts: Counts::default() }
    }

    /// Adds to an organization's usage of today. The count is written later.
    pub(super) fn count(&self, organization: &OrganizationId, usage: Usage) {
        if usage == Usage::default() {
            return;
        }
        let now = self.clock.now();
        self.counts.add((organization.clone(), Day::of(now)), Unwritten { usage, since: now });
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
        self.write_counts(MAX_WRITES_BESIDE_WORK, |_, unwritten| unwritten.is_due(now)).await;
    }

    /// Writes counts that are too large to be lost with the process.
    pub(super) async fn write_large_counts(&self) {
        self.write_counts(MAX_WRITES_BESIDE_WORK, |_, unwritten| unwritten.exceeds_max_loss()).await;
    }

    /// Writes all counts. Call it before the process ends.
    pub async fn write_all_usage(&self) {
        self.write_counts(usize::MAX, |_, _| true).await;
    }

    /// An organization's usage of each day, in order; zero for days without usage. It includes this process's
    /// counts, but not those that other processes have not written yet.
    ///
    /// # Errors
    /// [`ServiceError`] if the usage could not be read.
    pub async fn usage(&self, organization: &OrganizationId, days: Days) -> Result<Vec<(Day, Usage)>, ServiceError> {
        self.write_counts(usize::MAX, |of, _| of == organization).await;
        let found = self.store.usage(organization, days).await?;
        Ok(days.iter().map(|day| (day, found.get(&day).copied().unwrap_or_default())).collect())
    }

    async fn write_counts(&self, most: usize, is_wanted: impl Fn(&OrganizationId, &Unwritten) -> bool) {
        let writes: Vec<_> =
            self.counts.take(most, is_wanted).into_iter().map(|(key, unwritten)| self.write(key, unwritten)).collect();
        stream::iter(writes).buffer_unordered(MAX_CONCURRENT_WRITES).collect::<()>().await;
    }

    async fn write(&self, key: (OrganizationId, Day), unwritten: Unwritten) {
        let (organization, day) = &key;
        let Usage { events, deliveries, attempts } = unwritten.usage;
        if unwritten.may_outlive_its_organization(self.clock.now()) {
            match self.store.organization_state(organization).await {
                Ok(Some(state)) if state.status != OrganizationStatus::Deleting => {}
                Ok(_) => return,
                Err(error) => {
                    warn!(%organization, %day, %error, "usage was not written and is kept for later");
                    return self.counts.add(key, unwritten);
                }
            }
        }
        match self.store.add_usage(organization, *day, unwritten.usage).await {
            Ok(()) => {}
            Err(NotAdded::Refused(error)) => {
                warn!(%organization, %day, %error, "usage was not written and is kept for later");
                self.counts.add(key, unwritten);
            }
            // It is not written again, because it could be counted twice.
            Err(NotAdded::Unknown(error)) => {
                error!(%organization, %day, events, deliveries, attempts, %error, "usage may not have been written");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn unwritten(usage: Usage) -> Unwritten {
        Unwritten { usage, since: NOW }
    }

    #[test]
    fn a_small_count_is_kept_in_memory_for_a_while_and_a_large_one_is_written() {
        let attempts = |attempts| Usage { attempts, ..Usage::default() };
        for (usage, waited_seconds, worth, much) in [
            (Usage::ATTEMPT, 599, false, false),
            (Usage::ATTEMPT, 600, true, false),
            (attempts(49), 0, false, false),
            (attempts(50), 0, true, false),
            (Usage { events: 50, ..Usage::default() }, 0, true, false),
            (Usage { events: 1, deliveries: 99, attempts: 99 }, 0, true, false),
            (Usage { events: 1, deliveries: 100, attempts: 0 }, 0, true, true),
        ] {
            assert_eq!(unwritten(usage).is_due(NOW.plus(Duration::from_secs(waited_seconds))), worth, "{usage:?}");
            assert_eq!(unwritten(usage).exceeds_max_loss(), much, "{usage:?}");
        }
    }
}
