//! The items that make external ids unique. Those of organizations and endpoints change in the transactions that change
//! the resource. An event's is claimed before the event is written, since an event is not written by a transaction.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::item::{Base, Item, Unreadable, read, to_item};
use super::keys::Key;
use super::write::transaction::cancellation_reasons;
use super::{Store, StoreError, keys};
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, EventId, OrganizationId};
use crate::domain::time::Timestamp;

/// The `entity` of these items.
const ENTITY: &str = "external_id";

/// The attributes of the item of an external id.
#[derive(Debug, Serialize, Deserialize)]
struct ExternalIdItem {
    #[serde(flatten)]
    base: Base,
    /// The id of the resource.
    id: String,
    /// Only of events: when the last publish request claimed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Only of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// The resource that an external id names.
struct Named(ExternalIdItem);

impl TryFrom<ExternalIdItem> for Named {
    type Error = Unreadable;

    fn try_from(item: ExternalIdItem) -> Result<Self, Unreadable> {
        Ok(Self(item))
    }
}

/// The claim of an event's external id by another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherClaim {
    /// The event that the other request publishes or published.
    pub event: EventId,
    /// When it claimed the external id.
    pub at: Timestamp,
}

impl TryFrom<ExternalIdItem> for OtherClaim {
    type Error = Unreadable;

    fn try_from(item: ExternalIdItem) -> Result<Self, Unreadable> {
        let at = item.at.ok_or_else(|| Unreadable("a claim without a time".to_owned()))?;
        Ok(Self { event: EventId::parse(&item.id)?, at: Timestamp::parse(&at)? })
    }
}

impl Store {
    /// The organization with this external id. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn organization_named(&self, external_id: &ExternalId) -> Result<Option<OrganizationId>, StoreError> {
        let found = self.get::<ExternalIdItem, Named>(&keys::external_organization(external_id)).await?;
        found.map(|Named(item)| OrganizationId::parse(&item.id).map_err(StoreError::corrupt)).transpose()
    }

    /// The endpoint of the organization with this external id. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn endpoint_named(
        &self,
        organization: &OrganizationId,
        external_id: &ExternalId,
    ) -> Result<Option<EndpointId>, StoreError> {
        let found = self.get::<ExternalIdItem, Named>(&keys::external_endpoint(organization, external_id)).await?;
        found.map(|Named(item)| EndpointId::parse(&item.id).map_err(StoreError::corrupt)).transpose()
    }

    /// The event of the organization with this external id. The event may not exist: its request may be in progress, or
    /// may have failed. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn event_named(
        &self,
        organization: &OrganizationId,
        external_id: &ExternalId,
    ) -> Result<Option<EventId>, StoreError> {
        let found = self.get::<ExternalIdItem, Named>(&keys::external_event(organization, external_id)).await?;
        found.map(|Named(item)| EventId::parse(&item.id).map_err(StoreError::corrupt)).transpose()
    }

    /// Claims an external id for an event before the event is written. Returns the claim of another event, if there is
    /// one that has not expired. `replaced` is another claim that this one replaces, if it has not changed.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn claim_external_id(
        &self,
        organization: &OrganizationId,
        external_id: &ExternalId,
        event: EventId,
        replaced: Option<OtherClaim>,
        now: Timestamp,
    ) -> Result<Option<OtherClaim>, StoreError> {
        let item = ExternalIdItem {
            base: Base::new(keys::external_event(organization, external_id), ENTITY),
            id: event.to_string(),
            at: Some(now.rfc3339()),
            expires_at: Some(event.created_at().plus(self.retention).unix_seconds()),
        };
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(&item)?));
        // The event's own claim is renewed, so that another request does not replace it while a repeated request uses it.
        let put = match replaced {
            None => put
                .condition_expression("attribute_not_exists(pk) OR id = :event OR expires_at <= :now")
                .expression_attribute_values(":event", AttributeValue::S(event.to_string()))
                .expression_attribute_values(":now", AttributeValue::N(now.unix_seconds().to_string())),
            Some(OtherClaim { event: other, at }) => put
                .condition_expression("id = :event AND #at = :at")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":event", AttributeValue::S(other.to_string()))
                .expression_attribute_values(":at", AttributeValue::S(at.rfc3339())),
        };
        let sent =
            put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).send().await;
        let Err(error) = sent else { return Ok(None) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        // Without an item, the replaced claim has expired and was deleted since.
        let Some(found) = failed.item().cloned() else { return Err(StoreError::Conflict) };
        let found = read::<ExternalIdItem, OtherClaim>(found)?;
        // The SDK repeats a write whose response was lost.
        Ok((found.event != event).then_some(found))
    }

    /// The parts of a transaction that change the external id of an organization.
    pub(super) fn change_external_organization(
        &self,
        organization: &OrganizationId,
        before: Option<&ExternalId>,
        after: Option<&ExternalId>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        self.change_external_id(keys::external_organization, organization.as_str(), before, after)
    }

    /// The parts of a transaction that change the external id of an endpoint.
    pub(super) fn change_external_endpoint(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        before: Option<&ExternalId>,
        after: Option<&ExternalId>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let key = |external_id: &ExternalId| keys::external_endpoint(organization, external_id);
        self.change_external_id(key, &endpoint.to_string(), before, after)
    }

    /// The transaction must also depend on the resource having the external id `before`.
    fn change_external_id(
        &self,
        key: impl Fn(&ExternalId) -> Key,
        id: &str,
        before: Option<&ExternalId>,
        after: Option<&ExternalId>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        if before == after {
            return Ok(Vec::new());
        }
        let free = before.map(|before| {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key(before).attributes()));
            let delete = delete.build().map_err(StoreError::corrupt)?;
            Ok::<_, StoreError>(TransactWriteItem::builder().delete(delete).build())
        });
        let take = after.map(|after| {
            let base = Base::new(key(after), ENTITY);
            let item = to_item(&ExternalIdItem { base, id: id.to_owned(), at: None, expires_at: None })?;
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            Ok(TransactWriteItem::builder().put(put.build().map_err(StoreError::corrupt)?).build())
        });
        free.into_iter().chain(take).collect()
    }
}

/// The id of the resource that has the external id which a transaction wanted to take; `None` if the transaction failed
/// for another reason.
pub(super) fn taken_by(error: &SdkError<TransactWriteItemsError>) -> Option<String> {
    let text = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let found = cancellation_reasons(error).iter().filter_map(|reason| reason.item());
    let mut found = found.filter(|item| text(item, "entity").as_deref() == Some(ENTITY));
    found.find_map(|item| text(item, "id"))
}
