//! Looking at events and deliveries, and asking for deliveries again.

use std::collections::HashMap;

use futures_util::future::BoxFuture;

use super::endpoints::require_enabled;
use super::organizations::require_active;
use super::publishing::Published;
use super::releasing::{new_ticket, task_without_body};
use super::{Caller, Core, ServiceError};
use crate::domain::access::Scope;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, EventFilter};
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::next_attempt::next_attempt_at;
use crate::domain::organization::Organization;
use crate::queue::Outgoing;
use crate::store::StoreError;
use crate::telemetry::audit;

/// Most items that are looked through for one page of a filtered list. A page may end there and be
/// short; its cursor goes on.
const MAX_LOOKED_THROUGH: usize = 2_000;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page starts; `None` if this is the last.
    pub next: Option<String>,
}

/// A delivery with everything that is known of it.
#[derive(Debug)]
pub struct DeliveryDetail {
    /// The delivery.
    pub delivery: Delivery,
    /// The exact body that is sent.
    pub payload: String,
}

/// A delivery as it is stored.
struct Found {
    event: Event,
    /// Its record, if it has one.
    record: Option<Delivery>,
    /// The delivery as it is without a record.
    pending: Delivery,
    endpoint: Endpoint,
}

impl Core {
    /// One event with its deliveries as they stand. A publisher sees only what it published itself.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has none with this id, or none that the caller
    /// may see.
    pub async fn event(
        &self,
        organization: &OrganizationId,
        caller: &Caller,
        id: EventId,
    ) -> Result<Published, ServiceError> {
        let found = self.store.event(organization, id).await?;
        let visible = |event: &Event| {
            let own = caller.key().is_some() && caller.key() == event.published_by;
            (own || caller.may(Scope::EventsRead)) && !self.is_expired(id.created_at())
        };
        let event = found.filter(visible).ok_or(ServiceError::NotFound("event"))?;
        let mut with_deliveries = self.with_deliveries(vec![event]).await?;
        with_deliveries.pop().ok_or(ServiceError::NotFound("event"))
    }

    /// A page of an organization's events, newest first.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if the cursor is not one, [`ServiceError::NotFound`] if the
    /// organization has no endpoint as the filter names.
    pub async fn list_events(
        &self,
        organization: &OrganizationId,
        filter: &EventFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Published>, ServiceError> {
        let before = cursor.map(|text| EventId::parse(text).map_err(|_| bad_cursor())).transpose()?;
        if let Some(endpoint) = filter.endpoint {
            self.endpoint(organization, endpoint).await?;
        }
        let admits = |event: &Event| filter.admits(event) && !self.is_expired(event.id.created_at());
        let read = |before, limit| -> BoxFuture<'_, _> {
            match filter.endpoint {
                None => Box::pin(self.events_by_age(organization, before, limit)),
                Some(endpoint) => Box::pin(self.events_of(organization, endpoint, before, limit)),
            }
        };
        let Page { items, next } = look_through(before, limit, read, admits).await?;
        Ok(Page { items: self.with_deliveries(items).await?, next })
    }

