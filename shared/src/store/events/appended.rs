//! Lists of the endpoints that replays added to the fan-outs of events.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::domain::event::appended::{Appended, AppendedList, MAX_LISTED};
use crate::domain::ids::{EndpointId, EventId, OrganizationId};
use crate::store::chunks::MAX_CONCURRENT_CHUNKS;
use crate::store::item::{Base, Item, Unreadable, read, required, to_item};
use crate::store::keys::{self, Key};
use crate::store::read::get::query_prefix_eventually;
use crate::store::write::put::{Put, new_write_token, with_write_token};
use crate::store::{Store, StoreError};

const ENTITY: &str = "appended";

/// The result of adding an endpoint to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Append {
    /// The endpoint is the last one of the list.
    Written,
    /// Another process has changed the list. These are its endpoints.
    Found(Vec<EndpointId>),
}

impl Store {
    /// Adds an endpoint to a list, if the list is still as it was `seen`. An empty list does not exist yet.
    ///
    /// # Errors
    /// [`StoreError`] if the endpoint may not have been added.
    pub async fn append_endpoint(
        &self,
        organization: &OrganizationId,
        seen: &AppendedList,
        endpoint: EndpointId,
    ) -> Result<Append, StoreError> {
        let item = to_item(&AppendedItem {
            base: Base::new(keys::appended(organization, seen.event, seen.number), ENTITY),
            endpoints: to_bytes(&[&seen.endpoints[..], &[endpoint]].concat()),
            expires_at: seen.event.created_at().plus(self.retention).unix_seconds(),
        })?;
        let before = to_bytes(&seen.endpoints).into_vec();
        let (condition, values) = if seen.endpoints.is_empty() {
            ("attribute_not_exists(pk)", Vec::new())
        } else {
            ("endpoints = :endpoints", vec![(":endpoints", AttributeValue::B(Blob::new(before)))])
        };
        let write_token = new_write_token();
        let item = with_write_token(item, &write_token);
        Ok(match self.put_with_token_if(item, &write_token, condition, values).await? {
            Put::Written => Append::Written,
            Put::Found(None) => Append::Found(Vec::new()),
            Put::Found(Some(found)) => Append::Found(read::<AppendedItem, AppendedList>(found)?.endpoints),
        })
    }

    /// The endpoints that replays added to these events; events without any may be left out. Eventually consistent: half
    /// a read unit for each event, and one more round trip if an event has a full list.
    pub(in crate::store) async fn appended(
        &self,
        organization: &OrganizationId,
        events: impl Iterator<Item = EventId>,
    ) -> Result<HashMap<EventId, Appended>, StoreError> {
        let first = events.map(|event| keys::appended(organization, event, 0)).collect();
        let all = lists(self.get_all_eventually(first).await?)?.into_iter().map(async |list| {
            let event = list.event;
            if list.endpoints.len() < MAX_LISTED {
                return Ok((event, Appended::join([list])));
            }
            let (partition, prefix) = (keys::event(organization, event).pk, keys::appended_prefix(event));
            let items = query_prefix_eventually(&self.client, &self.table, partition, &prefix).await?;
            Ok((event, Appended::join(lists(items)?)))
        });
        let all: Vec<_> = all.collect();
        stream::iter(all).buffer_unordered(MAX_CONCURRENT_CHUNKS).try_collect().await
    }
}

/// The attributes of a list's item.
#[derive(Debug, Serialize, Deserialize)]
struct AppendedItem {
    #[serde(flatten)]
    base: Base,
    /// The ids of the endpoints in the order of the fan-out, 16 bytes each.
    endpoints: ByteBuf,
    expires_at: i64,
}

impl TryFrom<AppendedItem> for AppendedList {
    type Error = Unreadable;

    fn try_from(item: AppendedItem) -> Result<Self, Unreadable> {
        let (event, number) = required("sk", keys::parse_appended(&item.base.sk))?;
        Ok(Self { event, number, endpoints: from_bytes(&item.endpoints)? })
    }
}

/// Whether an item of an events partition is a list of added endpoints.
pub(super) fn is_list(item: &Item) -> bool {
    Key::of(item).is_some_and(|key| keys::parse_appended(&key.sk).is_some())
}

/// Reads lists of added endpoints.
pub(super) fn lists(items: Vec<Item>) -> Result<Vec<AppendedList>, StoreError> {
    items.into_iter().map(read::<AppendedItem, _>).collect()
}

/// The stored form of a fan-out.
pub(super) fn to_bytes(endpoints: &[EndpointId]) -> ByteBuf {
    ByteBuf::from(endpoints.iter().flat_map(|id| id.uuid().into_bytes()).collect::<Vec<u8>>())
}

/// Reads the stored form of a fan-out.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Vec<EndpointId>, Unreadable> {
    let endpoint = |bytes: &[u8]| Uuid::from_slice(bytes).map(EndpointId::from_uuid);
    bytes.chunks(16).map(endpoint).collect::<Result<_, _>>().map_err(|error| Unreadable(error.to_string()))
}
