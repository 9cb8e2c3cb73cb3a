//! Reading events and deliveries, and manual retries.

use std::collections::HashMap;

use super::Administrator;
use super::endpoints::require_enabled;
use super::organizations::require_active;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::next_attempt::next_attempt_at;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Lane;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::access::Scope;
use crate::domain::tenancy::limits::Quota;
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::rights::Binding;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Outgoing};
use crate::service::releaser::{new_ticket, task_without_payload};
use crate::service::{Caller, Published, ServiceError};
use crate::store::StoreError;
use crate::telemetry::audit;

/// A delivery with its payload.
#[derive(Debug)]
pub struct DeliveryDetail {
    /// The delivery.
    pub delivery: Delivery,
    /// The exact body of the request.
    pub payload: String,
}

/// A stored delivery with its event and endpoint.
pub(super) struct Found<E = Endpoint> {
    pub(super) event: Event,
    /// The delivery's record, if there is one.
    pub(super) record: Option<Delivery>,
    /// The delivery in its initial state, which applies if there is no record.
    pub(super) pending: Delivery,
    pub(super) endpoint: E,
}

/// Converts stored deliveries of an organization to those that the API shows.
#[derive(Debug)]
pub(super) struct Seen {
    status: OrganizationStatus,
    now: Timestamp,
}

impl Seen {
    /// The delivery as the API shows it: [`next_attempt_at`] decides whether it has a next attempt.
    pub(super) fn delivery(&self, delivery: Delivery, endpoint: &Endpoint) -> Delivery {
        let next_attempt_at = next_attempt_at(&delivery, endpoint, self.status, self.now);
        Delivery { next_attempt_at, ..delivery }
    }

    /// The deliveries of an event to these endpoints, without deleted ones. A delivery without a record is pending.
    pub(super) fn deliveries(
        &self,
        event: &Event,
        records: &mut HashMap<DeliveryId, Delivery>,
        endpoints: &HashMap<EndpointId, Option<Endpoint>>,
    ) -> Vec<Delivery> {
        let shown = event.deliveries().filter_map(|pending| {
            let endpoint = endpoints.get(&pending.endpoint)?.as_ref()?;
            Some(self.delivery(records.remove(&pending.id).unwrap_or(pending), endpoint))
        });
        shown.collect()
    }
}

/// An event with a part of its deliveries.
#[derive(Debug)]
pub struct EventPart {
    /// The event and the deliveries.
    pub published: Published,
    /// The endpoints of these deliveries.
    pub endpoints: HashMap<EndpointId, Endpoint>,
    /// The position from which the next part begins; `None` if this is the last one.
    pub next: Option<usize>,
}

