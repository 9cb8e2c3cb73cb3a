//! Queries of the `waiting` index: parked, leased and failed deliveries, suspended endpoints and open jobs. The
//! index contains only keys and is eventually consistent. So every change based on an entry is a conditional write
//! of the item.

use aws_sdk_dynamodb::types::{AttributeValue, Select};

use super::merge::{Range, Source};
use crate::domain::delivery::Mark;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::time::Timestamp;
use crate::store::item::Item;
use crate::store::keys::{EndpointRef, Key, WAITING, Waiting};
use crate::store::{Store, StoreError, keys};

/// A text that sorts before every sort key of the index. DynamoDB rejects an empty string in a condition.
pub(in crate::store) const LOWEST: &str = " ";
/// A text that sorts after every sort key of the index.
pub(in crate::store) const HIGHEST: &str = "~";

/// A delivery that an entry of the index refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRef {
    /// The delivery's endpoint.
    pub endpoint: EndpointId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The delivery's mark according to the index.
    pub mark: Mark,
}

impl Store {
    /// Reads up to `limit` held deliveries of an endpoint with ids from `from` on, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn held_deliveries(
        &self,
        endpoint: EndpointId,
        from: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<WaitingRef>, StoreError> {
        let lowest = from.map_or_else(|| LOWEST.to_owned(), |from| from.to_string());
        Ok(references(&self.waiting_keys(Waiting::held_shards(endpoint), &lowest, HIGHEST, limit).await?))
    }

    /// Reads up to `limit` failed or exhausted deliveries of an endpoint with `from <= id < before`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn failed_deliveries(
        &self,
        endpoint: EndpointId,
        from: DeliveryId,
        before: DeliveryId,
        limit: usize,
    ) -> Result<Vec<WaitingRef>, StoreError> {
        let (lowest, highest) = (from.to_string(), before.to_string());
        let shards = Waiting::failed_shards(endpoint);
        let mut found = references(&self.waiting_keys(shards, &lowest, &highest, limit).await?);
        found.retain(|waiting| waiting.delivery < before);
        Ok(found)
    }

    /// Reads up to `limit` suspended endpoints whose next probe is due by `now`, longest overdue first.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn endpoints_to_probe(&self, now: Timestamp, limit: usize) -> Result<Vec<EndpointRef>, StoreError> {
        self.half_open_endpoints(&keys::until(now), limit).await
    }

    /// Reads up to `limit` suspended endpoints, ordered by the time of their next probe.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn suspended_endpoints(&self, limit: usize) -> Result<Vec<EndpointRef>, StoreError> {
        self.half_open_endpoints(HIGHEST, limit).await
    }

    async fn half_open_endpoints(&self, highest: &str, limit: usize) -> Result<Vec<EndpointRef>, StoreError> {
        let found = self.waiting_keys(Waiting::half_open_shards(), LOWEST, highest, limit).await?;
        Ok(found.iter().filter_map(|waiting| keys::parse_endpoint(&waiting.key)).collect())
    }

    /// Counts the items of a partition, at most `limit`.
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

    /// Reads up to `limit` entries of these partitions with sort keys in `lowest..=highest`, in the order of the
    /// sort keys.
    pub(in crate::store) async fn waiting_keys(
        &self,
        partitions: impl Iterator<Item = Waiting>,
        lowest: &str,
        highest: &str,
        limit: usize,
    ) -> Result<Vec<WaitingKey>, StoreError> {
        self.waiting_keys_of(Source::IndexAscending, partitions, lowest, highest, limit).await
    }

    /// As [`Store::waiting_keys`], in the order of `source`, which is one of the index.
    pub(in crate::store) async fn waiting_keys_of(
        &self,
        source: Source,
        partitions: impl Iterator<Item = Waiting>,
        lowest: &str,
        highest: &str,
        limit: usize,
    ) -> Result<Vec<WaitingKey>, StoreError> {
        let range =
            Range { source, from: lowest.to_owned(), to: highest.to_owned(), projection: None, most_read_units: None };
        let found = self.merged(partitions.map(Waiting::partition), range, limit).await?;
        Ok(found.iter().filter_map(WaitingKey::of).collect())
    }
}

/// An entry of the index: the item's key and its key in the index.
pub(in crate::store) struct WaitingKey {
    pub(in crate::store) key: Key,
    partition: String,
    pub(in crate::store) sort_key: String,
}

impl WaitingKey {
    /// The position of an organization in the list of organizations.
    pub(in crate::store) fn organization(&self) -> Option<OrganizationPosition> {
        let (created_at, id) = self.sort_key.split_once('#')?;
        Some(OrganizationPosition {
            created_at: Timestamp::parse(created_at).ok()?,
            id: OrganizationId::parse(id).ok()?,
        })
    }

    /// The delivery of an entry; `None` if it is not that of a delivery.
    pub(super) fn reference(&self) -> Option<WaitingRef> {
        let (endpoint, delivery) = keys::parse_delivery(&self.key)?;
        Some(WaitingRef { endpoint, delivery, mark: keys::parse_mark(&self.partition, &self.sort_key)? })
    }

    fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { key: Key::of(item)?, partition: text(keys::WAITING_PK)?, sort_key: text(keys::WAITING_SK)? })
    }
}

fn references(found: &[WaitingKey]) -> Vec<WaitingRef> {
    found.iter().filter_map(WaitingKey::reference).collect()
}
