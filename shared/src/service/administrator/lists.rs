//! Lists of events and deliveries. The number of records that one request examines and the memory that it uses are
//! bounded: bodies and records are read while the response is built, a few at a time.

use std::collections::{HashMap, VecDeque};

use super::deliveries::Seen;
use super::{Administrator, DeliveryDetail};
use crate::domain::delivery::selection::{DeliveryFilter, EventSelection};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::event::selection::{EventFilter, EventIds};
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::rights::Binding;
use crate::service::{Published, ServiceError};
use crate::store::{ListedEvent, Listing, Next, Order};

/// Most records that are examined for one page. A page that reaches this number may be short, and its cursor
/// continues after the last examined record.
pub(super) const MOST_EXAMINED: usize = 2_000;
/// Most deliveries of an endpoint that numbered pages count.
pub const MOST_COUNTED: usize = 10_000;
/// How many large bodies are read at the same time. Each has up to 256 KiB.
const BODIES_PER_READ: usize = 8;
/// How many records of deliveries are read at the same time. Each contains up to 4 KiB of a response.
const RECORDS_PER_READ: usize = 500;
/// How many deliveries of a numbered page are read at the same time. Each also contains its attempts.
const DETAILS_PER_READ: usize = 100;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries of the page.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` if this is the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }
}

/// The deliveries of an endpoint for numbered pages.
#[derive(Debug)]
pub struct Counted {
    /// The deliveries with the requested status among the first [`MOST_COUNTED`] of the endpoint, in order.
    pub ids: Vec<DeliveryId>,
    /// Whether the endpoint has more deliveries than were counted.
    pub is_cut: bool,
}

impl Administrator {
    /// A page of an organization's events, newest first. With a binding, an endpoint must be selected.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if `cursor` is not a cursor of this list, [`ServiceError::NotFound`] if the
    /// organization or the binding does not have the selected endpoint, [`ServiceError::Forbidden`] if one must be selected.
    pub async fn list_events(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        selection: &EventSelection,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedEvent>, ServiceError> {
        let cursor = cursor.map(|text| EventId::parse(text).map_err(|_| bad_cursor())).transpose()?;
        match selection {
            EventSelection::All(_) if binding.is_bound() => {
                let message = "this key is bound to endpoints: it lists events with endpoint_id, for one of them";
                Err(ServiceError::forbidden(message))
            }
            EventSelection::All(filter) => {
                let Some(ids) = self.ids(organization, filter).await? else { return Ok(Page::empty()) };
                let before = cursor.into_iter().chain(ids.before).min();
                let list = self.store.events_before(organization, ids.from, before, limit + 1);
                let admits = |listed: &ListedEvent| {
                    let event = listed.without_body();
                    filter.admits(&event.event_type, &event.channels)
                };
                let examined = examine(list, limit, before, |listed| listed.without_body().id, admits).await?;
                Ok(examined.into_page(|event| event))
            }
            EventSelection::Delivered(endpoint, _) if !binding.includes(*endpoint) => {
                Err(ServiceError::NotFound("endpoint"))
            }
            // The endpoint's deliveries contain the ids of its events.
            EventSelection::Delivered(endpoint, filter) => {
                self.endpoint(organization, *endpoint).await?;
                let cursor = cursor.map(|event| DeliveryId::from_uuid(event.uuid()));
                let examined = self.examine_deliveries(organization, *endpoint, filter, cursor, limit).await?;
                let Page { items, next } = examined.into_page(DeliveryId::event);
                let ids: Vec<_> = items.iter().map(|delivery| delivery.id.event()).collect();
                let found = self.store.listed_events_with_appended(organization, &ids).await?;
                Ok(Page { items: in_order(&ids, found), next })
            }
        }
    }

    /// The ids that a list with this filter has to examine; `None` if no event has the filter's external id.
    async fn ids(&self, organization: &OrganizationId, filter: &EventFilter) -> Result<Option<EventIds>, ServiceError> {
        let oldest = self.oldest_retained();
        let Some(external_id) = &filter.external_id else { return Ok(Some(filter.ids(oldest, None))) };
        let named = self.store.event_named(organization, external_id).await?;
        Ok(named.map(|named| filter.ids(oldest, Some(named))))
    }

    /// Examines an endpoint's deliveries, newest first, for one page. `cursor` is the delivery before which it begins.
    async fn examine_deliveries(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        cursor: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Examined<Delivery, DeliveryId>, ServiceError> {
        let Some(ids) = self.ids(organization, &filter.event).await? else { return Ok(Examined::empty()) };
        let of = |event: EventId| DeliveryId::from_uuid(event.uuid());
        let before = cursor.into_iter().chain(ids.before.map(of)).min();
        let list = self.store.deliveries_before(endpoint, of(ids.from), before, limit + 1);
        examine(list, limit, before, |delivery| delivery.id, |delivery| filter.admits(delivery)).await
    }

    /// Reads these events in this order. Missing events are left out.
    async fn listed_events(
        &self,
        organization: &OrganizationId,
        ids: &[EventId],
    ) -> Result<Vec<ListedEvent>, ServiceError> {
        Ok(in_order(ids, self.store.listed_events(organization, ids).await?))
    }

    /// Returns a reader of listed events with their bodies and their deliveries to the endpoints of the binding.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist.
    pub async fn read_events<'a>(
        &'a self,
        organization: &'a OrganizationId,
        binding: &'a Binding,
        events: Vec<ListedEvent>,
    ) -> Result<EventReader<'a>, ServiceError> {
        Ok(EventReader {
            binding,
            seen: self.seen_in(organization).await?,
            bodies: Bodies { administrator: self, organization, read: HashMap::new() },
            events: events.into(),
            with_records: 0,
            records: HashMap::new(),
            endpoints: HashMap::new(),
        })
    }

    /// A page of an endpoint's deliveries, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id, [`ServiceError::Invalid`] if
    /// `cursor` is not a cursor of this list.
    pub async fn list_deliveries(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, ServiceError> {
        let target = self.endpoint(organization, endpoint).await?;
        let seen = self.seen_in(organization).await?;
        let cursor = cursor.map(|text| DeliveryId::parse(text).map_err(|_| bad_cursor())).transpose()?;
        let examined = self.examine_deliveries(organization, endpoint, filter, cursor, limit).await?;
        let page = examined.into_page(|id| id);
        let mut items: Vec<_> = page.items.into_iter().map(|delivery| seen.delivery(delivery, &target)).collect();
        self.add_last_responses(&mut items).await?;
        Ok(Page { items, ..page })
    }

    /// Reads the ids of an endpoint's deliveries with this status, among its first [`MOST_COUNTED`] in this order.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn count_deliveries(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
        order: Order,
    ) -> Result<Counted, ServiceError> {
        self.endpoint(organization, endpoint).await?;
        let from = DeliveryId::first_at(self.oldest_retained());
        let counted = self.store.delivery_ids(endpoint, from, order, MOST_COUNTED).await?;
        let is_wanted = |(id, found)| status.is_none_or(|wanted| wanted == found).then_some(id);
        Ok(Counted { ids: counted.found.into_iter().filter_map(is_wanted).collect(), is_cut: counted.is_cut })
    }

    /// Returns a reader of these deliveries of an endpoint with their payloads. Missing deliveries are left out.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn read_deliveries<'a>(
        &'a self,
        organization: &'a OrganizationId,
        endpoint: EndpointId,
        ids: &[DeliveryId],
    ) -> Result<DeliveryReader<'a>, ServiceError> {
        Ok(DeliveryReader {
            seen: self.seen_in(organization).await?,
            endpoint: self.endpoint(organization, endpoint).await?,
            bodies: Bodies { administrator: self, organization, read: HashMap::new() },
            ids: ids.iter().copied().collect(),
            events: VecDeque::new(),
            records: HashMap::new(),
        })
    }

    /// Reads the records of these events' deliveries to endpoints of the binding, and those of these endpoints that are not
    /// in `known`. The value for a deleted endpoint is `None`.
    pub(super) async fn records_of(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        events: &[&Event],
        known: &HashMap<EndpointId, Option<Endpoint>>,
    ) -> Result<(Vec<Delivery>, HashMap<EndpointId, Option<Endpoint>>), ServiceError> {
        let mut targets: Vec<_> =
            events.iter().flat_map(|event| event.fan_out()).map(|(endpoint, _)| endpoint).collect();
        targets.retain(|target| binding.includes(*target) && !known.contains_key(target));
        targets.sort_unstable();
        targets.dedup();
        let all = events.iter().flat_map(|event| event.fan_out());
        let wanted: Vec<_> = all.filter(|(endpoint, _)| binding.includes(*endpoint)).collect();
        let (mut records, found) = tokio::try_join!(
            self.store.listed_deliveries(&wanted),
            self.store.endpoints_by_id(organization, &targets),
        )?;
        self.add_last_responses(&mut records).await?;
        let mut endpoints: HashMap<_, _> = targets.into_iter().map(|target| (target, None)).collect();
        endpoints.extend(found.into_iter().map(|endpoint| (endpoint.id, Some(endpoint))));
        Ok((records, endpoints))
    }
}

/// Puts events in this order. Missing events are left out.
fn in_order(ids: &[EventId], found: Vec<ListedEvent>) -> Vec<ListedEvent> {
    let mut by_id: HashMap<_, _> = found.into_iter().map(|listed| (listed.without_body().id, listed)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}

/// Reads the events of a list one by one, with their bodies and deliveries.
#[derive(Debug)]
pub struct EventReader<'a> {
    binding: &'a Binding,
    seen: Seen,
    bodies: Bodies<'a>,
    events: VecDeque<ListedEvent>,
    /// For how many of the next events the records have been read.
    with_records: usize,
    records: HashMap<DeliveryId, Delivery>,
    /// The endpoints that have been read; `None` for a deleted one.
    endpoints: HashMap<EndpointId, Option<Endpoint>>,
}

impl EventReader<'_> {
    /// Reads the next event with its deliveries, without those of deleted endpoints; `None` after the last event.
    ///
    /// # Errors
    /// [`ServiceError`] if the event could not be read.
    pub async fn next(&mut self) -> Result<Option<Published>, ServiceError> {
        while let Some(listed) = self.events.pop_front() {
            if self.with_records == 0 {
                self.events.push_front(listed);
                self.read_records().await?;
                continue;
            }
            self.with_records -= 1;
            let deliveries = self.seen.deliveries(listed.without_body(), &mut self.records, &self.endpoints);
            if let Some(event) = self.bodies.complete(listed, self.events.iter()).await? {
                return Ok(Some(Published { event, deliveries }));
            }
        }
        Ok(None)
    }

    /// Reads the records of the next events: those of at least one, and at most [`RECORDS_PER_READ`] for more.
    async fn read_records(&mut self) -> Result<(), ServiceError> {
        let mut records = 0;
        let first = self.events.iter().map(ListedEvent::without_body).enumerate().take_while(|(index, event)| {
            records += event.fan_out().filter(|(endpoint, _)| self.binding.includes(*endpoint)).count();
            *index == 0 || records <= RECORDS_PER_READ
        });
        let first: Vec<_> = first.map(|(_, event)| event).collect();
        let Bodies { administrator, organization, .. } = self.bodies;
        let (records, endpoints) =
            administrator.records_of(organization, self.binding, &first, &self.endpoints).await?;
        self.with_records = first.len();
        self.records = records.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        self.endpoints.extend(endpoints);
        Ok(())
    }
}

/// Reads deliveries of an endpoint one by one, with their payloads.
#[derive(Debug)]
pub struct DeliveryReader<'a> {
    seen: Seen,
    endpoint: Endpoint,
    bodies: Bodies<'a>,
    ids: VecDeque<DeliveryId>,
    /// The events of the next deliveries, each with the id of its delivery.
    events: VecDeque<(DeliveryId, ListedEvent)>,
    records: HashMap<DeliveryId, Delivery>,
}

impl DeliveryReader<'_> {
    /// Reads the next delivery that exists; `None` after the last one.
    ///
    /// # Errors
    /// [`ServiceError`] if the delivery could not be read.
    pub async fn next(&mut self) -> Result<Option<DeliveryDetail>, ServiceError> {
        while !self.events.is_empty() || !self.ids.is_empty() {
            let Some((id, listed)) = self.events.pop_front() else {
                self.read_on().await?;
                continue;
            };
            let following = self.events.iter().map(|(_, listed)| listed);
            let Some(event) = self.bodies.complete(listed, following).await? else { continue };
            let pending = || event.delivery(id).filter(|pending| pending.endpoint == self.endpoint.id);
            if let Some(delivery) = self.records.remove(&id).or_else(pending) {
                let delivery = self.seen.delivery(delivery, &self.endpoint);
                return Ok(Some(DeliveryDetail { delivery, payload: event.payload.body }));
            }
        }
        Ok(None)
    }

    async fn read_on(&mut self) -> Result<(), ServiceError> {
        let ids: Vec<_> = self.ids.drain(..self.ids.len().min(DETAILS_PER_READ)).collect();
        let keys: Vec<_> = ids.iter().map(|id| (self.endpoint.id, *id)).collect();
        // An event has at most one delivery to the endpoint.
        let of_event: HashMap<_, _> = ids.iter().map(|id| (id.event(), *id)).collect();
        let events: Vec<_> = ids.iter().map(|id| id.event()).collect();
        let Bodies { administrator, organization, .. } = self.bodies;
        let (records, events) = tokio::try_join!(
            async { Ok::<_, ServiceError>(administrator.store.deliveries_by_id(&keys).await?) },
            administrator.listed_events(organization, &events),
        )?;
        self.records = records.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let with_delivery = |listed: ListedEvent| Some((*of_event.get(&listed.without_body().id)?, listed));
        self.events = events.into_iter().filter_map(with_delivery).collect();
        Ok(())
    }
}

/// Reads large bodies of events, a few at a time.
#[derive(Debug)]
struct Bodies<'a> {
    administrator: &'a Administrator,
    organization: &'a OrganizationId,
    /// Events that were read and not yet returned.
    read: HashMap<EventId, Event>,
}

impl Bodies<'_> {
    /// The event with its body; `None` if the event no longer exists. Reading a large body also reads those of the
    /// following events.
    async fn complete(
        &mut self,
        listed: ListedEvent,
        following: impl Iterator<Item = &ListedEvent>,
    ) -> Result<Option<Event>, ServiceError> {
        if !listed.is_large() {
            return Ok(listed.with_body()?);
        }
        let id = listed.without_body().id;
        if !self.read.contains_key(&id) {
            let following = following.filter(|listed| listed.is_large()).map(|listed| listed.without_body().id);
            let ids: Vec<_> = std::iter::once(id).chain(following).take(BODIES_PER_READ).collect();
            let events = self.administrator.store.events_by_id(self.organization, &ids).await?;
            self.read = events.into_iter().map(|event| (event.id, event)).collect();
        }
        Ok(self.read.remove(&id))
    }
}

/// The entries for a page, and the position of the next page.
pub(super) struct Examined<T, Id> {
    items: Vec<T>,
    /// The entry before which the next page begins; `None` if this is the last page.
    next: Option<Id>,
}

impl<T, Id> Examined<T, Id> {
    const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// The page, whose cursor is derived from an id.
    pub(super) fn into_page<Cursor: ToString>(self, cursor: impl Fn(Id) -> Cursor) -> Page<T> {
        Page { items: self.items, next: self.next.map(|id| cursor(id).to_string()) }
    }
}

/// Reads a list up to the first entry that does not fit on the page, the end of the list, or the limit of examined
/// entries. The list begins before the entry `before`.
pub(super) async fn examine<L: Listing, Id: Copy>(
    mut list: L,
    limit: usize,
    before: Option<Id>,
    id: impl Fn(&L::Entry) -> Id,
    admits: impl Fn(&L::Entry) -> bool,
) -> Result<Examined<L::Entry, Id>, ServiceError> {
    let (mut items, mut last_admitted, mut last_examined) = (Vec::new(), None, before);
    for _ in 0..MOST_EXAMINED {
        let entry = match list.next().await? {
            Next::Entry(entry) => entry,
            Next::End => return Ok(Examined { items, next: None }),
            Next::Spent => break,
        };
        let examined = Some(id(&entry));
        if admits(&entry) {
            if items.len() == limit {
                return Ok(Examined { items, next: last_admitted });
            }
            items.push(entry);
            last_admitted = examined;
        }
        last_examined = examined;
    }
    Ok(Examined { items, next: last_examined })
}

/// The error for a text that is not a cursor of the list.
pub(super) fn bad_cursor() -> ServiceError {
    ServiceError::Invalid(vec![("cursor", crate::domain::Invalid::new("is not one that a list returned"))])
}
