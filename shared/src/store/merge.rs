//! Reading partitions that together hold one list, in the order of their sort keys.

use std::cmp::Ordering;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::items::Item;
use super::keys::{PK, SK, WAITING, WAITING_PK, WAITING_SK};
use super::{Store, StoreError};

/// How many items beyond its share a partition is asked for at first: the items are spread at random.
const SPARE: usize = 4;

/// Where the partitions are, and by which of its keys they are ordered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The table, from the highest sort key down.
    TableDescending,
    /// The `waiting` index, from the lowest sort key up.
    IndexAscending,
}

impl Source {
    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::TableDescending => (PK, SK),
            Self::IndexAscending => (WAITING_PK, WAITING_SK),
        }
    }

    /// Which of two sort keys comes first.
    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::TableDescending => other.cmp(one),
            Self::IndexAscending => one.cmp(other),
        }
    }

    fn sort_key(self, item: &Item) -> &str {
        item.get(self.keys().1).and_then(|key| key.as_s().ok()).map_or("", String::as_str)
    }
}

/// What becomes of an item that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// It is returned and counts towards the limit.
    Counted,
    /// It is returned and does not count.
    Beside,
    /// It is left out.
    Skipped,
}

/// A range of sort keys, both ends included, in several partitions.
pub(super) struct Range<'a> {
    pub(super) source: Source,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// What becomes of the item with this sort key.
    pub(super) take: &'a (dyn Fn(&str) -> Take + Sync),
}

impl Store {
    /// The first `limit` items of these partitions that count, in order, and what is returned beside them; fewer if there
    /// are no more. Each partition is asked for its share and a few items more, and again only if it runs out before the
    /// others.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(super) async fn merged(
        &self,
        partitions: impl Iterator<Item = String>,
        range: &Range<'_>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        if limit == 0 || range.from > range.to {
            return Ok(Vec::new()); // DynamoDB would refuse the query.
        }
        let mut shards: Vec<_> = partitions.map(Shard::new).collect();
        let mut page = limit.min(limit.div_ceil(shards.len().max(1)) + SPARE);
        let mut items = Vec::new();
        loop {
            let last = last_of(&items, range, limit);
            let behind = shards.iter_mut().filter(|shard| shard.is_behind(last, range.source));
            let read = try_join_all(behind.map(|shard| self.next_page(shard, range, page))).await?;
            if read.is_empty() {
                break;
            }
            items.extend(read.into_iter().flatten());
            items.sort_by(|one, other| range.source.compare(range.source.sort_key(one), range.source.sort_key(other)));
            page = limit.min(2 * page);
        }
        let end = last_of(&items, range, limit).map(|last| range.source.sort_key(last).to_owned());
        items.retain(|item| {
            let is_within = |end: &String| range.source.compare(range.source.sort_key(item), end).is_le();
            end.as_ref().is_none_or(is_within)
        });
        Ok(items)
    }

    async fn next_page(&self, shard: &mut Shard, range: &Range<'_>, limit: usize) -> Result<Vec<Item>, StoreError> {
        let (partition_key, sort_key) = range.source.keys();
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let (index, is_ascending, partition) = match range.source {
            Source::TableDescending => (None, false, ":pk"),
            Source::IndexAscending => (Some(WAITING.to_owned()), true, ":partition"),
        };
        let query = self.client.query().table_name(&self.table).set_index_name(index);
        let output = query
            .key_condition_expression(format!("{partition_key} = {partition} AND {sort_key} BETWEEN :from AND :to"))
            .expression_attribute_values(partition, text(&shard.partition))
            .expression_attribute_values(":from", text(range.from))
            .expression_attribute_values(":to", text(range.to))
            .scan_index_forward(is_ascending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(shard.resume.take())
            .send()
            .await?;
        shard.is_begun = true;
        shard.resume = output.last_evaluated_key;
        let mut items = output.items.unwrap_or_default();
        items.retain(|item| (range.take)(range.source.sort_key(item)) != Take::Skipped);
        Ok(items)
    }
}

/// The item with which `limit` of these items that count are complete.
fn last_of<'a>(items: &'a [Item], range: &Range<'_>, limit: usize) -> Option<&'a Item> {
    items.iter().filter(|item| (range.take)(range.source.sort_key(item)) == Take::Counted).nth(limit - 1)
}

/// One of the partitions, and how far it is read.
struct Shard {
    partition: String,
    is_begun: bool,
    /// The key of the last item that was read, if there may be more.
    resume: Option<HashMap<String, AttributeValue>>,
}

impl Shard {
    fn new(partition: String) -> Self {
        Self { partition, is_begun: false, resume: None }
    }

    /// Whether it may hold items that are not read yet and come before `last`.
    fn is_behind(&self, last: Option<&Item>, source: Source) -> bool {
        match &self.resume {
            None => !self.is_begun,
            Some(resume) => {
                last.is_none_or(|last| source.compare(source.sort_key(resume), source.sort_key(last)).is_lt())
            }
        }
    }
}
