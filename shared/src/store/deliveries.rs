//! Deliveries, spread over their endpoint's partitions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::batch::{Put, new_stamp, stamped};
use super::items::{Base, Item, Unreadable, is_zero, read, time, to_item, unknown};
use super::keys::Key;
use super::merge::{Range, Source, Take};
use super::pending::PendingItem;
use super::{Store, StoreError, keys};
use crate::domain::attempt::{AttemptEntry, Cause, Detail};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId, RecoveryId};
use crate::domain::pending::Pending;
use crate::domain::ticket::Ticket;
use crate::domain::time::Timestamp;

const ENTITY: &str = "delivery";

impl Store {
    /// One delivery. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn delivery(&self, endpoint: EndpointId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.get::<DeliveryItem, _>(&keys::delivery(endpoint, id)).await
    }

    /// These deliveries, as far as they exist, in no order. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn deliveries_by_id(&self, wanted: &[(EndpointId, DeliveryId)]) -> Result<Vec<Delivery>, StoreError> {
        let wanted = wanted.iter().map(|(endpoint, id)| keys::delivery(*endpoint, *id)).collect();
        self.get_all(wanted).await?.into_iter().map(read::<DeliveryItem, _>).collect()
    }

    /// Those of these deliveries, all that one request publishes, that are stored, and whether each has a record; the
    /// others are only listed.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn stored_deliveries(&self, published: &[Delivery]) -> Result<HashMap<DeliveryId, bool>, StoreError> {
        let records = published.iter().map(|delivery| keys::delivery(delivery.endpoint, delivery.id));
        // A list ends with one of them: which one depends on what the request that wrote it accepted and held.
        let lists = published.iter().map(|delivery| keys::pending(delivery.endpoint, delivery.id));
        let stored = told_of(self.get_all(records.chain(lists).collect()).await?)?;
        Ok(stored.into_iter().map(|(id, told)| (id, matches!(told, Told::Recorded(_)))).collect())
    }

    /// Up to `limit` of the endpoint's deliveries with `from <= id < before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn deliveries_before(
        &self,
        endpoint: EndpointId,
        from: Option<DeliveryId>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let text = |id: Option<DeliveryId>, all: String| id.map_or(all, |id| id.to_string());
        let end = || format!("{}~", DeliveryId::PREFIX);
        let first_left_out = text(before, end());
        // A list stands above what it lists, in the same millisecond: what is listed was published together.
        let take = |sort_key: &str| match sort_key < &*first_left_out {
            true => Take::Counted,
            false if keys::is_pending(sort_key) => Take::Beside,
            false => Take::Skipped,
        };
        let range = Range {
            source: Source::TableDescending,
            from: &text(from, DeliveryId::PREFIX.to_owned()),
            to: &text(before.map(DeliveryId::last_of_its_millisecond), end()),
            take: &take,
        };
        // Each delivery has a record, or a list, or both.
        let items = self.merged(keys::delivery_partitions(endpoint), &range, 2 * limit).await?;
        let is_wanted = |id: DeliveryId| from.is_none_or(|from| from <= id) && before.is_none_or(|before| id < before);
        let newest = told_of(items)?.into_iter().rev().filter(|(id, _)| is_wanted(*id)).take(limit);
        Ok(newest.map(|(id, told)| told.delivery(id)).collect())
    }

    /// The ids of all of the endpoint's deliveries that stand so, in no order.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn delivery_ids(
        &self,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let shards: Vec<_> = keys::delivery_partitions(endpoint).map(|partition| self.statuses_in(partition)).collect();
        let (mut records, mut listed) = (HashMap::new(), HashSet::new());
        for (of_shard, listed_in_shard) in try_join_all(shards).await? {
            records.extend(of_shard);
            listed.extend(listed_in_shard);
        }
        listed.retain(|id| !records.contains_key(id));
        let listed = listed.into_iter().map(|id| (id, DeliveryStatus::Pending));
        let wanted = |(id, found)| status.is_none_or(|wanted| wanted == found).then_some(id);
        Ok(records.into_iter().chain(listed).filter_map(wanted).collect())
    }

    async fn statuses_in(
        &self,
        partition: String,
    ) -> Result<(Vec<(DeliveryId, DeliveryStatus)>, Vec<DeliveryId>), StoreError> {
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(partition));
        let query =
            query.projection_expression("pk, sk, entity, v, organization, #type, #status, deliveries, expires_at");
        let query = query.expression_attribute_names("#status", "status").expression_attribute_names("#type", "type");
        let mut pages = query.into_paginator().send();
        let (mut records, mut listed) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                if is_list(&item) {
                    listed.extend(read::<PendingItem, Pending>(item)?.deliveries);
                    continue;
                }
                let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
                let id = text(keys::SK).and_then(|id| DeliveryId::parse(id).ok());
                let status = text("status").and_then(|status| DeliveryStatus::parse(status));
                records.push(id.zip(status).ok_or_else(|| StoreError::corrupt("a delivery without id or status"))?);
            }
        }
        Ok((records, listed))
    }

    /// Records an attempt at a delivery that was `seen`, or had no record.
    ///
    /// # Errors
    /// [`StoreError`] if it may not be recorded.
    pub async fn record_attempt(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<Replaced, StoreError> {
        let stamp = new_stamp();
        let item = || Ok::<_, StoreError>(stamped(self.delivery_item(delivery)?, &stamp));
        // It is usually the first one. Then there is no record, and one call makes those of several deliveries. What that
        // did not do, whatever the reason, is done alone: the fence knows our own item by its stamp.
        if seen.is_none() && self.gathered.insert(item()?).await {
            return Ok(Replaced::Written);
        }
        self.replace(seen, item()?, &stamp).await
    }

    /// Replaces a delivery that still is as it was `seen`; one that had no record is written if it still has none.
    ///
    /// # Errors
    /// [`StoreError`] if it may not be written.
    pub async fn replace_delivery(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<Replaced, StoreError> {
        let stamp = new_stamp();
        self.replace(seen, stamped(self.delivery_item(delivery)?, &stamp), &stamp).await
    }

    /// The same where it does not matter what was found instead.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not as it was seen.
    pub async fn move_delivery(&self, seen: Option<&Delivery>, delivery: &Delivery) -> Result<(), StoreError> {
        match self.replace_delivery(seen, delivery).await? {
            Replaced::Written => Ok(()),
            Replaced::Found(_) => Err(StoreError::Conflict),
        }
    }

    /// The condition covers everything that another process may have changed: attempts, status, ticket and mark.
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

/// What a conditional write of a delivery came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It was written.
    Written,
    /// It was not written: this was found instead, or no record.
    Found(Option<Box<Delivery>>),
}

fn is_list(item: &Item) -> bool {
    Key::of(item).is_some_and(|key| keys::is_pending(&key.sk))
}

/// The deliveries that an endpoint's items tell of: those that have a record, and those that are only listed.
fn told_of(items: Vec<Item>) -> Result<BTreeMap<DeliveryId, Told>, StoreError> {
    let (lists, records): (Vec<_>, Vec<_>) = items.into_iter().partition(is_list);
    let mut told = BTreeMap::new();
    for list in lists {
        let list = Arc::new(read::<PendingItem, Pending>(list)?);
        told.extend(list.deliveries.iter().map(|id| (*id, Told::Listed(Arc::clone(&list)))));
    }
    for record in records {
        let delivery = read::<DeliveryItem, Delivery>(record)?;
        // A record contradicts its listing.
        told.insert(delivery.id, Told::Recorded(Box::new(delivery)));
    }
    Ok(told)
}

/// Where a delivery is told of.
enum Told {
    Listed(Arc<Pending>),
    Recorded(Box<Delivery>),
}

impl Told {
    fn delivery(self, id: DeliveryId) -> Delivery {
        match self {
            Self::Listed(list) => list.delivery(id),
            Self::Recorded(delivery) => *delivery,
        }
    }
}

/// A delivery.
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
            recovery: delivery.recovery.map(|recovery| recovery.to_string()),
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
                // A later version may know more of them.
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
            recovery: item.recovery.as_deref().map(RecoveryId::parse).transpose()?,
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
