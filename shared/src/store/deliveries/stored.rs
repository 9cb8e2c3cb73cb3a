//! Pages of all stored deliveries of an endpoint, for jobs that go through all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::is_list;
use super::item::DeliveryItem;
use super::pending::{PendingItem, PendingList};
use crate::domain::delivery::Delivery;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::store::item::{Item, read};
use crate::store::read::merge::{Merge, Next, Range, Source};
use crate::store::{Store, StoreError, keys};

/// A page of an endpoint's stored deliveries.
#[derive(Debug)]
pub struct StoredPage {
    /// The deliveries, newest first. The flag says whether a delivery has a record.
    pub deliveries: Vec<(bool, Delivery)>,
    /// The oldest id that the page covers. The next page begins before it. `None` if this is the last page.
    pub last: Option<DeliveryId>,
    /// The errors of the items that could not be read.
    pub unreadable: Vec<StoreError>,
}

impl Store {
    /// At most `limit` of the endpoint's deliveries with `id < before`, newest first. An unreadable item is left out of
    /// the deliveries, and its error is returned with them.
    ///
    /// # Errors
    /// [`StoreError`] if a query failed.
    pub async fn stored_before(
        &self,
        endpoint: EndpointId,
        before: DeliveryId,
        limit: usize,
    ) -> Result<StoredPage, StoreError> {
        let range = Range {
            source: Source::TableDescending,
            from: DeliveryId::PREFIX.to_owned(),
            // The key of a list sorts directly after its last delivery. All deliveries of a list were published in the
            // same millisecond, so the range contains every list of a delivery before `before`.
            to: before.last_of_its_millisecond().to_string(),
            projection: None,
            most_read_units: None,
        };
        // A delivery has at most two items: a record and a list.
        let max_items = 2 * limit;
        let mut merge = Merge::new(self, keys::delivery_partitions(endpoint), range, max_items);
        let (mut items, mut counted, mut floor) = (Vec::new(), 0, None);
        let end = before.to_string();
        while let Next::Entry(item) = merge.next().await? {
            let sort_key = item.get(keys::SK).and_then(|key| key.as_s().ok()).map_or("", String::as_str);
            let (is_counted, is_pending) = (sort_key < end.as_str(), keys::is_pending(sort_key));
            if is_counted {
                counted += 1;
                if counted == max_items {
                    // In descending order, the record of a list's last delivery comes after the list and was not read
                    // yet.
                    floor = keys::delivery_of(sort_key).map(|id| if is_pending { id.next() } else { id });
                }
            }
            if is_counted || is_pending {
                items.push(item);
            }
            if counted == max_items {
                break;
            }
        }
        let (found, unreadable) = found_in(items);
        let is_read = |id: &DeliveryId| *id < before && floor.is_none_or(|floor| floor <= *id);
        let mut found = found.into_iter().rev().filter(|(id, _)| is_read(id));
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let has_more = found.next().is_some();
        let last = if has_more { page.last().map(|(id, _)| *id) } else { floor };
        let deliveries = page.into_iter().map(|(id, found)| (matches!(found, Found::Recorded(_)), found.delivery(id)));
        Ok(StoredPage { deliveries: deliveries.collect(), last, unreadable })
    }
}

/// The deliveries in these records and lists, and the errors of the items that could not be read.
fn found_in(items: Vec<Item>) -> (BTreeMap<DeliveryId, Found>, Vec<StoreError>) {
    let (lists, records): (Vec<_>, Vec<_>) = items.into_iter().partition(is_list);
    let (mut found, mut unreadable) = (BTreeMap::new(), Vec::new());
    for list in lists {
        match read::<PendingItem, PendingList>(list) {
            Ok(list) => {
                let list = Arc::new(list);
                found.extend(list.deliveries.iter().map(|id| (*id, Found::Listed(Arc::clone(&list)))));
            }
            Err(error) => unreadable.push(error),
        }
    }
    for record in records {
        match read::<DeliveryItem, Delivery>(record) {
            // The record of a listed delivery is newer than the list.
            Ok(delivery) => drop(found.insert(delivery.id, Found::Recorded(Box::new(delivery)))),
            Err(error) => unreadable.push(error),
        }
    }
    (found, unreadable)
}

/// The item that contains a delivery. A record takes precedence.
enum Found {
    Listed(Arc<PendingList>),
    Recorded(Box<Delivery>),
}

impl Found {
    fn delivery(self, id: DeliveryId) -> Delivery {
        match self {
            Self::Listed(list) => list.delivery(id),
            Self::Recorded(delivery) => *delivery,
        }
    }
}
