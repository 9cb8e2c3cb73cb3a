//! Lists of deliveries that were queued and have no record yet.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::items::{Base, Item, Unreadable, required, to_item};
use super::{Store, StoreError, keys};
use crate::domain::event_type::EventType;
use crate::domain::ids::{DeliveryId, OrganizationId};
use crate::domain::pending::Pending;

pub(super) const ENTITY: &str = "pending";

impl Store {
    /// Writes a list if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the list exists.
    pub async fn put_list_if_absent(&self, list: &Pending) -> Result<(), StoreError> {
        self.put_if(self.pending_item(list)?, "attribute_not_exists(pk)", []).await
    }

    pub(super) fn pending_item(&self, pending: &Pending) -> Result<Item, StoreError> {
        let last = pending.last().ok_or_else(|| StoreError::corrupt("an empty list of pending deliveries"))?;
        to_item(&PendingItem {
            base: Base::new(keys::pending(pending.endpoint, last), ENTITY),
            organization: pending.organization.to_string(),
            event_type: pending.event_type.to_string(),
            deliveries: pending.deliveries.iter().flat_map(|id| id.uuid().into_bytes()).collect::<Vec<_>>().into(),
            expires_at: last.created_at().plus(self.retention).unix_seconds(),
        })
    }
}

/// The attributes of a list's item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PendingItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
    #[serde(rename = "type")]
    event_type: String,
    /// The sorted ids of the deliveries, 16 bytes each.
    deliveries: ByteBuf,
    expires_at: i64,
}

impl TryFrom<PendingItem> for Pending {
    type Error = Unreadable;

    fn try_from(item: PendingItem) -> Result<Self, Unreadable> {
        Ok(Self {
            organization: OrganizationId::parse(&item.organization)?,
            endpoint: required("endpoint", keys::parse_delivery_partition(&item.base.pk))?,
            event_type: EventType::parse(&item.event_type)?,
            deliveries: ids(&item.deliveries).map_err(|e| Unreadable(e.to_string()))?,
        })
    }
}

/// Decodes the ids of a list's deliveries.
pub(super) fn ids(bytes: &[u8]) -> Result<Vec<DeliveryId>, uuid::Error> {
    bytes.chunks(16).map(|bytes| Uuid::from_slice(bytes).map(DeliveryId::from_uuid)).collect()
}
