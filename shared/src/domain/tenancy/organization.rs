//! Organizations: the tenants.

use super::limits::OwnLimits;
use crate::domain::endpoint::fan_out::{FanOutGroup, FanOutSize};
use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::metadata::Metadata;
use crate::domain::text::{Description, Name, Slug};
use crate::domain::time::Timestamp;

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The organization's identifier.
    pub id: OrganizationId,
    /// The name of the organization.
    pub name: Name,
    /// The organization's short name, unique within the deployment.
    pub slug: Option<Slug>,
    /// The platform's identifier of the organization, unique within the deployment.
    pub external_id: Option<ExternalId>,
    /// A description for people.
    pub description: Option<Description>,
    /// What the platform or the owner attached.
    pub metadata: Metadata,
    /// The format of events that name none.
    pub default_format: Format,
    /// Whether the organization may publish and receives deliveries.
    pub status: OrganizationStatus,
    /// When the organization was created.
    pub created_at: Timestamp,
    /// When the organization last changed.
    pub updated_at: Timestamp,
    /// The digest of the request with an idempotency key that created it. The stored answer is removed with the organization.
    pub created_by: Option<[u8; 32]>,
}

/// Whether an organization may publish and receives deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationStatus {
    /// It may publish, and its deliveries are attempted.
    Active,
    /// It may not publish, and its deliveries fail.
    Suspended,
    /// It is being deleted: it may not publish, and messages of its deliveries are acknowledged without effect. Final.
    Deleting,
}

/// The attributes of an organization that publishing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationState {
    /// Whether the organization may publish.
    pub status: OrganizationStatus,
    /// The limits that the platform set for the organization.
    pub limits: OwnLimits,
    /// The format of events that name none.
    pub default_format: Format,
    /// The platform's identifier of the organization.
    pub external_id: Option<ExternalId>,
    /// For each fan-out group, how often owners changed its endpoints.
    pub revisions: Revisions,
    /// The size of the fan-out. A crash or a repeated write can make it inaccurate.
    pub size: FanOutSize,
}

/// A revision for each fan-out group. A group without a revision has no endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revisions([Option<u64>; FanOutGroup::COUNT as usize]);

impl Revisions {
    /// The revision of this group; `None` if the group has no endpoints.
    pub fn of(&self, group: FanOutGroup) -> Option<u64> {
        self.0.get(usize::from(group.number())).copied().flatten()
    }

    /// The groups that may have endpoints, with their revisions.
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

/// The fields of a new organization.
#[derive(Debug)]
pub struct NewOrganization {
    /// An id that the caller supplies; `None` to generate one.
    pub id: Option<OrganizationId>,
    /// The name of the organization.
    pub name: Name,
    /// The organization's short name.
    pub slug: Option<Slug>,
    /// The platform's identifier of the organization.
    pub external_id: Option<ExternalId>,
    /// A description for people.
    pub description: Option<Description>,
    /// What the platform attaches.
    pub metadata: Metadata,
    /// The format of events that name none.
    pub default_format: Format,
    /// The digest of the request, if its answer is stored for repetitions.
    pub created_by: Option<[u8; 32]>,
}

impl NewOrganization {
    /// A new organization with a generated id and the defaults of the optional fields.
    pub fn new(name: Name, slug: Option<Slug>) -> Self {
        Self {
            id: None,
            name,
            slug,
            external_id: None,
            description: None,
            metadata: Metadata::default(),
            default_format: Format::default(),
            created_by: None,
        }
    }
}

/// A change of an organization. Absent fields stay as they are.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatch {
    /// The new name.
    pub name: Option<Name>,
    /// The new external id, or none.
    pub external_id: Option<Option<ExternalId>>,
    /// The new description, or none.
    pub description: Option<Option<Description>>,
    /// The new metadata.
    pub metadata: Option<Metadata>,
    /// The new format of events that name none.
    pub default_format: Option<Format>,
    /// The new status.
    pub status: Option<OrganizationStatus>,
}
