//! The items of organizations and of their slugs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::metadata::Metadata;
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::text::{Description, Name, Slug};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, unknown};
use crate::store::keys;

/// Reserves a slug for an organization.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SlugItem {
    #[serde(flatten)]
    base: Base,
    pub(super) organization: String,
}

impl SlugItem {
    pub(super) fn new(slug: &Slug, organization: &OrganizationId) -> Self {
        Self { base: Base::new(keys::slug(slug.as_str()), "slug"), organization: organization.to_string() }
    }
}

/// The attributes of an organization's item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrganizationItem {
    #[serde(flatten)]
    base: Base,
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    /// Absent for envelopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_format: Option<String>,
    status: String,
    created_at: String,
    updated_at: String,
    /// Hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    waiting_pk: String,
    waiting_sk: String,
}

/// The attribute value of an organization's status.
pub(in crate::store) const fn status_name(status: OrganizationStatus) -> &'static str {
    match status {
        OrganizationStatus::Active => "active",
        OrganizationStatus::Suspended => "suspended",
        OrganizationStatus::Deleting => "deleting",
    }
}

/// The status for an attribute value; `None` for an unknown value.
pub(super) fn parse_status(name: &str) -> Option<OrganizationStatus> {
    let all = [OrganizationStatus::Active, OrganizationStatus::Suspended, OrganizationStatus::Deleting];
    all.into_iter().find(|status| status_name(*status) == name)
}

impl From<&Organization> for OrganizationItem {
    fn from(organization: &Organization) -> Self {
        let (waiting_pk, waiting_sk) = keys::listed_organization(&OrganizationPosition::of(organization));
        Self {
            base: Base::new(keys::organization(&organization.id), "organization"),
            id: organization.id.to_string(),
            name: organization.name.to_string(),
            slug: organization.slug.as_ref().map(|slug| slug.as_str().to_owned()),
            external_id: organization.external_id.as_ref().map(ExternalId::to_string),
            description: organization.description.as_ref().map(Description::to_string),
            metadata: organization.metadata.as_map().clone(),
            default_format: (organization.default_format != Format::default())
                .then(|| organization.default_format.as_str().to_owned()),
            status: status_name(organization.status).to_owned(),
            created_at: organization.created_at.rfc3339(),
            updated_at: organization.updated_at.rfc3339(),
            created_by: organization.created_by.map(hex::encode),
            waiting_pk,
            waiting_sk,
        }
    }
}

fn read_digest(digest: &str) -> Result<[u8; 32], Unreadable> {
    let bytes = hex::decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Unreadable("not the digest of a request".to_owned()))
}

impl TryFrom<OrganizationItem> for Organization {
    type Error = Unreadable;

    fn try_from(item: OrganizationItem) -> Result<Self, Unreadable> {
        Ok(Self {
            id: OrganizationId::parse(&item.id)?,
            name: Name::parse(&item.name)?,
            slug: item.slug.map(|slug| Slug::parse(&slug)).transpose()?,
            external_id: item.external_id.as_deref().map(ExternalId::stored),
            description: item.description.map(|text| Description::parse(&text)).transpose()?,
            metadata: Metadata::stored(item.metadata),
            default_format: item.default_format.map(|it| Format::parse(&it)).transpose()?.unwrap_or_default(),
            status: parse_status(&item.status).ok_or_else(|| unknown("status", &item.status))?,
            created_at: Timestamp::parse(&item.created_at)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
            created_by: item.created_by.as_deref().map(read_digest).transpose()?,
        })
    }
}