    async fn events_by_age(
        &self,
        organization: &OrganizationId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<(EventId, Option<Event>)>, ServiceError> {
        let events = self.store.events_before(organization, before, limit).await?;
        Ok(events.into_iter().map(|event| (event.id, Some(event))).collect())
    }

    /// The events that went to one endpoint, which its deliveries tell.
    async fn events_of(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<(EventId, Option<Event>)>, ServiceError> {
        let before = before.map(|event| DeliveryId::from_uuid(event.uuid()));
        let deliveries = self.store.deliveries_before(endpoint, None, before, limit).await?;
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.event()).collect();
        let events = self.store.events_by_id(organization, &ids).await?;
        let mut by_id: HashMap<_, _> = events.into_iter().map(|event| (event.id, event)).collect();
        Ok(ids.into_iter().map(|id| (id, by_id.remove(&id))).collect())
    }

    /// Adds their deliveries to events, leaving out those of endpoints that were deleted.
    async fn with_deliveries(&self, events: Vec<Event>) -> Result<Vec<Published>, ServiceError> {
        let Some(organization) = events.first().map(|event| event.organization.clone()) else { return Ok(Vec::new()) };
        let mut targets: Vec<_> = events.iter().flat_map(|event| event.endpoints.iter().copied()).collect();
        targets.sort_unstable();
        targets.dedup();
        let wanted: Vec<_> = events.iter().flat_map(Event::fan_out).collect();
        let (stored, existing) = tokio::try_join!(
            self.store.deliveries_by_id(&wanted),
            self.store.endpoints_by_id(&organization, &targets),
        )?;
        let seen = self.seen_in(&organization).await?;
        let mut by_id: HashMap<_, _> = stored.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let complete = |event: Event| {
            let visible = event.deliveries().filter_map(|pending| {
                let endpoint = existing.iter().find(|existing| existing.id == pending.endpoint)?;
                Some(seen(by_id.remove(&pending.id).unwrap_or(pending), endpoint))
            });
            Published { deliveries: visible.collect(), event }
        };
        Ok(events.into_iter().map(complete).collect())
    }

    /// A page of an endpoint's deliveries, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such endpoint, [`ServiceError::Invalid`]
    /// if the cursor is not one.
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
        let before = cursor.into_iter().chain(filter.until.map(DeliveryId::first_at)).min();
        let from = filter.since.map(DeliveryId::first_at);
        let admits = |delivery: &Delivery| filter.admits(delivery) && !self.is_expired(delivery.id.created_at());
        let read = |before, limit| -> BoxFuture<'_, _> { Box::pin(self.deliveries_of(endpoint, from, before, limit)) };
        let Page { items, next } = look_through(before, limit, read, admits).await?;
        Ok(Page { items: items.into_iter().map(|delivery| seen(delivery, &target)).collect(), next })
    }

    /// Turns stored deliveries of the organization into those that readers see: `next_attempt_at` is set only if an
    /// attempt comes at that time. The organization is read, from the cache if it is there.
    async fn seen_in(
        &self,
        organization: &OrganizationId,
    ) -> Result<impl Fn(Delivery, &Endpoint) -> Delivery + use<>, ServiceError> {
        let organization = self.known_organization(organization).await?;
        let status = organization.ok_or(ServiceError::NotFound("organization"))?.status;
        let now = self.clock.now();
        Ok(move |delivery: Delivery, endpoint: &Endpoint| {
            let next_attempt_at = next_attempt_at(&delivery, endpoint, status, now);
            Delivery { next_attempt_at, ..delivery }
        })
    }

