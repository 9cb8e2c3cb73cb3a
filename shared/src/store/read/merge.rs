//! Lazy merge of the partitions of one list, in the order of their sort keys.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures_util::future::try_join_all;

use crate::store::item::{Item, Projection};
use crate::store::keys::{PK, SK, WAITING, WAITING_PK, WAITING_SK};
use crate::store::{Store, StoreError};

/// How many items beyond its equal share each partition reads first, since items are distributed at random.
const SPARE: usize = 4;
/// Most items that a partition reads in each further query.
const MOST_AGAIN: usize = 64;

/// The table or the index, and the order of the sort keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Source {
    /// The table, in descending order.
    TableDescending,
    /// The table, in ascending order.
    TableAscending,
    /// The `waiting` index, in ascending order.
    IndexAscending,
    /// The `waiting` index, in descending order.
    IndexDescending,
}

impl Source {
    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::TableDescending | Self::TableAscending => (PK, SK),
            Self::IndexAscending | Self::IndexDescending => (WAITING_PK, WAITING_SK),
        }
    }

    /// Compares two sort keys in the order of this source.
    fn compare(self, one: &str, other: &str) -> Ordering {
        if matches!(self, Self::TableDescending | Self::IndexDescending) { other.cmp(one) } else { one.cmp(other) }
    }

    fn sort_key(self, item: &Item) -> &str {
        item.get(self.keys().1).and_then(|key| key.as_s().ok()).map_or("", String::as_str)
    }
}

/// A range of sort keys, both ends included, and what is read of its items.
#[derive(Debug)]
pub(in crate::store) struct Range {
    pub(in crate::store) source: Source,
    pub(in crate::store) from: String,
    pub(in crate::store) to: String,
    /// The attributes to read. They must include the sort key. `None` reads all attributes.
    pub(in crate::store) projection: Option<&'static Projection>,
    /// The read units after which no further query is made; `None` for no limit.
    pub(in crate::store) most_read_units: Option<f64>,
}

/// The next entry of a list.
#[derive(Debug)]
pub enum Next<T> {
    /// An entry.
    Entry(T),
    /// The list has no more entries.
    End,
    /// The list may have more entries, but the read units of the page are used up.
    Spent,
}

/// Partitions that are merged into one order. The first query of each partition reads its share of a page and a few
/// items more. A partition is queried again only when its items are used up.
#[derive(Debug)]
pub(in crate::store) struct Merge<'a> {
    store: &'a Store,
    range: Range,
    shards: Vec<Shard>,
    /// How many items the next query of a partition reads.
    page: usize,
    read_units: f64,
    all_read_units: f64,
}

impl<'a> Merge<'a> {
    /// A merge of these partitions. `limit` is the number of items that the caller expects to need.
    pub(in crate::store) fn new(
        store: &'a Store,
        partitions: impl Iterator<Item = String>,
        range: Range,
        limit: usize,
    ) -> Self {
        // DynamoDB rejects a query of an empty range.
        let is_empty = limit == 0 || range.from > range.to;
        let shards: Vec<_> = partitions.filter(|_| !is_empty).map(Shard::new).collect();
        let page = limit.min(limit.div_ceil(shards.len().max(1)) + SPARE);
        Self { store, range, shards, page, read_units: 0.0, all_read_units: 0.0 }
    }

