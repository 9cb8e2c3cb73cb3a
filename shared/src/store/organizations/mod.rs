//! Organizations, and the items that reserve their slugs.

mod changes;
mod item;
mod listing;
pub(super) mod state;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use changes::Changes;
pub(super) use item::status_name;
use item::{OrganizationItem, SlugItem};
pub use listing::OrganizationPage;

use super::error::of_transaction;
use super::external_ids::taken_by;
use super::item::{Item, to_item};
use super::write::transaction::cancellation_reasons;
use super::{Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::job::Job;
use crate::domain::tenancy::limits::OwnLimits;
use crate::domain::tenancy::organization::{Organization, OrganizationPatch, OrganizationStatus};
use crate::domain::time::Timestamp;

/// The condition that the organization exists.
const EXISTS: &str = "attribute_exists(pk)";

/// The attribute that another organization uses already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// The id.
    Id,
    /// The slug.
    Slug,
}

impl Store {
    /// Creates an organization. Fails if its id or its slug is in use.
    ///
    /// # Errors
    /// [`StoreError::ExternalIdTaken`] if another organization has its external id; another [`StoreError`] if the write may have
    /// failed.
    pub async fn create_organization(&self, organization: &Organization) -> Result<Result<(), Duplicate>, StoreError> {
        let mut unique = vec![(Duplicate::Id, to_item(&OrganizationItem::from(organization))?)];
        if let Some(slug) = &organization.slug {
            unique.push((Duplicate::Slug, to_item(&SlugItem::new(slug, &organization.id))?));
        }
        let items = unique.iter().map(|(_, item)| self.put_if_absent(item.clone()));
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        items.extend(self.change_external_organization(&organization.id, None, organization.external_id.as_ref())?);
        items.extend(self.new_states(organization)?);
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(Ok(())) };
        if let Some(first) = taken_by(&error) {
            return Err(StoreError::ExternalIdTaken(first));
        }
        let failed = super::write::transaction::failed_conditions(&error);
        let duplicate = unique.into_iter().zip(failed).find(|(_, failed)| *failed);
        duplicate.map(|((what, _), _)| Err(what)).map_or_else(|| Err(of_transaction(error)), Ok)
    }

    /// Reads the organization; `None` if it does not exist. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.get::<OrganizationItem, _>(&keys::organization(id)).await
    }

    /// Changes an organization. `None` if it does not exist or is being deleted. One transaction changes status, default format
    /// and external id in all copies of the state.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process is changing the organization or its endpoints: retry.
    /// [`StoreError::ExternalIdTaken`] if another organization has the new external id.
    pub async fn update_organization(
        &self,
        id: &OrganizationId,
        patch: OrganizationPatch,
        now: Timestamp,
    ) -> Result<Option<Organization>, StoreError> {
        let mut update = Changes::of_organization(&patch, now).update();
        let mut condition = EXISTS.to_owned();
        let mut others = self.change_state(id, &patch)?;
        if let Some(after) = &patch.external_id {
            // The external id must still be the one whose item the transaction deletes.
            let Some(Organization { external_id: before, .. }) = self.organization(id).await? else { return Ok(None) };
            others.extend(self.change_external_organization(id, before.as_ref(), after.as_ref())?);
            condition += match &before {
                None => " AND attribute_not_exists(external_id)",
                Some(before) => {
                    update = update.expression_attribute_values(":before", AttributeValue::S(before.to_string()));
                    " AND external_id = :before"
                }
            };
        }
        if self.change_organization(id, update, &condition, others).await? {
            self.organization(id).await
        } else {
            Ok(None)
        }
    }

    /// Sets the status of an organization to [`OrganizationStatus::Deleting`], and writes the job that deletes it, in one
    /// transaction. Returns whether the organization exists and is not being deleted already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process is changing the organization or its endpoints: retry.
    pub async fn begin_deletion(&self, job: &Job, seen: OrganizationStatus) -> Result<bool, StoreError> {
        let id = &job.organization;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(keys::organization(id).attributes()))
            .update_expression("SET #status = :deleting, updated_at = :updated_at")
            .condition_expression("#status = :seen")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", deleting())
            .expression_attribute_values(":seen", AttributeValue::S(status_name(seen).to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":updated_at", AttributeValue::S(job.since.rfc3339()));
        let update = TransactWriteItem::builder().update(update.build().map_err(StoreError::corrupt)?).build();
        let patch = OrganizationPatch { status: Some(OrganizationStatus::Deleting), ..OrganizationPatch::default() };
        let mut others = self.change_state(id, &patch)?;
        others.extend(self.put_required_job(job)?);
        self.organization_transaction(update, others).await
    }

    /// Replaces an organization's own limits in all copies of the state, in one transaction. Returns whether the
    /// organization exists and is not being deleted.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process is changing the organization or its endpoints: retry.
    pub async fn set_limits(
        &self,
        id: &OrganizationId,
        limits: &OwnLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Update::builder()
            .update_expression("SET updated_at = :updated_at")
            .expression_attribute_values(":updated_at", AttributeValue::S(now.rfc3339()));
        self.change_organization(id, update, EXISTS, self.change_limits(id, limits)?).await
    }

    /// Updates the organization's item under a condition, and other items in the same transaction. Returns whether the
    /// organization exists and is not being deleted.
    async fn change_organization(
        &self,
        id: &OrganizationId,
        update: UpdateBuilder,
        condition: &str,
        others: Vec<TransactWriteItem>,
    ) -> Result<bool, StoreError> {
        let update = update
            .table_name(&self.table)
            .set_key(Some(keys::organization(id).attributes()))
            .condition_expression(format!("{condition} AND #status <> :deleting"))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", deleting())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = TransactWriteItem::builder().update(update.build().map_err(StoreError::corrupt)?).build();
        self.organization_transaction(update, others).await
    }

    /// Performs a transaction whose first item is the organization's. Returns whether the organization exists and is not
    /// being deleted.
    async fn organization_transaction(
        &self,
        organization: TransactWriteItem,
        others: Vec<TransactWriteItem>,
    ) -> Result<bool, StoreError> {
        let items = [organization].into_iter().chain(others).collect();
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(true) };
        let reasons = cancellation_reasons(&error);
        let has_code = |reason: &CancellationReason, code| reason.code() == Some(code);
        match reasons.first() {
            Some(first) if has_code(first, "ConditionalCheckFailed") && is_absent_or_deleting(first.item()) => {
                Ok(false)
            }
            Some(first) if has_code(first, "ConditionalCheckFailed") => Err(StoreError::Conflict),
            _ if reasons.iter().any(|reason| has_code(reason, "TransactionConflict")) => Err(StoreError::Conflict),
            _ => Err(taken_by(&error).map_or_else(|| of_transaction(error), StoreError::ExternalIdTaken)),
        }
    }

    /// The part of a transaction that updates an item on condition that it exists.
    pub(super) fn update_if_present(&self, update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
        let update = update.table_name(&self.table).condition_expression("attribute_exists(pk)");
        Ok(TransactWriteItem::builder().update(update.build().map_err(StoreError::corrupt)?).build())
    }

    pub(super) fn put_if_absent(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

fn is_absent_or_deleting(found: Option<&Item>) -> bool {
    found.is_none_or(|item| item.get("status") == Some(&deleting()))
}

fn deleting() -> AttributeValue {
    AttributeValue::S(status_name(OrganizationStatus::Deleting).to_owned())
}