    async fn deliveries_of(
        &self,
        endpoint: EndpointId,
        from: Option<DeliveryId>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<(DeliveryId, Option<Delivery>)>, ServiceError> {
        let deliveries = self.store.deliveries_before(endpoint, from, before, limit).await?;
        Ok(deliveries.into_iter().map(|delivery| (delivery.id, Some(delivery))).collect())
    }

    /// One delivery with its payload.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has none with this id, or its endpoint is gone.
    pub async fn delivery(
        &self,
        organization: &OrganizationId,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ServiceError> {
        let Found { event, record, pending, endpoint } = self.find_delivery(organization, id).await?;
        let seen = self.seen_in(organization).await?;
        Ok(DeliveryDetail { delivery: seen(record.unwrap_or(pending), &endpoint), payload: event.body })
    }

    /// The same as it is stored, and its endpoint.
    async fn find_delivery(&self, organization: &OrganizationId, id: DeliveryId) -> Result<Found, ServiceError> {
        let missing = || ServiceError::NotFound("delivery");
        let event = self.store.event(organization, id.event()).await?.ok_or_else(missing)?;
        let pending = event.delivery(id).ok_or_else(missing)?;
        let (record, endpoint) = tokio::try_join!(
            self.store.delivery(pending.endpoint, id),
            self.store.endpoint(organization, pending.endpoint),
        )?;
        let endpoint = endpoint.filter(|_| !self.is_expired(id.created_at())).ok_or_else(missing)?;
        Ok(Found { event, record, pending, endpoint })
    }

    /// The ids of all deliveries of an endpoint that stand so, oldest first. It looks at every one of
    /// them, so it costs what they weigh: for lists that must know how many there are.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such endpoint.
    pub async fn delivery_ids(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
    ) -> Result<Vec<DeliveryId>, ServiceError> {
        self.endpoint(organization, endpoint).await?;
        let mut ids = self.store.delivery_ids(endpoint, status).await?;
        ids.retain(|id| !self.is_expired(id.created_at()));
        ids.sort_unstable();
        Ok(ids)
    }

    /// These deliveries of an endpoint with their payloads, in this order, as far as they exist.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such endpoint.
    pub async fn deliveries_by_id(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        ids: &[DeliveryId],
    ) -> Result<Vec<DeliveryDetail>, ServiceError> {
        let keys: Vec<_> = ids.iter().map(|id| (endpoint, *id)).collect();
        let mut events: Vec<_> = ids.iter().map(|id| id.event()).collect();
        events.sort_unstable();
        events.dedup();
        let (deliveries, events, target) = tokio::try_join!(
            self.store.deliveries_by_id(&keys),
            self.store.events_by_id(organization, &events),
            self.store.endpoint(organization, endpoint),
        )?;
        let target = target.ok_or(ServiceError::NotFound("endpoint"))?;
        let seen = self.seen_in(organization).await?;
        let events: HashMap<_, _> = events.into_iter().map(|event| (event.id, event)).collect();
        let mut by_id: HashMap<_, _> = deliveries.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let detail = |id: &DeliveryId| {
            let event = events.get(&id.event())?;
            let pending = || event.delivery(*id).filter(|pending| pending.endpoint == endpoint);
            let delivery = by_id.remove(id).or_else(pending)?;
            Some(DeliveryDetail { delivery: seen(delivery, &target), payload: event.body.clone() })
        };
        Ok(ids.iter().filter_map(detail).collect())
    }

    /// Delivers a failed or exhausted delivery again, on a fresh schedule, or one that its publishing never sent. If its
    /// endpoint is paused or suspended, the delivery is parked.
    ///
    /// # Errors
    /// As [`Core::delivery`], [`ServiceError::Forbidden`] for a suspended organization, and [`ServiceError::Conflict`]
    /// in any other state or if the endpoint is disabled. The record then stays as it is.
    pub async fn retry_delivery(
        &self,
        organization: &Organization,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ServiceError> {
        let organization = require_active(organization)?;
        let Found { event, record, pending, endpoint } = self.find_delivery(organization, id).await?;
        require_enabled(&endpoint)?;
        let again = record
            .clone()
            .unwrap_or(pending)
            .asked_again(self.clock.now(), new_ticket())
            .map_err(|e| ServiceError::Conflict(e.to_string()))?;
        match self.store.move_delivery(record.as_ref(), &again).await {
            Ok(()) => audit("delivery.retry", organization, id),
            Err(StoreError::Conflict) => {
                return Err(ServiceError::Conflict("the delivery was asked for by somebody else".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        self.queue.send(vec![Outgoing::new(task_without_body(again.clone()), endpoint.lane)]).await?;
        Ok(DeliveryDetail { delivery: again, payload: event.body })
    }
}

/// Reads on from `before` until `limit` items are admitted, nothing is left, or enough was looked
/// through for one request. `read` yields the next ids, newest first, each with its item if it has
/// one; a page of fewer than it was asked for is the last.
async fn look_through<'a, Id: Copy + ToString, T>(
    mut before: Option<Id>,
    limit: usize,
    read: impl Fn(Option<Id>, usize) -> BoxFuture<'a, Result<Vec<(Id, Option<T>)>, ServiceError>>,
    admits: impl Fn(&T) -> bool,
) -> Result<Page<T>, ServiceError> {
    let mut items = Vec::new();
    let mut last_admitted = None;
    let mut looked_through = 0;
    loop {
        let batch = read(before, limit + 1).await?;
        let last = batch.len() <= limit;
        looked_through += batch.len();
        for (id, item) in batch {
            before = Some(id);
            let Some(item) = item.filter(&admits) else { continue };
            if items.len() == limit {
                return Ok(Page { items, next: last_admitted });
            }
            items.push(item);
            last_admitted = Some(id.to_string());
        }
        if last {
            return Ok(Page { items, next: None });
        }
        if looked_through >= MAX_LOOKED_THROUGH {
            return Ok(Page { items, next: before.map(|id| id.to_string()) });
        }
    }
}

fn bad_cursor() -> ServiceError {
    ServiceError::Invalid(vec![("cursor", crate::domain::Invalid::new("is not one that a list returned"))])
}
