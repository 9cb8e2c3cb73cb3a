//! Events, spread over the partitions of their organization.

pub(super) mod appended;
pub(super) mod compression;
mod item;
mod walk;

use super::item::{Item, Projection, Unreadable, read, to_item};
use super::read::get::query_prefix;
use super::read::merge::{Merge, Next, Range, Source};
use super::{LIST_READ_UNITS, Listing, Store, StoreError, keys};
use crate::domain::event::Event;
use crate::domain::event::appended::Appended;
use crate::domain::event::payload::Payload;
use crate::domain::ids::{EventId, OrganizationId};
use appended::lists;
pub(super) use item::EventItem;
pub use walk::EventWalk;

const EXPUNGED_AT: &str = "expunged_at";
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
    "svix_headers",
    "schema_version",
    "published_by",
    EXPUNGED_AT,
    "expires_at",
]);

/// What finding out whether an event's data was removed reads.
const REMOVED: Projection = Projection(&[EXPUNGED_AT]);

impl Store {
    /// Whether the data of this event was removed, or the event does not exist. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn is_expunged(&self, organization: &OrganizationId, id: EventId) -> Result<bool, StoreError> {
        let found = self.get_parts(vec![keys::event(organization, id)], Some(&REMOVED)).await?;
        Ok(found.first().is_none_or(|event| event.contains_key(EXPUNGED_AT)))
    }

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
