//! Deliveries of an endpoint, and those of an event.

use std::collections::HashMap;

use crate::domain::delivery::selection::DeliveryFilter;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::rights::Binding;
use crate::domain::time::Timestamp;
use crate::domain::walk::{Walk, Walked, page_of};
use crate::service::ServiceError;
use crate::service::administrator::Administrator;
use crate::service::administrator::lists::{MOST_COUNTED, MOST_EXAMINED, bad_cursor};
use crate::store::Order;

impl Administrator {
    /// A page of an endpoint's deliveries, newest first: their ids.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn walk_deliveries(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        walk: Walk<EventId>,
        limit: usize,
    ) -> Result<Walked<DeliveryId, EventId>, ServiceError> {
        let of = |event: EventId| DeliveryId::from_uuid(event.uuid());
        if let Walk::Before(id) = walk {
            self.endpoint(organization, endpoint).await?;
            return self.deliveries_back_from(endpoint, filter, id, limit).await;
        }
        let cursor = if let Walk::After(id) = walk { Some(of(id).to_string()) } else { None };
        let page = self.list_deliveries(organization, endpoint, filter, cursor.as_deref(), limit).await?;
        let further = page.next.map(|id| DeliveryId::parse(&id).map(DeliveryId::event)).transpose();
        Ok(Walked {
            items: page.items.into_iter().map(|delivery| delivery.id).collect(),
            further: further.map_err(|_| bad_cursor())?,
        })
    }

    /// The deliveries of events after this one, oldest first. Without a condition on their records it reads as many as the page
    /// has.
    async fn deliveries_back_from(
        &self,
        endpoint: EndpointId,
        filter: &DeliveryFilter,
        id: EventId,
        limit: usize,
    ) -> Result<Walked<DeliveryId, EventId>, ServiceError> {
        let of = |event: EventId| DeliveryId::from_uuid(event.uuid());
        let ids = filter.event.ids(self.oldest_retained(), None);
        let is_in_range = |id: DeliveryId| ids.before.is_none_or(|before| id < of(before));
        let mut from = of(ids.from.max(id.following()));
        let (mut page, mut examined) = (Walked { items: Vec::new(), further: None }, 0);
        while examined < MOST_EXAMINED {
            let counted = self.store.delivery_ids(endpoint, from, Order::OldestFirst, limit + 1).await?;
            let keys: Vec<_> = counted.found.iter().map(|(id, _)| (endpoint, *id)).collect();
            let records = self.store.listed_deliveries(&keys).await?;
            let records: HashMap<_, _> = records.into_iter().map(|record| (record.id, record)).collect();
            let is_wanted = |id: &DeliveryId| records.get(id).is_none_or(|record| filter.admits(record));
            let found = counted.found.iter().map(|(id, _)| *id);
            page.items.extend(found.filter(|id| is_in_range(*id)).filter(is_wanted));
            if page.items.len() > limit {
                page.items.truncate(limit);
                page.further = page.items.last().map(|id| id.event());
                return Ok(page);
            }
            examined += counted.found.len();
            let last = counted.found.last().map(|(id, _)| *id).filter(|last| counted.is_cut && is_in_range(*last));
            page.further = last.map(DeliveryId::event);
            match last {
                Some(last) => from = last.next(),
                None => break,
            }
        }
        Ok(page)
    }

    /// A page of the deliveries of an event to endpoints of the binding, each with its endpoint unless that was deleted. They
    /// are ordered by the ids of the endpoints, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no event with this id, or none with a delivery to an endpoint of
    /// the binding.
    pub async fn walk_destinations(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: EventId,
        walk: &Walk<EndpointId>,
        limit: usize,
    ) -> Result<Walked<(Delivery, Option<Endpoint>), EndpointId>, ServiceError> {
        let event = self.store.event(organization, id).await?.filter(|_| !self.is_expired(id.created_at()));
        let event = event.ok_or(ServiceError::NotFound("event"))?;
        let deliveries: Vec<_> = event.deliveries().filter(|it| binding.includes(it.endpoint)).collect();
        if binding.is_bound() && deliveries.is_empty() {
            return Err(ServiceError::NotFound("event"));
        }
        let Walked { items, further } =
            page_of(deliveries, |delivery| delivery.endpoint, |one, other| other.cmp(one), walk, limit);
        let keys: Vec<_> = items.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
        let ids: Vec<_> = items.iter().map(|delivery| delivery.endpoint).collect();
        let (records, mut endpoints) = tokio::try_join!(
            async { Ok::<_, ServiceError>(self.store.listed_deliveries(&keys).await?) },
            self.endpoints_by_id(organization, &ids),
        )?;
        let seen = self.seen_in(organization).await?;
        let mut records: HashMap<_, _> = records.into_iter().map(|record| (record.id, record)).collect();
        let with_endpoint = |initial: Delivery| {
            let delivery = records.remove(&initial.id).unwrap_or(initial);
            match endpoints.remove(&delivery.endpoint) {
                Some(endpoint) => (seen.delivery(delivery, &endpoint), Some(endpoint)),
                None => (delivery, None),
            }
        };
        Ok(Walked { items: items.into_iter().map(with_endpoint).collect(), further })
    }

    /// The delivery of an event to an endpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such event, or the endpoint does not receive it.
    pub async fn delivery_to(
        &self,
        organization: &OrganizationId,
        id: EventId,
        endpoint: EndpointId,
    ) -> Result<DeliveryId, ServiceError> {
        let event = self.store.event(organization, id).await?.filter(|_| !self.is_expired(id.created_at()));
        let delivery = event.ok_or(ServiceError::NotFound("event"))?.delivery_to(endpoint);
        Ok(delivery.ok_or(ServiceError::NotFound("delivery"))?.id)
    }

    /// The status of each delivery of an endpoint that was published in this span, of the first 10,000.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn delivery_statuses(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<DeliveryStatus>, ServiceError> {
        self.endpoint(organization, endpoint).await?;
        let from = DeliveryId::first_at(since.max(self.oldest_retained()));
        let counted = self.store.delivery_ids(endpoint, from, Order::OldestFirst, MOST_COUNTED).await?;
        let in_span = counted.found.into_iter().filter(|(id, _)| id.created_at() < until);
        Ok(in_span.map(|(_, status)| status).collect())
    }
}
