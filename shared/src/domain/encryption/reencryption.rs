//! The walk that encrypts again, under a new key, what other keys have encrypted.

use std::time::Duration;

use super::key_ring::KeyId;
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::time::Timestamp;

/// A pass that begins this long after the key changed meets everything. A process may encrypt with keys that it read up to
/// a minute ago and then write for 30 s, and the index lists an organization some seconds after its creation.
pub const SETTLED: Duration = Duration::from_secs(120);

/// After this time the walk is repeated. It then finds what processes without the keys, or with former ones, have written: for
/// example while a deployment replaces the functions one after another.
pub const REPEATED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of the walk through the endpoints of all organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencryption {
    /// The key under which everything is to be.
    pub key: KeyId,
    /// The version of the parameter that has that key first.
    pub parameter_version: i64,
    /// When the walk began.
    pub since: Timestamp,
    /// When the present pass begins or began.
    pub pass_began: Timestamp,
    /// The last organization that this pass has completed; `None` at its beginning.
    pub after: Option<OrganizationPosition>,
    /// How many endpoints were encrypted again.
    pub changed: u64,
    /// How many endpoints of this pass cannot be decrypted.
    pub undecryptable: u64,
    /// When the last pass ended; `None` while there is work.
    pub finished_at: Option<Timestamp>,
    /// Increases with each write, so that of two processes one continues.
    pub version: u64,
}

/// The result of a page of organizations.
#[derive(Debug, Default)]
pub struct ReencryptedPage {
    /// The last organization of the page; `None` if there are no more.
    pub last: Option<OrganizationPosition>,
    /// How many endpoints were encrypted again.
    pub changed: u64,
    /// How many endpoints cannot be decrypted.
    pub undecryptable: u64,
}

impl Reencryption {
    /// The walk towards `key`, the current one in this version of the parameter: the stored walk, or a new one if the version is
    /// another or the stored one ended a day ago. `None` if nothing is to be done.
    pub fn towards(key: KeyId, parameter_version: i64, stored: Option<Self>, now: Timestamp) -> Option<Self> {
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        match stored.filter(|stored| (stored.key, stored.parameter_version) == (key, parameter_version)) {
            Some(stored) if stored.finished_at.is_none() => Some(stored),
            Some(Self { finished_at: Some(at), .. }) if now.since(at) < REPEATED_AFTER => None,
            _ => Some(Self {
                key,
                parameter_version,
                since: now,
                pass_began: now,
                after: None,
                changed: 0,
                undecryptable: 0,
                finished_at: None,
                version,
            }),
        }
    }

    /// The walk after a page. A pass that began too early is followed by another one.
    #[must_use]
    pub fn after_page(self, page: ReencryptedPage, now: Timestamp) -> Self {
        let changed = self.changed + page.changed;
        let undecryptable = self.undecryptable + page.undecryptable;
        let walk = Self { after: page.last, changed, undecryptable, version: self.version + 1, ..self };
        match &walk.after {
            Some(_) => walk,
            None if walk.pass_began.since(walk.since) >= SETTLED => Self { finished_at: Some(now), ..walk },
            None => Self { pass_began: walk.since.plus(SETTLED).max(now), undecryptable: 0, ..walk },
        }
    }

    /// Whether the present pass has begun.
    pub fn has_begun(&self, now: Timestamp) -> bool {
        self.pass_began <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::OrganizationId;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_774_382_400 + seconds)
    }

    fn position(number: u8) -> OrganizationPosition {
        OrganizationPosition { created_at: at(0), id: OrganizationId::new(at(0), [number; 8]) }
    }

    fn page(last: Option<u8>, changed: u64, undecryptable: u64) -> ReencryptedPage {
        ReencryptedPage { last: last.map(position), changed, undecryptable }
    }

    const KEYS: [KeyId; 2] = [KeyId::new([1; 4]), KeyId::new([2; 4])];

    #[test]
    fn a_walk_ends_with_a_pass_that_began_when_the_change_had_settled() {
        let first = Reencryption::towards(KEYS[0], 1, None, at(0)).unwrap();
        assert!(first.has_begun(at(0)));
        let page_1 = first.after_page(page(Some(1), 5, 1), at(1));
        assert_eq!((&page_1.after, page_1.changed, page_1.undecryptable), (&Some(position(1)), 5, 1));
        assert!(page_1.has_begun(at(1)));
        let second = page_1.after_page(page(None, 1, 0), at(2));
        assert_eq!((&second.after, second.changed, second.undecryptable), (&None, 6, 0));
        assert_eq!((second.finished_at, second.has_begun(at(119)), second.has_begun(at(120))), (None, false, true));
    }

    #[test]
    fn a_late_pass_is_the_last() {
        let walk = Reencryption { pass_began: at(120), ..Reencryption::towards(KEYS[0], 1, None, at(0)).unwrap() };
        let ended = walk.after_page(page(None, 0, 2), at(130));
        assert_eq!((ended.finished_at, ended.undecryptable), (Some(at(130)), 2));
        const DAY: i64 = 24 * 60 * 60;
        for (key, parameter_version, seconds, is_new) in [
            (KEYS[0], 1, 200, false),
            (KEYS[0], 1, 130 + DAY - 1, false),
            (KEYS[0], 1, 130 + DAY, true),
            (KEYS[1], 2, 200, true),
            // The keys were changed and changed back.
            (KEYS[0], 3, 200, true),
        ] {
            let next = Reencryption::towards(key, parameter_version, Some(ended.clone()), at(seconds));
            assert_eq!(next.is_some(), is_new, "{key} {parameter_version} {seconds}");
            let Some(next) = next else { continue };
            assert_eq!((next.key, next.parameter_version, next.since), (key, parameter_version, at(seconds)));
            assert_eq!((next.finished_at, next.changed, next.version), (None, 0, ended.version));
        }
    }
}
