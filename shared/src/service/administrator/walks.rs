//! Lists that can be read in both directions from the position of any id, whether it exists or not.

use std::collections::HashMap;
use std::time::Duration;

use super::event_types::is_visible;
use super::jobs::JobSelection;
use super::lists::{MOST_COUNTED, MOST_EXAMINED, bad_cursor};
use super::organizations::log_unreadable;
use super::{Administrator, MessageReader};
use crate::domain::catalogue::{FullType, TypeEntry};
use crate::domain::delivery::selection::DeliveryFilter;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::event::event_type::EventType;
use crate::domain::event::selection::EventFilter;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, JobId, OrganizationId};
use crate::domain::job::{Job, JobPosition};
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::tenancy::rights::Binding;
use crate::domain::time::Timestamp;
use crate::domain::walk::{Walk, Walked, page_of};
use crate::service::{Caller, ServiceError};
use crate::store::{ListedEvent, Listing, Next, Order, OrganizationPage};

impl Administrator {
    /// A page of the organizations that are not being deleted, without the platform's own.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if a supplied id, whose position is not known, is not that of an organization.
    pub async fn walk_organizations(
        &self,
        newest_first: bool,
        walk: Walk<OrganizationId>,
        limit: usize,
    ) -> Result<Walked<Organization, OrganizationId>, ServiceError> {
        let is_ascending = newest_first == walk.is_backward();
        let mut position = match walk {
            Walk::First => None,
            Walk::After(id) | Walk::Before(id) => Some(self.position_of(id).await?),
        };
        let mut walked = Walked { items: Vec::new(), further: None };
        loop {
            let OrganizationPage { organizations, unreadable, last } = match is_ascending {
                true => self.store.organizations_after(position.as_ref(), limit + 1).await?,
                false => self.store.organizations_before(position.as_ref(), limit + 1).await?,
            };
            log_unreadable(&unreadable);
            for organization in organizations {
                if organization.status == OrganizationStatus::Deleting || organization.id.is_platform() {
                    continue;
                }
                if walked.items.len() == limit {
                    walked.further = walked.items.last().map(|last: &Organization| last.id.clone());
                    return Ok(walked);
                }
                walked.items.push(organization);
            }
            match last {
                Some(last) => position = Some(last),
                None => return Ok(walked),
            }
        }
    }

    async fn position_of(&self, id: OrganizationId) -> Result<OrganizationPosition, ServiceError> {
        let created_at = match id.created_at() {
            Some(created_at) => created_at,
            None => self.store.organization(&id).await?.ok_or_else(bad_cursor)?.created_at.to_millis(),
        };
        Ok(OrganizationPosition { created_at, id })
    }

    /// A page of an organization's endpoints, of the binding if there is one.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn walk_endpoints(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        newest_first: bool,
        walk: &Walk<EndpointId>,
        limit: usize,
    ) -> Result<Walked<Endpoint, EndpointId>, ServiceError> {
        let endpoints = self.list_endpoints(organization, binding).await?;
        let compare = |one: &EndpointId, other: &EndpointId| if newest_first { other.cmp(one) } else { one.cmp(other) };
        Ok(page_of(endpoints, |endpoint| endpoint.id, compare, walk, limit))
    }

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

    /// These endpoints of an organization. Deleted ones are left out.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn endpoints_by_id(
        &self,
        organization: &OrganizationId,
        ids: &[EndpointId],
    ) -> Result<HashMap<EndpointId, Endpoint>, ServiceError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let found = self.store.endpoints_by_id(organization, &ids).await?;
        Ok(found.into_iter().map(|endpoint| (endpoint.id, endpoint)).collect())
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

    /// A page of the event types that the caller may see, by name, each with its newest version.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn walk_event_types(
        &self,
        caller: &Caller,
        with_archived: bool,
        is_descending: bool,
        walk: &Walk<EventType>,
        limit: usize,
    ) -> Result<Walked<FullType, EventType>, ServiceError> {
        let is_platform = caller.is_platform();
        let entries = self.event_types.entries(true).await?;
        let admits = |entry: &&TypeEntry| entry.is_visible(is_platform) && (with_archived || !entry.is_archived);
        let names: Vec<_> = entries.iter().filter(admits).map(|entry| entry.name.clone()).collect();
        let compare = |one: &EventType, other: &EventType| if is_descending { other.cmp(one) } else { one.cmp(other) };
        let Walked { items, further } = page_of(names, EventType::clone, compare, walk, limit);
        let kinds = self.store.event_types(&items).await?;
        let full = self.full_types(kinds).await?;
        let mut by_name: HashMap<_, _> = full.into_iter().map(|full| (full.kind.name.clone(), full)).collect();
        let visible = |full: &FullType| is_visible(caller, &full.kind);
        Ok(Walked { items: items.iter().filter_map(|name| by_name.remove(name)).filter(visible).collect(), further })
    }

    /// A page of the recoveries and replays of an organization for endpoints of the binding, newest first. A job that does
    /// not exist has the position of the newest.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn walk_tasks(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        walk: &Walk<JobId>,
        limit: usize,
    ) -> Result<Walked<Job, JobId>, ServiceError> {
        let position = async |id: &JobId| {
            let job = self.readable_job(organization, *id).await?;
            Ok::<_, ServiceError>(job.as_ref().map(JobPosition::of))
        };
        let walk = match walk {
            Walk::First => Walk::First,
            Walk::After(id) => position(id).await?.map_or(Walk::First, Walk::After),
            Walk::Before(id) => match position(id).await? {
                Some(position) => Walk::Before(position),
                None => return Ok(Walked::empty()),
            },
        };
        let selection = JobSelection { binding, endpoint: None, only_restarts: true };
        let Walked { items, further } = self.walk_jobs(organization, &selection, walk, limit).await?;
        let further = further.and_then(|_| items.last()).map(|job| job.id);
        Ok(Walked { items, further })
    }

    /// Returns a reader of these events with their bodies.
    pub fn read_messages<'a>(
        &'a self,
        organization: &'a OrganizationId,
        events: Vec<ListedEvent>,
    ) -> MessageReader<'a> {
        MessageReader::new(self, organization, events)
    }
}

/// By how much the clocks of processes may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

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
