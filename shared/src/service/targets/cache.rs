//! The targets that a process caches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::endpoint::fan_out::{FanOut, FanOutGroup, Target};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::Revisions;
use crate::domain::time::Timestamp;

/// How long a process uses cached targets. This limits how long other processes use the former status after a
/// suspension or a change of the lane, which do not raise the revision, and after a process that died between changing
/// an endpoint and raising the revision.
pub(super) const LIFETIME: Duration = Duration::from_secs(30);
/// Maximum size of the targets that a process caches, counted as their stored bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The size of a cached group without its targets.
const GROUP_BYTES: u64 = 256;

/// The targets that a process caches.
#[derive(Debug, Default)]
pub(super) struct FanOutCache(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    organizations: HashMap<OrganizationId, BTreeMap<FanOutGroup, CachedGroup>>,
    bytes: u64,
}

/// The targets of a group, as read from the table.
#[derive(Debug, Clone)]
pub(super) struct CachedGroup {
    /// The group's revision, which was read before the targets.
    revision: u64,
    /// A time before the read of the targets began.
    read_at: Timestamp,
    pub(super) targets: Arc<[Target]>,
    /// The stored bytes of the targets and [`GROUP_BYTES`].
    bytes: u64,
}

impl CachedGroup {
    pub(super) fn new(revision: u64, read_at: Timestamp, targets: Arc<[Target]>) -> Self {
        let bytes = GROUP_BYTES + targets.iter().map(Target::stored_bytes).sum::<u64>();
        Self { revision, read_at, targets, bytes }
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        now.since(self.read_at) < LIFETIME
    }
}

impl FanOutCache {
    /// The cached groups that are at least as new as these revisions and at most 30 s old.
    pub(super) fn current(
        &self,
        organization: &OrganizationId,
        revisions: &Revisions,
        now: Timestamp,
    ) -> BTreeMap<FanOutGroup, Arc<[Target]>> {
        let entries = self.entries();
        let Some(groups) = entries.organizations.get(organization) else { return BTreeMap::new() };
        let current = revisions.groups().filter_map(|(group, revision)| {
            let cached = groups.get(&group).filter(|it| it.revision >= revision && it.is_valid(now))?;
            Some((group, Arc::clone(&cached.targets)))
        });
        current.collect()
    }

    /// All targets of an organization as they were at most 30 s ago, without a check of the revisions; `None` if they
    /// are not cached or a group has expired.
    pub(super) fn recent(&self, organization: &OrganizationId, now: Timestamp) -> Option<FanOut> {
        let entries = self.entries();
        let groups = entries.organizations.get(organization)?;
        let is_complete = groups.values().all(|group| group.is_valid(now));
        is_complete.then(|| FanOut::new(groups.values().map(|group| Arc::clone(&group.targets)).collect()))
    }

    /// Expires a cached group, so that this process reads it again even if its revision is the same.
    pub(super) fn expire(&self, organization: &OrganizationId, group: FanOutGroup) {
        let mut entries = self.entries();
        let cached = entries.organizations.get_mut(organization).and_then(|groups| groups.get_mut(&group));
        if let Some(cached) = cached {
            cached.read_at = Timestamp::from_unix_seconds(0);
        }
    }

