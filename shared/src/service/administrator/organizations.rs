//! Creating, changing and deleting organizations.

use tracing::error;

use super::lists::MOST_EXAMINED;
use super::{Administrator, Page};
use crate::clock;
use crate::domain::event::payload::Format;
use crate::domain::ids::OrganizationId;
use crate::domain::job::{Job, Work};
use crate::domain::tenancy::limits::{Limits, OwnLimits};
use crate::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::tenancy::organization_list::{OrganizationFilter, OrganizationPosition};
use crate::domain::text::{Name, Slug};
use crate::service::targets::refuse_suspended;
use crate::service::{Caller, ServiceError};
use crate::store::{Duplicate, OrganizationPage, StoreError};
use crate::telemetry::audit;

/// How often a change is tried if other processes change the organization's state first.
const TRIES: u32 = 5;
/// The name of the platform's own organization.
const PLATFORM_NAME: &str = "Operational webhooks";

impl Administrator {
    /// Creates an organization.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if the id, the slug or the external id is in use.
    pub async fn create_organization(&self, new: NewOrganization) -> Result<Organization, ServiceError> {
        let now = self.clock.now();
        let organization = Organization {
            id: new.id.unwrap_or_else(|| OrganizationId::new(now, clock::id_bytes())),
            name: new.name,
            slug: new.slug,
            external_id: new.external_id,
            description: new.description,
            metadata: new.metadata,
            default_format: new.default_format,
            status: OrganizationStatus::Active,
            created_at: now,
            updated_at: now,
            created_by: new.created_by,
        };
        let taken = |what: &str, value: &str| ServiceError::Conflict(format!("the {what} {value} is taken"));
        match self.store.create_organization(&organization).await? {
            Ok(()) => {
                audit("organization.create", &organization.id, &organization.id);
                Ok(organization)
            }
            Err(Duplicate::Id) => Err(taken("id", organization.id.as_str())),
            Err(Duplicate::Slug) => Err(taken("slug", organization.slug.as_ref().map_or("", Slug::as_str))),
        }
    }

