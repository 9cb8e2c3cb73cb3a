//! Batch reads and writes of items, with retries of what DynamoDB left unprocessed, and conditional writes.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure,
    WriteRequest,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::items::{Item, Projection, Unreadable, read};
use super::keys::Key;
use super::{Store, StoreError};
use crate::clock;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::domain::pending::Pending;

/// The attribute that holds the write token: a random value that identifies one write of an item.
pub(super) const STAMP: &str = "stamp";
/// Most keys of one BatchGetItem call.
const READ_CHUNK: usize = 100;
/// Most items of one BatchWriteItem call.
pub const WRITE_CHUNK: usize = 25;
/// How many chunks are in progress at the same time.
const AT_ONCE: usize = 16;
/// How often a chunk is sent before unprocessed items count as a failure.
const BATCH_TRIES: u32 = 8;

impl Store {
    /// Reads one item. Strongly consistent.
    pub(super) async fn get<T, Noun>(&self, key: &Key) -> Result<Option<Noun>, StoreError>
    where
        T: for<'a> Deserialize<'a> + TryInto<Noun, Error = Unreadable>,
    {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        let output = get.consistent_read(true).send().await?;
        output.item.map(read::<T, _>).transpose()
    }

    /// Reads these items, in any order. Missing items are left out. Strongly consistent. `keys` must not contain
    /// duplicates.
    pub(super) async fn get_all(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        self.get_parts(keys, None).await
    }

    /// As [`get_all`](Self::get_all), but reads only the attributes of `projection`; `None` reads all.
    pub(super) async fn get_parts(
        &self,
        keys: Vec<Key>,
        projection: Option<&'static Projection>,
    ) -> Result<Vec<Item>, StoreError> {
        let chunks: Vec<_> = keys.chunks(READ_CHUNK).map(|chunk| self.get_chunk(chunk, projection)).collect();
        stream::iter(chunks).buffer_unordered(AT_ONCE).try_concat().await
    }

    async fn get_chunk(&self, keys: &[Key], projection: Option<&'static Projection>) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        let mut wanted = Some(keys.iter().map(Key::attributes).collect::<Vec<_>>());
        for attempt in 0..BATCH_TRIES {
            let Some(keys) = wanted.take() else { return Ok(found) };
            clock::back_off(attempt).await;
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .set_projection_expression(projection.map(Projection::expression))
                .set_expression_attribute_names(projection.map(Projection::names));
            let keys = keys.build().map_err(StoreError::corrupt)?;
            let output = self.client.batch_get_item().request_items(&self.table, keys).send().await?;
            found.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
            let left = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
            wanted = left.map(|left| left.keys).filter(|keys| !keys.is_empty());
        }
        if wanted.is_none() { Ok(found) } else { Err(unprocessed("BatchGetItem")) }
    }

