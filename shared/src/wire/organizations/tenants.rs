//! Organizations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::metadata::Metadata;
use crate::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::text::{Description, Name, Slug};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::{Millisecond, ShownOrganizationStatus, SuppliedOrganizationId, object};
use crate::wire::query::organization_status;

/// The body of `POST /v1/organizations`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewOrganization)]
pub struct OrganizationIn {
    #[schema(value_type = Option<SuppliedOrganizationId>)]
    id: Field<String>,
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = Option<Slug>)]
    slug: Field<String>,
    #[schema(value_type = Option<ExternalId>)]
    external_id: Field<String>,
    #[schema(value_type = Option<Description>)]
    description: Field<String>,
    #[schema(value_type = Option<Metadata>)]
    metadata: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<Format>)]
    default_format: Field<String>,
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
        let slug = read.optional("slug", self.slug, |slug| Slug::parse(&slug));
        let external_id = read.optional("external_id", self.external_id, |text| ExternalId::parse(&text));
        let description = read.optional("description", self.description, |text| Description::parse(&text));
        let metadata = read.optional("metadata", self.metadata, Metadata::new).unwrap_or_default();
        let default_format = read.optional("default_format", self.default_format, |text| Format::parse(&text));
        let default_format = default_format.unwrap_or_default();
        read.finish(name.map(|name| NewOrganization {
            id,
            external_id,
            description,
            metadata,
            default_format,
            ..NewOrganization::new(name, slug)
        }))
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
    #[schema(value_type = Option<ExternalId>)]
    external_id: Field<String>,
    #[schema(value_type = Option<Description>)]
    description: Field<String>,
    #[schema(value_type = Option<Metadata>)]
    metadata: Field<BTreeMap<String, String>>,
    #[schema(value_type = Option<Format>)]
    default_format: Field<String>,
    /// Requires a platform key.
    #[schema(value_type = OrganizationStatus)]
    status: Field<String>,
}

impl OrganizationPatchIn {
    /// Validates the fields. `null` resets external id, description, metadata and default format.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<OrganizationPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = OrganizationPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            external_id: read.cleared("external_id", self.external_id, |text| ExternalId::parse(&text)),
            description: read.cleared("description", self.description, |text| Description::parse(&text)),
            metadata: read.cleared("metadata", self.metadata, Metadata::new).map(Option::unwrap_or_default),
            default_format: read
                .cleared("default_format", self.default_format, |text| Format::parse(&text))
                .map(Option::unwrap_or_default),
            status: read.changed("status", self.status, |status| organization_status(&status)),
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
    #[schema(value_type = Option<Slug>, required)]
    slug: Option<String>,
    #[schema(value_type = Option<ExternalId>, required)]
    external_id: Option<String>,
    #[schema(value_type = Option<Description>, required)]
    description: Option<String>,
    #[schema(value_type = Metadata)]
    metadata: BTreeMap<String, String>,
    #[schema(value_type = Format)]
    default_format: &'static str,
    #[schema(value_type = ShownOrganizationStatus)]
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
            slug: organization.slug.as_ref().map(|slug| slug.as_str().to_owned()),
            external_id: organization.external_id.as_ref().map(ExternalId::to_string),
            description: organization.description.as_ref().map(Description::to_string),
            metadata: organization.metadata.as_map().clone(),
            default_format: organization.default_format.as_str(),
            status: match organization.status {
                OrganizationStatus::Active => "active",
                OrganizationStatus::Suspended => "suspended",
                OrganizationStatus::Deleting => "deleting",
            },
            created_at: organization.created_at.rfc3339(),
            updated_at: organization.updated_at.rfc3339(),
        }
    }
}
