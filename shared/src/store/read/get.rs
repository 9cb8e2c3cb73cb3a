//! Items by their keys, and all items of a partition with a prefix.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use crate::clock;
use crate::store::chunks::{BATCH_TRIES, MAX_CONCURRENT_CHUNKS, unprocessed};
use crate::store::item::{Item, Projection, Unreadable, read};
use crate::store::keys::Key;
use crate::store::{Store, StoreError};

/// Most keys of one BatchGetItem call.
const READ_CHUNK: usize = 100;

/// Reads all items of a partition whose sort key starts with `prefix`. Strongly consistent.
pub(in crate::store) async fn query_prefix(
    client: &Client,
    table: &str,
    partition: String,
    prefix: &str,
) -> Result<Vec<Item>, StoreError> {
    query(client, table, partition, prefix, true).await
}

/// As [`query_prefix`], but eventually consistent, which costs half of the read units.
pub(in crate::store) async fn query_prefix_eventually(
    client: &Client,
    table: &str,
    partition: String,
    prefix: &str,
) -> Result<Vec<Item>, StoreError> {
    query(client, table, partition, prefix, false).await
}

async fn query(
    client: &Client,
    table: &str,
    partition: String,
    prefix: &str,
    is_consistent: bool,
) -> Result<Vec<Item>, StoreError> {
    let mut pages = client
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
        .expression_attribute_values(":pk", AttributeValue::S(partition))
        .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        .consistent_read(is_consistent)
        .into_paginator()
        .send();
    let mut items = Vec::new();
    while let Some(page) = pages.next().await {
        items.extend(page?.items.unwrap_or_default());
    }
    Ok(items)
}

impl Store {
    /// The query of a partition from one key to another, both included.
    pub(in crate::store) fn query_range(&self, first: Key, last: Key) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(first.pk))
            .expression_attribute_values(":first", AttributeValue::S(first.sk))
            .expression_attribute_values(":last", AttributeValue::S(last.sk))
    }

    /// Reads one item. Strongly consistent.
    pub(in crate::store) async fn get<T, Resource>(&self, key: &Key) -> Result<Option<Resource>, StoreError>
    where
        T: for<'a> Deserialize<'a> + TryInto<Resource, Error = Unreadable>,
    {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        let output = get.consistent_read(true).send().await?;
        output.item.map(read::<T, _>).transpose()
    }

    /// Reads these items, in any order. Missing items are left out. Strongly consistent. `keys` must not contain
    /// duplicates.
    pub(in crate::store) async fn get_all(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        self.get_parts(keys, None).await
    }

    /// As [`get_all`](Self::get_all), but eventually consistent, which costs half of the read units.
    pub(in crate::store) async fn get_all_eventually(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        self.get_chunks(keys, None, false).await
    }

    /// As [`get_all`](Self::get_all), but reads only the attributes of `projection`; `None` reads all.
    pub(in crate::store) async fn get_parts(
        &self,
        keys: Vec<Key>,
        projection: Option<&'static Projection>,
    ) -> Result<Vec<Item>, StoreError> {
        self.get_chunks(keys, projection, true).await
    }

    /// As [`get_all`](Self::get_all), but returns what can be read, and one of the errors if there were any.
    pub(in crate::store) async fn get_available(&self, keys: &[Key]) -> (Vec<Item>, Option<StoreError>) {
        let chunks = keys.chunks(READ_CHUNK).map(|chunk| self.get_chunk(chunk, None, true));
        let mut read = stream::iter(chunks.collect::<Vec<_>>()).buffer_unordered(MAX_CONCURRENT_CHUNKS);
        let (mut items, mut failure) = (Vec::new(), None);
        while let Some((found, failed)) = read.next().await {
            items.extend(found);
            failure = failed.or(failure);
        }
        (items, failure)
    }

    async fn get_chunks(
        &self,
        keys: Vec<Key>,
        projection: Option<&'static Projection>,
        is_consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let chunks = keys.chunks(READ_CHUNK).map(|chunk| self.get_chunk(chunk, projection, is_consistent));
        let chunks: Vec<_> = chunks.collect();
        let read = stream::iter(chunks).buffer_unordered(MAX_CONCURRENT_CHUNKS);
        read.map(|(found, failure)| failure.map_or(Ok(found), Err)).try_concat().await
    }

    /// Reads a chunk. If it cannot be read completely, returns what was read and the error.
    async fn get_chunk(
        &self,
        keys: &[Key],
        projection: Option<&'static Projection>,
        is_consistent: bool,
    ) -> (Vec<Item>, Option<StoreError>) {
        let mut found = Vec::with_capacity(keys.len());
        let failure = self.read_chunk(keys, projection, is_consistent, &mut found).await.err();
        (found, failure)
    }

    async fn read_chunk(
        &self,
        keys: &[Key],
        projection: Option<&'static Projection>,
        is_consistent: bool,
        found: &mut Vec<Item>,
    ) -> Result<(), StoreError> {
        let mut wanted = Some(keys.iter().map(Key::attributes).collect::<Vec<_>>());
        for attempt in 0..BATCH_TRIES {
            let Some(keys) = wanted.take() else { return Ok(()) };
            clock::back_off(attempt).await;
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(is_consistent)
                .set_projection_expression(projection.map(Projection::expression))
                .set_expression_attribute_names(projection.map(Projection::names));
            let keys = keys.build().map_err(StoreError::corrupt)?;
            let output = self.client.batch_get_item().request_items(&self.table, keys).send().await?;
            found.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
            let left = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
            wanted = left.map(|left| left.keys).filter(|keys| !keys.is_empty());
        }
        if wanted.is_none() { Ok(()) } else { Err(unprocessed("BatchGetItem")) }
    }
}
