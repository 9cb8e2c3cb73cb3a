//! Fills a table with copies of a delivery.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use fastrand::Rng;
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::clock::{self, Clock};
use shared::domain::ids::{DeliveryId, EventId};
use shared::domain::time::Timestamp;
use shared::store::{DELIVERY_SHARDS, EVENT_SHARDS, FAILED_SHARDS, HELD_SHARDS};

use crate::deployment::{Deployment, TABLE};
use crate::stored::publish;

/// DynamoDB's limit on the items of a batch.
const ITEMS_PER_BATCH: usize = 25;
/// The number of deliveries that are in memory at the same time.
const SOME: u32 = 10_000;
/// The time between two stored deliveries. A million deliveries span two weeks.
const EVERY: Duration = Duration::from_millis(1_200);

type Item = HashMap<String, AttributeValue>;

/// Copies one real delivery with new ids, each further in the past than the previous one.
pub(crate) struct Filler {
    items: Vec<Item>,
    stored: u32,
    now: Timestamp,
    ids: Vec<EventId>,
}

impl Filler {
    /// Uses a delivery that is made in this deployment.
    pub(crate) async fn new(deployment: &Deployment) -> anyhow::Result<Self> {
        publish(deployment, &mut Rng::with_seed(7)).await?;
        ensure!(deployment.deliver().await?.is_some(), "no event was delivered");
        let filler = Self::of_stored(&deployment.dynamodb, |_| true).await?;
        ensure!(
            filler.items.len() == 3,
            "the table must have an event, its list and its record, but it has {} items",
            filler.items.len()
        );
        Ok(filler)
    }

    /// Uses the only delivery in this table whose event and endpoint have partition keys that match.
    pub(crate) async fn of_stored(dynamodb: &Client, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let scan = dynamodb.scan().table_name(TABLE).send().await?.items.unwrap_or_default();
        let is_of_delivery = |item: &Item| {
            let pk = string(item, "pk");
            (pk.starts_with("event#") || pk.starts_with("delivery#")) && is_wanted(pk)
        };
        let items: Vec<_> = scan.into_iter().filter(is_of_delivery).collect();
        Ok(Self { items, stored: 1, now: Clock::system().now(), ids: Vec::new() })
    }

    /// Stores copies until this many deliveries are stored.
    pub(crate) async fn fill(&mut self, dynamodb: &Client, stored: u32) -> anyhow::Result<()> {
        while self.stored < stored {
            self.fill_some(dynamodb, stored.min(self.stored + SOME)).await?;
        }
        Ok(())
    }

    async fn fill_some(&mut self, dynamodb: &Client, stored: u32) -> anyhow::Result<()> {
        let mut writes = Vec::new();
        while self.stored < stored {
            let id = EventId::new(self.now.minus(EVERY * self.stored), clock::id_bytes());
            self.ids.push(id);
            self.stored += 1;
            for item in &self.items {
                let put = PutRequest::builder().set_item(Some(copy(item, id)?)).build()?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
        }
        let requests = writes.chunks(ITEMS_PER_BATCH).map(|chunk| {
            let write = dynamodb.batch_write_item().request_items(TABLE, chunk.to_vec());
            async move {
                let left = write.send().await?.unprocessed_items.is_some_and(|left| !left.is_empty());
                ensure!(!left, "the embedded engine left items unprocessed");
                Ok(())
            }
        });
        stream::iter(requests).buffer_unordered(4).try_collect().await
    }

    /// The id of a delivery in the middle of the stored ones.
    pub(crate) fn middle(&self) -> anyhow::Result<DeliveryId> {
        let middle = self.ids.get(self.ids.len() / 2).context("nothing is stored")?;
        middle.delivery(0).context("the event has no deliveries")
    }
}

/// The item as it would be for another event.
fn copy(item: &Item, id: EventId) -> anyhow::Result<Item> {
    let mut item = item.clone();
    let delivery = id.delivery(0).context("the event has no deliveries")?;
    let (partition, _) = string(&item, "pk").rsplit_once('#').context("the partition has no shard")?;
    let (shard, sort) = match string(&item, "entity") {
        "event" => (shared::store::shard_byte(id.uuid()) % EVENT_SHARDS, id.to_string()),
        "pending" => (shared::store::shard_byte(delivery.uuid()) % DELIVERY_SHARDS, format!("{delivery}#pending")),
        _ => (shared::store::shard_byte(delivery.uuid()) % DELIVERY_SHARDS, delivery.to_string()),
    };
    let pk = format!("{partition}#{shard}");
    if item.contains_key("deliveries") {
        item.insert("deliveries".to_owned(), AttributeValue::B(Blob::new(delivery.uuid().into_bytes())));
    }
    if string(&item, "waiting_sk").starts_with("wdlv_") {
        // The item of a held or failed delivery.
        let waiting = waiting_partition(string(&item, "waiting_pk"), delivery)?;
        item.insert("waiting_pk".to_owned(), AttributeValue::S(waiting));
        item.insert("waiting_sk".to_owned(), AttributeValue::S(delivery.to_string()));
    }
    item.insert("pk".to_owned(), AttributeValue::S(pk));
    item.insert("sk".to_owned(), AttributeValue::S(sort));
    Ok(item)
}

fn string<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// The partition of the index for another held or failed delivery of the same endpoint.
fn waiting_partition(partition: &str, delivery: DeliveryId) -> anyhow::Result<String> {
    let (of_endpoint, _) = partition.rsplit_once('#').context("the partition has no shard")?;
    let shards = if partition.starts_with("held#") { HELD_SHARDS } else { FAILED_SHARDS };
    Ok(format!("{of_endpoint}#{}", shared::store::shard_byte(delivery.uuid()) % shards))
}
