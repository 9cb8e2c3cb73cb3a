//! Organizations, and the items that make their slugs unique.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::error::of_transaction;
use super::items::{Base, Unreadable, read, to_item, unknown};
use super::{Store, StoreError, keys};
use crate::domain::fields::{Name, Slug};
use crate::domain::ids::OrganizationId;
use crate::domain::organization::{Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::time::Timestamp;

/// What another organization already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The id.
    Id,
    /// The slug.
    Slug,
}

impl Store {
    /// Creates an organization unless its id or its slug is taken.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn create_organization(&self, organization: &Organization) -> Result<Result<(), Taken>, StoreError> {
        let slug = SlugItem::from(organization);
        let sent = self
            .client
            .transact_write_items()
            .transact_items(self.put_if_absent(to_item(&OrganizationItem::from(organization))?)?)
            .transact_items(self.put_if_absent(to_item(&slug)?)?)
            .send()
            .await;
        let Err(error) = sent else { return Ok(Ok(())) };
        match super::batch::failed_conditions(&error).as_slice() {
            [true, ..] => Ok(Err(Taken::Id)),
            [_, true] => Ok(Err(Taken::Slug)),
            _ => Err(of_transaction(error)),
        }
    }

    /// The organization, or `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.get::<OrganizationItem, _>(&keys::organization(id)).await
    }

    /// Changes what the patch names; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn update_organization(
        &self,
        id: &OrganizationId,
        patch: OrganizationPatch,
        now: Timestamp,
    ) -> Result<Option<Organization>, StoreError> {
        let name = patch.name.map(|name| ("name", name.to_string()));
        let status = patch.status.map(|status| ("status", organization_status(status).to_owned()));
        let changes = [name, status, Some(("updated_at", now.rfc3339()))];
        let mut update = self.client.update_item().table_name(&self.table);
        let mut assignments = Vec::new();
        for (attribute, value) in changes.into_iter().flatten() {
            assignments.push(format!("#{attribute} = :{attribute}"));
            update = update
                .expression_attribute_names(format!("#{attribute}"), attribute)
                .expression_attribute_values(format!(":{attribute}"), AttributeValue::S(value));
        }
        let sent = update
            .set_key(Some(keys::organization(id).attributes()))
            .update_expression(format!("SET {}", assignments.join(", ")))
            .condition_expression("attribute_exists(pk)")
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match sent.map_err(StoreError::from) {
            Ok(output) => output.attributes.map(read::<OrganizationItem, _>).transpose(),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn put_if_absent(&self, item: super::items::Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Makes a slug unique.
#[derive(Debug, Serialize)]
struct SlugItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
}

impl From<&Organization> for SlugItem {
    fn from(organization: &Organization) -> Self {
        let base = Base::new(keys::slug(organization.slug.as_str()), "slug");
        Self { base, organization: organization.id.to_string() }
    }
}

/// An organization.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrganizationItem {
    #[serde(flatten)]
    base: Base,
    id: String,
    name: String,
    slug: String,
    status: String,
    created_at: String,
    updated_at: String,
}

/// Attribute value of an organization's status.
const fn organization_status(status: OrganizationStatus) -> &'static str {
    match status {
        OrganizationStatus::Active => "active",
        OrganizationStatus::Suspended => "suspended",
    }
}

impl From<&Organization> for OrganizationItem {
    fn from(organization: &Organization) -> Self {
        Self {
            base: Base::new(keys::organization(&organization.id), "organization"),
            id: organization.id.to_string(),
            name: organization.name.to_string(),
            slug: organization.slug.as_str().to_owned(),
            status: organization_status(organization.status).to_owned(),
            created_at: organization.created_at.rfc3339(),
            updated_at: organization.updated_at.rfc3339(),
        }
    }
}

impl TryFrom<OrganizationItem> for Organization {
    type Error = Unreadable;

    fn try_from(item: OrganizationItem) -> Result<Self, Unreadable> {
        Ok(Self {
            id: OrganizationId::parse(&item.id)?,
            name: Name::parse(&item.name)?,
            slug: Slug::parse(&item.slug)?,
            status: match item.status.as_str() {
                "active" => OrganizationStatus::Active,
                "suspended" => OrganizationStatus::Suspended,
                other => return Err(unknown("status", other)),
            },
            created_at: Timestamp::parse(&item.created_at)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
        })
    }
}
