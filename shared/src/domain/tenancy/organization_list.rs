//! The list of organizations: its order and its filters.

use std::fmt;

use super::organization::{Organization, OrganizationStatus};
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::text::Slug;
use crate::domain::time::Timestamp;

/// Which organizations the list contains. Absent fields do not restrict it.
#[derive(Debug, Default)]
pub struct OrganizationFilter {
    /// Only organizations with this status.
    pub status: Option<OrganizationStatus>,
    /// Only the organization with this id.
    pub id: Option<OrganizationId>,
    /// Only the organization with this slug.
    pub slug: Option<Slug>,
    /// Only the organization with this external id.
    pub external_id: Option<ExternalId>,
}

impl OrganizationFilter {
    /// Whether the organization meets all conditions of the filter.
    pub fn admits(&self, organization: &Organization) -> bool {
        self.status.is_none_or(|status| status == organization.status)
            && self.id.as_ref().is_none_or(|id| *id == organization.id)
            && self.slug.as_ref().is_none_or(|slug| Some(slug) == organization.slug.as_ref())
            && self.external_id.as_ref().is_none_or(|id| Some(id) == organization.external_id.as_ref())
    }
}

/// The position of an organization in the list, which is ordered by creation time and then by id. As text it is the
/// cursor of the page after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrganizationPosition {
    /// When the organization was created, to the millisecond.
    pub created_at: Timestamp,
    /// The organization.
    pub id: OrganizationId,
}

impl OrganizationPosition {
    /// The position of an organization.
    pub fn of(organization: &Organization) -> Self {
        Self { created_at: organization.created_at.to_millis(), id: organization.id.clone() }
    }

    /// Parses the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.rsplit_once('.')?;
        Some(Self { created_at: Timestamp::parse(created_at).ok()?, id: OrganizationId::parse(id).ok()? })
    }
}

impl fmt::Display for OrganizationPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.rfc3339(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_position_is_parsed_to_the_same_position() {
        let created_at = Timestamp::from_unix_millis(1_774_382_400_123);
        let supplied = OrganizationId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap();
        for id in [OrganizationId::new(created_at, [3; 8]), supplied] {
            let position = OrganizationPosition { created_at, id };
            assert_eq!(OrganizationPosition::parse(&position.to_string()), Some(position));
        }
        for text in ["", "x", "2026-03-24T20:00:00.000Z", "2026-03-24T20:00:00.000Z.", "yesterday.org_1"] {
            assert_eq!(OrganizationPosition::parse(text), None, "{text}");
        }
    }
}