    /// Caches all groups that a request has read. So of each organization either all groups are cached or none. Returns
    /// the size in bytes of all cached groups of the organization.
    pub(super) fn insert(
        &self,
        organization: &OrganizationId,
        read: &[(FanOutGroup, CachedGroup)],
        now: Timestamp,
    ) -> u64 {
        let mut entries = self.entries();
        for (group, read) in read {
            let groups = entries.organizations.entry(organization.clone()).or_default();
            // A slower request must not replace newer targets by older ones.
            if groups.get(group).is_some_and(|cached| cached.revision > read.revision && cached.is_valid(now)) {
                continue;
            }
            let replaced = groups.insert(*group, read.clone()).map_or(0, |replaced| replaced.bytes);
            entries.bytes = entries.bytes.saturating_sub(replaced).saturating_add(read.bytes);
        }
        if entries.bytes > MAX_BYTES {
            entries.evict(organization, now);
        }
        entries.organizations.get(organization).into_iter().flat_map(BTreeMap::values).map(|group| group.bytes).sum()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code that holds this lock panics within a change, so the entries are consistent even if the lock is
        // poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Removes the organizations with an expired group, and if that is not enough, all except this one.
    fn evict(&mut self, organization: &OrganizationId, now: Timestamp) {
        self.organizations.retain(|id, groups| id == organization || groups.values().all(|group| group.is_valid(now)));
        if self.count() > MAX_BYTES {
            self.organizations.retain(|id, _| id == organization);
        }
        self.bytes = self.count();
    }

    fn count(&self) -> u64 {
        self.organizations.values().flat_map(BTreeMap::values).map(|group| group.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::fan_out::TargetStatus;
    use crate::domain::endpoint::lane::Lane;
    use crate::domain::endpoint::subscription::Subscription;
    use crate::domain::event::channel::Channels;
    use crate::domain::ids::EndpointId;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_774_382_400 + seconds)
    }

    fn organization(number: u8) -> OrganizationId {
        OrganizationId::new(at(0), [number; 8])
    }

    fn group(number: u8) -> FanOutGroup {
        FanOutGroup::new(number).unwrap()
    }

    /// A group of one target with this version.
    fn targets(version: u64) -> Arc<[Target]> {
        let target = Target {
            id: EndpointId::new(at(0), [1; 8]),
            status: TargetStatus::Active,
            is_suspended: false,
            subscriptions: vec![Subscription::All],
            edition: None,
            channels: Channels::default(),
            filter: None,
            lane: Lane::Fast,
            version,
        };
        [target].into()
    }

    fn read(revision: u64, seconds: i64, version: u64) -> CachedGroup {
        CachedGroup::new(revision, at(seconds), targets(version))
    }

    /// The versions of the targets that a request with these revisions finds in the cache.
    fn found(cache: &FanOutCache, revisions: &[(u8, u64)], seconds: i64) -> Vec<u64> {
        let revisions = revisions.iter().map(|(number, revision)| (group(*number), *revision)).collect();
        let found = cache.current(&organization(1), &revisions, at(seconds));
        found.values().map(|targets| targets[0].version).collect()
    }

    #[test]
    fn targets_are_used_while_the_revision_stays_and_for_less_than_thirty_seconds() {
        let cache = FanOutCache::default();
        cache.insert(&organization(1), &[(group(0), read(5, 0, 1)), (group(3), read(2, 0, 2))], at(0));
        for (revisions, seconds, expected) in [
            (&[(0, 5), (3, 2)][..], 0, &[1, 2][..]),
            (&[(0, 5), (3, 2)], 29, &[1, 2]),
            (&[(0, 5), (3, 2)], 30, &[]),
            (&[(0, 6), (3, 2)], 1, &[2]),
            // This request read the revision before another one raised it.
            (&[(0, 4), (3, 2)], 1, &[1, 2]),
            (&[(0, 5), (3, 2), (4, 0)], 1, &[1, 2]),
        ] {
            assert_eq!(found(&cache, revisions, seconds), expected, "{revisions:?} at {seconds}");
        }
        assert!(cache.current(&organization(2), &[(group(0), 0)].into_iter().collect(), at(0)).is_empty());
    }

    #[test]
    fn a_slower_request_does_not_replace_newer_targets() {
        let cache = FanOutCache::default();
        for (it, expected) in [(read(5, 0, 1), 1), (read(4, 1, 2), 1), (read(5, 1, 3), 3), (read(6, 2, 4), 4)] {
            cache.insert(&organization(1), &[(group(0), it)], at(2));
            assert_eq!(found(&cache, &[(0, 0)], 2), [expected]);
        }
        // An expired group is replaced by any revision: the organization may have been deleted and created again.
        cache.insert(&organization(1), &[(group(0), read(1, 40, 5))], at(40));
        assert_eq!(found(&cache, &[(0, 1)], 41), [5]);
    }

    #[test]
    fn recent_targets_are_complete_or_absent() {
        let cache = FanOutCache::default();
        assert!(cache.recent(&organization(1), at(0)).is_none());
        cache.insert(&organization(1), &[(group(0), read(5, 0, 1)), (group(3), read(2, 0, 2))], at(0));
        assert_eq!(cache.recent(&organization(1), at(29)).unwrap().targets().count(), 2);
        assert!(cache.recent(&organization(1), at(30)).is_none());
        cache.expire(&organization(1), group(3));
        assert!(cache.recent(&organization(1), at(1)).is_none());
        assert_eq!(found(&cache, &[(0, 5), (3, 2)], 1), [1], "the other group stays");
    }

    #[test]
    fn the_size_of_the_cache_is_bounded() {
        let cache = FanOutCache::default();
        let large: Arc<[Target]> = vec![targets(1)[0].clone(); 10_000].into();
        for number in 0..100 {
            let read = CachedGroup::new(0, at(0), Arc::clone(&large));
            cache.insert(&organization(number), &[(group(0), read)], at(0));
            let entries = cache.entries();
            assert!(entries.bytes <= MAX_BYTES && entries.bytes == entries.count(), "{}", entries.bytes);
            assert!(entries.organizations.contains_key(&organization(number)));
        }
    }
}
