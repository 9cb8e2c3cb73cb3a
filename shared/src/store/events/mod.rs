//! Events, spread over the partitions of their organization.

pub(super) mod appended;
pub(super) mod compression;
mod walk;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::item::{Base, Item, Projection, Unreadable, read, time, to_item};
use super::read::get::query_prefix;
use super::read::merge::{Merge, Next, Range, Source};
use super::{LIST_READ_UNITS, Listing, Store, StoreError, keys};
use crate::domain::Invalid;
use crate::domain::event::appended::Appended;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::{ContentType, Format, Payload};
use crate::domain::event::trace_context::TraceContext;
use crate::domain::event::{Event, Subject};
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EventId, KeyId, OrganizationId};
use crate::domain::text::{EditionId, SubjectPart};
use crate::domain::time::Timestamp;
use appended::lists;

pub use walk::EventWalk;

/// The largest compressed body, in bytes, that lists read along with the event. A larger body is in an attribute
/// that lists do not read; it is read only for the events of the page.
const MOST_LISTED: usize = 4 * 1024;
/// The attributes that lists read: everything except a large body.
const LISTED: Projection = Projection(&[
    "pk",
    "sk",
    "entity",
    "v",
    "external_id",
    "type",
    "compressed",
    "endpoints",
    "is_test",
    "subject_type",
    "subject_id",
    "edition_id",
    "channels",
    "format",
    "content_type",
    "schema_version",
    "published_by",
    "expunged_at",
    "expires_at",
]);

impl Store {
    /// Reads one event, with the endpoints that replays added. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn event(&self, organization: &OrganizationId, id: EventId) -> Result<Option<Event>, StoreError> {
        // The sort keys of the lists of added endpoints begin with that of the event.
        let partition = keys::event(organization, id).pk;
        let items = query_prefix(&self.client, &self.table, partition, &id.to_string()).await?;
        let (more, event): (Vec<_>, Vec<_>) = items.into_iter().partition(appended::is_list);
        let Some(item) = event.into_iter().next() else { return Ok(None) };
        let event: Event = read::<EventItem, _>(item)?;
        Ok(Some(Event { appended: Appended::join(lists(more)?), ..event }))
    }

    /// Reads these events, in any order, without the endpoints that replays added. Missing events are left out. An event
    /// that cannot be read is an error of its own. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn settled_events(
        &self,
        organization: &OrganizationId,
        wanted: &[EventId],
    ) -> Result<Vec<Result<Event, StoreError>>, StoreError> {
        let wanted = wanted.iter().map(|id| keys::event(organization, *id)).collect();
        Ok(self.get_all_eventually(wanted).await?.into_iter().map(read::<EventItem, _>).collect())
    }

    /// Reads these events, in any order, without the endpoints that replays added. Missing events are left out. Strongly
    /// consistent.
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

    /// As [`events_by_id`](Self::events_by_id), but large bodies are not read.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn listed_events(
        &self,
        organization: &OrganizationId,
        wanted: &[EventId],
    ) -> Result<Vec<ListedEvent>, StoreError> {
        let wanted = wanted.iter().map(|id| keys::event(organization, *id)).collect();
        self.get_parts(wanted, Some(&LISTED)).await?.into_iter().map(read::<EventItem, _>).collect()
    }

    /// Lists the organization's events with `from <= id < before`, newest first. `limit` is the number of events
    /// that the caller expects to need.
    pub fn events_before(
        &self,
        organization: &OrganizationId,
        from: EventId,
        before: Option<EventId>,
        limit: usize,
    ) -> EventList<'_> {
        let range = Range {
            source: Source::TableDescending,
            from: from.to_string(),
            to: before.map_or_else(|| format!("{}~", EventId::PREFIX), |id| id.former().to_string()),
            projection: Some(&LISTED),
            most_read_units: Some(LIST_READ_UNITS),
        };
        let merge = Merge::new(self, keys::event_partitions(organization), range, limit);
        EventList { merge, lists: Vec::new(), has_returned: false }
    }

    /// As [`listed_events`](Self::listed_events), with the endpoints that replays added to their fan-outs. These are read
    /// at the same time, eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn listed_events_with_appended(
        &self,
        organization: &OrganizationId,
        wanted: &[EventId],
    ) -> Result<Vec<ListedEvent>, StoreError> {
        let (mut events, mut appended) = tokio::try_join!(
            self.listed_events(organization, wanted),
            self.appended(organization, wanted.iter().copied()),
        )?;
        for listed in &mut events {
            listed.event.appended = appended.remove(&listed.event.id).unwrap_or_default();
        }
        Ok(events)
    }

    /// Writes an event if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the event exists.
    pub async fn put_event_if_absent(&self, event: &Event) -> Result<(), StoreError> {
        self.put_if(self.event_item(event)?, "attribute_not_exists(pk)", []).await
    }

    /// Replaces a stored event. Does nothing if it does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been replaced.
    pub async fn replace_event(&self, event: &Event) -> Result<(), StoreError> {
        match self.put_if(self.event_item(event)?, "attribute_exists(pk)", []).await {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }

    pub(super) fn event_item(&self, event: &Event) -> Result<Item, StoreError> {
        to_item(&EventItem::new(event, event.id.created_at().plus(self.retention))?)
    }
}

