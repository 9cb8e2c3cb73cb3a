//! The items of one publishing, written in batches.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt, stream};

use crate::clock;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::store::chunks::{BATCH_TRIES, MAX_CONCURRENT_CHUNKS, unprocessed};
use crate::store::deliveries::pending::PendingList;
use crate::store::item::Item;
use crate::store::{Store, StoreError};

/// Most items of one BatchWriteItem call.
pub const WRITE_CHUNK: usize = 25;

impl Store {
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
        let pending = PendingList::of(deliveries.clone());
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
        stream::iter(writes).buffer_unordered(MAX_CONCURRENT_CHUNKS).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn write(&self, puts: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut left = puts;
        for attempt in 0..BATCH_TRIES {
            clock::back_off(attempt).await;
            left = self.coalesced.write(left).await?;
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(unprocessed("BatchWriteItem"))
    }
}

fn put(item: Result<Item, StoreError>) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item?)).build().map_err(StoreError::corrupt)?;
    Ok(WriteRequest::builder().put_request(put).build())
}
