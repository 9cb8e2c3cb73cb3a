//! What a process knows of the catalogue: its revision, the list of types, and the types and compiled schemas that its requests
//! have used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::catalogue::{CatalogueType, TypeEntry};
use crate::domain::event::event_type::EventType;
use crate::domain::schema::Schema;
use crate::domain::time::Timestamp;

/// How long a process uses the revision that it has read.
const LIFETIME: Duration = Duration::from_secs(10);
/// Most bytes of the known types and schemas.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The size of a known type without its name and its schemas.
const TYPE_BYTES: usize = 256;

/// A compiled version of a type; `None` if the version has no schema.
pub(super) type Compiled = Option<Arc<Schema>>;

/// The revision of the catalogue.
#[derive(Debug, Clone, Copy)]
struct Revision {
    number: u64,
    /// When this process first found this number.
    since: Timestamp,
    /// When it was last read, or could not be read.
    read_at: Timestamp,
}

impl Revision {
    /// Whether what was read at `read_at`, when `known` was the known revision, is as this revision is. A read that began in
    /// the first 10 s of a revision may have found it as it was before, since a transaction is not visible in all items at the
    /// same instant. So it counts for 10 s only.
    fn has(&self, known: u64, read_at: Timestamp, now: Timestamp) -> bool {
        let is_settled = read_at.since(self.since) >= LIFETIME || now.since(read_at) < LIFETIME;
        known >= self.number && is_settled
    }
}

/// The list of all types, by name.
#[derive(Debug)]
struct CachedEntries {
    entries: Arc<[TypeEntry]>,
    /// The revision that was known before the list was read.
    revision: u64,
    read_at: Timestamp,
}

/// What is known of a type.
#[derive(Debug)]
struct CachedType {
    /// The type; `None` if it does not exist.
    kind: Option<Arc<CatalogueType>>,
    /// The schemas of its versions, which never change.
    versions: BTreeMap<u32, Compiled>,
    /// The revision that was known before the type was read.
    revision: u64,
    read_at: Timestamp,
    bytes: usize,
}

impl CachedType {
    /// When the type was created. A type that was removed and created again begins with version 1 again.
    fn created_at(&self) -> Option<Timestamp> {
        self.kind.as_ref().map(|kind| kind.created_at)
    }
}

/// What a process knows of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Cache {
    revision: Option<Revision>,
    entries: Option<CachedEntries>,
    types: HashMap<EventType, CachedType>,
    bytes: usize,
}

impl Cache {
    /// The revision, if it was read in the last 10 s.
    pub(super) fn revision(&self, now: Timestamp) -> Option<u64> {
        let current = self.revision.filter(|revision| now.since(revision.read_at) < LIFETIME);
        current.map(|revision| revision.number)
    }

    /// Remembers the revision. A lower one comes from a replica that is behind.
    pub(super) fn found_revision(&mut self, number: u64, now: Timestamp) -> u64 {
        let before = self.revision.filter(|before| before.number >= number);
        let (number, since) = before.map_or((number, now), |before| (before.number, before.since));
        self.revision = Some(Revision { number, since, read_at: now });
        number
    }

    /// Prolongs the known revision because it cannot be read; `None` if this process has never read it.
    pub(super) fn prolong(&mut self, now: Timestamp) -> Option<u64> {
        let revision = self.revision.as_mut()?;
        revision.read_at = now;
        Some(revision.number)
    }

    /// Expires the revision, because this process has changed the catalogue.
    pub(super) fn expire(&mut self) {
        if let Some(revision) = &mut self.revision {
            revision.read_at = Timestamp::from_unix_seconds(0);
        }
    }

    /// The list of all types, if it was read at the current revision.
    pub(super) fn entries(&self, now: Timestamp) -> Option<Arc<[TypeEntry]>> {
        let revision = self.revision?;
        let known = self.entries.as_ref().filter(|known| revision.has(known.revision, known.read_at, now))?;
        Some(Arc::clone(&known.entries))
    }