/// An event of a list. Its body is compressed, or was not read.
#[derive(Debug)]
pub struct ListedEvent {
    event: Event,
    compressed: Option<Vec<u8>>,
}

impl ListedEvent {
    /// The event with an empty body.
    pub const fn without_body(&self) -> &Event {
        &self.event
    }

    /// Whether the body is large, so that it was not read.
    pub const fn is_large(&self) -> bool {
        self.compressed.is_none()
    }

    /// The event with the endpoints of those of these lists that are its own.
    fn with_lists(self, items: Vec<Item>) -> Result<Self, StoreError> {
        let of_event = lists(items)?.into_iter().filter(|list| list.event == self.event.id);
        Ok(Self { event: Event { appended: Appended::join(of_event), ..self.event }, ..self })
    }

    /// The event with its body; `None` if the body was not read.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the body cannot be decompressed.
    pub fn with_body(self) -> Result<Option<Event>, StoreError> {
        let Self { event, compressed } = self;
        let Some(compressed) = compressed else { return Ok(None) };
        match compression::decompress(&compressed) {
            Ok(body) => Ok(Some(with_body(event, body))),
            Err(Unreadable(reason)) => Err(StoreError::corrupt(format!("{}: {reason}", event.id))),
        }
    }
}

fn with_body(event: Event, body: String) -> Event {
    let payload = Payload { body, ..event.payload };
    Event { payload, ..event }
}

/// A list of an organization's events, newest first, with the endpoints that replays added.
#[derive(Debug)]
pub struct EventList<'a> {
    merge: Merge<'a>,
    /// The lists of added endpoints that were read. In this order they come before their event.
    lists: Vec<Item>,
    has_returned: bool,
}

impl Listing for EventList<'_> {
    type Entry = ListedEvent;

    async fn next(&mut self) -> Result<Next<ListedEvent>, StoreError> {
        loop {
            match self.merge.next().await? {
                Next::Entry(item) if appended::is_list(&item) => self.lists.push(item),
                Next::Entry(item) => {
                    self.has_returned = true;
                    let listed: ListedEvent = read::<EventItem, _>(item)?;
                    return Ok(Next::Entry(listed.with_lists(std::mem::take(&mut self.lists))?));
                }
                Next::End => return Ok(Next::End),
                Next::Spent if self.has_returned => return Ok(Next::Spent),
                // A page without an event has no cursor. An event has at most 334 lists, so this ends soon.
                Next::Spent => self.merge.count_from_here(),
            }
        }
    }
}