    /// The platform's own organization, whose endpoints receive events about all others. It is created when it is first needed.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read or created.
    pub async fn platform_organization(&self) -> Result<OrganizationId, ServiceError> {
        let id = OrganizationId::platform();
        match self.access.organization(&id).await {
            Err(ServiceError::NotFound(_)) => {}
            other => return other.map(|_| id),
        }
        let name = Name::parse(PLATFORM_NAME).map_err(|error| ServiceError::Internal(error.to_string()))?;
        let new =
            NewOrganization { id: Some(id.clone()), default_format: Format::Raw, ..NewOrganization::new(name, None) };
        match self.create_organization(new).await {
            // Another request created it meanwhile.
            Ok(_) | Err(ServiceError::Conflict(_)) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// A page of all organizations but the platform's own, oldest first. With an id, a slug or an external id in the filter it has at most one.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn list_organizations(
        &self,
        filter: &OrganizationFilter,
        after: Option<OrganizationPosition>,
        limit: usize,
    ) -> Result<Page<Organization>, ServiceError> {
        let named = match (&filter.id, &filter.slug, &filter.external_id) {
            (None, None, None) => return self.examine_organizations(filter, after, limit).await,
            (Some(id), ..) => Some(id.clone()),
            (None, Some(slug), _) => self.store.organization_with_slug(slug).await?,
            (None, None, Some(external_id)) => self.store.organization_named(external_id).await?,
        };
        let found = match named {
            Some(id) => self.store.organization(&id).await?,
            None => None,
        };
        let is_listed = |found: &Organization| {
            !found.id.is_platform()
                && filter.admits(found)
                && after.as_ref().is_none_or(|after| OrganizationPosition::of(found) > *after)
        };
        Ok(Page { items: found.into_iter().filter(is_listed).collect(), next: None })
    }

    async fn examine_organizations(
        &self,
        filter: &OrganizationFilter,
        mut after: Option<OrganizationPosition>,
        limit: usize,
    ) -> Result<Page<Organization>, ServiceError> {
        let (mut items, mut examined) = (Vec::new(), 0);
        loop {
            let OrganizationPage { organizations, unreadable, last } =
                self.store.organizations_after(after.as_ref(), limit + 1).await?;
            log_unreadable(&unreadable);
            for organization in organizations {
                if items.len() == limit || examined == MOST_EXAMINED {
                    return Ok(Page { items, next: after.map(|after| after.to_string()) });
                }
                examined += 1;
                after = Some(OrganizationPosition::of(&organization));
                items.extend(Some(organization).filter(|it| !it.id.is_platform() && filter.admits(it)));
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(Page { items, next: None }),
            }
        }
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist or is being deleted,
    /// [`ServiceError::Conflict`] if another one has the new external id, and [`ServiceError::Forbidden`] for the platform's own.
    pub async fn update_organization(
        &self,
        id: &OrganizationId,
        patch: OrganizationPatch,
    ) -> Result<Organization, ServiceError> {
        refuse_platform(id)?;
        let update = || self.store.update_organization(id, patch.clone(), self.clock.now());
        let updated = beside_other_changes(update).await?;
        self.access.forget(id);
        updated.inspect(|_| audit("organization.update", id, id)).ok_or(ServiceError::NotFound("organization"))
    }

    /// Begins the deletion of an organization, whose job the sweep does. Publishing is refused from now on. Returns the
    /// job; if the deletion has begun before, with its progress.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist, [`ServiceError::Conflict`] if it is active and
    /// `force` is false, and [`ServiceError::Forbidden`] for the platform's own.
    pub async fn delete_organization(&self, id: &OrganizationId, force: bool) -> Result<Job, ServiceError> {
        refuse_platform(id)?;
        let job = Job::new(id, Work::DeleteOrganization(id.clone()), self.clock.now());
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let organization = self.store.organization(id).await?.ok_or(ServiceError::NotFound("organization"))?;
            match organization.status {
                OrganizationStatus::Active if !force => {
                    let message = "the organization is active: suspend it first, or set force=true";
                    return Err(ServiceError::Conflict(message.to_owned()));
                }
                OrganizationStatus::Active | OrganizationStatus::Suspended => {}
                OrganizationStatus::Deleting => {
                    return self.store.job(id, job.id).await?.ok_or(ServiceError::NotFound("organization"));
                }
            }
            match self.store.begin_deletion(&job, organization.status).await {
                Ok(true) => {
                    self.access.forget(id);
                    audit("organization.delete", id, id);
                    return Ok(job);
                }
                // Another process changed the organization. It is read again.
                Ok(false) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(changed_by_others())
    }

    /// Replaces the limits that the platform set for an organization. Returns the limits that now apply to it. They
    /// apply to all requests that begin after this returns.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the caller is not the platform, [`ServiceError::NotFound`] if the organization does not
    /// exist or is being deleted.
    pub async fn set_limits(
        &self,
        id: &OrganizationId,
        by: &Caller,
        limits: OwnLimits,
    ) -> Result<Limits, ServiceError> {
        if !by.is_platform() {
            return Err(ServiceError::forbidden("only the platform may change the limits of an organization"));
        }
        let found = beside_other_changes(|| self.store.set_limits(id, &limits, self.clock.now())).await?;
        self.access.forget(id);
        if !found {
            return Err(ServiceError::NotFound("organization"));
        }
        audit("organization.limits", id, id);
        Ok(self.deployment.limits.with(&limits))
    }
}

/// Retries a change while other processes change the organization's state.
async fn beside_other_changes<T, F>(change: impl Fn() -> F) -> Result<T, ServiceError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for tries in 0..TRIES {
        clock::back_off(tries).await;
        match change().await {
            Err(StoreError::Conflict) => {}
            other => return Ok(other?),
        }
    }
    Err(changed_by_others())
}

fn changed_by_others() -> ServiceError {
    ServiceError::Unavailable("other processes are changing the organization".to_owned())
}

/// The platform's own organization stays as it is, so that no mistake loses the events about all others.
fn refuse_platform(id: &OrganizationId) -> Result<(), ServiceError> {
    match id.is_platform() {
        true => Err(ServiceError::forbidden("the platform's own organization cannot be changed or deleted")),
        false => Ok(()),
    }
}

/// Returns the id of an active organization. A suspended one may not publish, test, retry or recover.
pub(super) fn require_active(organization: &Organization) -> Result<&OrganizationId, ServiceError> {
    refuse_suspended(organization.status).map(|()| &organization.id)
}

/// Logs the organizations that a list leaves out.
pub(super) fn log_unreadable(unreadable: &[StoreError]) {
    for cause in unreadable {
        error!(%cause, "an organization cannot be read");
    }
}
