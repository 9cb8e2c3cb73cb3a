//! Organizations: the tenants.

use super::fields::{Name, Slug};
use super::ids::OrganizationId;
use super::time::Timestamp;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its identifier.
    pub id: OrganizationId,
    /// What people call it.
    pub name: Name,
    /// Its short name, unique in the deployment.
    pub slug: Slug,
    /// Whether it may publish and is delivered for.
    pub status: OrganizationStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Whether an organization may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationStatus {
    /// It may.
    Active,
    /// It may not publish, and nothing is delivered for it.
    Suspended,
}

/// What an organization is made from.
#[derive(Debug)]
pub struct NewOrganization {
    /// An id that the caller brings.
    pub id: Option<OrganizationId>,
    /// Its name.
    pub name: Name,
    /// Its short name.
    pub slug: Slug,
}

/// What a change of an organization names; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatch {
    /// A new name.
    pub name: Option<Name>,
    /// A new status.
    pub status: Option<OrganizationStatus>,
}
