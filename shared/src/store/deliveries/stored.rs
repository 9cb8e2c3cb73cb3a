//! An endpoint's deliveries as they are stored, for jobs that go through all of them.

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

/// A page of an endpoint's deliveries, as they are stored.
#[derive(Debug)]
pub struct StoredPage {
    /// Each, and whether it has a record.
    pub deliveries: Vec<(bool, Delivery)>,
    /// All from this one on were gone through; `None` if there are no more.
    pub last: Option<DeliveryId>,
    /// Why items could not be read.
    pub unreadable: Vec<StoreError>,
}

impl Store {
    /// The next `limit` of the endpoint's deliveries with `id < before`, newest first. An item that cannot be read is left
    /// out and does not spoil the others.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn stored_before(
        &self,
        endpoint: EndpointId,
        before: DeliveryId,
        limit: usize,
    ) -> Result<StoredPage, StoreError> {
        let range = Range {
            source: Source::TableDescending,
            from: DeliveryId::PREFIX.to_owned(),
            // A list comes right after its last delivery, which was published in the same millisecond as what it lists.
            to: before.last_of_its_millisecond().to_string(),
            projection: None,
            most_read_units: None,
        };
        // Each delivery has a record, or a list, or both.
        let most = 2 * limit;
        let mut merge = Merge::new(self, keys::delivery_partitions(endpoint), range, most);
        let (mut items, mut counted, mut floor) = (Vec::new(), 0, None);
        let first_left_out = before.to_string();
        while let Next::Entry(item) = merge.next().await? {
            let sort_key = item.get(keys::SK).and_then(|key| key.as_s().ok()).map_or("", String::as_str);
            let (is_counted, is_pending) = (sort_key < first_left_out.as_str(), keys::is_pending(sort_key));
            if is_counted {
                counted += 1;
                if counted == most {
                    // Behind a list comes the record of the delivery that it ends with.
                    floor = keys::delivery_of(sort_key).map(|id| if is_pending { id.next() } else { id });
                }
            }
            if is_counted || is_pending {
                items.push(item);
            }
            if counted == most {
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

/// The deliveries that these items tell of, and why items could not be read.
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
            // A record contradicts its listing.
            Ok(delivery) => drop(found.insert(delivery.id, Found::Recorded(Box::new(delivery)))),
            Err(error) => unreadable.push(error),
        }
    }
    (found, unreadable)
}

/// Where a delivery is told of.
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
