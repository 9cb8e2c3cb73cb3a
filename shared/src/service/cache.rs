//! A cache in the process's memory, so that frequent requests do not read the same items each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Most entries of a cache, unless it has its own limit. When it is full, expired entries are removed, or else all entries.
const MAX_ENTRIES: usize = 10_000;

/// Values that are valid for a limited time after they were read.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    lifetime: Duration,
    max_entries: usize,
    entries: Mutex<HashMap<K, (Timestamp, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self::of(lifetime, MAX_ENTRIES)
    }

    /// A cache of values that need much memory, with at most `max_entries`.
    pub(super) fn of(lifetime: Duration, max_entries: usize) -> Self {
        Self { lifetime, max_entries, entries: Mutex::new(HashMap::new()) }
    }

    pub(super) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let entries = self.entries();
        let (read_at, value) = entries.get(key)?;
        (now.since(*read_at) < self.lifetime).then(|| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V, now: Timestamp) {
        let mut entries = self.entries();
        if entries.len() >= self.max_entries {
            entries.retain(|_, (read_at, _)| now.since(*read_at) < self.lifetime);
        }
        if entries.len() >= self.max_entries {
            entries.clear();
        }
        entries.insert(key, (now, value));
    }

    pub(super) fn forget(&self, key: &K) {
        self.entries().remove(key);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (Timestamp, V)>> {
        // A panic in another thread cannot leave a partial entry behind.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_valid_for_their_lifetime_and_their_number_is_bounded() {
        let cache = Cache::new(Duration::from_secs(5));
        let at = Timestamp::from_unix_seconds;
        cache.put(0, "a", at(100));
        assert_eq!(cache.get(&0, at(104)), Some("a"));
        assert_eq!(cache.get(&0, at(105)), None);
        cache.forget(&0);
        assert_eq!(cache.get(&0, at(100)), None);
        (0..2 * MAX_ENTRIES).for_each(|key| cache.put(key, "b", at(200)));
        assert!(cache.entries().len() <= MAX_ENTRIES);
        let small = Cache::of(Duration::from_secs(5), 3);
        (0..7).for_each(|key| small.put(key, "c", at(200)));
        assert!(small.entries().len() <= 3);
    }
}
