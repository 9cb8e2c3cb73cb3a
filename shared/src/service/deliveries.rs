//! Looking at events and deliveries, and asking for deliveries again.

use std::collections::HashMap;

use super::endpoints::require_enabled;
use super::organizations::require_active;
use super::publishing::Published;
use super::releasing::{new_ticket, task_without_body};
use super::{Caller, Core, ServiceError};
use crate::domain::access::Scope;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::next_attempt::next_attempt_at;
use crate::domain::organization::{Organization, OrganizationStatus};
use crate::domain::time::Timestamp;
use crate::queue::Outgoing;
use crate::store::StoreError;
use crate::telemetry::audit;

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

/// Turns stored deliveries of an organization into those that readers see.
#[derive(Debug)]
pub(super) struct Seen {
    status: OrganizationStatus,
    now: Timestamp,
}

impl Seen {
    /// The delivery, whose `next_attempt_at` is set only if an attempt comes at that time.
    pub(super) fn delivery(&self, delivery: Delivery, endpoint: &Endpoint) -> Delivery {
        let next_attempt_at = next_attempt_at(&delivery, endpoint, self.status, self.now);
        Delivery { next_attempt_at, ..delivery }
    }

    /// An event's deliveries, but for those of endpoints that were deleted. One without a record is pending.
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
        let (records, endpoints) = self.records_of(organization, &[&event], &HashMap::new()).await?;
        let mut records = records.into_iter().map(|delivery| (delivery.id, delivery)).collect();
        let deliveries = self.seen_in(organization).await?.deliveries(&event, &mut records, &endpoints);
        Ok(Published { event, deliveries })
    }

    /// How deliveries of the organization are shown now. The organization is read, from the cache if it is there.
    pub(super) async fn seen_in(&self, organization: &OrganizationId) -> Result<Seen, ServiceError> {
        let organization = self.known_organization(organization).await?;
        let status = organization.ok_or(ServiceError::NotFound("organization"))?.status;
        Ok(Seen { status, now: self.clock.now() })
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
        Ok(DeliveryDetail { delivery: seen.delivery(record.unwrap_or(pending), &endpoint), payload: event.body })
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
        let route = endpoint.route();
        self.queue.send(vec![Outgoing::new(task_without_body(again.clone(), route), route.lane)]).await?;
        Ok(DeliveryDetail { delivery: again, payload: event.body })
    }
}
