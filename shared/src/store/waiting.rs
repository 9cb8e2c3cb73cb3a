//! The `waiting` index: what is parked, dead, or to be released. It holds keys only, and is read
//! eventually consistent: whoever acts on what it says checks the item by a condition.

use aws_sdk_dynamodb::types::{AttributeValue, Select};

use super::keys::{self, EndpointRef, Key, WAITING, Waiting};
use super::{Store, StoreError};
use crate::domain::delivery::Mark;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::Timestamp;

/// Comes before every sort key of the index. DynamoDB compares keys with no empty string.
pub(super) const LOWEST: &str = " ";
/// Comes after every sort key of the index.
pub(super) const HIGHEST: &str = "~";

/// A delivery that the index names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRef {
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its mark, as the index has it.
    pub mark: Mark,
}

impl Store {
    /// Up to `limit` deliveries that are held for an endpoint, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn held_deliveries(&self, endpoint: EndpointId, limit: usize) -> Result<Vec<WaitingRef>, StoreError> {
        let partition = Waiting::Held(endpoint);
        let found = self.waiting_keys(partition, LOWEST.to_owned(), HIGHEST.to_owned(), limit).await?;
        Ok(references(partition, &found))
    }

    /// Up to `limit` deliveries of a shard of [`Waiting::Due`] whose marks are not later than `until`, the earliest
    /// first; those that come after `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn due_deliveries(
        &self,
        shard: Waiting,
        until: Timestamp,
        after: Option<&WaitingRef>,
        limit: usize,
    ) -> Result<Vec<WaitingRef>, StoreError> {
        let key_after =
            |last: &WaitingRef| format!("{}{LOWEST}", keys::mark(last.mark, last.endpoint, last.delivery).1);
        let lowest = after.map_or_else(|| LOWEST.to_owned(), key_after);
        Ok(references(shard, &self.waiting_keys(shard, lowest, keys::until(until), limit).await?))
    }

    /// Up to `limit` failed or exhausted deliveries of an endpoint with `from <= id < before`, the
    /// oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn dead_deliveries(
        &self,
        endpoint: EndpointId,
        from: DeliveryId,
        before: DeliveryId,
        limit: usize,
    ) -> Result<Vec<WaitingRef>, StoreError> {
        if before < from {
            // DynamoDB does not take a range that ends before it begins.
            return Ok(Vec::new());
        }
        let (lowest, highest) = (from.to_string(), before.to_string());
        let partition = Waiting::Dead(endpoint);
        let mut found = references(partition, &self.waiting_keys(partition, lowest, highest, limit).await?);
        found.retain(|waiting| waiting.delivery < before);
        Ok(found)
    }

    /// Up to `limit` endpoints whose parked deliveries are to be released or failed, and since
    /// when, the longest waiting first; those that come after `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn endpoints_to_release(
        &self,
        after: Option<&(EndpointRef, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<(EndpointRef, Timestamp)>, StoreError> {
        // The key right after the last one of the page before.
        let lowest = after.map(|(place, since)| format!("{}{LOWEST}", keys::release(*since, place.endpoint).1));
        let lowest = lowest.unwrap_or_else(|| LOWEST.to_owned());
        let found = self.waiting_keys(Waiting::Release, lowest, HIGHEST.to_owned(), limit).await?;
        let release = Waiting::Release.partition();
        let read =
            |(key, mark): &(Key, String)| Some((keys::parse_endpoint(key)?, keys::parse_release(&release, mark)?));
        Ok(found.iter().filter_map(read).collect())
    }

    /// Up to `limit` suspended endpoints whose probe is due by `now`, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn endpoints_to_probe(&self, now: Timestamp, limit: usize) -> Result<Vec<EndpointRef>, StoreError> {
        let found = self.waiting_keys(Waiting::Probe, LOWEST.to_owned(), keys::until(now), limit).await?;
        Ok(found.iter().filter_map(|(key, _)| keys::parse_endpoint(key)).collect())
    }

    /// Up to `limit` suspended endpoints, the one whose probe is due first at the beginning.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn suspended_endpoints(&self, limit: usize) -> Result<Vec<EndpointRef>, StoreError> {
        let found = self.waiting_keys(Waiting::Probe, LOWEST.to_owned(), HIGHEST.to_owned(), limit).await?;
        Ok(found.iter().filter_map(|(key, _)| keys::parse_endpoint(key)).collect())
    }

    /// How many items a partition has, counted up to `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn count_waiting(&self, partition: Waiting, limit: usize) -> Result<usize, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(WAITING)
            .select(Select::Count)
            .key_condition_expression("waiting_pk = :partition")
            .expression_attribute_values(":partition", AttributeValue::S(partition.partition()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .send();
        let mut counted = 0;
        while counted < limit {
            let Some(page) = pages.next().await else { break };
            counted += usize::try_from(page?.count).unwrap_or(0);
        }
        Ok(counted.min(limit))
    }

    /// The keys of a partition whose sort keys lie in `lowest..=highest`, and these sort keys.
    pub(super) async fn waiting_keys(
        &self,
        partition: Waiting,
        lowest: String,
        highest: String,
        limit: usize,
    ) -> Result<Vec<(Key, String)>, StoreError> {
        if lowest > highest {
            return Ok(Vec::new()); // DynamoDB would refuse the query.
        }
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(WAITING)
            .key_condition_expression("waiting_pk = :partition AND waiting_sk BETWEEN :lowest AND :highest")
            .expression_attribute_values(":partition", AttributeValue::S(partition.partition()))
            .expression_attribute_values(":lowest", AttributeValue::S(lowest))
            .expression_attribute_values(":highest", AttributeValue::S(highest))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(page) = pages.next().await else { break };
            for item in page?.items.unwrap_or_default() {
                let mark = item.get(keys::WAITING_SK).and_then(|value| value.as_s().ok()).cloned();
                found.extend(Key::of(&item).zip(mark));
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

fn references(partition: Waiting, found: &[(Key, String)]) -> Vec<WaitingRef> {
    let partition = partition.partition();
    let reference = |(key, waiting_sk): &(Key, String)| {
        let (endpoint, delivery) = keys::parse_delivery(key)?;
        Some(WaitingRef { endpoint, delivery, mark: keys::parse_mark(&partition, waiting_sk)? })
    };
    found.iter().filter_map(reference).collect()
}
