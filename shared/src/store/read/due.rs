//! Queries of the partitions of the index that contain the parked and leased deliveries of all tenants, by time.

use super::waiting::{LOWEST, WaitingKey, WaitingRef};
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::store::keys::Waiting;
use crate::store::{Store, StoreError, keys};

/// A delivery that is due at a time, or leased until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRef {
    /// The delivery's organization.
    pub organization: OrganizationId,
    /// The delivery.
    pub waiting: WaitingRef,
}

/// A part of a partition that has not been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSpan {
    shard: Waiting,
    /// The lowest sort key.
    from: String,
    /// A text that sorts after the highest sort key.
    to: String,
}

impl DueSpan {
    /// The parts of all partitions with times up to `until`.
    pub fn all(until: Timestamp) -> impl Iterator<Item = Self> {
        let to = keys::until(until);
        Waiting::due_shards().map(move |shard| Self { shard, from: LOWEST.to_owned(), to: to.clone() })
    }

    /// Splits the part into its times up to `at` and its later times, each `None` if it has no such times.
    pub fn split(self, at: Timestamp) -> [Option<Self>; 2] {
        let middle = keys::until(at);
        let until = Self { to: middle.clone().min(self.to.clone()), ..self.clone() };
        let later = Self { from: middle.max(self.from.clone()), ..self };
        [until, later].map(|part| Some(part).filter(|part| part.from < part.to))
    }
}

impl Store {
    /// Reads up to `limit` deliveries of a part of a partition, earliest first. Returns also the rest of the part; `None`
    /// if all was read.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn due_deliveries(
        &self,
        span: DueSpan,
        limit: usize,
    ) -> Result<(Vec<DueRef>, Option<DueSpan>), StoreError> {
        let found = self.waiting_keys([span.shard].into_iter(), &span.from, &span.to, limit).await?;
        let last = found.last().filter(|_| found.len() == limit);
        let rest = last.map(|last| DueSpan { from: format!("{}{LOWEST}", last.sort_key), ..span });
        let reference = |entry: &WaitingKey| {
            let organization = keys::parse_due_organization(&entry.sort_key)?;
            Some(DueRef { organization, waiting: entry.reference()? })
        };
        Ok((found.iter().filter_map(reference).collect(), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: i64) -> DueSpan {
        let to = keys::until(Timestamp::from_unix_seconds(to));
        DueSpan { shard: Waiting::due_shards().next().unwrap(), from: from.to_owned(), to }
    }

    #[test]
    fn a_part_is_split_at_a_time() {
        let (now, later) = (1_774_382_400, 1_774_382_580);
        let until = |seconds| keys::until(Timestamp::from_unix_seconds(seconds));
        for (from, expected) in [
            (LOWEST.to_owned(), [Some(span(LOWEST, now)), Some(span(&until(now), later))]),
            (until(now + 60), [None, Some(span(&until(now + 60), later))]),
            (until(later), [None, None]),
        ] {
            let parts = span(&from, later).split(Timestamp::from_unix_seconds(now));
            assert_eq!(parts, expected, "from {from}");
        }
        let parts = span(LOWEST, now).split(Timestamp::from_unix_seconds(later));
        assert_eq!(parts, [Some(span(LOWEST, now)), None]);
    }
}
