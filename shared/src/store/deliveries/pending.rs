//! Lists of deliveries that were queued and have no record yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::domain::delivery::Delivery;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::store::item::{Base, Item, Unreadable, required, to_item};
use crate::store::{Store, StoreError, keys};

/// The queued deliveries of one publish request to one endpoint, of one event type and with the same channels. A listed delivery without a
/// record is pending and was never attempted. So many new deliveries cost as much to store as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingList {
    /// The organization that the deliveries belong to.
    pub organization: OrganizationId,
    /// The endpoint that the deliveries go to.
    pub endpoint: EndpointId,
    /// The type of the deliveries' events.
    pub event_type: EventType,
    /// The channels of the deliveries' events.
    pub channels: Channels,
    /// The ids of the deliveries, sorted; at least one.
    pub deliveries: Vec<DeliveryId>,
}

impl PendingList {
    /// The lists for the deliveries of one publish request. Parked deliveries are left out: they have a mark, and
    /// so a record.
    pub fn of<'a>(published: impl IntoIterator<Item = &'a Delivery>) -> Vec<Self> {
        let mut lists = BTreeMap::<_, Self>::new();
        for delivery in published.into_iter().filter(|delivery| delivery.mark.is_none()) {
            let of = (delivery.endpoint, delivery.event_type.as_str(), delivery.channels.names());
            let list = lists.entry(of).or_insert_with(|| Self {
                organization: delivery.organization.clone(),
                endpoint: delivery.endpoint,
                event_type: delivery.event_type.clone(),
                channels: delivery.channels.clone(),
                deliveries: Vec::new(),
            });
            list.deliveries.push(delivery.id);
        }
        let mut lists: Vec<_> = lists.into_values().collect();
        lists.iter_mut().for_each(|list| list.deliveries.sort_unstable());
        lists
    }

    /// The last delivery of the list. A reader that goes from the newest delivery to the oldest reads the list
    /// before the records of the listed deliveries.
    pub fn last(&self) -> Option<DeliveryId> {
        self.deliveries.last().copied()
    }

    /// Whether the list contains one of these deliveries.
    pub fn contains_any(&self, deliveries: &[Delivery]) -> bool {
        deliveries.iter().any(|delivery| self.deliveries.binary_search(&delivery.id).is_ok())
    }

    /// The listed deliveries in their initial state.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.deliveries.iter().map(|id| self.delivery(*id))
    }

    /// The delivery with this id in its initial state.
    pub fn delivery(&self, id: DeliveryId) -> Delivery {
        let initial = Delivery::new(id, &self.organization, self.endpoint, &self.event_type, false);
        Delivery { channels: self.channels.clone(), ..initial }
    }
}

pub(in crate::store) const ENTITY: &str = "pending";

impl Store {
    /// Writes a list if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the list exists.
    pub async fn put_list_if_absent(&self, list: &PendingList) -> Result<(), StoreError> {
        self.put_if(self.pending_item(list)?, "attribute_not_exists(pk)", []).await
    }

    pub(in crate::store) fn pending_item(&self, pending: &PendingList) -> Result<Item, StoreError> {
        let last = pending.last().ok_or_else(|| StoreError::corrupt("an empty list of pending deliveries"))?;
        to_item(&PendingItem {
            base: Base::new(keys::pending(pending.endpoint, last), ENTITY),
            organization: pending.organization.to_string(),
            event_type: pending.event_type.to_string(),
            channels: pending.channels.names().to_vec(),
            deliveries: pending.deliveries.iter().flat_map(|id| id.uuid().into_bytes()).collect::<Vec<_>>().into(),
            expires_at: last.created_at().plus(self.retention).unix_seconds(),
        })
    }
}

/// The attributes of a list's item.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct PendingItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    /// The sorted ids of the deliveries, 16 bytes each.
    deliveries: ByteBuf,
    expires_at: i64,
}

impl TryFrom<PendingItem> for PendingList {
    type Error = Unreadable;

    fn try_from(item: PendingItem) -> Result<Self, Unreadable> {
        Ok(Self {
            organization: OrganizationId::parse(&item.organization)?,
            endpoint: required("endpoint", keys::parse_delivery_partition(&item.base.pk))?,
            event_type: EventType::parse(&item.event_type)?,
            channels: Channels::stored(item.channels),
            deliveries: ids(&item.deliveries).map_err(|e| Unreadable(e.to_string()))?,
        })
    }
}

/// Decodes the ids of a list's deliveries.
pub(in crate::store) fn ids(bytes: &[u8]) -> Result<Vec<DeliveryId>, uuid::Error> {
    bytes.chunks(16).map(|bytes| Uuid::from_slice(bytes).map(DeliveryId::from_uuid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EventId;
    use crate::domain::time::Timestamp;

    #[test]
    fn queued_deliveries_are_listed_by_endpoint_type_and_channels() {
        let organization = OrganizationId::new(Timestamp::from_unix_seconds(0), [2; 8]);
        let first = EventId::new(Timestamp::from_unix_seconds(1), [0; 8]);
        let endpoints = [0, 1].map(|n| EndpointId::new(Timestamp::from_unix_seconds(n), [0; 8]));
        let delivery = |event: u32, endpoint: usize, event_type: &str, parked| {
            let event_type = EventType::parse(event_type).unwrap();
            let id = first.nth(event).delivery(endpoint).unwrap();
            Delivery::new(id, &organization, endpoints[endpoint], &event_type, parked)
        };
        let published = [
            delivery(2, 0, "a", false),
            delivery(0, 0, "a", false),
            delivery(1, 0, "b", false),
            delivery(0, 1, "a", false),
            delivery(1, 1, "a", true),
            Delivery { channels: Channels::stored(vec!["c".to_owned()]), ..delivery(3, 0, "a", false) },
        ];
        let lists = PendingList::of(&published);
        let found: Vec<_> = lists.iter().map(|it| (it.endpoint, it.event_type.as_str(), it.channels.names())).collect();
        let channels = ["c".to_owned()];
        let expected: [(_, _, &[String]); 4] = [
            (endpoints[0], "a", &[]),
            (endpoints[0], "a", &channels),
            (endpoints[0], "b", &[]),
            (endpoints[1], "a", &[]),
        ];
        assert_eq!(found, expected);
        assert_eq!(lists[1].deliveries().collect::<Vec<_>>(), [published[5].clone()]);
        assert_eq!(lists[0].deliveries().collect::<Vec<_>>(), [published[1].clone(), published[0].clone()]);
        assert_eq!(lists[0].last(), Some(published[0].id));
    }
}
