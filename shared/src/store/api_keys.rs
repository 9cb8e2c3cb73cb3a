//! API keys. Each key is stored as two items, which one transaction writes: one by the hash of the key, for
//! authentication, and one in the organization's partition, for lists.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::error::of_transaction;
use super::item::{Base, Unreadable, read, required, time, to_item, unknown};
use super::keys::{KEY_PREFIX, Key};
use super::read::waiting::{HIGHEST, LOWEST};
use super::write::transaction::failed_conditions;
use super::{Store, StoreError, keys};
use crate::domain::ids::{EndpointId, KeyId, OrganizationId};
use crate::domain::tenancy::access::{Scope, Scopes};
use crate::domain::tenancy::api_key::{ApiKey, KeyHash, KeyStatus};
use crate::domain::tenancy::rights::{Binding, Rights};
use crate::domain::text::Name;
use crate::domain::time::Timestamp;

impl Store {
    /// Writes new and changed keys in one transaction. Each entry is the key as it was read, or `None` for a new
    /// key, and the key to write.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a new key exists already, or if the status of another one is not as it was read.
    pub async fn put_api_keys(&self, keys: &[(Option<&ApiKey>, &ApiKey)]) -> Result<(), StoreError> {
        let mut request = self.client.transact_write_items();
        for (seen, key) in keys {
            for item in [ApiKeyItem::by_hash(key), ApiKeyItem::in_organization(key)] {
                let put = Put::builder().table_name(&self.table).set_item(Some(to_item(&item)?));
                let put = match seen {
                    None => put.condition_expression("attribute_not_exists(pk)"),
                    Some(seen) => put
                        .condition_expression("#status = :seen")
                        .expression_attribute_names("#status", "status")
                        .expression_attribute_values(":seen", AttributeValue::S(status_name(seen.status).to_owned())),
                };
                let put = put.build().map_err(StoreError::corrupt)?;
                request = request.transact_items(TransactWriteItem::builder().put(put).build());
            }
        }
        let Err(error) = request.send().await else { return Ok(()) };
        Err(if failed_conditions(&error).contains(&true) { StoreError::Conflict } else { of_transaction(error) })
    }

    /// Reads the key with this hash. Strongly consistent. [`ApiKey::last_used_at`] is not read.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn api_key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.get::<ApiKeyItem, _>(&keys::key_by_hash(hash)).await
    }

    /// Reads a key of the organization, with the time of its last use.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn api_key(&self, organization: &OrganizationId, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        let Some(key) = self.api_key_without_use(organization, id).await? else { return Ok(None) };
        let seen: Option<KeyUse> = self.get::<KeyUseItem, _>(&keys::key_use(organization, id)).await?;
        Ok(Some(ApiKey { last_used_at: seen.map(|seen| seen.at), ..key }))
    }

    /// Reads a key of the organization. Strongly consistent. [`ApiKey::last_used_at`] is not read.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn api_key_without_use(
        &self,
        organization: &OrganizationId,
        id: KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.get::<ApiKeyItem, _>(&keys::key_in_organization(organization, id)).await
    }

    /// Reads those of the organization's keys that have these ids. [`ApiKey::last_used_at`] is not read.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn api_keys_by_id(
        &self,
        organization: &OrganizationId,
        ids: impl IntoIterator<Item = KeyId>,
    ) -> Result<HashMap<KeyId, ApiKey>, StoreError> {
        let wanted = ids.into_iter().map(|id| keys::key_in_organization(organization, id)).collect();
        let found = self.get_all(wanted).await?.into_iter().map(read::<ApiKeyItem, ApiKey>);
        found.map(|key| key.map(|key| (key.id, key))).collect()
    }

    /// Reads up to `limit` of the organization's keys that come after `after`, oldest first, with the times of
    /// their last use.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn api_keys(
        &self,
        organization: &OrganizationId,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<ApiKey>, StoreError> {
        // The smallest sort key after the last one.
        let from = after.map_or_else(|| KEY_PREFIX.to_owned(), |last| format!("{KEY_PREFIX}{last}{LOWEST}"));
        let text = AttributeValue::S;
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(keys::organization_partition(organization)))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(format!("{KEY_PREFIX}{HIGHEST}")))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .send();
        let mut found: Vec<ApiKey> = Vec::new();
        while found.len() < limit
            && let Some(page) = pages.next().await
        {
            for item in page?.items.unwrap_or_default() {
                found.push(read::<ApiKeyItem, _>(item)?);
            }
        }
        found.truncate(limit);
        let uses = self.get_all(found.iter().map(|key| keys::key_use(organization, key.id)).collect()).await?;
        let uses = uses.into_iter().map(read::<KeyUseItem, KeyUse>).collect::<Result<Vec<_>, _>>()?;
        let uses: HashMap<_, _> = uses.into_iter().map(|seen| (seen.key, seen.at)).collect();
        Ok(found.into_iter().map(|key| ApiKey { last_used_at: uses.get(&key.id).copied(), ..key }).collect())
    }

    /// Records the last use of a key.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn record_key_use(
        &self,
        organization: &OrganizationId,
        key: KeyId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let base = Base::new(keys::key_use(organization, key), "key_use");
        let item = KeyUseItem { base, key: key.to_string(), at: at.rfc3339() };
        self.client.put_item().table_name(&self.table).set_item(Some(to_item(&item)?)).send().await?;
        Ok(())
    }
}

