//! Creating, changing and deleting organizations.

use super::Administrator;
use crate::clock;
use crate::domain::ids::OrganizationId;
use crate::domain::job::{Job, Work};
use crate::domain::tenancy::limits::{Limits, OwnLimits};
use crate::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::text::Slug;
use crate::service::ServiceError;
use crate::service::targets::refuse_suspended;
use crate::store::{Duplicate, StoreError};
use crate::telemetry::audit;

/// How often a change is tried if other processes change the organization's state first.
const TRIES: u32 = 5;

impl Administrator {
    /// Creates an organization.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if the id or the slug is in use.
    pub async fn create_organization(&self, new: NewOrganization) -> Result<Organization, ServiceError> {
        let now = self.clock.now();
        let organization = Organization {
            id: new.id.unwrap_or_else(|| OrganizationId::new(now, clock::id_bytes())),
            name: new.name,
            slug: new.slug,
            description: new.description,
            metadata: new.metadata,
            status: OrganizationStatus::Active,
            created_at: now,
            updated_at: now,
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

    /// Changes an organization.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist or is being deleted.
    pub async fn update_organization(
        &self,
        id: &OrganizationId,
        patch: OrganizationPatch,
    ) -> Result<Organization, ServiceError> {
        let update = || self.store.update_organization(id, patch.clone(), self.clock.now());
        let updated = beside_other_changes(update).await?;
        self.access.forget(id);
        updated.inspect(|_| audit("organization.update", id, id)).ok_or(ServiceError::NotFound("organization"))
    }

    /// Begins the deletion of an organization, whose job the sweep does. Publishing is refused from now on. Returns the
    /// job; if the deletion has begun before, as far as it is.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist, [`ServiceError::Conflict`] if it is active and
    /// `force` is false.
    pub async fn delete_organization(&self, id: &OrganizationId, force: bool) -> Result<Job, ServiceError> {
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
    /// [`ServiceError::NotFound`] if the organization does not exist or is being deleted.
    pub async fn set_limits(&self, id: &OrganizationId, limits: OwnLimits) -> Result<Limits, ServiceError> {
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

/// Returns the id of an active organization. A suspended one may not publish, test, retry or recover.
pub(super) fn require_active(organization: &Organization) -> Result<&OrganizationId, ServiceError> {
    refuse_suspended(organization.status).map(|()| &organization.id)
}