    /// Remembers the list of all types, which was read when `revision` was known.
    pub(super) fn found_entries(&mut self, entries: Arc<[TypeEntry]>, revision: u64, now: Timestamp) {
        self.entries = Some(CachedEntries { entries, revision, read_at: now });
    }

    /// The type, if it was read at the current revision.
    pub(super) fn kind(&self, name: &EventType, now: Timestamp) -> Option<Option<Arc<CatalogueType>>> {
        let revision = self.revision?;
        let known = self.types.get(name).filter(|known| revision.has(known.revision, known.read_at, now));
        known.map(|known| known.kind.clone())
    }

    /// The type as it was when it was last read.
    pub(super) fn last_kind(&self, name: &EventType) -> Option<Option<Arc<CatalogueType>>> {
        self.types.get(name).map(|known| known.kind.clone())
    }

    /// The compiled schema of a version, if it is known.
    pub(super) fn compiled(&self, kind: &CatalogueType, number: u32) -> Option<Compiled> {
        let known = self.types.get(&kind.name).filter(|known| known.created_at() == Some(kind.created_at))?;
        known.versions.get(&number).cloned()
    }

    /// Remembers a type that was read when `revision` was known. The schemas of its versions stay, unless it was created again.
    pub(super) fn found_type(
        &mut self,
        name: &EventType,
        kind: Option<Arc<CatalogueType>>,
        revision: u64,
        now: Timestamp,
    ) {
        let bytes = TYPE_BYTES + 2 * name.as_str().len() + kind.as_ref().map_or(0, |kind| described_bytes(kind));
        let mut found = CachedType { kind, versions: BTreeMap::new(), revision, read_at: now, bytes };
        if let Some(before) = self.remove(name).filter(|before| before.created_at() == found.created_at()) {
            found.bytes = found.bytes.max(before.bytes);
            found.versions = before.versions;
        }
        self.insert(name, found);
    }

    /// Remembers a compiled version of a type, which occupies this many bytes.
    pub(super) fn found_version(&mut self, kind: &CatalogueType, number: u32, schema: Compiled, bytes: usize) {
        let Some(mut known) = self.remove(&kind.name) else { return };
        if known.created_at() == Some(kind.created_at) && known.versions.insert(number, schema).is_none() {
            known.bytes += TYPE_BYTES + bytes;
        }
        self.insert(&kind.name, known);
    }

    fn remove(&mut self, name: &EventType) -> Option<CachedType> {
        let removed = self.types.remove(name)?;
        self.bytes -= removed.bytes;
        Some(removed)
    }

    /// Adds a type. If there are too many, those are forgotten first that do not exist: a tenant can name any number of them,
    /// and must not displace the others.
    fn insert(&mut self, name: &EventType, known: CachedType) {
        if self.bytes + known.bytes > MAX_BYTES {
            self.types.retain(|_, other| other.kind.is_some());
            self.bytes = self.types.values().map(|other| other.bytes).sum();
        }
        if self.bytes + known.bytes > MAX_BYTES {
            if known.kind.is_none() {
                return;
            }
            // Reading a few types again costs less than keeping their order of use.
            self.types.clear();
            self.bytes = 0;
        }
        self.bytes += known.bytes;
        self.types.insert(name.clone(), known);
    }
}

