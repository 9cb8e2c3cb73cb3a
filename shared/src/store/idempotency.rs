//! Idempotency keys: who published with one first, and which event that made.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::items::{Base, Unreadable, read, to_item};
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
    /// The same request, earlier: this was its event.
    Before(EventId),
    /// Another request.
    ByAnother,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdempotencyItem {
    #[serde(flatten)]
    base: Base,
    event: String,
    request_hash: String,
    expires_at: i64,
}

/// What an item says, read back.
struct Earlier {
    event: EventId,
    request_hash: String,
}

impl TryFrom<IdempotencyItem> for Earlier {
    type Error = Unreadable;

    fn try_from(item: IdempotencyItem) -> Result<Self, Unreadable> {
        Ok(Self { event: EventId::parse(&item.event)?, request_hash: item.request_hash })
    }
}

impl Store {
    /// Claims an idempotency key. An expired claim counts as none, since TTL lags.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, StoreError> {
        let key_hash = hex::encode(Sha256::digest(claim.key.as_str().as_bytes()));
        let item = IdempotencyItem {
            base: Base::new(keys::idempotency(claim.organization, &key_hash), "idempotency"),
            event: claim.event.to_string(),
            request_hash: claim.request_hash.clone(),
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
        let same = earlier.request_hash == claim.request_hash;
        Ok(if same { Claimed::Before(earlier.event) } else { Claimed::ByAnother })
    }
}
