//! Counts in memory that are added to items of the table from time to time.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::error;

use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::store::{NotAdded, Store};

/// A count of this size is written immediately. A smaller count is kept in memory for at most [`MAX_WRITE_DELAY`].
const MAX_LOST_COUNT: u64 = 100;
/// How long a process keeps a count in memory while it handles requests.
const MAX_WRITE_DELAY: Duration = Duration::from_secs(10 * 60);
/// A count that is kept for longer, by a process that handled no requests, is written only after the organization was
/// read: the last pass of a deletion removes what is written before.
const UNCHECKED: Duration = Duration::from_secs(13 * 60);
/// Most counts that a process keeps while it handles requests. Beyond, the oldest are written.
const MAX_KEPT: usize = 2_000;
/// Most counts that a process keeps although they cannot be written. Beyond, further counts are dropped.
const MAX_UNWRITABLE: usize = 10_000;

/// What is added up. It belongs to an item of the table.
pub(super) trait Amount: Debug + Clone + Default + AddAssign + Send + Sync {
    /// What identifies the item.
    type Key: Debug + Clone + Eq + Hash + Send + Sync;

    /// What is counted, for logs.
    const NAME: &'static str;
    /// A count whose largest number is smaller is written only after [`MAX_WRITE_DELAY`].
    const MIN_WRITTEN: u64;

    /// The organization that the item belongs to.
    fn organization(key: &Self::Key) -> &OrganizationId;

    /// The rest of what identifies the item, for logs.
    fn item(key: &Self::Key) -> String;

    /// The largest of its numbers.
    fn largest(&self) -> u64;

    /// Adds the amount to the item.
    fn add_to(&self, store: &Store, key: &Self::Key) -> impl Future<Output = Result<(), NotAdded>> + Send;
}

/// Counts that were taken out of [`Counts`] to be written.
pub(super) type Pending<A> = Vec<(<A as Amount>::Key, Unwritten<A>)>;

/// Counts that this process has not written yet.
#[derive(Debug)]
pub(super) struct Counts<A: Amount>(Mutex<HashMap<A::Key, Unwritten<A>>>);

/// A count that this process has not written yet.
#[derive(Debug, Clone)]
pub(super) struct Unwritten<A> {
    pub(super) amount: A,
    /// When the process began to count.
    pub(super) since: Timestamp,
}

impl<A: Amount> Unwritten<A> {
    /// Whether the count is written together with other work.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.amount.largest() >= A::MIN_WRITTEN || now.since(self.since) >= MAX_WRITE_DELAY
    }

    /// Whether the count is written immediately.
    pub(super) fn exceeds_max_loss(&self) -> bool {
        self.amount.largest() >= MAX_LOST_COUNT
    }

    /// Whether the count is so old that the organization may have been deleted since.
    pub(super) fn may_outlive_its_organization(&self, now: Timestamp) -> bool {
        is_unchecked(self.since, now)
    }
}

/// Whether an organization that existed at `seen` may have been deleted since.
pub(super) fn is_unchecked(seen: Timestamp, now: Timestamp) -> bool {
    now.since(seen) >= UNCHECKED
}

impl<A: Amount> Counts<A> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Adds to a count. A new one is dropped if the process already keeps very many.
    pub(super) fn add(&self, key: A::Key, added: Unwritten<A>) {
        let mut unwritten = self.unwritten();
        if unwritten.len() >= MAX_UNWRITABLE && !unwritten.contains_key(&key) {
            let (kind, organization, item) = (A::NAME, A::organization(&key), A::item(&key));
            error!(%organization, item, counted = ?added.amount, "{kind} is lost, since too many counts cannot be written");
            return;
        }
        let entry = unwritten.entry(key).or_insert(Unwritten { amount: A::default(), since: added.since });
        entry.amount += added.amount;
        entry.since = entry.since.min(added.since);
    }

    /// Removes and returns at most `most` matching counts, the oldest first.
    pub(super) fn take(&self, most: usize, is_wanted: impl Fn(&A::Key, &Unwritten<A>) -> bool) -> Pending<A> {
        let mut unwritten = self.unwritten();
        let mut wanted: Vec<_> = unwritten
            .iter()
            .filter(|(key, unwritten)| is_wanted(key, unwritten))
            .map(|(key, unwritten)| (key.clone(), unwritten.since))
            .collect();
        wanted.sort_unstable_by_key(|(_, since)| *since);
        wanted.truncate(most);
        wanted.into_iter().filter_map(|(key, _)| unwritten.remove_entry(&key)).collect()
    }

    /// Removes and returns all counts.
    pub(super) fn take_all(&self) -> Pending<A> {
        self.take(usize::MAX, |_, _| true)
    }

    /// As [`take`](Self::take), for the counts that are due; for all if the process keeps too many.
    pub(super) fn take_due(&self, most: usize, now: Timestamp) -> Pending<A> {
        let keeps_too_many = self.unwritten().len() > MAX_KEPT;
        self.take(most, |_, unwritten| keeps_too_many || unwritten.is_due(now))
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<A::Key, Unwritten<A>>> {
        // A panic in another thread cannot leave a partial count behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenancy::usage::{Day, Usage};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn unwritten(usage: Usage) -> Unwritten<Usage> {
        Unwritten { amount: usage, since: NOW }
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

    #[test]
    fn a_process_that_keeps_too_many_counts_writes_the_oldest() {
        let counts = Counts::<Usage>::new();
        let key = |number: usize| {
            let random = u64::try_from(number).unwrap().to_be_bytes();
            (OrganizationId::new(NOW, random), Day::of(NOW))
        };
        for number in 0..=MAX_KEPT {
            let since = NOW.minus(Duration::from_millis(u64::try_from(number).unwrap()));
            counts.add(key(number), Unwritten { amount: Usage::ATTEMPT, since });
        }
        let taken: Vec<_> = counts.take_due(2, NOW).into_iter().map(|(key, _)| key).collect();
        assert_eq!(taken, [key(MAX_KEPT), key(MAX_KEPT - 1)]);
        assert!(counts.take_due(32, NOW).is_empty());
    }

    #[test]
    fn the_number_of_counts_that_cannot_be_written_is_limited() {
        let counts = Counts::<Usage>::new();
        let key = |number: usize| {
            let random = u64::try_from(number).unwrap().to_be_bytes();
            (OrganizationId::new(NOW, random), Day::of(NOW))
        };
        for number in 0..=MAX_UNWRITABLE {
            counts.add(key(number), unwritten(Usage::ATTEMPT));
        }
        counts.add(key(0), unwritten(Usage::ATTEMPT));
        let taken: HashMap<_, _> = counts.take_all().into_iter().collect();
        assert_eq!((taken.len(), taken.contains_key(&key(MAX_UNWRITABLE))), (MAX_UNWRITABLE, false));
        assert_eq!(taken[&key(0)].amount.attempts, 2);
    }
}
