//! Organizations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::text::{Name, Slug};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::{Millisecond, SuppliedOrganizationId, object};

/// The body of `POST /v1/organizations`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewOrganization)]
pub struct OrganizationIn {
    #[schema(value_type = Option<SuppliedOrganizationId>)]
    id: Field<String>,
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = Slug, required)]
    slug: Field<String>,
}

impl OrganizationIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<NewOrganization, Vec<Problem>> {
        let mut read = Reader::default();
        let id = read.optional("id", self.id, |id| OrganizationId::parse_supplied(&id));
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let slug = read.required("slug", self.slug, |slug| Slug::parse(&slug));
        read.finish(name.zip(slug).map(|(name, slug)| NewOrganization { id, name, slug }))
    }
}

/// The body of `PATCH /v1/organizations/{org}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::OrganizationPatch)]
pub struct OrganizationPatchIn {
    #[schema(value_type = Name)]
    name: Field<String>,
    /// Requires a platform key.
    #[schema(value_type = OrganizationStatus)]
    status: Field<String>,
}

impl OrganizationPatchIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Organization)]
pub struct OrganizationOut {
    #[schema(schema_with = object::organization)]
    object: &'static str,
    #[schema(value_type = OrganizationId)]
    id: String,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Slug)]
    slug: String,
    #[schema(value_type = OrganizationStatus)]
    status: &'static str,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
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
