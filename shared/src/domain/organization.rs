//! Organizations: the tenants.

use super::fan_out::{FanOutGroup, FanOutSize};
use super::fields::{Name, Slug};
use super::ids::OrganizationId;
use super::limits::OwnLimits;
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

/// What publishing knows of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrganizationState {
    /// Whether it may publish.
    pub status: OrganizationStatus,
    /// The limits that the platform set for it.
    pub limits: OwnLimits,
    /// How often owners changed the endpoints of each fan-out group.
    pub revisions: Revisions,
    /// How large the fan-out is. It may be off after a crash, or when a write was repeated.
    pub size: FanOutSize,
}

/// A number for each fan-out group. A group without one has no endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revisions([Option<u64>; FanOutGroup::COUNT as usize]);

impl Revisions {
    /// The revision of this group; `None` if it has no endpoints.
    pub fn of(&self, group: FanOutGroup) -> Option<u64> {
        self.0.get(usize::from(group.number())).copied().flatten()
    }

    /// The groups that may have endpoints, and their revisions.
    pub fn groups(&self) -> impl Iterator<Item = (FanOutGroup, u64)> {
        FanOutGroup::all().filter_map(|group| Some((group, self.of(group)?)))
    }
}

impl FromIterator<(FanOutGroup, u64)> for Revisions {
    fn from_iter<I: IntoIterator<Item = (FanOutGroup, u64)>>(revisions: I) -> Self {
        let mut all = Self::default();
        for (group, revision) in revisions {
            all.0[usize::from(group.number())] = Some(revision);
        }
        all
    }
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
