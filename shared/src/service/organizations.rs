//! Creating and changing organizations.

use super::{Core, ServiceError};
use crate::clock;
use crate::domain::ids::OrganizationId;
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
        let updated = self.try_to_update(id, &patch).await?;
        self.organizations.forget(id);
        self.statuses.forget(id);
        updated.inspect(|_| audit("organization.update", id, id)).ok_or(ServiceError::NotFound("organization"))
    }

    async fn try_to_update(
        &self,
        id: &OrganizationId,
        patch: &OrganizationPatch,
    ) -> Result<Option<Organization>, ServiceError> {
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            match self.store.update_organization(id, patch.clone(), self.clock.now()).await {
                Err(StoreError::Conflict) => {}
                other => return Ok(other?),
            }
        }
        Err(ServiceError::Unavailable("the organization is being changed by others".to_owned()))
    }
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
