//! Recoveries under way. They are marked in the index until they are finished, so that whatever dies
//! on the way, the sweep goes on.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::batch::{Put, new_stamp, stamped};
use super::items::{Base, Unreadable, read, time, to_item, unknown};
use super::keys::Waiting;
use super::waiting::{HIGHEST, LOWEST};
use super::{Store, StoreError, keys};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId, RecoveryId};
use crate::domain::recovery::{NewRecovery, Recovery};
use crate::domain::time::Timestamp;

/// Most recoveries that one run of the sweep works on.
const MOST: usize = 10_000;

impl Store {
    /// Writes a new recovery, unless one of the same deliveries is under way.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn put_recovery(&self, recovery: &Recovery) -> Result<RecoveryPut, StoreError> {
        self.put_recovery_if(recovery, "attribute_not_exists(pk)", []).await
    }

    /// Writes how far a recovery came, unless another process came as far or farther, or finished it.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn advance_recovery(&self, recovery: &Recovery) -> Result<RecoveryPut, StoreError> {
        let values = [
            (":id", AttributeValue::S(recovery.id.to_string())),
            (":from", AttributeValue::S(recovery.from.to_string())),
        ];
        self.put_recovery_if(recovery, "id = :id AND from_id < :from", values).await
    }

    async fn put_recovery_if(
        &self,
        recovery: &Recovery,
        fence: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<RecoveryPut, StoreError> {
        let stamp = new_stamp();
        let item = stamped(to_item(&RecoveryItem::from(recovery))?, &stamp);
        Ok(match self.put_stamped_if(item, &stamp, fence, values).await? {
            Put::Written => RecoveryPut::Written,
            Put::Found(Some(found)) => RecoveryPut::UnderWay(read::<RecoveryItem, _>(found)?),
            Put::Found(None) => RecoveryPut::Gone,
        })
    }

    /// Removes a recovery, unless another process has removed it. A later one of the same deliveries stays.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not do it.
    pub async fn delete_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        let key = keys::recovery(&recovery.organization, recovery.endpoint, &recovery.wanted).attributes();
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        let delete = delete.condition_expression("id = :id");
        let id = AttributeValue::S(recovery.id.to_string());
        match delete.expression_attribute_values(":id", id).send().await.map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The recoveries under way, the oldest first and at most 10,000. An item that cannot be read is an error of its own and
    /// spoils no other.
    ///
    /// # Errors
    /// [`StoreError`] if the index or the items could not be had.
    pub async fn recoveries(&self) -> Result<Vec<Result<Recovery, StoreError>>, StoreError> {
        let found = self.waiting_keys([Waiting::Recovery].into_iter(), LOWEST, HIGHEST, MOST).await?;
        let items = self.get_all(found.into_iter().map(|waiting| waiting.key).collect()).await?;
        let mut recoveries: Vec<Result<Recovery, _>> = items.into_iter().map(read::<RecoveryItem, _>).collect();
        recoveries.sort_by_key(|recovery| recovery.as_ref().ok().map(|recovery| recovery.id));
        Ok(recoveries)
    }
}

/// What became of the write of a recovery.
#[derive(Debug)]
pub enum RecoveryPut {
    /// It is written.
    Written,
    /// This recovery of the same deliveries is under way.
    UnderWay(Recovery),
    /// None is under way any more: another process finished it.
    Gone,
}

/// A recovery.
#[derive(Debug, Serialize, Deserialize)]
struct RecoveryItem {
    #[serde(flatten)]
    base: Base,
    id: String,
    organization: String,
    endpoint: String,
    requested_at: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    statuses: Vec<String>,
    from_id: String,
    before_id: String,
    waiting_pk: String,
    waiting_sk: String,
}

impl From<&Recovery> for RecoveryItem {
    fn from(recovery: &Recovery) -> Self {
        let (waiting_pk, waiting_sk) = keys::recovery_mark(recovery.requested_at, recovery.id);
        Self {
            base: Base::new(keys::recovery(&recovery.organization, recovery.endpoint, &recovery.wanted), "recovery"),
            id: recovery.id.to_string(),
            organization: recovery.organization.to_string(),
            endpoint: recovery.endpoint.to_string(),
            requested_at: recovery.requested_at.rfc3339(),
            since: recovery.wanted.since.rfc3339(),
            until: recovery.wanted.until.map(Timestamp::rfc3339),
            statuses: recovery.wanted.statuses.iter().map(|status| status.as_str().to_owned()).collect(),
            from_id: recovery.from.to_string(),
            before_id: recovery.before.to_string(),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<RecoveryItem> for Recovery {
    type Error = Unreadable;

    fn try_from(item: RecoveryItem) -> Result<Self, Unreadable> {
        let status = |name: &String| DeliveryStatus::parse(name).ok_or_else(|| unknown("status", name));
        Ok(Self {
            id: RecoveryId::parse(&item.id)?,
            organization: OrganizationId::parse(&item.organization)?,
            endpoint: EndpointId::parse(&item.endpoint)?,
            requested_at: Timestamp::parse(&item.requested_at)?,
            wanted: NewRecovery {
                since: Timestamp::parse(&item.since)?,
                until: time(item.until.as_ref())?,
                statuses: item.statuses.iter().map(status).collect::<Result<_, _>>()?,
            },
            from: DeliveryId::parse(&item.from_id)?,
            before: DeliveryId::parse(&item.before_id)?,
        })
    }
}
