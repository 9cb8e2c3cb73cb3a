//! Creating and changing organizations.

use super::{Core, ServiceError};
use crate::clock;
use crate::domain::ids::OrganizationId;
use crate::domain::limits::{Limits, OwnLimits};
use crate::domain::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::store::{StoreError, Taken};
use crate::telemetry::audit;

/// How often a change is tried while others change the organization's state.
const TRIES: u32 = 5;

impl Core {
    /// Creates an organization.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if the id or the slug is taken.
    pub async fn create_organization(&self, new: NewOrganization) -> Result<Organization, ServiceError> {
        let now = self.clock.now();
        let organization = Organization {
            id: new.id.unwrap_or_else(|| OrganizationId::new(now, clock::id_bytes())),
            name: new.name,
            slug: new.slug,
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
            Err(Taken::Id) => Err(taken("id", organization.id.as_str())),
            Err(Taken::Slug) => Err(taken("slug", organization.slug.as_str())),
        }
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is none.
    pub async fn update_organization(
        &self,
        id: &OrganizationId,
        patch: OrganizationPatch,
    ) -> Result<Organization, ServiceError> {
        let update = || self.store.update_organization(id, patch.clone(), self.clock.now());
        let updated = beside_other_changes(update).await?;
        self.organizations.forget(id);
        self.statuses.forget(id);
        updated.inspect(|_| audit("organization.update", id, id)).ok_or(ServiceError::NotFound("organization"))
    }

    /// Replaces the limits that the platform set for an organization, and returns those that apply to it now. Requests that
    /// begin after this returns find them.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is none.
    pub async fn set_limits(&self, id: &OrganizationId, limits: OwnLimits) -> Result<Limits, ServiceError> {
        let found = beside_other_changes(|| self.store.set_limits(id, &limits, self.clock.now())).await?;
        self.organizations.forget(id);
        if !found {
            return Err(ServiceError::NotFound("organization"));
        }
        audit("organization.limits", id, id);
        Ok(self.deployment.limits.with(&limits))
    }
}

/// Tries a change again while others change the organization's state.
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
    Err(ServiceError::Unavailable("the organization is being changed by others".to_owned()))
}

/// Refuses to publish, test, retry or recover for a suspended organization. Returns its id if it is active.
pub(super) fn require_active(organization: &Organization) -> Result<&OrganizationId, ServiceError> {
    refuse_suspended(organization.status).map(|()| &organization.id)
}

/// The same for an organization of which only the status is known.
pub(super) const fn refuse_suspended(status: OrganizationStatus) -> Result<(), ServiceError> {
    match status {
        OrganizationStatus::Active => Ok(()),
        OrganizationStatus::Suspended => {
            Err(ServiceError::Forbidden("the organization is suspended: nothing is published or delivered for it"))
        }
    }
}
