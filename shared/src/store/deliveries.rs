//! Records of deliveries, spread over the partitions of their endpoint.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::batch::{Put, new_stamp, stamped};
use super::items::{Base, Item, Unreadable, is_zero, read, time, to_item, unknown};
use super::jobs::{read_run, run_text};
use super::keys::Key;
use super::listing::LISTED;
use super::pending::PendingItem;
use super::{Store, StoreError, keys};
use crate::domain::attempt::{AttemptEntry, Cause, Detail};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::domain::pending::Pending;
use crate::domain::ticket::Ticket;
use crate::domain::time::Timestamp;

const ENTITY: &str = "delivery";

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

    /// As [`deliveries_by_id`](Self::deliveries_by_id), but without signatures and attempts, which lists do not
    /// show.
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
            let list = read::<PendingItem, Pending>(list)?;
            stored.extend(list.deliveries.into_iter().map(|id| (id, false)));
        }
        for record in records {
            let delivery = read::<DeliveryItem, Delivery>(record)?;
            // The record of a listed delivery overrides the list.
            stored.insert(delivery.id, true);
        }
        Ok(stored)
    }

    /// Records an attempt. `seen` is the record that was read before the attempt, or `None` if there was none.
    ///
    /// # Errors
    /// [`StoreError`] if the attempt may not have been recorded.
    pub async fn record_attempt(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<Replaced, StoreError> {
        let stamp = new_stamp();
        let item = || Ok::<_, StoreError>(stamped(self.delivery_item(delivery)?, &stamp));
        // Most attempts are first attempts: no record exists, and coalesced calls insert the records of several
        // deliveries. An insert that may have failed is repeated as a single conditional write. Its condition
        // recognizes an item that this process wrote by the write token.
        if seen.is_none() && self.gathered.insert(item()?).await {
            return Ok(Replaced::Written);
        }
        self.replace(seen, item()?, &stamp).await
    }

    /// Writes a delivery's record if the stored record is still as it was `seen`, or if there is still none.
    ///
    /// # Errors
    /// [`StoreError`] if the record may not have been written.
    pub async fn replace_delivery(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<Replaced, StoreError> {
        let stamp = new_stamp();
        self.replace(seen, stamped(self.delivery_item(delivery)?, &stamp), &stamp).await
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
    /// attempts, status, ticket and mark.
    async fn replace(
        &self,
        seen: Option<&Delivery>,
        item: Item,
        stamp: &AttributeValue,
    ) -> Result<Replaced, StoreError> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let put = match seen {
            None => self.put_stamped_if(item, stamp, "attribute_not_exists(pk)", []).await?,
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
                match seen.mark.map(|mark| keys::mark(mark, seen.endpoint, seen.id)) {
                    None => condition.push_str(" AND attribute_not_exists(waiting_sk)"),
                    Some((pk, sk)) => {
                        condition.push_str(" AND waiting_pk = :waiting_pk AND waiting_sk = :waiting_sk");
                        values.extend([(":waiting_pk", text(&pk)), (":waiting_sk", text(&sk))]);
                    }
                }
                self.put_stamped_if(item, stamp, &condition, values).await?
            }
        };
        Ok(match put {
            Put::Written => Replaced::Written,
            Put::Found(None) => Replaced::Found(None),
            Put::Found(Some(found)) => Replaced::Found(Some(Box::new(read::<DeliveryItem, _>(found)?))),
        })
    }

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

/// A delivery's record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeliveryItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
    #[serde(rename = "type")]
    event_type: String,
    status: String,
    attempts: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    retries_used: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    leases: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    log: Vec<AttemptItem>,
    updated_at: String,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AttemptItem {
    n: u32,
    at: String,
    ms: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

impl DeliveryItem {
    fn new(delivery: &Delivery, expires_at: Timestamp) -> Self {
        let mark = delivery.mark.map(|mark| keys::mark(mark, delivery.endpoint, delivery.id));
        let (waiting_pk, waiting_sk) = mark.unzip();
        let name = |cause: Cause| cause.as_str().to_owned();
        let entry = |entry: &AttemptEntry| AttemptItem {
            n: entry.number,
            at: entry.started_at.rfc3339(),
            ms: entry.duration_ms,
            status: entry.response_status,
            error: entry.error.map(name),
            detail: entry.detail.map(|detail| detail.as_str().to_owned()),
            cut: entry.body_cut,
        };
        Self {
            base: Base::new(keys::delivery(delivery.endpoint, delivery.id), ENTITY),
            organization: delivery.organization.to_string(),
            event_type: delivery.event_type.to_string(),
            status: delivery.status.as_str().to_owned(),
            attempts: delivery.attempts,
            retries_used: delivery.retries_used,
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            ticket: delivery.ticket.map(|ticket| ticket.to_string()),
            recovery: delivery.recovery.map(run_text),
            leases: delivery.leases,
            response_status: delivery.response_status,
            response_body: delivery.response_body.clone(),
            error: delivery.error.map(name),
            signature: delivery.signature.clone(),
            log: delivery.log.iter().map(entry).collect(),
            updated_at: delivery.updated_at.rfc3339(),
            expires_at: expires_at.unix_seconds(),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<DeliveryItem> for Delivery {
    type Error = Unreadable;

    fn try_from(item: DeliveryItem) -> Result<Self, Unreadable> {
        let place = keys::parse_delivery(&item.base.key());
        let (endpoint, id): (EndpointId, DeliveryId) =
            place.ok_or_else(|| Unreadable("not a delivery's key".to_owned()))?;
        let cause = |name: String| Cause::parse(&name).ok_or_else(|| unknown("cause", &name));
        let entry = |entry: AttemptItem| {
            Ok::<_, Unreadable>(AttemptEntry {
                number: entry.n,
                started_at: Timestamp::parse(&entry.at)?,
                duration_ms: entry.ms,
                response_status: entry.status,
                error: entry.error.map(cause).transpose()?,
                // A detail of a later version is ignored.
                detail: entry.detail.as_deref().and_then(Detail::parse),
                body_cut: entry.cut,
            })
        };
        let waiting = item.waiting_pk.as_deref().zip(item.waiting_sk.as_deref());
        Ok(Self {
            id,
            organization: OrganizationId::parse(&item.organization)?,
            endpoint,
            event_type: EventType::parse(&item.event_type)?,
            status: DeliveryStatus::parse(&item.status).ok_or_else(|| unknown("status", &item.status))?,
            attempts: item.attempts,
            retries_used: item.retries_used,
            next_attempt_at: time(item.next_attempt_at.as_ref())?,
            ticket: item.ticket.as_deref().map(Ticket::parse).transpose()?,
            recovery: item.recovery.as_deref().map(read_run).transpose()?,
            leases: item.leases,
            mark: waiting.and_then(|(pk, sk)| keys::parse_mark(pk, sk)),
            response_status: item.response_status,
            response_body: item.response_body,
            error: item.error.map(cause).transpose()?,
            signature: item.signature,
            log: item.log.into_iter().map(entry).collect::<Result<_, _>>()?,
            updated_at: Timestamp::parse(&item.updated_at)?,
        })
    }
}
