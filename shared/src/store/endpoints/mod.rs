//! Endpoints. Most changes write the endpoint's item and its fan-out item in one transaction.

mod confidential;
mod item;
mod secrets;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures_util::future::try_join_all;

use super::error::of_transaction;
use super::external_ids::taken_by;
use super::item::{Item, read, to_item};
use super::read::get::query_prefix;
use super::read::merge::{Range, Source};
use super::read::waiting::{HIGHEST, LOWEST};
use super::write::put::{has_write_token, new_write_token, with_write_token};
use super::write::transaction::cancellation_reasons;
use super::{Store, StoreError, keys};
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::job::Job;
use crate::domain::time::Timestamp;
pub(super) use item::{DeletedEndpointItem, EndpointItem};

/// The condition that the endpoint has not changed since it was read.
const UNCHANGED: &str = "version = :seen";
/// The condition that the item does not exist.
const ABSENT: &str = "attribute_not_exists(pk)";

impl Store {
    /// Reads every endpoint of the organization, oldest first. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints(&self, organization: &OrganizationId) -> Result<Vec<Endpoint>, StoreError> {
        self.each_endpoint(organization).await?.into_iter().collect()
    }

    /// Up to `limit` endpoints of the organization after this one, oldest first. A change of the last second may be missing.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn endpoints_after(
        &self,
        organization: &OrganizationId,
        after: Option<EndpointId>,
        limit: usize,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let range = Range {
            source: Source::TableAscending,
            from: after.map_or_else(|| keys::ENDPOINT_PREFIX.to_owned(), |last| format!("{last}{}", LOWEST)),
            to: format!("{}{}", keys::ENDPOINT_PREFIX, HIGHEST),
            projection: None,
            most_read_units: None,
        };
        let found = self.merged(keys::endpoint_partitions(organization), range, limit).await?;
        found.into_iter().map(read::<EndpointItem, _>).collect()
    }

    /// The same as [`Store::endpoints`], with an error for each endpoint that cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] if none could be read.
    pub async fn each_endpoint(
        &self,
        organization: &OrganizationId,
    ) -> Result<Vec<Result<Endpoint, StoreError>>, StoreError> {
        let partitions = keys::endpoint_partitions(organization);
        let queries = partitions.map(|it| query_prefix(&self.client, &self.table, it, keys::ENDPOINT_PREFIX));
        let found = try_join_all(queries).await?.into_iter().flatten();
        let mut endpoints: Vec<_> = found.map(read::<EndpointItem, Endpoint>).collect();
        endpoints.sort_unstable_by_key(|endpoint| endpoint.as_ref().ok().map(|endpoint| endpoint.id));
        Ok(endpoints)
    }

    /// Reads one endpoint. Strongly consistent.
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

    /// Whether the organization has this endpoint. It costs half of the units of [`Store::endpoint`] if it has: an eventually
    /// consistent read may miss only an endpoint that was just created.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn has_endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<bool, StoreError> {
        let key = keys::endpoint(organization, id);
        for is_consistent in [false, true] {
            let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
            let get = get.projection_expression(keys::PK).consistent_read(is_consistent);
            if get.send().await?.item.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads these endpoints, in any order. Missing endpoints are left out. Strongly consistent.
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

    /// Writes a new endpoint, its fan-out item and its public key, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the endpoint exists, and [`StoreError::ExternalIdTaken`] if another one has its external id.
    pub async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let write_token = new_write_token();
        let put = self.conditional_put(
            with_write_token(to_item(&EndpointItem::from(endpoint))?, &write_token),
            ABSENT,
            None,
        )?;
        let mut items = vec![put, self.put_target(endpoint)?];
        let external_id = endpoint.settings.external_id.as_ref();
        items.extend(self.change_external_endpoint(&endpoint.organization, endpoint.id, None, external_id)?);
        items.extend(self.change_public_keys(None, Some(endpoint))?);
        self.endpoint_transaction(&write_token, items).await
    }

    /// Replaces an endpoint. The same transaction writes the fan-out item, the external id and the public keys if they change and
    /// the job that the change requires, and resets the failure counts if [`Endpoint::forgets_failures_of`] says so.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process has changed or deleted the endpoint or is changing it: read it
    /// again. [`StoreError::ExternalIdTaken`] if another endpoint has the new external id.
    pub async fn change_endpoint(&self, before: &Endpoint, after: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let item = to_item(&EndpointItem::from(after))?;
        let seen = AttributeValue::N(before.version.to_string());
        let (external_before, external_after) = (&before.settings.external_id, &after.settings.external_id);
        let (external_before, external_after) = (external_before.as_ref(), external_after.as_ref());
        let mut others =
            self.change_external_endpoint(&after.organization, after.id, external_before, external_after)?;
        others.extend(self.change_public_keys(Some(before), Some(after))?);
        if after.changes_target_of(before) {
            others.push(self.put_target(after)?);
        }
        if let Some(job) = Job::required_by(before, after, now) {
            others.extend(self.put_required_job(&job)?);
        }
        if after.forgets_failures_of(before) {
            others.push(self.forget_failures(after.id, now)?);
        }
        if others.is_empty() {
            return self.put_if(item, UNCHANGED, [(":seen", seen)]).await;
        }
        let write_token = new_write_token();
        others.insert(0, self.conditional_put(with_write_token(item, &write_token), UNCHANGED, Some(seen))?);
        self.endpoint_transaction(&write_token, others).await
    }

    /// Deletes an endpoint. The same transaction deletes its fan-out item and its external id, and writes the job that fails its held
    /// deliveries and the item that records the deletion.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process has changed or deleted the endpoint or is changing it: read it
    /// again.
    pub async fn delete_endpoint(&self, endpoint: &Endpoint, now: Timestamp) -> Result<(), StoreError> {
        let key = keys::endpoint(&endpoint.organization, endpoint.id);
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression(UNCHANGED)
            .expression_attribute_values(":seen", AttributeValue::N(endpoint.version.to_string()))
            .build()
            .map_err(StoreError::corrupt)?;
        let mut items = vec![
            TransactWriteItem::builder().delete(delete).build(),
            self.put_tombstone(endpoint, now)?,
            self.delete_target(endpoint)?,
        ];
        items.extend(self.put_required_job(&Job::of_deletion(endpoint, now))?);
        let external_id = endpoint.settings.external_id.as_ref();
        items.extend(self.change_external_endpoint(&endpoint.organization, endpoint.id, external_id, None)?);
        items.extend(self.change_public_keys(Some(endpoint), None)?);
        self.endpoint_transaction(&new_write_token(), items).await
    }

    fn put_tombstone(&self, endpoint: &Endpoint, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let item = to_item(&DeletedEndpointItem::new(&endpoint.organization, endpoint.id, now, self.retention))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Sends a transaction that changes an endpoint. The first item must be the conditional write of the endpoint.
    /// If that is a put, it must contain the write token `write_token`. The other items change together with the
    /// endpoint.
    async fn endpoint_transaction(
        &self,
        write_token: &AttributeValue,
        items: Vec<TransactWriteItem>,
    ) -> Result<(), StoreError> {
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let reasons = cancellation_reasons(&error);
        if reasons.first().is_some_and(|reason| has_write_token(reason.item(), write_token)) {
            return Ok(());
        }
        if let Some(first) = taken_by(&error) {
            return Err(StoreError::ExternalIdTaken(first));
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
}
