//! Lists that are read entry by entry, and the list of an endpoint's deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::item::DeliveryItem;
use super::pending::{PendingItem, PendingList};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::store::item::{Projection, read};
use crate::store::read::merge::{Merge, Next, Range, Source};
use crate::store::{Store, StoreError, keys};

/// How many read units one page of a list may use: those of 4 MB, eventually consistent. After that no further
/// query is made. The first query of each partition is always made, and reads at most 1 MB.
pub(in crate::store) const LIST_READ_UNITS: f64 = 512.0;

/// The attributes of deliveries that lists read: everything except signatures.
pub(in crate::store) const LISTED: Projection = Projection(&[
    "pk",
    "sk",
    "entity",
    "v",
    "organization",
    "type",
    "channels",
    "status",
    "attempts",
    "retries_used",
    "next_attempt_at",
    "ticket",
    "recovery",
    "leases",
    "trigger",
    "first",
    "error",
    "log",
    "updated_at",
    "expires_at",
    "waiting_pk",
    "waiting_sk",
    "deliveries",
]);
/// The attributes that counting deliveries by status reads.
const COUNTED: Projection = Projection(&["sk", "status", "deliveries"]);

/// A list that is read entry by entry.
pub trait Listing: Send {
    /// The type of an entry.
    type Entry: Send;

    /// Reads the next entry.
    ///
    /// # Errors
    /// [`StoreError`] if the entry could not be read.
    fn next(&mut self) -> impl Future<Output = Result<Next<Self::Entry>, StoreError>> + Send;
}

/// A list of an endpoint's deliveries, newest first, without signatures. A delivery has a record, or
/// is in a list of pending deliveries, or both.
#[derive(Debug)]
pub struct DeliveryList<'a> {
    merge: Merge<'a>,
    from: DeliveryId,
    before: Option<DeliveryId>,
    /// Deliveries of the pending lists that were read, without those that were already returned.
    pending: BTreeMap<DeliveryId, Arc<PendingList>>,
}

/// The order in which deliveries are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the newest delivery to the oldest.
    NewestFirst,
    /// From the oldest delivery to the newest.
    OldestFirst,
}

/// The first deliveries of an endpoint in the requested order, with their status.
#[derive(Debug)]
pub struct DeliveryIds {
    /// The deliveries with their status.
    pub found: Vec<(DeliveryId, DeliveryStatus)>,
    /// Whether the endpoint has more deliveries.
    pub is_cut: bool,
}

impl Store {
    /// Lists the endpoint's deliveries with `from <= id < before`, newest first. `limit` is the number of
    /// deliveries that the caller expects to need.
    pub fn deliveries_before(
        &self,
        endpoint: EndpointId,
        from: DeliveryId,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> DeliveryList<'_> {
        let range = Range {
            source: Source::TableDescending,
            from: from.to_string(),
            // A pending list sorts directly after its last delivery, which was published in the same millisecond as
            // the others.
            to: before.map_or_else(end, |id| id.last_of_its_millisecond().to_string()),
            projection: Some(&LISTED),
            most_read_units: Some(LIST_READ_UNITS),
        };
        // Each delivery may have a record and an entry in a list.
        let merge = Merge::new(self, keys::delivery_partitions(endpoint), range, 2 * limit);
        DeliveryList { merge, from, before, pending: BTreeMap::new() }
    }

    /// Reads the status of the first `most` deliveries of the endpoint with ids from `from` on.
    ///
    /// # Errors
    /// [`StoreError`] if the deliveries could not be read.
    pub async fn delivery_ids(
        &self,
        endpoint: EndpointId,
        from: DeliveryId,
        order: Order,
        most: usize,
    ) -> Result<DeliveryIds, StoreError> {
        let source = match order {
            Order::NewestFirst => Source::TableDescending,
            Order::OldestFirst => Source::TableAscending,
        };
        let (from_key, projection) = (from.to_string(), Some(&COUNTED));
        let range = Range { source, from: from_key, to: end(), projection, most_read_units: None };
        let mut merge = Merge::new(self, keys::delivery_partitions(endpoint), range, most);
        let mut found = BTreeMap::new();
        let mut last = None;
        while let Next::Entry(mut item) = merge.next().await? {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            let sort_key = text(keys::SK).map_or("", String::as_str);
            let id = keys::delivery_of(sort_key).ok_or_else(|| StoreError::corrupt("a delivery without id"))?;
            // All deliveries of a pending list are of one millisecond. Items of a later millisecond do not affect
            // the earlier ones.
            let is_later = last.replace(id.created_at()).is_some_and(|last| last != id.created_at());
            if is_later && found.len() > most {
                break;
            }
            if keys::is_pending(sort_key) {
                let ids = item.remove("deliveries").and_then(|ids| ids.as_b().ok().map(|ids| ids.clone().into_inner()));
                let ids = super::pending::ids(&ids.unwrap_or_default()).map_err(StoreError::corrupt)?;
                for id in ids.into_iter().filter(|id| *id >= from) {
                    found.entry(id).or_insert(DeliveryStatus::Pending);
                }
            } else {
                let status = text("status").and_then(|status| DeliveryStatus::parse(status));
                found.insert(id, status.ok_or_else(|| StoreError::corrupt("a delivery without status"))?);
            }
        }
        let is_cut = found.len() > most;
        let found = match order {
            Order::NewestFirst => found.into_iter().rev().take(most).collect(),
            Order::OldestFirst => found.into_iter().take(most).collect(),
        };
        Ok(DeliveryIds { found, is_cut })
    }
}

impl Listing for DeliveryList<'_> {
    type Entry = Delivery;

    async fn next(&mut self) -> Result<Next<Delivery>, StoreError> {
        loop {
            let upcoming = match self.merge.peek().await? {
                Next::Entry(sort_key) if keys::is_pending(sort_key) => {
                    if let Next::Entry(list) = self.merge.next().await? {
                        self.add_pending(Arc::new(read::<PendingItem, PendingList>(list)?));
                    }
                    continue;
                }
                Next::Entry(sort_key) => keys::delivery_of(sort_key),
                Next::End => None,
                Next::Spent => return Ok(Next::Spent),
            };
            // A pending list sorts before the records of its deliveries in this order. So all lists that name a
            // delivery before the upcoming one have been read.
            if let Some((id, list)) = self.pending.pop_last() {
                if upcoming.is_none_or(|upcoming| id > upcoming) {
                    return Ok(Next::Entry(list.delivery(id)));
                }
                if upcoming != Some(id) {
                    self.pending.insert(id, list);
                }
            }
            let Next::Entry(item) = self.merge.next().await? else { return Ok(Next::End) };
            let delivery: Delivery = read::<DeliveryItem, _>(item)?;
            if self.is_wanted(delivery.id) {
                return Ok(Next::Entry(delivery));
            }
            // The delivery is not before the cursor, so an earlier page contained it. What was read so far does not
            // count towards this page.
            self.merge.count_from_here();
        }
    }
}

impl DeliveryList<'_> {
    fn is_wanted(&self, id: DeliveryId) -> bool {
        self.from <= id && self.before.is_none_or(|before| id < before)
    }

    fn add_pending(&mut self, list: Arc<PendingList>) {
        let wanted: Vec<_> = list.deliveries.iter().copied().filter(|id| self.is_wanted(*id)).collect();
        self.pending.extend(wanted.into_iter().map(|id| (id, Arc::clone(&list))));
    }
}

/// A key that sorts after every sort key of a delivery.
fn end() -> String {
    format!("{}~", DeliveryId::PREFIX)
}
