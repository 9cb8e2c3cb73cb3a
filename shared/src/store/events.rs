//! Events, spread over the organization's partitions.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::items::{Base, Item, Unreadable, read, to_item};
use super::merge::{Range, Source, Take};
use super::{Store, StoreError, keys, packed};
use crate::domain::Invalid;
use crate::domain::event::{Event, Subject};
use crate::domain::event_type::EventType;
use crate::domain::fields::{EditionId, SubjectPart};
use crate::domain::ids::{EndpointId, EventId, KeyId, OrganizationId};
use crate::domain::time::Timestamp;

impl Store {
    /// One event. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn event(&self, organization: &OrganizationId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.get::<EventItem, _>(&keys::event(organization, id)).await
    }

    /// These events, as far as they exist, in no order. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn events_by_id(
        &self,
        organization: &OrganizationId,
        wanted: &[EventId],
    ) -> Result<Vec<Event>, StoreError> {
        let wanted = wanted.iter().map(|id| keys::event(organization, *id)).collect();
        self.get_all(wanted).await?.into_iter().map(read::<EventItem, _>).collect()
    }

    /// Up to `limit` of the organization's events that come before `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn events_before(
        &self,
        organization: &OrganizationId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let before = before.map_or_else(|| format!("{}~", EventId::PREFIX), |id| id.to_string());
        let take = |sort_key: &str| if sort_key < &*before { Take::Counted } else { Take::Skipped };
        let range = Range { source: Source::TableDescending, from: EventId::PREFIX, to: &before, take: &take };
        let items = self.merged(keys::event_partitions(organization), &range, limit).await?;
        items.into_iter().map(read::<EventItem, _>).collect()
    }

    /// Writes an event that is not there yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is there.
    pub async fn put_event_if_absent(&self, event: &Event) -> Result<(), StoreError> {
        self.put_if(self.event_item(event)?, "attribute_not_exists(pk)", []).await
    }

    pub(super) fn event_item(&self, event: &Event) -> Result<Item, StoreError> {
        to_item(&EventItem::new(event, event.id.created_at().plus(self.retention))?)
    }
}

/// An event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventItem {
    #[serde(flatten)]
    base: Base,
    #[serde(rename = "type")]
    event_type: String,
    /// The body, packed …
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    packed: ByteBuf,
    /// … or, in an item of before it was, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The endpoints' ids in the order of the fan-out, 16 bytes each.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    endpoints: ByteBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_by: Option<String>,
    expires_at: i64,
}

trait IsEmptyBuf {
    fn is_empty_buf(&self) -> bool;
}

impl IsEmptyBuf for ByteBuf {
    fn is_empty_buf(&self) -> bool {
        self.is_empty()
    }
}

impl EventItem {
    fn new(event: &Event, expires_at: Timestamp) -> Result<Self, StoreError> {
        let bytes: Vec<u8> = event.endpoints.iter().flat_map(|id| id.uuid().into_bytes()).collect();
        Ok(Self {
            base: Base::new(keys::event(&event.organization, event.id), "event"),
            event_type: event.event_type.to_string(),
            packed: packed::pack(&event.body)?.into(),
            body: None,
            endpoints: ByteBuf::from(bytes),
            subject_type: event.subject.as_ref().map(|subject| subject.kind.to_string()),
            subject_id: event.subject.as_ref().map(|subject| subject.id.to_string()),
            edition_id: event.edition.as_ref().map(EditionId::to_string),
            published_by: event.published_by.map(|key| key.to_string()),
            expires_at: expires_at.unix_seconds(),
        })
    }
}

impl TryFrom<EventItem> for Event {
    type Error = Unreadable;

    fn try_from(item: EventItem) -> Result<Self, Unreadable> {
        let organization = item.base.pk.split('#').nth(1).unwrap_or_default();
        let subject = item.subject_type.zip(item.subject_id);
        let subject = subject.map(|(kind, id)| {
            Ok::<_, Invalid>(Subject { kind: SubjectPart::parse(&kind)?, id: SubjectPart::parse(&id)? })
        });
        let endpoint = |bytes: &[u8]| Uuid::from_slice(bytes).map(EndpointId::from_uuid);
        let endpoints = item.endpoints.chunks(16).map(endpoint).collect::<Result<_, _>>();
        Ok(Self {
            id: EventId::parse(&item.base.sk)?,
            organization: OrganizationId::parse(organization)?,
            event_type: EventType::parse(&item.event_type)?,
            subject: subject.transpose()?,
            edition: item.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
            body: item.body.map_or_else(|| packed::unpack(&item.packed), Ok)?,
            endpoints: endpoints.map_err(|e| Unreadable(e.to_string()))?,
            published_by: item.published_by.map(|key| KeyId::parse(&key)).transpose()?,
        })
    }
}
