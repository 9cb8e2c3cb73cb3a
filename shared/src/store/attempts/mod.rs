//! Items of attempts, which hold what does not fit into a delivery's record, and the times of resends.

mod item;
pub(super) mod listing;
mod resends;

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::chunks::MAX_CONCURRENT_CHUNKS;
use super::item::{Projection, read};
use super::keys::Key;
use super::{Store, StoreError, keys};
use crate::domain::delivery::Delivery;
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::ids::{AttemptId, EndpointId};
use item::{AttemptItem, RESPONSE, attempt_item};

/// What finding the items that have a response reads.
const WITH_RESPONSE: Projection = Projection(&["pk", "sk", RESPONSE]);

impl Store {
    /// Writes the item of an attempt, after the attempt was recorded. This is tried once: without the item, an attempt of a
    /// schedule is still in its delivery's log.
    pub async fn put_attempt(&self, delivery: &Delivery, attempt: &RecordedAttempt) -> Result<(), StoreError> {
        let expires_at = delivery.id.created_at().plus(self.retention);
        // A failure is logged by the call.
        self.coalesced.insert_attempt(attempt_item(attempt, expires_at)?).await;
        Ok(())
    }

    /// Reads the items of these attempts. Missing items are left out. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn attempts_by_id(
        &self,
        wanted: &[(EndpointId, AttemptId)],
    ) -> Result<HashMap<AttemptId, RecordedAttempt>, StoreError> {
        let wanted = wanted.iter().map(|(endpoint, id)| keys::attempt(*endpoint, *id)).collect();
        let found = self.get_all(wanted).await?.into_iter();
        found.map(|item| read::<AttemptItem, RecordedAttempt>(item).map(|attempt| (attempt.id, attempt))).collect()
    }

    /// Removes the responses from the items of these deliveries' attempts, resends included. Returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError`] if some may not have been removed.
    pub async fn remove_responses(&self, deliveries: &[Delivery]) -> Result<usize, StoreError> {
        let ids: Vec<_> = deliveries.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
        let resends = self.resends(&ids).await?;
        let of = |delivery: &Delivery| {
            let logged = delivery.log.iter().filter(|entry| entry.has_item).map(|entry| entry.id(delivery.id));
            let resent = resends.get(&delivery.id).into_iter().flatten();
            let resent = resent.map(|started_at| AttemptId::of(delivery.id, *started_at));
            logged.chain(resent).map(|id| keys::attempt(delivery.endpoint, id)).collect::<Vec<_>>()
        };
        // A successful resend is in both.
        let mut wanted: Vec<_> = deliveries.iter().flat_map(of).collect();
        wanted.sort_unstable_by(|one, other| (&one.pk, &one.sk).cmp(&(&other.pk, &other.sk)));
        wanted.dedup();
        let found = self.get_parts(wanted, Some(&WITH_RESPONSE)).await?.into_iter();
        let keys: Vec<_> = found.filter(|item| item.contains_key(RESPONSE)).filter_map(|item| Key::of(&item)).collect();
        let removed = keys.len();
        self.remove_each_response(keys).await?;
        Ok(removed)
    }

    /// Removes the response from the item of one attempt. If the item is not written yet, it is written without the response:
    /// the process that recorded the attempt then finds it.
    ///
    /// # Errors
    /// [`StoreError`] if the response may not have been removed.
    pub async fn remove_response_of(&self, attempt: &RecordedAttempt) -> Result<(), StoreError> {
        let expires_at = attempt.delivery.created_at().plus(self.retention);
        let item = attempt_item(&RecordedAttempt { response: None, ..attempt.clone() }, expires_at)?;
        match self.put_if(item, "attribute_not_exists(pk)", []).await {
            Err(StoreError::Conflict) => self.remove_response(keys::attempt(attempt.endpoint, attempt.id)).await,
            written => written,
        }
    }

    /// Removes the responses from the items of these attempts of a delivery, without reading them. Whoever drops an attempt
    /// from what [`remove_responses`](Self::remove_responses) reads calls this first. Otherwise the response would stay when
    /// the data of the event is removed.
    pub(super) async fn remove_dropped_responses(
        &self,
        endpoint: EndpointId,
        dropped: impl Iterator<Item = AttemptId>,
    ) -> Result<(), StoreError> {
        self.remove_each_response(dropped.map(|id| keys::attempt(endpoint, id)).collect()).await
    }

    async fn remove_each_response(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        let removals: Vec<_> = keys.into_iter().map(|key| self.remove_response(key)).collect();
        stream::iter(removals).buffer_unordered(MAX_CONCURRENT_CHUNKS).try_collect::<()>().await
    }

    async fn remove_response(&self, key: Key) -> Result<(), StoreError> {
        let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
        let update = update
            .update_expression("REMOVE #response")
            .expression_attribute_names("#response", RESPONSE)
            .condition_expression("attribute_exists(pk)");
        match update.send().await {
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}
