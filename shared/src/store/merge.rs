//! Reading partitions that together hold one list, in the order of their sort keys.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures_util::future::try_join_all;

use super::items::{Item, Projection};
use super::keys::{PK, SK, WAITING, WAITING_PK, WAITING_SK};
use super::{Store, StoreError};

/// How many items beyond its share a partition is asked for at first: the items are spread at random.
const SPARE: usize = 4;
/// How many items a partition is asked for at most when it is asked again.
const MOST_AGAIN: usize = 64;

/// Where the partitions are, and by which of its keys they are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The table, from the highest sort key down.
    TableDescending,
    /// The table, from the lowest sort key up.
    TableAscending,
    /// The `waiting` index, from the lowest sort key up.
    IndexAscending,
}

impl Source {
    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::TableDescending | Self::TableAscending => (PK, SK),
            Self::IndexAscending => (WAITING_PK, WAITING_SK),
        }
    }

    /// Which of two sort keys comes first.
    fn compare(self, one: &str, other: &str) -> Ordering {
        if self == Self::TableDescending { other.cmp(one) } else { one.cmp(other) }
    }

    fn sort_key(self, item: &Item) -> &str {
        item.get(self.keys().1).and_then(|key| key.as_s().ok()).map_or("", String::as_str)
    }
}

/// A range of sort keys, both ends included, and what is read of its items.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) source: Source,
    pub(super) from: String,
    pub(super) to: String,
    /// The attributes that are read, among them the sort key; `None` for all.
    pub(super) projection: Option<&'static Projection>,
    /// Nothing is read any more once the queries have used this many read units; `None` for no such limit.
    pub(super) most_read_units: Option<f64>,
}

/// What comes next in a list.
#[derive(Debug)]
pub enum Next<T> {
    /// An entry.
    Entry(T),
    /// Nothing: this is the end of the list.
    End,
    /// Unknown: the list goes on, and enough was read of it for one request.
    Spent,
}

/// Partitions that are read in one order. Each is asked for its share of a page and a few items more, and again only if it
/// runs out before the others.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    store: &'a Store,
    range: Range,
    shards: Vec<Shard>,
    /// How many items a partition is asked for.
    page: usize,
    read_units: f64,
}

impl<'a> Merge<'a> {
    /// A list of which about `limit` items are wanted.
    pub(super) fn new(store: &'a Store, partitions: impl Iterator<Item = String>, range: Range, limit: usize) -> Self {
        // DynamoDB would refuse to query an empty range.
        let is_empty = limit == 0 || range.from > range.to;
        let shards: Vec<_> = partitions.filter(|_| !is_empty).map(Shard::new).collect();
        let page = limit.min(limit.div_ceil(shards.len().max(1)) + SPARE);
        Self { store, range, shards, page, read_units: 0.0 }
    }

    /// The sort key of the next item, which stays the next one.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(super) async fn peek(&mut self) -> Result<Next<&str>, StoreError> {
        Ok(match self.first().await? {
            Next::Entry(shard) => {
                let item = self.shards[shard].items.front();
                item.map_or(Next::End, |item| Next::Entry(self.range.source.sort_key(item)))
            }
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }

    /// The next item.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(super) async fn next(&mut self) -> Result<Next<Item>, StoreError> {
        Ok(match self.first().await? {
            Next::Entry(shard) => self.shards[shard].items.pop_front().map_or(Next::End, Next::Entry),
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }

    /// Leaves what was read so far out of the units that are counted.
    pub(super) const fn count_from_here(&mut self) {
        self.read_units = 0.0;
    }

    /// The shard that has the next item, after those that ran out were read on.
    async fn first(&mut self) -> Result<Next<usize>, StoreError> {
        while self.shards.iter().any(Shard::ran_out) {
            if self.range.most_read_units.is_some_and(|most| self.read_units >= most) {
                return Ok(Next::Spent);
            }
            let (store, range, page) = (self.store, &self.range, self.page);
            let behind = self.shards.iter_mut().filter(|shard| shard.ran_out());
            let read_units = try_join_all(behind.map(|shard| store.read_on(shard, range, page))).await?;
            self.read_units += read_units.into_iter().sum::<f64>();
            self.page = page.max(MOST_AGAIN.min(2 * page));
        }
        let source = self.range.source;
        let fronts = self.shards.iter().enumerate().filter_map(|(index, shard)| Some((index, shard.items.front()?)));
        let first = fronts.min_by(|(_, one), (_, other)| source.compare(source.sort_key(one), source.sort_key(other)));
        Ok(first.map_or(Next::End, |(index, _)| Next::Entry(index)))
    }
}

impl Store {
    /// The first `limit` items of these partitions, in order; fewer if there are no more.
    ///
    /// # Errors
    /// [`StoreError`] if a partition could not be read.
    pub(super) async fn merged(
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

    /// Reads the next items of a shard, and returns the read units that were used, if they are counted.
    async fn read_on(&self, shard: &mut Shard, range: &Range, limit: usize) -> Result<f64, StoreError> {
        let (partition_key, sort_key) = range.source.keys();
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let (index, is_ascending, partition) = match range.source {
            Source::TableDescending => (None, false, ":pk"),
            Source::TableAscending => (None, true, ":pk"),
            Source::IndexAscending => (Some(WAITING.to_owned()), true, ":partition"),
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

/// One of the partitions, and how far it is read.
#[derive(Debug)]
struct Shard {
    partition: String,
    is_begun: bool,
    /// What was read and not taken yet.
    items: VecDeque<Item>,
    /// The key of the last item that was read, if there may be more.
    resume: Option<HashMap<String, AttributeValue>>,
}

impl Shard {
    const fn new(partition: String) -> Self {
        Self { partition, is_begun: false, items: VecDeque::new(), resume: None }
    }

    /// Whether it has to be read before its next item is known.
    fn ran_out(&self) -> bool {
        self.items.is_empty() && (!self.is_begun || self.resume.is_some())
    }
}
