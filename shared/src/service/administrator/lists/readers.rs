//! Reading the entries of a list while the response is built, a few at a time.

use std::collections::{HashMap, VecDeque};

use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::rights::Binding;
use crate::service::administrator::deliveries::Seen;
use crate::service::administrator::{Administrator, DeliveryDetail};
use crate::service::{Published, ServiceError};
use crate::store::ListedEvent;

/// How many large bodies are read at the same time. Each has up to 256 KiB.
const BODIES_PER_READ: usize = 8;
/// How many records of deliveries are read at the same time. Each contains up to 4 KiB of a response.
const RECORDS_PER_READ: usize = 500;
/// How many deliveries of a numbered page are read at the same time. Each also contains its attempts.
const DETAILS_PER_READ: usize = 100;

impl Administrator {
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

/// Reads the events of a list one by one, with their bodies.
#[derive(Debug)]
pub struct MessageReader<'a> {
    bodies: Bodies<'a>,
    events: VecDeque<ListedEvent>,
}

impl<'a> MessageReader<'a> {
    pub(in crate::service::administrator) fn new(
        administrator: &'a Administrator,
        organization: &'a OrganizationId,
        events: Vec<ListedEvent>,
    ) -> Self {
        Self { bodies: Bodies { administrator, organization, read: HashMap::new() }, events: events.into() }
    }

    /// Reads the next event; `None` after the last one. Events that no longer exist are left out.
    ///
    /// # Errors
    /// [`ServiceError`] if the event could not be read.
    pub async fn next(&mut self) -> Result<Option<Event>, ServiceError> {
        while let Some(listed) = self.events.pop_front() {
            if let Some(event) = self.bodies.complete(listed, self.events.iter()).await? {
                return Ok(Some(event));
            }
        }
        Ok(None)
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
        let next = self.next_with_event().await?;
        Ok(next.map(|(delivery, event)| DeliveryDetail { delivery, payload: event.payload.body }))
    }

    /// Reads the next delivery that exists, with its event; `None` after the last one.
    ///
    /// # Errors
    /// [`ServiceError`] if the delivery could not be read.
    pub async fn next_with_event(&mut self) -> Result<Option<(Delivery, Event)>, ServiceError> {
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
                return Ok(Some((delivery, event)));
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
