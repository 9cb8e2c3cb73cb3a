//! Idempotency keys: who published with one first, and which event that made.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::items::{Base, Unreadable, read, to_item};
use super::keys::Key;
use super::{Store, StoreError, keys};
use crate::domain::fields::IdempotencyKey;
use crate::domain::ids::{EventId, OrganizationId};
use crate::domain::time::Timestamp;

/// How long a key is remembered.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that wants to be the first with its key.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The organization, within which keys are unique.
    pub organization: &'a OrganizationId,
    /// The key.
    pub key: &'a IdempotencyKey,
    /// The hash of the request; the same key may not be used for another.
    pub request_hash: String,
    /// The first event that the request makes. Those of a batch follow from it.
    pub event: EventId,
}

/// Who came first.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This request.
    First,
    /// The same request, earlier.
    Before(EarlierClaim),
    /// Another request.
    ByAnother,
}

/// An earlier request with the same key and body.
#[derive(Debug, PartialEq, Eq)]
pub struct EarlierClaim {
    /// The first event that it made.
    pub event: EventId,
    /// Whether it is known to have ended without being finished.
    pub ended: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdempotencyItem {
    #[serde(flatten)]
    base: Base,
    event: String,
    request_hash: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    expires_at: i64,
}

/// What an item says, read back.
struct Earlier {
    claim: EarlierClaim,
    request_hash: String,
}

impl TryFrom<IdempotencyItem> for Earlier {
    type Error = Unreadable;

    fn try_from(item: IdempotencyItem) -> Result<Self, Unreadable> {
        let claim = EarlierClaim { event: EventId::parse(&item.event)?, ended: item.ended };
        Ok(Self { claim, request_hash: item.request_hash })
    }
}

impl Store {
    /// Claims an idempotency key. An expired claim counts as none, since TTL lags.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, StoreError> {
        let item = IdempotencyItem {
            base: Base::new(claim_key(claim), "idempotency"),
            event: claim.event.to_string(),
            request_hash: claim.request_hash.clone(),
            ended: false,
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
        // The SDK repeats a write whose answer was lost, and then finds this very claim.
        let own = earlier.claim.event == claim.event;
        Ok(if own { Claimed::First } else { Claimed::Before(earlier.claim) })
    }

    /// Notes that the request which made this claim has ended without being finished.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn end_claim(&self, claim: &Claim<'_>) -> Result<(), StoreError> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update.set_key(Some(claim_key(claim).attributes())).update_expression("SET ended = :true");
        let update = update.condition_expression("event = :event");
        let update = update.expression_attribute_values(":true", AttributeValue::Bool(true));
        update.expression_attribute_values(":event", AttributeValue::S(claim.event.to_string())).send().await?;
        Ok(())
    }

    /// Deletes this request's own claim, as if it had not come: it stored nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the claim is another request's by now, another one if DynamoDB did not do it.
    pub async fn withdraw_claim(&self, claim: &Claim<'_>) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(claim_key(claim).attributes()));
        let delete = delete.condition_expression("event = :event");
        delete.expression_attribute_values(":event", AttributeValue::S(claim.event.to_string())).send().await?;
        Ok(())
    }

    /// Takes back the note that the earlier request with this claim was not finished, now that it is. Returns whether
    /// there was one: of two that finish it at once, one gets to.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
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