    /// The sort key of the next item, without taking the item.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(in crate::store) async fn peek(&mut self) -> Result<Next<&str>, StoreError> {
        Ok(match self.first().await? {
            Next::Entry(shard) => {
                let item = self.shards[shard].items.front();
                item.map_or(Next::End, |item| Next::Entry(self.range.source.sort_key(item)))
            }
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }

    /// Takes the next item.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(in crate::store) async fn next(&mut self) -> Result<Next<Item>, StoreError> {
        Ok(match self.first().await? {
            Next::Entry(shard) => self.shards[shard].items.pop_front().map_or(Next::End, Next::Entry),
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }

    /// The read units that were consumed. 0 if the range has no limit of them.
    pub(in crate::store) const fn all_read_units(&self) -> f64 {
        self.all_read_units
    }

    /// Resets the count of the read units that are limited.
    pub(in crate::store) const fn count_from_here(&mut self) {
        self.read_units = 0.0;
    }

    /// The shard that holds the next item. Queries the shards whose items are used up.
    async fn first(&mut self) -> Result<Next<usize>, StoreError> {
        while self.shards.iter().any(Shard::ran_out) {
            if self.range.most_read_units.is_some_and(|most| self.read_units >= most) {
                return Ok(Next::Spent);
            }
            let (store, range, page) = (self.store, &self.range, self.page);
            let behind = self.shards.iter_mut().filter(|shard| shard.ran_out());
            let read_units = try_join_all(behind.map(|shard| store.read_on(shard, range, page))).await?;
            let read_units: f64 = read_units.into_iter().sum();
            self.read_units += read_units;
            self.all_read_units += read_units;
            self.page = page.max(MOST_AGAIN.min(2 * page));
        }
        let source = self.range.source;
        let fronts = self.shards.iter().enumerate().filter_map(|(index, shard)| Some((index, shard.items.front()?)));
        let first = fronts.min_by(|(_, one), (_, other)| source.compare(source.sort_key(one), source.sort_key(other)));
        Ok(first.map_or(Next::End, |(index, _)| Next::Entry(index)))
    }
}

impl Store {
    /// Reads the first `limit` items of these partitions in order.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(in crate::store) async fn merged(
        &self,
        partitions: impl Iterator<Item = String>,
        range: Range,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut merge = Merge::new(self, partitions, range, limit);
        let mut items = Vec::new();
        while items.len() < limit
            && let Next::Entry(item) = merge.next().await?
        {
            items.push(item);
        }
        Ok(items)
    }

    /// Reads the next items of a shard. Returns the consumed read units, or 0 if the range has no limit of them.
    async fn read_on(&self, shard: &mut Shard, range: &Range, limit: usize) -> Result<f64, StoreError> {
        let (partition_key, sort_key) = range.source.keys();
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let (index, is_ascending, partition) = match range.source {
            Source::TableDescending => (None, false, ":pk"),
            Source::TableAscending => (None, true, ":pk"),
            Source::IndexAscending => (Some(WAITING.to_owned()), true, ":partition"),
            Source::IndexDescending => (Some(WAITING.to_owned()), false, ":partition"),
        };
        let query = self.client.query().table_name(&self.table).set_index_name(index);
        let output = query
            .key_condition_expression(format!("{partition_key} = {partition} AND {sort_key} BETWEEN :from AND :to"))
            .expression_attribute_values(partition, text(&shard.partition))
            .expression_attribute_values(":from", text(&range.from))
            .expression_attribute_values(":to", text(&range.to))
            .set_projection_expression(range.projection.map(Projection::expression))
            .set_expression_attribute_names(range.projection.map(Projection::names))
            .set_return_consumed_capacity(range.most_read_units.map(|_| ReturnConsumedCapacity::Total))
            .scan_index_forward(is_ascending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(shard.resume.take())
            .send()
            .await?;
        shard.is_begun = true;
        shard.resume = output.last_evaluated_key;
        shard.items.extend(output.items.unwrap_or_default());
        Ok(output.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default())
    }
}

/// A partition and the position of its reader.
#[derive(Debug)]
struct Shard {
    partition: String,
    is_begun: bool,
    /// Items that were read and not yet taken.
    items: VecDeque<Item>,
    /// The key of the last item that was read; `None` if there are no more.
    resume: Option<HashMap<String, AttributeValue>>,
}

impl Shard {
    const fn new(partition: String) -> Self {
        Self { partition, is_begun: false, items: VecDeque::new(), resume: None }
    }

    /// Whether the shard must be queried before its next item is known.
    fn ran_out(&self) -> bool {
        self.items.is_empty() && (!self.is_begun || self.resume.is_some())
    }
}