    /// Writes the events of one publish request and their deliveries, in concurrent chunks. Deliveries to be queued
    /// are written as lists, parked ones as records.
    ///
    /// # Errors
    /// [`StoreError`] if some of the items may not have been written. No write is in progress any more.
    pub async fn write_events<'a>(
        &self,
        events: impl Iterator<Item = &'a Event>,
        deliveries: impl Iterator<Item = &'a Delivery> + Clone,
    ) -> Result<(), StoreError> {
        let events = events.map(|event| self.event_item(event));
        let pending = Pending::of(deliveries.clone());
        let pending = pending.iter().map(|list| self.pending_item(list));
        let parked = deliveries.filter(|delivery| delivery.mark.is_some());
        let parked = parked.map(|delivery| self.delivery_item(delivery));
        let mut puts = events.chain(pending).chain(parked).map(put).collect::<Result<Vec<_>, _>>()?;
        // Full chunks are written by calls of their own. The rest shares a coalesced call with items of other
        // requests.
        let mut writes = Vec::with_capacity(puts.len().div_ceil(WRITE_CHUNK));
        while !puts.is_empty() {
            let rest = puts.split_off(puts.len().min(WRITE_CHUNK));
            writes.push(self.write(std::mem::replace(&mut puts, rest)));
        }
        // Wait for all chunks even if one fails: the caller may retry the request, and the retry must not race with
        // these writes.
        stream::iter(writes).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn write(&self, puts: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut left = puts;
        for attempt in 0..BATCH_TRIES {
            clock::back_off(attempt).await;
            left = self.gathered.write(left).await?;
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(unprocessed("BatchWriteItem"))
    }

    /// Writes one item if the condition `fence` holds for the stored item. The SDK repeats a write whose response
    /// was lost. The condition then fails because of the item that the first try wrote; the write token identifies
    /// it, and the write counts as a success.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the condition does not hold.
    pub(super) async fn put_if(
        &self,
        item: Item,
        fence: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let stamp = new_stamp();
        match self.put_stamped_if(stamped(item, &stamp), &stamp, fence, values).await? {
            Put::Written => Ok(()),
            Put::Found(_) => Err(StoreError::Conflict),
        }
    }

    /// Writes one item that contains the write token `stamp`, if the condition `fence` holds for the stored item.
    /// Otherwise returns the stored item.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed for another reason.
    pub(super) async fn put_stamped_if(
        &self,
        item: Item,
        stamp: &AttributeValue,
        fence: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Put, StoreError> {
        let put = self.fenced_put(item, fence, values);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Put::Written) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(found)) if is_stamped(found.item(), stamp) => {
                Ok(Put::Written)
            }
            Some(PutItemError::ConditionalCheckFailedException(found)) => Ok(Put::Found(found.item().cloned())),
            _ => Err(error.into()),
        }
    }

    fn fenced_put(
        &self,
        item: Item,
        fence: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).condition_expression(fence);
        let names = fence.contains("#status").then(|| HashMap::from([("#status".to_owned(), "status".to_owned())]));
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>();
        put.set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
    }
}

/// The result of a conditional PutItem.
pub(super) enum Put {
    /// The item was written.
    Written,
    /// The condition does not hold. This is the stored item, if there is one.
    Found(Option<Item>),
}

/// A new write token. It is random, because two processes may write the same item in the same millisecond.
pub(super) fn new_stamp() -> AttributeValue {
    AttributeValue::S(hex::encode(clock::secret_bytes::<8>()))
}

pub(super) fn stamped(mut item: Item, stamp: &AttributeValue) -> Item {
    item.insert(STAMP.to_owned(), stamp.clone());
    item
}

pub(super) fn is_stamped(item: Option<&Item>, stamp: &AttributeValue) -> bool {
    item.and_then(|item| item.get(STAMP)) == Some(stamp)
}

fn put(item: Result<Item, StoreError>) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item?)).build().map_err(StoreError::corrupt)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn unprocessed(operation: &str) -> StoreError {
    StoreError::Unavailable(format!("{operation} left items unprocessed {BATCH_TRIES} times"))
}

/// The cancellation reason of each item of a cancelled transaction; empty for any other error.
pub(super) fn cancellation_reasons(error: &SdkError<TransactWriteItemsError>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
        _ => &[],
    }
}

/// For each item of a cancelled transaction, whether its condition failed; empty for any other error.
pub(super) fn failed_conditions(error: &SdkError<TransactWriteItemsError>) -> Vec<bool> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    cancellation_reasons(error).iter().map(failed).collect()
}

/// Reads all items of a partition whose sort key starts with `prefix`. Strongly consistent.
pub(super) async fn query_prefix(
    client: &Client,
    table: &str,
    partition: String,
    prefix: &str,
) -> Result<Vec<Item>, StoreError> {
    let mut pages = client
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
        .expression_attribute_values(":pk", AttributeValue::S(partition))
        .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        .consistent_read(true)
        .into_paginator()
        .send();
    let mut items = Vec::new();
    while let Some(page) = pages.next().await {
        items.extend(page?.items.unwrap_or_default());
    }
    Ok(items)
}
