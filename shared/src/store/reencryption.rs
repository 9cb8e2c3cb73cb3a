//! The item of the walk that encrypts again under a new key.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::item::{Base, Unreadable, required, time, to_item};
use super::{Store, StoreError, keys};
use crate::domain::encryption::key_ring::KeyId;
use crate::domain::encryption::reencryption::Reencryption;
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::time::Timestamp;

#[derive(Debug, Serialize, Deserialize)]
struct ReencryptionItem {
    #[serde(flatten)]
    base: Base,
    key: String,
    parameter_version: i64,
    since: String,
    pass_began: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    changed: u64,
    undecryptable: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    version: u64,
}

impl From<&Reencryption> for ReencryptionItem {
    fn from(walk: &Reencryption) -> Self {
        Self {
            base: Base::new(keys::reencryption(), "reencryption"),
            key: walk.key.to_string(),
            parameter_version: walk.parameter_version,
            since: walk.since.rfc3339(),
            pass_began: walk.pass_began.rfc3339(),
            after: walk.after.as_ref().map(OrganizationPosition::to_string),
            changed: walk.changed,
            undecryptable: walk.undecryptable,
            finished_at: walk.finished_at.map(Timestamp::rfc3339),
            version: walk.version,
        }
    }
}

impl TryFrom<ReencryptionItem> for Reencryption {
    type Error = Unreadable;

    fn try_from(item: ReencryptionItem) -> Result<Self, Unreadable> {
        let after = |text: &str| required("after", OrganizationPosition::parse(text));
        Ok(Self {
            key: required("key", KeyId::parse(&item.key))?,
            parameter_version: item.parameter_version,
            since: Timestamp::parse(&item.since)?,
            pass_began: Timestamp::parse(&item.pass_began)?,
            after: item.after.as_deref().map(after).transpose()?,
            changed: item.changed,
            undecryptable: item.undecryptable,
            finished_at: time(item.finished_at.as_ref())?,
            version: item.version,
        })
    }
}

impl Store {
    /// The walk that encrypts again, if there was one. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn reencryption(&self) -> Result<Option<Reencryption>, StoreError> {
        self.get::<ReencryptionItem, _>(&keys::reencryption()).await
    }

    /// Stores the progress of a walk, whose version is one higher than the stored one's.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another process has stored its progress first.
    pub async fn store_reencryption(&self, walk: &Reencryption) -> Result<(), StoreError> {
        let item = to_item(&ReencryptionItem::from(walk))?;
        let seen = AttributeValue::N(walk.version.saturating_sub(1).to_string());
        self.put_if(item, "attribute_not_exists(pk) OR version = :seen", [(":seen", seen)]).await
    }
}
