//! Organizations themselves.

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;
use crate::domain::fields::{Name, Slug};
use crate::domain::ids::OrganizationId;
use crate::domain::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};

/// `POST /v1/organizations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrganizationIn {
    id: Field<String>,
    name: Field<String>,
    slug: Field<String>,
}

impl OrganizationIn {
    /// What is to be created.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self) -> Result<NewOrganization, Vec<Problem>> {
        let mut read = Reader::default();
        let id = read.optional("id", self.id, |id| OrganizationId::parse_brought(&id));
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let slug = read.required("slug", self.slug, |slug| Slug::parse(&slug));
        read.finish(name.zip(slug).map(|(name, slug)| NewOrganization { id, name, slug }))
    }
}

/// `PATCH /v1/organizations/{org}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrganizationPatchIn {
    name: Field<String>,
    status: Field<String>,
}

impl OrganizationPatchIn {
    /// What is to be changed.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self) -> Result<OrganizationPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = OrganizationPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            status: read.changed("status", self.status, |status| match status.as_str() {
                "active" => Ok(OrganizationStatus::Active),
                "suspended" => Ok(OrganizationStatus::Suspended),
                _ => Err(Invalid::new("must be active or suspended")),
            }),
        };
        read.finish(Some(patch))
    }
}

/// An organization.
#[derive(Debug, Serialize)]
pub struct OrganizationOut {
    object: &'static str,
    id: String,
    name: String,
    slug: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&Organization> for OrganizationOut {
    fn from(organization: &Organization) -> Self {
        Self {
            object: "organization",
            id: organization.id.to_string(),
            name: organization.name.to_string(),
            slug: organization.slug.as_str().to_owned(),
            status: match organization.status {
                OrganizationStatus::Active => "active",
                OrganizationStatus::Suspended => "suspended",
            },
            created_at: organization.created_at.rfc3339(),
            updated_at: organization.updated_at.rfc3339(),
        }
    }
}
