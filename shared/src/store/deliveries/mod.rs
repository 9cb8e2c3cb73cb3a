//! Records of deliveries, spread over the partitions of their endpoint.

mod fit;
pub(super) mod item;
pub(super) mod listing;
mod log;
pub(super) mod pending;
pub(super) mod stored;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, read, to_item};
use super::keys::Key;
use super::write::put::{Put, new_write_token, with_write_token};
use super::{Store, StoreError, keys};
use crate::domain::delivery::Delivery;
use crate::domain::ids::{DeliveryId, EndpointId};
use item::DeliveryItem;
use listing::LISTED;
use pending::{PendingItem, PendingList};

impl Store {
    /// Reads the record of one delivery. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn delivery(&self, endpoint: EndpointId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.get::<DeliveryItem, _>(&keys::delivery(endpoint, id)).await
    }

    /// Reads the records of these deliveries, in any order. Missing records are left out. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn deliveries_by_id(&self, wanted: &[(EndpointId, DeliveryId)]) -> Result<Vec<Delivery>, StoreError> {
        let wanted = wanted.iter().map(|(endpoint, id)| keys::delivery(*endpoint, *id)).collect();
        self.get_all(wanted).await?.into_iter().map(read::<DeliveryItem, _>).collect()
    }

    /// As [`deliveries_by_id`](Self::deliveries_by_id), but without signatures, which lists do not show.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn listed_deliveries(&self, wanted: &[(EndpointId, DeliveryId)]) -> Result<Vec<Delivery>, StoreError> {
        let wanted = wanted.iter().map(|(endpoint, id)| keys::delivery(*endpoint, *id)).collect();
        self.get_parts(wanted, Some(&LISTED)).await?.into_iter().map(read::<DeliveryItem, _>).collect()
    }

    /// Which deliveries of one publish request are stored, each with whether it has a record. A delivery without a
    /// record is in a list. `published` must contain all deliveries of the request.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn stored_deliveries(&self, published: &[Delivery]) -> Result<HashMap<DeliveryId, bool>, StoreError> {
        let records = published.iter().map(|delivery| keys::delivery(delivery.endpoint, delivery.id));
        // A list is stored under its last delivery. Which one that is depends on which deliveries the original
        // request parked, so all are looked up.
        let lists = published.iter().map(|delivery| keys::pending(delivery.endpoint, delivery.id));
        let (lists, records): (Vec<_>, Vec<_>) =
            self.get_all(records.chain(lists).collect()).await?.into_iter().partition(is_list);
        let mut stored = HashMap::new();
        for list in lists {
            let list = read::<PendingItem, PendingList>(list)?;
            stored.extend(list.deliveries.into_iter().map(|id| (id, false)));
        }
        for record in records {
            let delivery = read::<DeliveryItem, Delivery>(record)?;
            // The record of a listed delivery overrides the list.
            stored.insert(delivery.id, true);
        }
        Ok(stored)
    }

    /// Records an attempt. `seen` is the record that was read before the attempt, or `None` if there was none. A first
    /// response that does not fit into the record is taken out of `delivery`: the attempt then has an item. The responses to
    /// attempts that the log of `delivery` no longer has are removed.
    ///
    /// # Errors
    /// [`StoreError`] if the attempt may not have been recorded.
    pub async fn record_attempt(
        &self,
        seen: Option<&Delivery>,
        delivery: &mut Delivery,
    ) -> Result<Replaced, StoreError> {
        let write_token = new_write_token();
        // Most attempts are first attempts: no record exists, and coalesced calls insert the records of several
        // deliveries. An insert that may have failed is repeated as a single conditional write. Its condition
        // recognizes an item that this process wrote by the write token.
        if seen.is_none() && self.coalesced.insert(self.attempt_record(delivery, &write_token)?).await {
            return Ok(Replaced::Written);
        }
        self.forget_dropped(seen, delivery).await?;
        self.replace(seen, self.attempt_record(delivery, &write_token)?, &write_token).await
    }

    fn attempt_record(&self, delivery: &mut Delivery, write_token: &AttributeValue) -> Result<Item, StoreError> {
        let mut item = with_write_token(self.delivery_item(delivery)?, write_token);
        fit::add_new_response(&mut item, delivery)?;
        Ok(item)
    }

    /// Writes a delivery's record if the stored record is still as it was `seen`, or if there is still none. The responses to
    /// attempts that the log of `delivery` no longer has are removed.
    ///
    /// # Errors
    /// [`StoreError`] if the record may not have been written.
    pub async fn replace_delivery(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<Replaced, StoreError> {
        self.forget_dropped(seen, delivery).await?;
        let write_token = new_write_token();
        let mut item = with_write_token(self.delivery_item(delivery)?, &write_token);
        fit::add_response(&mut item, delivery)?;
        self.replace(seen, item, &write_token).await
    }

    /// Removes the responses to the attempts that are in the log of `seen` and not in that of `delivery`. This comes before
    /// the write of the record, so a process that dies in between leaves no response that nothing finds.
    async fn forget_dropped(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<(), StoreError> {
        let dropped = seen.map_or(&[][..], |seen| seen.dropped_by(delivery));
        if dropped.is_empty() {
            return Ok(());
        }
        let with_items = dropped.iter().filter(|entry| entry.has_item).map(|entry| entry.id(delivery.id));
        // Boxed, this future does not enlarge those of the usual writes.
        Box::pin(self.remove_dropped_responses(delivery.endpoint, with_items)).await
    }

    /// As [`replace_delivery`](Self::replace_delivery), for callers that do not need the stored record.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the stored record is not as it was seen.
    pub async fn move_delivery(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<(), StoreError> {
        match self.replace_delivery(seen, delivery).await? {
            Replaced::Written => Ok(()),
            Replaced::Found(_) => Err(StoreError::Conflict),
        }
    }

    /// Writes the item conditionally. The condition covers every attribute that another process may change:
    /// attempts, status, ticket and mark. The removal of an event's data changes none of these in a successful delivery, and
    /// the removal of a response in none, so the condition also covers when a final record changed, and whether another
    /// one still has its response.
    async fn replace(
        &self,
        seen: Option<&Delivery>,
        item: Item,
        write_token: &AttributeValue,
    ) -> Result<Replaced, StoreError> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let put = match seen {
            None => self.put_with_token_if(item, write_token, "attribute_not_exists(pk)", []).await?,
            Some(seen) => {
                let mut condition = "attempts = :attempts AND #status = :status".to_owned();
                let mut values = vec![
                    (":attempts", AttributeValue::N(seen.attempts.to_string())),
                    (":status", text(seen.status.as_str())),
                ];
                match seen.ticket {
                    None => condition.push_str(" AND attribute_not_exists(ticket)"),
                    Some(ticket) => {
                        condition.push_str(" AND ticket = :ticket");
                        values.push((":ticket", text(&ticket.to_string())));
                    }
                }
                match keys::mark(seen) {
                    None => condition.push_str(" AND attribute_not_exists(waiting_sk)"),
                    Some((pk, sk)) => {
                        condition.push_str(" AND waiting_pk = :waiting_pk AND waiting_sk = :waiting_sk");
                        values.extend([(":waiting_pk", text(&pk)), (":waiting_sk", text(&sk))]);
                    }
                }
                if seen.status.is_final() {
                    condition.push_str(" AND updated_at = :updated_at");
                    values.push((":updated_at", text(&seen.updated_at.rfc3339())));
                } else if seen.first_response.is_some() {
                    condition.push_str(" AND attribute_exists(#first)");
                }
                self.put_with_token_if(item, write_token, &condition, values).await?
            }
        };
        Ok(match put {
            Put::Written => Replaced::Written,
            Put::Found(None) => Replaced::Found(None),
            Put::Found(Some(found)) => Replaced::Found(Some(Box::new(read::<DeliveryItem, _>(found)?))),
        })
    }

    /// The item of a delivery without its first response.
    pub(super) fn delivery_item(&self, delivery: &Delivery) -> Result<Item, StoreError> {
        to_item(&DeliveryItem::new(delivery, delivery.id.created_at().plus(self.retention)))
    }
}

/// The result of a conditional write of a delivery's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// The record was written.
    Written,
    /// The record was not written. This is the stored record, if there is one.
    Found(Option<Box<Delivery>>),
}

pub(super) fn is_list(item: &Item) -> bool {
    Key::of(item).is_some_and(|key| keys::is_pending(&key.sk))
}