impl Administrator {
    /// Reads one event with its deliveries. A publisher can read only events that its own key published. A caller that is
    /// bound to endpoints can read only events with deliveries to these, and no other deliveries.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no event with this id, or if the caller may not read it.
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
        let binding = caller.binding();
        let (records, endpoints) = self.records_of(organization, &binding, &[&event], &HashMap::new()).await?;
        let mut records = records.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let deliveries = self.seen_in(organization).await?.deliveries(&event, &mut records, &endpoints);
        if binding.is_bound() && deliveries.is_empty() {
            return Err(ServiceError::NotFound("event"));
        }
        Ok(Published { event, deliveries })
    }

    /// Reads one event with a part of its deliveries: at most `limit`, from the position `from` of the fan-out on. Deliveries of
    /// deleted endpoints are left out.
    ///
    /// # Errors
    /// As [`Administrator::event`], for a caller with [`Scope::EventsRead`].
    pub async fn event_part(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: EventId,
        from: usize,
        limit: usize,
    ) -> Result<EventPart, ServiceError> {
        let found = self.store.event(organization, id).await?.filter(|_| !self.is_expired(id.created_at()));
        let event = found.ok_or(ServiceError::NotFound("event"))?;
        let all = event.fan_out().filter(|(endpoint, _)| binding.includes(*endpoint));
        let mut wanted: Vec<_> = all.skip(from).take(limit + 1).collect();
        let next = (wanted.len() > limit).then_some(from + limit);
        wanted.truncate(limit);
        let (records, endpoints) = self.records(organization, &wanted, &HashMap::new()).await?;
        let mut records = records.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let deliveries = self.seen_in(organization).await?.deliveries(&event, &mut records, &endpoints);
        // To a person who is bound to endpoints, an event without deliveries to them does not exist.
        if binding.is_bound() && deliveries.is_empty() {
            return Err(ServiceError::NotFound("event"));
        }
        let endpoints = endpoints.into_iter().filter_map(|(id, endpoint)| Some((id, endpoint?))).collect();
        Ok(EventPart { published: Published { event, deliveries }, endpoints, next })
    }

    /// Prepares to show deliveries of the organization at the current time. The organization may be up to 5 s old.
    pub(super) async fn seen_in(&self, organization: &OrganizationId) -> Result<Seen, ServiceError> {
        let organization = self.access.cached_organization(organization).await?;
        let status = organization.ok_or(ServiceError::NotFound("organization"))?.status;
        Ok(Seen { status, now: self.clock.now() })
    }

    /// Reads one delivery with its payload.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no delivery with this id, or if its endpoint was deleted or is
    /// not of the binding.
    pub async fn delivery(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ServiceError> {
        let Found { event, record, pending, endpoint } = self.find_delivery(organization, binding, id).await?;
        let seen = self.seen_in(organization).await?;
        let mut delivery = seen.delivery(record.unwrap_or(pending), &endpoint);
        self.add_last_responses(std::slice::from_mut(&mut delivery)).await?;
        Ok(DeliveryDetail { delivery, payload: event.payload.body })
    }

    /// Reads a delivery with its event and its endpoint.
    pub(super) async fn find_delivery(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: DeliveryId,
    ) -> Result<Found, ServiceError> {
        let Found { event, record, pending, endpoint } = self.find_with_deleted(organization, binding, id).await?;
        let endpoint = endpoint.ok_or(ServiceError::NotFound("delivery"))?;
        Ok(Found { event, record, pending, endpoint })
    }

    /// Reads a delivery with its event and its endpoint, which is `None` if it was deleted.
    async fn find_with_deleted(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: DeliveryId,
    ) -> Result<Found<Option<Endpoint>>, ServiceError> {
        let missing = || ServiceError::NotFound("delivery");
        let event = self.store.event(organization, id.event()).await?.ok_or_else(missing)?;
        let is_visible = |it: &Delivery| binding.includes(it.endpoint) && !self.is_expired(id.created_at());
        let pending = event.delivery(id).filter(is_visible).ok_or_else(missing)?;
        let (record, endpoint) = tokio::try_join!(
            self.store.delivery(pending.endpoint, id),
            self.store.endpoint(organization, pending.endpoint),
        )?;
        Ok(Found { event, record, pending, endpoint })
    }

    /// Retries a failed or exhausted delivery with a new schedule, or sends a delivery that its publish request did
    /// not send. If the endpoint is paused or suspended, the consumer parks the delivery.
    ///
    /// # Errors
    /// As [`Administrator::delivery`], [`ServiceError::Forbidden`] for a suspended organization, and
    /// [`ServiceError::Conflict`] if the delivery has another status or the endpoint is disabled. After a conflict
    /// the record is unchanged.
    pub async fn retry_delivery(
        &self,
        organization: &Organization,
        binding: &Binding,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ServiceError> {
        let organization = require_active(organization)?;
        let Found { event, record, pending, endpoint } = self.find_delivery(organization, binding, id).await?;
        require_enabled(&endpoint)?;
        if event.expunged_at.is_some() {
            return Err(ServiceError::Conflict("the data of the delivery's event was removed".to_owned()));
        }
        let again = record
            .clone()
            .unwrap_or(pending)
            .manually_retried(self.clock.now(), new_ticket())
            .map_err(|e| ServiceError::Conflict(e.to_string()))?;
        match self.store.move_delivery(record.as_ref(), &again).await {
            Ok(()) => audit("delivery.retry", organization, id),
            Err(StoreError::Conflict) => {
                return Err(ServiceError::Conflict("another process changed the delivery at the same time".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        let route = endpoint.route();
        self.queue.send(vec![Outgoing::new(task_without_payload(again.clone(), route), route.lane)]).await?;
        let mut delivery = again;
        self.add_last_responses(std::slice::from_mut(&mut delivery)).await?;
        Ok(DeliveryDetail { delivery, payload: event.payload.body })
    }

    /// Sends a delivery once more, at once and whatever its state is, also to a paused, suspended or disabled endpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization or the binding has no delivery with this id,
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::Conflict`] if the endpoint was deleted or
    /// the data of the event was removed, and [`ServiceError::RateLimited`] beyond [`Quota::Resends`].
    pub async fn resend_delivery(
        &self,
        organization: &Organization,
        binding: &Binding,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ServiceError> {
        let organization = require_active(organization)?;
        let conflict = |reason: &str| ServiceError::Conflict(reason.to_owned());
        let Found { event, record, pending, endpoint } = self.find_with_deleted(organization, binding, id).await?;
        let endpoint = endpoint.ok_or_else(|| conflict("the delivery's endpoint was deleted"))?;
        if event.expunged_at.is_some() {
            return Err(conflict("the data of the delivery's event was removed"));
        }
        let delivery = record.unwrap_or(pending);
        self.quotas.take(organization, Quota::Resends(endpoint.id), 1).await?;
        // The ticket identifies the copies of this message. It does not own the delivery.
        let ticket = Some(new_ticket());
        let task = task_without_payload(delivery.clone(), endpoint.route());
        let task = DeliverTask { ticket, trigger: Trigger::Resend, ..task };
        self.queue.send(vec![Outgoing::new(task, Lane::OF_RESENDS)]).await?;
        audit("delivery.resend", organization, id);
        let mut delivery = self.seen_in(organization).await?.delivery(delivery, &endpoint);
        self.add_last_responses(std::slice::from_mut(&mut delivery)).await?;
        Ok(DeliveryDetail { delivery, payload: event.payload.body })
    }
}
