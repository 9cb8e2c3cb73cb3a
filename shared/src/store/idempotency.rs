//! Idempotency keys. A claim records which request used a key first, and the id of its first event.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::{Base, Unreadable, read, to_item};
use super::keys::Key;
use super::{Store, StoreError, keys};
use crate::domain::ids::{EventId, OrganizationId};
use crate::domain::text::IdempotencyKey;
use crate::domain::time::Timestamp;

/// How long a claim is valid.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A request's claim of an idempotency key.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The organization. Keys are unique within it.
    pub organization: &'a OrganizationId,
    /// The idempotency key.
    pub key: &'a IdempotencyKey,
    /// The hash of the request. Another request with the same key is a conflict.
    pub request_hash: String,
    /// The id of the request's first event. The ids of the other events of a batch are derived from it.
    pub event: EventId,
}

/// The result of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This request is the first with its key.
    First,
    /// The same request has claimed the key earlier.
    Before(EarlierClaim),
    /// Another request has claimed the key.
    ByAnother,
}

/// The claim of an earlier request with the same key and the same hash.
#[derive(Debug, PartialEq, Eq)]
pub struct EarlierClaim {
    /// The id of the request's first event.
    pub event: EventId,
    /// Whether the request is known to have ended without being complete.
    pub ended: bool,
    /// The positions of the events that were refused finally.
    pub refused: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdempotencyItem {
    #[serde(flatten)]
    base: Base,
    event: String,
    request_hash: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<u32>,
    expires_at: i64,
}

/// The contents of a stored claim.
struct Earlier {
    claim: EarlierClaim,
    request_hash: String,
}

impl TryFrom<IdempotencyItem> for Earlier {
    type Error = Unreadable;

    fn try_from(item: IdempotencyItem) -> Result<Self, Unreadable> {
        let claim = EarlierClaim { event: EventId::parse(&item.event)?, ended: item.ended, refused: item.refused };
        Ok(Self { claim, request_hash: item.request_hash })
    }
}

impl Store {
    /// Claims an idempotency key. An expired claim is replaced, since DynamoDB deletes it with a delay.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, StoreError> {
        let item = IdempotencyItem {
            base: Base::new(claim_key(claim), "idempotency"),
            event: claim.event.to_string(),
            request_hash: claim.request_hash.clone(),
            ended: false,
            refused: Vec::new(),
            expires_at: now.plus(LIFETIME).unix_seconds(),
        };
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(&item)?))
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.unix_seconds().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Claimed::First),
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let item = failed.item().cloned().ok_or_else(|| StoreError::corrupt("the earlier claim was not returned"))?;
        let earlier: Earlier = read::<IdempotencyItem, _>(item)?;
        if earlier.request_hash != claim.request_hash {
            return Ok(Claimed::ByAnother);
        }
        // The SDK repeats a write whose response was lost. The condition then fails because of this request's own
        // claim.
        let own = earlier.claim.event == claim.event;
        Ok(if own { Claimed::First } else { Claimed::Before(earlier.claim) })
    }

    /// Records that the request with this claim ended without being complete.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn end_claim(&self, claim: &Claim<'_>) -> Result<(), StoreError> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update.set_key(Some(claim_key(claim).attributes())).update_expression("SET ended = :true");
        let update = update.condition_expression("event = :event");
        let update = update.expression_attribute_values(":true", AttributeValue::Bool(true));
        update.expression_attribute_values(":event", AttributeValue::S(claim.event.to_string())).send().await?;
        Ok(())
    }

    /// Records in the claim of the request whose first event is `first` which of its events are refused finally, by their
    /// positions.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if that request has withdrawn its claim; another [`StoreError`] if the write may have failed.
    pub async fn record_refused(&self, claim: &Claim<'_>, first: EventId, refused: &[u32]) -> Result<(), StoreError> {
        let positions = refused.iter().map(|position| AttributeValue::N(position.to_string())).collect();
        let update = self.client.update_item().table_name(&self.table);
        let update = update.set_key(Some(claim_key(claim).attributes())).update_expression("SET refused = :refused");
        let update = update.condition_expression("event = :event");
        let update = update.expression_attribute_values(":refused", AttributeValue::L(positions));
        update.expression_attribute_values(":event", AttributeValue::S(first.to_string())).send().await?;
        Ok(())
    }

    /// Deletes the claim of a request that stored nothing. The key can be used again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another request has claimed the key since; another [`StoreError`] if the write
    /// may have failed.
    pub async fn withdraw_claim(&self, claim: &Claim<'_>) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(claim_key(claim).attributes()));
        let delete = delete.condition_expression("event = :event");
        delete.expression_attribute_values(":event", AttributeValue::S(claim.event.to_string())).send().await?;
        Ok(())
    }

    /// Removes the record that the earlier request was not complete, after a repair completed it. Returns whether
    /// there was one: of two concurrent repairs only one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn settle_claim(&self, claim: &Claim<'_>, earlier: &EarlierClaim) -> Result<bool, StoreError> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update.set_key(Some(claim_key(claim).attributes())).update_expression("REMOVE ended");
        let update = update.condition_expression("event = :event AND ended = :true");
        let update = update.expression_attribute_values(":true", AttributeValue::Bool(true));
        let update = update.expression_attribute_values(":event", AttributeValue::S(earlier.event.to_string()));
        match update.send().await.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn claim_key(claim: &Claim<'_>) -> Key {
    keys::idempotency(claim.organization, Sha256::digest(claim.key.as_str().as_bytes()).into())
}
