//! Applications, which are organizations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::print_application;
use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::metadata::Metadata;
use crate::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch};
use crate::domain::text::Name;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::Millisecond;

/// The body of `POST` and `PUT` of applications.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = svix::ApplicationIn)]
pub struct ApplicationIn {
    #[schema(value_type = String, required)]
    name: Field<String>,
    #[schema(value_type = Option<String>)]
    uid: Field<String>,
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Field<BTreeMap<String, String>>,
}

/// What `PUT` asks for.
#[derive(Debug)]
pub struct ApplicationUpdate {
    /// The application, if there is none yet. Its uid is that of the body.
    pub new: NewOrganization,
    /// The change of an existing application. An absent uid stays.
    pub patch: OrganizationPatch,
}

impl ApplicationIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<ApplicationUpdate, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let external_id = read.cleared("uid", self.uid, |uid| ExternalId::parse(&uid));
        let metadata = read.optional("metadata", self.metadata, Metadata::new).unwrap_or_default();
        let complete = name.map(|name| ApplicationUpdate {
            patch: OrganizationPatch {
                name: Some(name.clone()),
                external_id: external_id.clone(),
                metadata: Some(metadata.clone()),
                ..OrganizationPatch::default()
            },
            new: NewOrganization {
                external_id: external_id.flatten(),
                metadata,
                // Receivers of this dialect get the bare payload.
                default_format: Format::Raw,
                ..NewOrganization::new(name, None)
            },
        });
        read.finish(complete)
    }
}

/// The body of `PATCH` of applications.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = svix::ApplicationPatch)]
pub struct ApplicationPatchIn {
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[schema(value_type = Option<String>)]
    uid: Field<String>,
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Field<BTreeMap<String, String>>,
}

impl ApplicationPatchIn {
    /// Validates the fields. `null` removes the uid and the metadata.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<OrganizationPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = OrganizationPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            external_id: read.cleared("uid", self.uid, |uid| ExternalId::parse(&uid)),
            metadata: read.cleared("metadata", self.metadata, Metadata::new).map(Option::unwrap_or_default),
            ..OrganizationPatch::default()
        };
        read.finish(Some(patch))
    }
}

/// An application.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::ApplicationOut)]
pub struct ApplicationOut {
    id: String,
    #[schema(required)]
    uid: Option<String>,
    name: String,
    metadata: BTreeMap<String, String>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl From<&Organization> for ApplicationOut {
    fn from(organization: &Organization) -> Self {
        Self {
            id: print_application(&organization.id),
            uid: organization.external_id.as_ref().map(ExternalId::to_string),
            name: organization.name.to_string(),
            metadata: organization.metadata.as_map().clone(),
            created_at: organization.created_at.rfc3339(),
            updated_at: organization.updated_at.rfc3339(),
        }
    }
}
