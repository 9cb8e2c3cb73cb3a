//! Lists that can be read in both directions from the position of any id, whether it exists or not.

mod deliveries;
mod events;

use std::collections::HashMap;

use super::Administrator;
use super::event_types::is_visible;
use super::jobs::JobSelection;
use super::lists::bad_cursor;
use super::organizations::log_unreadable;
use crate::domain::catalogue::{FullType, TypeEntry};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{EndpointId, JobId, OrganizationId};
use crate::domain::job::{Job, JobPosition};
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::tenancy::rights::Binding;
use crate::domain::walk::{Walk, Walked, page_of};
use crate::service::{Caller, ServiceError};
use crate::store::OrganizationPage;

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
}
