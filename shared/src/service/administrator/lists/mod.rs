//! Lists of events and deliveries. The number of records that one request examines and the memory that it uses are
//! bounded: bodies and records are read while the response is built, a few at a time.

mod page;
mod readers;

use std::collections::HashMap;

use super::Administrator;
use crate::domain::delivery::selection::{DeliveryFilter, EventSelection};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::event::selection::{EventFilter, EventIds};
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::rights::Binding;
use crate::service::ServiceError;
use crate::store::{ListedEvent, Order};

use page::Examined;
pub use page::Page;
pub(super) use page::{MOST_EXAMINED, bad_cursor, examine};
pub use readers::{DeliveryReader, EventReader, MessageReader};

/// Most deliveries of an endpoint that numbered pages count.
pub const MOST_COUNTED: usize = 10_000;
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

    /// Reads the records of these events' deliveries to endpoints of the binding, and those of these endpoints that are not
    /// in `known`. The value for a deleted endpoint is `None`.
    pub(super) async fn records_of(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        events: &[&Event],
        known: &HashMap<EndpointId, Option<Endpoint>>,
    ) -> Result<(Vec<Delivery>, HashMap<EndpointId, Option<Endpoint>>), ServiceError> {
        let all = events.iter().flat_map(|event| event.fan_out());
        let wanted: Vec<_> = all.filter(|(endpoint, _)| binding.includes(*endpoint)).collect();
        self.records(organization, &wanted, known).await
    }

    /// Reads the records of deliveries, and those of their endpoints that are not in `known`. The value for a deleted endpoint
    /// is `None`.
    pub(super) async fn records(
        &self,
        organization: &OrganizationId,
        wanted: &[(EndpointId, DeliveryId)],
        known: &HashMap<EndpointId, Option<Endpoint>>,
    ) -> Result<(Vec<Delivery>, HashMap<EndpointId, Option<Endpoint>>), ServiceError> {
        let mut targets: Vec<_> = wanted.iter().map(|(endpoint, _)| *endpoint).collect();
        targets.retain(|target| !known.contains_key(target));
        targets.sort_unstable();
        targets.dedup();
        let (mut records, found) = tokio::try_join!(
            self.store.listed_deliveries(wanted),
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