const fn status_name(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Rotating { .. } => "rotating",
        KeyStatus::Revoked { .. } => "revoked",
    }
}

/// The last use of a key.
#[derive(Debug, Serialize, Deserialize)]
struct KeyUseItem {
    #[serde(flatten)]
    base: Base,
    key: String,
    at: String,
}

struct KeyUse {
    key: KeyId,
    at: Timestamp,
}

impl TryFrom<KeyUseItem> for KeyUse {
    type Error = Unreadable;

    fn try_from(item: KeyUseItem) -> Result<Self, Unreadable> {
        Ok(Self { key: KeyId::parse(&item.key)?, at: Timestamp::parse(&item.at)? })
    }
}

/// An API key. It is stored twice: by its hash, and in its organization.
#[derive(Debug, Serialize, Deserialize)]
struct ApiKeyItem {
    #[serde(flatten)]
    base: Base,
    id: String,
    hash: String,
    organization: String,
    name: String,
    scopes: Vec<String>,
    /// The ids of the endpoints that the key is bound to, 16 bytes each.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<ByteBuf>,
    /// Not `expires_at`: DynamoDB would delete the item after that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    preview: String,
    status: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

impl ApiKeyItem {
    /// The item that authentication reads.
    fn by_hash(key: &ApiKey) -> Self {
        Self::new(keys::key_by_hash(&key.hash), key)
    }

    /// The item that lists read.
    fn in_organization(key: &ApiKey) -> Self {
        Self::new(keys::key_in_organization(&key.organization, key.id), key)
    }

    fn new(item_key: Key, key: &ApiKey) -> Self {
        let (rotated_at, grace_expires_at, revoked_at) = match key.status {
            KeyStatus::Active => (None, None, None),
            KeyStatus::Rotating { rotated_at, grace_expires_at } => (Some(rotated_at), Some(grace_expires_at), None),
            KeyStatus::Revoked { revoked_at, rotated_at } => (rotated_at, None, Some(revoked_at)),
        };
        let text = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        let rights = &key.rights;
        Self {
            base: Base::new(item_key, "api_key"),
            id: key.id.to_string(),
            hash: key.hash.to_string(),
            organization: key.organization.to_string(),
            name: key.name.to_string(),
            scopes: rights.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            endpoints: rights.binding.endpoints().map(endpoint_bytes),
            valid_until: text(rights.expires_at),
            preview: key.preview.clone(),
            status: status_name(key.status).to_owned(),
            created_at: key.created_at.rfc3339(),
            rotated_at: text(rotated_at),
            grace_expires_at: text(grace_expires_at),
            revoked_at: text(revoked_at),
        }
    }
}

pub(super) fn endpoint_bytes(endpoints: &BTreeSet<EndpointId>) -> ByteBuf {
    ByteBuf::from(endpoints.iter().flat_map(|id| id.uuid().into_bytes()).collect::<Vec<_>>())
}

pub(super) fn binding(bytes: &[u8]) -> Result<Binding, Unreadable> {
    let endpoint = |bytes: &[u8]| Uuid::from_slice(bytes).map(EndpointId::from_uuid);
    let endpoints = bytes.chunks(16).map(endpoint).collect::<Result<Vec<_>, _>>();
    Ok(Binding::stored(endpoints.map_err(|error| Unreadable(error.to_string()))?))
}

fn scope(name: &str) -> Result<Scope, Unreadable> {
    Scope::parse(name).ok_or_else(|| unknown("scope", name))
}

impl TryFrom<ApiKeyItem> for ApiKey {
    type Error = Unreadable;

    fn try_from(item: ApiKeyItem) -> Result<Self, Unreadable> {
        let rotated_at = time(item.rotated_at.as_ref())?;
        Ok(Self {
            id: KeyId::parse(&item.id)?,
            hash: KeyHash::parse(&item.hash).ok_or_else(|| unknown("hash", &item.hash))?,
            organization: OrganizationId::parse(&item.organization)?,
            name: Name::parse(&item.name)?,
            rights: Rights {
                scopes: item.scopes.iter().map(|name| scope(name)).collect::<Result<Scopes, _>>()?,
                binding: item.endpoints.as_deref().map(|bytes| binding(bytes)).transpose()?.unwrap_or_default(),
                expires_at: time(item.valid_until.as_ref())?,
            },
            preview: item.preview,
            status: match item.status.as_str() {
                "active" => KeyStatus::Active,
                "rotating" => KeyStatus::Rotating {
                    rotated_at: required("rotated_at", rotated_at)?,
                    grace_expires_at: required("grace_expires_at", time(item.grace_expires_at.as_ref())?)?,
                },
                "revoked" => KeyStatus::Revoked {
                    revoked_at: required("revoked_at", time(item.revoked_at.as_ref())?)?,
                    rotated_at,
                },
                other => return Err(unknown("status", other)),
            },
            created_at: Timestamp::parse(&item.created_at)?,
            last_used_at: None,
        })
    }
}
