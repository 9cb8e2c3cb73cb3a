//! The set of an organization's open recoveries and replays. It may contain some that have ended: they are removed when the
//! set is full.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use crate::domain::ids::{JobId, OrganizationId};
use crate::store::item::{Item, VERSION};
use crate::store::{Store, StoreError, keys};

const ENTITY: &str = "open_restarts";

impl Store {
    /// Adds a recovery or replay to those of its organization that are open. If the set has `most` others, the job is not added,
    /// and the set is returned.
    ///
    /// # Errors
    /// [`StoreError`] if the job may not have been added.
    pub async fn add_open_restart(
        &self,
        organization: &OrganizationId,
        id: JobId,
        most: usize,
    ) -> Result<Option<Vec<JobId>>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::open_restarts(organization).attributes()))
            .update_expression("ADD ids :added SET entity = :entity, v = :v")
            .condition_expression("attribute_not_exists(ids) OR size(ids) < :most OR contains(ids, :id)")
            .expression_attribute_values(":added", AttributeValue::Ss(vec![id.to_string()]))
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .expression_attribute_values(":most", AttributeValue::N(most.to_string()))
            .expression_attribute_values(":entity", AttributeValue::S(ENTITY.to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(None),
            Err(error) => match failed_on(&error) {
                Some(found) => Ok(Some(ids(found))),
                None => Err(error.into()),
            },
        }
    }

    /// Removes recoveries and replays that have ended from those of their organization that are open.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have been removed.
    pub async fn remove_ended_restarts(
        &self,
        organization: &OrganizationId,
        ended: &[JobId],
    ) -> Result<(), StoreError> {
        let ended = AttributeValue::Ss(ended.iter().map(JobId::to_string).collect());
        let key = keys::open_restarts(organization).attributes();
        let update = self.client.update_item().table_name(&self.table).set_key(Some(key));
        let update = update.update_expression("DELETE ids :ended").condition_expression("attribute_exists(pk)");
        match update.expression_attribute_values(":ended", ended).send().await {
            Err(error) if failed_on(&error).is_none() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The stored item on which the condition of a write failed; `None` for another error.
fn failed_on(error: &SdkError<UpdateItemError>) -> Option<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Some(failed.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}

fn ids(item: Item) -> Vec<JobId> {
    let stored = item.get("ids").and_then(|ids| ids.as_ss().ok());
    stored.into_iter().flatten().filter_map(|id| JobId::parse(id).ok()).collect()
}
