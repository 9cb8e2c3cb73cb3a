//! The events of a span of time, for jobs that go through all of them.

use super::{EventItem, LISTED, ListedEvent};
use crate::domain::ids::{DeliveryId, EventId, OrganizationId};
use crate::domain::time::Timestamp;
use crate::store::item::{Item, read};
use crate::store::keys::{self, Key};
use crate::store::read::merge::{Merge, Next, Range, Source};
use crate::store::{LIST_READ_UNITS, Store, StoreError};

/// An organization's events, oldest first, with the endpoints that replays added. Large bodies are not read.
#[derive(Debug)]
pub struct EventWalk<'a> {
    merge: Merge<'a>,
    has_returned: bool,
    /// Whether the read units were used up while the lists of the last event were read.
    is_spent: bool,
}

impl Store {
    /// Goes through the organization's events from this id on, published before `before`, the oldest first. Eventually
    /// consistent. `limit` is the number of events that the caller expects to need.
    pub fn events_from(
        &self,
        organization: &OrganizationId,
        from: DeliveryId,
        before: Timestamp,
        limit: usize,
    ) -> EventWalk<'_> {
        let range = Range {
            source: Source::TableAscending,
            from: EventId::from_uuid(from.uuid()).to_string(),
            to: EventId::first_at(before).former().to_string(),
            projection: Some(&LISTED),
            most_read_units: Some(LIST_READ_UNITS),
        };
        let merge = Merge::new(self, keys::event_partitions(organization), range, limit);
        EventWalk { merge, has_returned: false, is_spent: false }
    }
}

impl EventWalk<'_> {
    /// Reads the next event, with its id. The inner result is an error if the event cannot be read. The read units are not
    /// used up before the first event.
    ///
    /// # Errors
    /// [`StoreError`] if a query failed.
    pub async fn next(&mut self) -> Result<Next<(EventId, Result<ListedEvent, StoreError>)>, StoreError> {
        while !self.is_spent {
            match self.merge.next().await? {
                Next::Entry(item) => {
                    let key = Key::of(&item);
                    let Some(id) = key.and_then(|key| EventId::parse(&key.sk).ok()) else {
                        // This list of added endpoints is left of an event that expired.
                        continue;
                    };
                    let lists = self.lists_of(id).await?;
                    self.has_returned = true;
                    let listed = read::<EventItem, ListedEvent>(item);
                    return Ok(Next::Entry((id, listed.and_then(|listed| listed.with_lists(lists)))));
                }
                Next::End => return Ok(Next::End),
                Next::Spent if self.has_returned => break,
                Next::Spent => self.merge.count_from_here(),
            }
        }
        Ok(Next::Spent)
    }

    /// The read units that were consumed.
    pub const fn read_units(&self) -> f64 {
        self.merge.all_read_units()
    }

    /// The lists of an event, which follow it. They are read also if the read units are used up: without them the event
    /// would look as if the endpoints had missed it.
    async fn lists_of(&mut self, id: EventId) -> Result<Vec<Item>, StoreError> {
        let mut lists = Vec::new();
        loop {
            match self.merge.peek().await? {
                Next::Entry(sort_key) if keys::parse_appended(sort_key).is_some_and(|(event, _)| event == id) => {
                    let Next::Entry(list) = self.merge.next().await? else { return Ok(lists) };
                    lists.push(list);
                }
                Next::Spent => {
                    self.is_spent = true;
                    self.merge.count_from_here();
                }
                Next::Entry(_) | Next::End => return Ok(lists),
            }
        }
    }
}
