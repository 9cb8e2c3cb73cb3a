//! Endpoints, each with its fan-out item.

mod item;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures_util::future::try_join_all;

use super::batch::{cancellation_reasons, is_stamped, new_stamp, query_prefix, stamped};
use super::error::of_transaction;
use super::items::{Item, read, to_item};
use super::keys::EndpointRef;
use super::{Store, StoreError, keys};
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::time::Timestamp;
pub(super) use item::EndpointItem;
use item::GoneEndpointItem;

/// Whether an endpoint is as it was read.
const UNCHANGED: &str = "version = :seen";
/// Whether there is no such item.
const ABSENT: &str = "attribute_not_exists(pk)";

impl Store {
    /// Every endpoint of the organization, oldest first. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints(&self, organization: &OrganizationId) -> Result<Vec<Endpoint>, StoreError> {
        let partitions = keys::endpoint_partitions(organization);
        let queries = partitions.map(|it| query_prefix(&self.client, &self.table, it, keys::ENDPOINT_PREFIX));
        let found = try_join_all(queries).await?.into_iter().flatten();
        let mut endpoints = found.map(read::<EndpointItem, Endpoint>).collect::<Result<Vec<_>, _>>()?;
        endpoints.sort_unstable_by_key(|endpoint| endpoint.id);
        Ok(endpoints)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.get::<EndpointItem, _>(&keys::endpoint(organization, id)).await
    }

    /// These endpoints, as far as they exist.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints_by_id(
        &self,
        organization: &OrganizationId,
        ids: &[EndpointId],
    ) -> Result<Vec<Endpoint>, StoreError> {
        let wanted = ids.iter().map(|id| keys::endpoint(organization, *id)).collect();
        self.get_all(wanted).await?.into_iter().map(read::<EndpointItem, _>).collect()
    }

    /// Writes a new endpoint and its target.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is there.
    pub async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let stamp = new_stamp();
        let put = self.conditional_put(stamped(to_item(&EndpointItem::from(endpoint))?, &stamp), ABSENT, None)?;
        self.endpoint_transaction(&stamp, vec![put, self.put_target(endpoint)?]).await
    }

    /// Writes an endpoint over what it was before. Its target is written with it if that changes, and the counted failures
    /// are removed if the endpoint starts anew.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process changed, deleted or is changing it: read it again.
    pub async fn change_endpoint(&self, before: &Endpoint, after: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let item = to_item(&EndpointItem::from(after))?;
        let seen = AttributeValue::N(before.version.to_string());
        let mut others = Vec::new();
        if after.changes_target_of(before) {
            others.push(self.put_target(after)?);
        }
        if after.forgets_failures_of(before) {
            others.push(self.forget_failures(after.id, now)?);
        }
        if others.is_empty() {
            return self.put_if(item, UNCHANGED, [(":seen", seen)]).await;
        }
        let stamp = new_stamp();
        others.insert(0, self.conditional_put(stamped(item, &stamp), UNCHANGED, Some(seen))?);
        self.endpoint_transaction(&stamp, others).await
    }

    /// Deletes an endpoint for good, and leaves a mark for the sweep to fail what is parked for it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process changed, deleted or is changing it: read it again.
    pub async fn delete_endpoint(&self, endpoint: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let place = keys::endpoint(&endpoint.organization, endpoint.id);
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(place.attributes()))
            .condition_expression(UNCHANGED)
            .expression_attribute_values(":seen", AttributeValue::N(endpoint.version.to_string()))
            .build()
            .map_err(StoreError::corrupt)?;
        let left = to_item(&GoneEndpointItem::new(endpoint, now))?;
        let left = Put::builder().table_name(&self.table).set_item(Some(left)).build().map_err(StoreError::corrupt)?;
        let items = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().put(left).build(),
            self.delete_target(endpoint)?,
        ];
        self.endpoint_transaction(&new_stamp(), items).await
    }

    /// The transaction in which an endpoint changes. The first item is the endpoint's own, on a condition; if it is put, it
    /// has this stamp. What else has to change with the endpoint is another item.
    async fn endpoint_transaction(
        &self,
        stamp: &AttributeValue,
        items: Vec<TransactWriteItem>,
    ) -> Result<(), StoreError> {
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let reasons = cancellation_reasons(&error);
        if reasons.first().is_some_and(|reason| is_stamped(reason.item(), stamp)) {
            return Ok(());
        }
        let is_conflict = |code| ["ConditionalCheckFailed", "TransactionConflict"].contains(&code);
        let is_conflict = reasons.iter().filter_map(|reason| reason.code()).any(is_conflict);
        Err(if is_conflict { StoreError::Conflict } else { of_transaction(error) })
    }

    fn conditional_put(
        &self,
        item: Item,
        condition: &str,
        seen: Option<AttributeValue>,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(seen.map(|seen| [(":seen".to_owned(), seen)].into()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Ends the release of an endpoint that began at `since`; nothing happens if it began anew.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn finish_release(&self, place: &EndpointRef, since: Timestamp) -> Result<(), StoreError> {
        let (_, mark) = keys::release(since, place.endpoint);
        let unchanged = "waiting_sk = :seen";
        let mark = AttributeValue::S(mark);
        let finished: Result<(), StoreError> = if place.gone {
            let key = keys::gone_endpoint(&place.organization, place.endpoint).attributes();
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
            let sent = delete.condition_expression(unchanged).expression_attribute_values(":seen", mark).send().await;
            sent.map(drop).map_err(Into::into)
        } else {
            let key = keys::endpoint(&place.organization, place.endpoint).attributes();
            let update = self.client.update_item().table_name(&self.table).set_key(Some(key));
            let update = update.update_expression("SET version = version + :one REMOVE waiting_pk, waiting_sk");
            let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
            let sent = update.condition_expression(unchanged).expression_attribute_values(":seen", mark).send().await;
            sent.map(drop).map_err(Into::into)
        };
        match finished {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }
}
