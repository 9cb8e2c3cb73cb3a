//! Public keys of endpoints, an item each. An endpoint and its public keys change in one transaction. These items have no
//! secrets, so that the routes without authentication read no item that has.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::item::{Base, Unreadable, read, required, time, to_item};
use super::{Store, StoreError, keys};
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::signing::ed25519::Ed25519PublicKey;
use crate::domain::signing::key::{PublishedKey, SigningKeyId};
use crate::domain::time::Timestamp;

/// Most public keys that a request returns.
pub const MAX_PUBLISHED: usize = 1_000;
/// Most items that are read for them. Items of keys that have ended remain until DynamoDB or the next rotation removes them.
const MAX_READ: i32 = 2_000;

/// The attributes of a public key.
#[derive(Serialize, Deserialize)]
struct PublicKeyItem {
    #[serde(flatten)]
    base: Base,
    public_key: ByteBuf,
    /// Absent for the newest key of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl PublicKeyItem {
    fn new(endpoint: &Endpoint, key: &PublishedKey) -> Self {
        Self {
            base: Base::new(keys::public_key(&endpoint.organization, endpoint.id, key.id), "public_key"),
            public_key: ByteBuf::from(*key.public_key.as_bytes()),
            until: key.until.map(Timestamp::rfc3339),
            expires_at: key.until.map(Timestamp::unix_seconds),
        }
    }
}

impl TryFrom<PublicKeyItem> for PublishedKey {
    type Error = Unreadable;

    fn try_from(item: PublicKeyItem) -> Result<Self, Unreadable> {
        let bytes = <[u8; 32]>::try_from(item.public_key.into_vec()).ok();
        Ok(Self {
            id: required("the key's id", keys::parse_public_key(&item.base.sk))?,
            public_key: Ed25519PublicKey::from_bytes(required("a public key of 32 bytes", bytes)?),
            until: time(item.until.as_ref())?,
        })
    }
}

impl Store {
    /// The public keys of an endpoint, or of all endpoints of an organization, that sign at `now`: at most
    /// [`MAX_PUBLISHED`], in the order of the endpoints' ids. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn published_keys(
        &self,
        organization: &OrganizationId,
        endpoint: Option<EndpointId>,
        now: Timestamp,
    ) -> Result<Vec<PublishedKey>, StoreError> {
        let prefix = endpoint.map_or_else(|| keys::ENDPOINT_PREFIX.to_owned(), keys::public_key_prefix);
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::public_key_partition(organization)))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
            .consistent_read(true)
            .limit(MAX_READ)
            .send()
            .await?;
        let found = page.items.unwrap_or_default().into_iter().map(read::<PublicKeyItem, PublishedKey>);
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        found.retain(|key| key.signs_at(now));
        found.truncate(MAX_PUBLISHED);
        Ok(found)
    }

    /// The writes by which the public keys of an endpoint follow its secrets. `None` stands for an endpoint that does not
    /// exist yet, or no longer.
    pub(super) fn change_public_keys(
        &self,
        before: Option<&Endpoint>,
        after: Option<&Endpoint>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let published = |endpoint: Option<&Endpoint>| -> Vec<_> {
            endpoint.into_iter().flat_map(|endpoint| endpoint.secrets.published()).collect()
        };
        let (old, new) = (published(before), published(after));
        let mut writes = Vec::new();
        for key in new.iter().filter(|key| !old.contains(key)) {
            writes.extend(after.map(|endpoint| self.put_public_key(endpoint, key)).transpose()?);
        }
        for key in old.iter().filter(|key| new.iter().all(|other| other.id != key.id)) {
            writes.extend(before.map(|endpoint| self.delete_public_key(endpoint, key.id)).transpose()?);
        }
        Ok(writes)
    }

    fn put_public_key(&self, endpoint: &Endpoint, key: &PublishedKey) -> Result<TransactWriteItem, StoreError> {
        let item = to_item(&PublicKeyItem::new(endpoint, key))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_public_key(&self, endpoint: &Endpoint, key: SigningKeyId) -> Result<TransactWriteItem, StoreError> {
        let key = keys::public_key(&endpoint.organization, endpoint.id, key).attributes();
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build();
        Ok(TransactWriteItem::builder().delete(delete.map_err(StoreError::corrupt)?).build())
    }
}