/// The attributes of an event's item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventItem {
    #[serde(flatten)]
    base: Base,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    /// The compressed body, if it has at most [`MOST_LISTED`] bytes.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    compressed: ByteBuf,
    /// The compressed body, if it has more than [`MOST_LISTED`] bytes.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    compressed_large: ByteBuf,
    /// The uncompressed body, in items of former versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The ids of the endpoints in the order of the fan-out, 16 bytes each.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    endpoints: ByteBuf,
    /// Whether the event is a test of its endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    /// Absent for an envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Lists do not read the trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expunged_at: Option<String>,
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
        let compressed = compression::compress(&event.payload.body)?;
        let trace = event.payload.trace.as_ref();
        let (compressed, large) =
            if compressed.len() <= MOST_LISTED { (compressed, Vec::new()) } else { (Vec::new(), compressed) };
        Ok(Self {
            base: Base::new(keys::event(&event.organization, event.id), "event"),
            external_id: event.external_id.as_ref().map(ExternalId::to_string),
            event_type: event.event_type.to_string(),
            compressed: compressed.into(),
            compressed_large: large.into(),
            body: None,
            endpoints: appended::to_bytes(&event.endpoints),
            is_test: event.is_test,
            subject_type: event.subject.as_ref().map(|subject| subject.kind.to_string()),
            subject_id: event.subject.as_ref().map(|subject| subject.id.to_string()),
            edition_id: event.edition.as_ref().map(EditionId::to_string),
            channels: event.channels.names().to_vec(),
            format: (event.format == Format::Raw).then(|| event.format.as_str().to_owned()),
            content_type: event.payload.content_type.as_ref().map(|it| it.as_str().to_owned()),
            traceparent: trace.map(|trace| trace.parent().to_owned()),
            tracestate: trace.and_then(TraceContext::state).map(str::to_owned),
            schema_version: event.schema_version,
            published_by: event.published_by.map(|key| key.to_string()),
            expunged_at: event.expunged_at.map(Timestamp::rfc3339),
            expires_at: expires_at.unix_seconds(),
        })
    }
}

impl TryFrom<EventItem> for Event {
    type Error = Unreadable;

    fn try_from(mut item: EventItem) -> Result<Self, Unreadable> {
        let compressed =
            [&item.compressed, &item.compressed_large].into_iter().find(|compressed| !compressed.is_empty());
        let body = match item.body.take() {
            Some(body) => body,
            None => compression::decompress(compressed.map_or(&[], |compressed| compressed))?,
        };
        Ok(with_body(item.without_body()?, body))
    }
}

impl TryFrom<EventItem> for ListedEvent {
    type Error = Unreadable;

    fn try_from(mut item: EventItem) -> Result<Self, Unreadable> {
        let compressed = std::mem::take(&mut item.compressed).into_vec();
        Ok(Self {
            compressed: Some(compressed).filter(|compressed| !compressed.is_empty()),
            event: item.without_body()?,
        })
    }
}

impl EventItem {
    fn without_body(self) -> Result<Event, Unreadable> {
        let organization = self.base.pk.split('#').nth(1).unwrap_or_default();
        let subject = self.subject_type.zip(self.subject_id);
        let subject = subject.map(|(kind, id)| {
            Ok::<_, Invalid>(Subject { kind: SubjectPart::parse(&kind)?, id: SubjectPart::parse(&id)? })
        });
        Ok(Event {
            id: EventId::parse(&self.base.sk)?,
            external_id: self.external_id.map(|text| ExternalId::parse(&text)).transpose()?,
            organization: OrganizationId::parse(organization)?,
            event_type: EventType::parse(&self.event_type)?,
            subject: subject.transpose()?,
            edition: self.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
            channels: Channels::stored(self.channels),
            schema_version: self.schema_version,
            format: self.format.map(|format| Format::parse(&format)).transpose()?.unwrap_or_default(),
            payload: Payload {
                body: String::new(),
                content_type: self.content_type.map(|it| ContentType::parse(&it)).transpose()?,
                trace: self.traceparent.and_then(|it| TraceContext::parse(&it, self.tracestate.as_deref())),
            },
            endpoints: appended::from_bytes(&self.endpoints)?,
            appended: Appended::default(),
            is_test: self.is_test,
            published_by: self.published_by.map(|key| KeyId::parse(&key)).transpose()?,
            expunged_at: time(self.expunged_at.as_ref())?,
        })
    }
}