/// The bytes of a type's texts.
fn described_bytes(kind: &CatalogueType) -> usize {
    let texts = [&kind.settings.description, &kind.settings.group];
    texts.into_iter().flatten().map(|text| text.as_str().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::TypeSettings;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_774_382_400 + seconds)
    }

    fn name(text: &str) -> EventType {
        EventType::parse(text).unwrap()
    }

    fn kind(created: i64) -> CatalogueType {
        CatalogueType {
            name: name("order.paid"),
            settings: TypeSettings::default(),
            latest: Some(1),
            created_at: at(created),
            updated_at: at(created),
            version: 1,
        }
    }

    #[test]
    fn a_revision_is_used_for_ten_seconds_and_never_falls() {
        let mut known = Cache::default();
        assert_eq!((known.revision(at(0)), known.prolong(at(0))), (None, None));
        assert_eq!(known.found_revision(5, at(0)), 5);
        assert_eq!((known.revision(at(9)), known.revision(at(10))), (Some(5), None));
        assert_eq!(known.found_revision(4, at(10)), 5, "from a replica that is behind");
        assert_eq!(known.prolong(at(20)), Some(5));
        assert_eq!(known.revision(at(29)), Some(5));
        known.expire();
        assert_eq!(known.revision(at(29)), None);
    }

    #[test]
    fn a_type_is_read_again_after_a_change_and_once_more_ten_seconds_later() {
        let mut known = Cache::default();
        let order = name("order.paid");
        let is_known = |known: &Cache, seconds| known.kind(&order, at(seconds)).is_some();
        known.found_revision(5, at(0));
        known.found_type(&order, None, 5, at(1));
        assert!(is_known(&known, 10) && !is_known(&known, 11), "it was read soon after the revision was found");
        known.found_type(&order, None, 5, at(11));
        assert!(is_known(&known, 1_000));
        known.found_revision(6, at(1_000));
        assert!(!is_known(&known, 1_000));
        // A slower request read the type before it knew of the new revision.
        known.found_type(&order, None, 5, at(1_001));
        assert!(!is_known(&known, 1_001));
    }

    #[test]
    fn compiled_schemas_stay_until_the_type_is_created_anew() {
        let mut known = Cache::default();
        known.found_revision(1, at(0));
        let schema = Some(Arc::new(Schema::compile("true").unwrap()));
        known.found_type(&name("order.paid"), Some(Arc::new(kind(0))), 1, at(0));
        known.found_version(&kind(0), 1, schema.clone(), 80);
        known.found_type(&name("order.paid"), Some(Arc::new(kind(0))), 2, at(10));
        assert!(known.compiled(&kind(0), 1).is_some() && known.compiled(&kind(0), 2).is_none());
        known.found_type(&name("order.paid"), Some(Arc::new(kind(20))), 3, at(20));
        assert!(known.compiled(&kind(0), 1).is_none() && known.compiled(&kind(20), 1).is_none());
        // A request that still has the former type does not add its schema to the new one.
        known.found_version(&kind(0), 1, schema, 80);
        assert!(known.compiled(&kind(20), 1).is_none());
    }

    #[test]
    fn types_that_do_not_exist_displace_no_others() {
        let mut known = Cache::default();
        known.found_revision(1, at(0));
        let (order, absent) = (name("order.paid"), |number: usize| name(&format!("{}{number}", "x".repeat(240))));
        known.found_type(&order, Some(Arc::new(kind(0))), 1, at(0));
        known.found_version(&kind(0), 1, None, 0);
        for number in 0..MAX_BYTES / 600 {
            known.found_type(&absent(number), None, 1, at(0));
            assert!(known.bytes <= MAX_BYTES);
        }
        assert!(known.compiled(&kind(0), 1).is_some());
        assert_eq!(known.bytes, known.types.values().map(|known| known.bytes).sum::<usize>());
        // There is no room left for any that does not exist.
        known.found_version(&kind(0), 2, None, MAX_BYTES - 2_000);
        for number in 0..10 {
            known.found_type(&absent(number), None, 1, at(0));
        }
        assert!(known.compiled(&kind(0), 2).is_some() && known.bytes <= MAX_BYTES);
    }

    #[test]
    fn the_size_is_bounded() {
        let mut known = Cache::default();
        known.found_revision(1, at(0));
        for number in 0..1_000 {
            let other = CatalogueType { name: name(&format!("n{number}")), ..kind(0) };
            known.found_type(&other.name, Some(Arc::new(other.clone())), 1, at(0));
            known.found_version(&other, 1, None, 1_200_000);
            assert_eq!(known.bytes, known.types.values().map(|known| known.bytes).sum::<usize>());
            assert!(known.bytes <= MAX_BYTES);
            assert!(known.compiled(&other, 1).is_some());
        }
    }
}
