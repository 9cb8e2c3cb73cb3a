//! Metering: a process adds up the usage of each organization in memory, and writes it from time to time. Counts
//! that a process has not written when it is killed are lost. So usage may be too low, but never too high.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use tracing::{error, warn};

use super::{Core, Published, ServiceError};
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Day, Days, Usage};
use crate::store::NotAdded;

/// How many counts are written at the same time.
const AT_ONCE: usize = 16;
/// How many counts are written together with other work, which waits for them. Further counts are written later.
const BESIDE: usize = 32;

/// Counts that this process has not written yet.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<HashMap<(OrganizationId, Day), Kept>>);

#[derive(Debug, Clone, Copy)]
struct Kept {
    usage: Usage,
    since: Timestamp,
}

impl Meter {
    fn add(&self, place: (OrganizationId, Day), added: Kept) {
        let mut kept = self.kept();
        let entry = kept.entry(place).or_insert(Kept { usage: Usage::default(), since: added.since });
        entry.usage += added.usage;
        entry.since = entry.since.min(added.since);
    }

    /// Removes and returns at most `most` matching counts, the oldest first.
    fn take(
        &self,
        most: usize,
        is_wanted: impl Fn(&OrganizationId, &Kept) -> bool,
    ) -> Vec<((OrganizationId, Day), Kept)> {
        let mut kept = self.kept();
        let mut wanted: Vec<_> = kept
            .iter()
            .filter(|((organization, _), kept)| is_wanted(organization, kept))
            .map(|(place, kept)| (place.clone(), *kept))
            .collect();
        wanted.sort_unstable_by_key(|(_, kept)| kept.since);
        wanted.truncate(most);
        for (place, _) in &wanted {
            kept.remove(place);
        }
        wanted
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(OrganizationId, Day), Kept>> {
        // A panic in another thread cannot leave a partial count behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Adds to an organization's usage of today. The count is written later.
    pub(super) fn count(&self, organization: &OrganizationId, usage: Usage) {
        if usage == Usage::default() {
            return;
        }
        let now = self.clock.now();
        self.meter.add((organization.clone(), Day::of(now)), Kept { usage, since: now });
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
        self.write_counts(BESIDE, |_, kept| kept.usage.is_worth_a_write(now.since(kept.since))).await;
    }

    /// Writes counts that are too large to be lost with the process.
    pub(super) async fn write_great_usage(&self) {
        self.write_counts(BESIDE, |_, kept| kept.usage.is_too_much_to_lose()).await;
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

    async fn write_counts(&self, most: usize, is_wanted: impl Fn(&OrganizationId, &Kept) -> bool) {
        let writes: Vec<_> =
            self.meter.take(most, is_wanted).into_iter().map(|(place, kept)| self.write(place, kept)).collect();
        stream::iter(writes).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    async fn write(&self, place: (OrganizationId, Day), kept: Kept) {
        let (organization, day) = &place;
        let Usage { events, deliveries, attempts } = kept.usage;
        match self.store.add_usage(organization, *day, kept.usage).await {
            Ok(()) => {}
            Err(NotAdded::Refused(error)) => {
                warn!(%organization, %day, %error, "usage was not written and is kept for later");
                self.meter.add(place, kept);
            }
            // It is not written again, because it could be counted twice.
            Err(NotAdded::Unknown(error)) => {
                error!(%organization, %day, events, deliveries, attempts, %error, "usage may not have been written");
            }
        }
    }
}
