//! Events.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::event::Event;
use crate::domain::event::selection::EventFilter;
use crate::domain::ids::{DeliveryId, EventId, OrganizationId};
use crate::domain::walk::{Walk, Walked};
use crate::service::ServiceError;
use crate::service::administrator::lists::MOST_EXAMINED;
use crate::service::administrator::{Administrator, MessageReader};
use crate::store::{ListedEvent, Listing, Next};

/// By how much the clocks of processes may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

impl Administrator {
    /// A page of an organization's events, newest first.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn walk_events(
        &self,
        organization: &OrganizationId,
        filter: &EventFilter,
        walk: Walk<EventId>,
        limit: usize,
    ) -> Result<Walked<ListedEvent, EventId>, ServiceError> {
        let ids = filter.ids(self.oldest_retained(), None);
        let admits = |listed: &ListedEvent| {
            let event = listed.without_body();
            filter.admits(&event.event_type, &event.channels)
        };
        let mut page = Walked { items: Vec::new(), further: None };
        let mut last_examined = None;
        match walk {
            Walk::First | Walk::After(_) => {
                let after = if let Walk::After(id) = walk { Some(id) } else { None };
                let before = after.into_iter().chain(ids.before).min();
                let mut list = self.store.events_before(organization, ids.from, before, limit + 1);
                for _ in 0..MOST_EXAMINED {
                    match list.next().await? {
                        Next::Entry(listed) => {
                            let id = listed.without_body().id;
                            if take(&mut page, listed, id, &mut last_examined, limit, admits) {
                                return Ok(page);
                            }
                        }
                        Next::End => return Ok(page),
                        Next::Spent => break,
                    }
                }
            }
            Walk::Before(id) => {
                let from = DeliveryId::from_uuid(ids.from.max(id.following()).uuid());
                let before = ids.before.map_or_else(|| self.clock.now().plus(CLOCK_SKEW), EventId::created_at);
                let mut list = self.store.events_from(organization, from, before, limit + 1);
                for _ in 0..MOST_EXAMINED {
                    match list.next().await? {
                        Next::Entry((id, listed)) => {
                            if take(&mut page, listed?, id, &mut last_examined, limit, admits) {
                                return Ok(page);
                            }
                        }
                        Next::End => return Ok(page),
                        Next::Spent => break,
                    }
                }
            }
        }
        page.further = last_examined;
        Ok(page)
    }

    /// Returns a reader of these events with their bodies.
    pub fn read_messages<'a>(
        &'a self,
        organization: &'a OrganizationId,
        events: Vec<ListedEvent>,
    ) -> MessageReader<'a> {
        MessageReader::new(self, organization, events)
    }

    /// These events of an organization with their bodies. Expired ones are left out.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn events_by_id(
        &self,
        organization: &OrganizationId,
        ids: &[EventId],
    ) -> Result<HashMap<EventId, Event>, ServiceError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let found = self.store.events_by_id(organization, &ids).await?;
        Ok(found.into_iter().map(|event| (event.id, event)).collect())
    }
}

/// Adds an entry to a page if it is admitted. Returns whether the page is full without it.
fn take<T, Id: Copy>(
    page: &mut Walked<T, Id>,
    entry: T,
    id: Id,
    last_examined: &mut Option<Id>,
    limit: usize,
    admits: impl Fn(&T) -> bool,
) -> bool {
    if admits(&entry) {
        if page.items.len() == limit {
            page.further = *last_examined;
            return true;
        }
        page.items.push(entry);
    }
    *last_examined = Some(id);
    false
}
