//! Answers to requests with an idempotency key, other than those that publish.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};

use super::item::{Base, Unreadable, read, to_item};
use super::keys::Key;
use super::{Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;

/// How long an answer is kept.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// What identifies a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestDigest {
    /// The organization that the request concerns, whose deletion removes the answer; `None` for the deployment.
    pub organization: Option<OrganizationId>,
    /// A digest of the caller, the URL and the idempotency key.
    pub digest: [u8; 32],
}

/// A stored answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// An earlier request with the same digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierRequest {
    /// When it began; long ago if it is known to have ended.
    pub began_at: Timestamp,
    /// When the first request with the digest began.
    pub first_at: Timestamp,
    /// Its answer; `None` if it is under way, or its process has ended.
    pub answer: Option<StoredAnswer>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AnswerItem {
    #[serde(flatten)]
    base: Base,
    began_at: String,
    first_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    expires_at: i64,
}

impl TryFrom<AnswerItem> for EarlierRequest {
    type Error = Unreadable;

    fn try_from(item: AnswerItem) -> Result<Self, Unreadable> {
        let answer = item.status.map(|status| StoredAnswer { status, body: item.body.unwrap_or_default() });
        Ok(Self { began_at: Timestamp::parse(&item.began_at)?, first_at: Timestamp::parse(&item.first_at)?, answer })
    }
}

impl Store {
    /// Claims the digest for a request that begins now. Returns an earlier request, if there is one. `replaced` is an earlier
    /// one that has ended without an answer.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn begin_answer(
        &self,
        request: &RequestDigest,
        replaced: Option<&EarlierRequest>,
        now: Timestamp,
    ) -> Result<Option<EarlierRequest>, StoreError> {
        let item = answer_item(request, now, replaced.map_or(now, |replaced| replaced.first_at), None);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(&item)?));
        let replaced = replaced.map_or_else(|| "none".to_owned(), |replaced| replaced.began_at.rfc3339());
        let put = put
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now OR began_at = :replaced")
            .expression_attribute_values(":now", AttributeValue::N(now.unix_seconds().to_string()))
            .expression_attribute_values(":replaced", AttributeValue::S(replaced))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(None) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let found =
            failed.item().cloned().ok_or_else(|| StoreError::corrupt("the earlier request was not returned"))?;
        read::<AnswerItem, EarlierRequest>(found).map(Some)
    }

    /// Reads the request that has claimed this digest.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn earlier_request(&self, request: &RequestDigest) -> Result<Option<EarlierRequest>, StoreError> {
        self.get::<AnswerItem, EarlierRequest>(&key(request)).await
    }

    /// Stores the answer to a request, or that it has ended without one. The first request with its digest began at `first_at`.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn put_answer(
        &self,
        request: &RequestDigest,
        first_at: Timestamp,
        answer: Option<StoredAnswer>,
    ) -> Result<(), StoreError> {
        let long_ago = Timestamp::from_unix_seconds(0);
        let item = to_item(&answer_item(request, long_ago, first_at, answer))?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Removes the claim of a request without an answer to keep.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn withdraw_answer(&self, request: &RequestDigest) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key(request).attributes()));
        delete.send().await?;
        Ok(())
    }
}

fn answer_item(
    request: &RequestDigest,
    began_at: Timestamp,
    first_at: Timestamp,
    answer: Option<StoredAnswer>,
) -> AnswerItem {
    let (status, body) = answer.map_or((None, None), |answer| (Some(answer.status), Some(answer.body)));
    AnswerItem {
        base: Base::new(key(request), "answer"),
        began_at: began_at.rfc3339(),
        first_at: first_at.rfc3339(),
        status,
        body: body.filter(|body| !body.is_empty()),
        expires_at: first_at.plus(LIFETIME).unix_seconds(),
    }
}

fn key(request: &RequestDigest) -> Key {
    keys::answer(request.organization.as_ref(), request.digest)
}
