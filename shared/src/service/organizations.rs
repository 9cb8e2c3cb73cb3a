//! Creating and changing organizations.

use super::{Core, ServiceError};
use crate::clock;
use crate::domain::ids::OrganizationId;
use crate::domain::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::store::Taken;
use crate::telemetry::audit;

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
        let updated = self.store.update_organization(id, patch, self.clock.now()).await?;
        self.organizations.forget(id);
        updated.inspect(|_| audit("organization.update", id, id)).ok_or(ServiceError::NotFound("organization"))
    }
}

/// Refuses to publish, test, retry or recover for a suspended organization. Returns its id if it is active.
pub(super) fn require_active(organization: &Organization) -> Result<&OrganizationId, ServiceError> {
    match organization.status {
        OrganizationStatus::Active => Ok(&organization.id),
        OrganizationStatus::Suspended => {
            Err(ServiceError::Forbidden("the organization is suspended: nothing is published or delivered for it"))
        }
    }
}
