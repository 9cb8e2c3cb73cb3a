//! Event types: an item for each type, for each of its versions, and for its entry in the list of types. Each write is one
//! transaction, which also raises the revision of the catalogue, so that processes read the type again.

mod item;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};

use super::error::of_transaction;
use super::item::{Item, VERSION, read, to_item};
use super::keys::Key;
use super::write::transaction::cancellation_reasons;
use super::{Store, StoreError, keys};
use crate::domain::catalogue::{CatalogueType, TypeChange, TypeEntry, TypeVersion};
use crate::domain::event::event_type::EventType;
use item::EntryItem;
pub(super) use item::{TypeItem, VersionItem};

/// Most types that one transaction writes: three items each, and the revision, of the 100 that DynamoDB allows.
pub const TYPES_PER_TRANSACTION: usize = 30;
/// Most versions that a transaction deletes together with their type: each has up to 128 KiB, and a transaction 4 MB.
const VERSIONS_PER_TRANSACTION: usize = 20;
/// The type is as it was read, and was not removed and created again since.
const AS_SEEN: &str = "version = :seen AND created_at = :created";
/// Raises the revision.
const RAISE: &str = "ADD revision :one SET entity = :entity, v = :v";

impl Store {
    /// Reads the revision of the catalogue: the number of changes of types; 0 if there has been none. A consistent read begins
    /// after this call, and costs twice as much.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn catalogue_revision(&self, is_consistent: bool) -> Result<u64, StoreError> {
        self.coalesced.catalogue_revision(is_consistent).await
    }

    /// Reads a type. Strongly consistent: the read begins after this call.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn event_type(&self, name: &EventType) -> Result<Option<CatalogueType>, StoreError> {
        self.coalesced.event_type(name).await
    }

    /// Reads a version of a type. Strongly consistent: the read begins after this call.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn type_version(&self, name: &EventType, number: u32) -> Result<Option<TypeVersion>, StoreError> {
        self.coalesced.type_version(name, number).await
    }

    /// Reads these types, in any order. Missing ones are left out. Strongly consistent. `names` must not contain duplicates.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn event_types(&self, names: &[EventType]) -> Result<Vec<CatalogueType>, StoreError> {
        let items = self.get_all(names.iter().map(keys::event_type).collect()).await?;
        items.into_iter().map(read::<TypeItem, _>).collect()
    }

    /// Reads versions of types, in any order. Missing ones are left out. Strongly consistent. `wanted` must not contain
    /// duplicates.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn type_versions(
        &self,
        wanted: &[(EventType, u32)],
    ) -> Result<HashMap<(EventType, u32), TypeVersion>, StoreError> {
        let by_key: HashMap<_, _> = wanted.iter().map(|it| (keys::type_version(&it.0, it.1), it.clone())).collect();
        let mut found = HashMap::new();
        for item in self.get_all(by_key.keys().cloned().collect()).await? {
            if let Some(wanted) = Key::of(&item).and_then(|key| by_key.get(&key)) {
                found.insert(wanted.clone(), read::<VersionItem, _>(item)?);
            }
        }
        Ok(found)
    }

    /// The entries of all types, by name. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn type_entries(&self) -> Result<Vec<TypeEntry>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(keys::TYPES.to_owned()))
            .consistent_read(true)
            .into_paginator()
            .send();
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                entries.push(read::<EntryItem, _>(item)?);
            }
        }
        Ok(entries)
    }

    /// Writes types, with their new versions and entries, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of them is not as it was read, or another process is changing the catalogue.
    pub async fn write_event_types(&self, writes: &[TypeChange]) -> Result<(), StoreError> {
        let mut items = Vec::with_capacity(3 * writes.len() + 1);
        for TypeChange { seen, after, new } in writes {
            items.push(self.put_type(after, *seen)?);
            items.push(self.put(to_item(&EntryItem::new(after))?)?);
            if let Some(new) = new {
                items.push(self.put_if_absent(to_item(&VersionItem::new(after, new)?)?)?);
            }
        }
        items.push(self.raise_catalogue()?);
        self.catalogue_transaction(items).await
    }

    /// Removes a type with all its versions.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the type is not as it was read, or another process is changing the catalogue.
    pub async fn delete_event_type(&self, kind: &CatalogueType) -> Result<(), StoreError> {
        let versions: Vec<_> = (1..=kind.latest.unwrap_or(0)).collect();
        let (older, newest) = versions.split_at(versions.len().saturating_sub(VERSIONS_PER_TRANSACTION));
        for number in older {
            let key = keys::type_version(&kind.name, *number).attributes();
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
            let delete = delete.condition_expression("attribute_not_exists(pk) OR type_created_at = :created");
            delete.expression_attribute_values(":created", created_at(kind)).send().await?;
        }
        let delete = self.deletion(&keys::event_type(&kind.name)).condition_expression(AS_SEEN);
        let delete = delete.expression_attribute_values(":created", created_at(kind));
        let delete = delete.expression_attribute_values(":seen", AttributeValue::N(kind.version.to_string()));
        let others = newest.iter().map(|number| keys::type_version(&kind.name, *number));
        let others = others.chain([keys::type_entry(&kind.name)]).map(|key| self.deletion(&key));
        let mut items = Vec::new();
        for delete in std::iter::once(delete).chain(others) {
            let delete = delete.build().map_err(StoreError::corrupt)?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        items.push(self.raise_catalogue()?);
        self.catalogue_transaction(items).await
    }

    fn deletion(&self, key: &Key) -> aws_sdk_dynamodb::types::builders::DeleteBuilder {
        Delete::builder().table_name(&self.table).set_key(Some(key.attributes()))
    }

    fn put_type(&self, kind: &CatalogueType, seen: Option<u64>) -> Result<TransactWriteItem, StoreError> {
        let item = to_item(&TypeItem::new(kind))?;
        let Some(seen) = seen else { return self.put_if_absent(item) };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(AS_SEEN)
            .expression_attribute_values(":created", created_at(kind))
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(StoreError::corrupt)?).build())
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn raise_catalogue(&self) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(keys::catalogue().attributes()))
            .update_expression(RAISE)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":entity", AttributeValue::S("catalogue".to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()));
        Ok(TransactWriteItem::builder().update(update.build().map_err(StoreError::corrupt)?).build())
    }

    async fn catalogue_transaction(&self, items: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let is_conflict = |code| ["ConditionalCheckFailed", "TransactionConflict"].contains(&code);
        let is_conflict = cancellation_reasons(&error).iter().filter_map(|it| it.code()).any(is_conflict);
        Err(if is_conflict { StoreError::Conflict } else { of_transaction(error) })
    }
}

fn created_at(kind: &CatalogueType) -> AttributeValue {
    AttributeValue::S(kind.created_at.rfc3339())
}

/// The revision in the catalogue's item; 0 without an item.
pub(super) fn read_revision(item: Option<&Item>) -> Result<u64, StoreError> {
    let Some(revision) = item.and_then(|item| item.get("revision")) else { return Ok(0) };
    let number = revision.as_n().ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| StoreError::corrupt("the catalogue's revision is not a number"))
}
