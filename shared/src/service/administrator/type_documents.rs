//! Importing and exporting the catalogue as an OpenAPI document.

use std::collections::HashMap;

use super::Administrator;
use super::event_types::{TRIES, busy, is_visible};
use crate::clock;
use crate::domain::catalogue::{
    CatalogueType, DocumentWriter, FullType, ImportEffect, Imported, ImportedType, TypeChange,
};
use crate::domain::event::event_type::EventType;
use crate::domain::response::MAX_RESPONSE_BYTES;
use crate::domain::time::Timestamp;
use crate::service::{Caller, ServiceError};
use crate::store::{StoreError, TYPES_PER_TRANSACTION};

/// Most bytes of the texts that one transaction writes. DynamoDB allows 4 MB.
const MAX_TRANSACTION_BYTES: usize = 2 * 1024 * 1024;

/// How many types are read at the same time for an export. Each has up to 128 KiB.
const TYPES_PER_READ: usize = 50;

impl Administrator {
    /// Makes the types of the catalogue as they are in a document. Other types stay. `is_dry_run` changes nothing. The types
    /// are written in transactions of up to 30; if one fails, a repetition of the import writes the rest.
    ///
    /// # Errors
    /// [`ServiceError`] if a type could not be read or written.
    pub async fn import_event_types(
        &self,
        types: Vec<ImportedType>,
        is_dry_run: bool,
    ) -> Result<Vec<Imported>, ServiceError> {
        let mut imported = Vec::with_capacity(types.len());
        let mut rest = types.as_slice();
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(rest.len().min(TYPES_PER_TRANSACTION));
            imported.extend(self.import_chunk(chunk, is_dry_run).await?);
            rest = behind;
        }
        Ok(imported)
    }

    /// Imports types. If only a part of the changes is written and then another process changes the rest, the next try finds
    /// what this request has written, so the effects are those of the first try that changes a type.
    async fn import_chunk(&self, types: &[ImportedType], is_dry_run: bool) -> Result<Vec<Imported>, ServiceError> {
        let mut effects = vec![ImportEffect::Unchanged; types.len()];
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let names: Vec<_> = types.iter().map(|imported| imported.name.clone()).collect();
            let kinds = self.store.event_types(&names).await?;
            let before: HashMap<_, _> =
                self.full_types(kinds).await?.into_iter().map(|full| (full.kind.name.clone(), full)).collect();
            let (mut imported, mut changes) = (Vec::new(), Vec::new());
            for (new, effect) in types.iter().zip(&mut effects) {
                let (found, change) = new.clone().imported(before.get(&new.name), self.clock.now());
                if *effect == ImportEffect::Unchanged {
                    *effect = found.effect;
                }
                imported.push(Imported { effect: *effect, ..found });
                changes.extend(change);
            }
            if is_dry_run {
                return Ok(imported);
            }
            match self.write_changes(&changes).await {
                Ok(()) => return Ok(imported),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    /// Writes changes in one transaction, or several if they are large.
    async fn write_changes(&self, changes: &[TypeChange]) -> Result<(), StoreError> {
        let mut rest = changes;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|change| {
                bytes += text_bytes(change);
                bytes <= MAX_TRANSACTION_BYTES
            });
            let (chunk, behind) = rest.split_at(fitting.count().max(1));
            self.store.write_event_types(chunk).await?;
            for change in chunk {
                let action = if change.seen.is_none() { "event_type.create" } else { "event_type.update" };
                self.changed(action, change.clone());
            }
            rest = behind;
        }
        Ok(())
    }

    /// The OpenAPI document of the types that the caller may see and that are not archived. Its version is the time of the
    /// newest change.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the types are more than one response holds.
    pub async fn export_event_types(&self, caller: &Caller) -> Result<String, ServiceError> {
        let entries = self.event_types.entries(true).await?;
        let names = entries.iter().filter(|entry| entry.is_visible(caller.is_platform()) && !entry.is_archived);
        let names: Vec<_> = names.map(|entry| entry.name.clone()).collect();
        let mut version: Option<Timestamp> = None;
        let mut document = DocumentWriter::default();
        for names in names.chunks(TYPES_PER_READ) {
            let mut kinds = self.store.event_types(names).await?;
            kinds.retain(|kind| is_visible(caller, kind) && !kind.settings.is_archived);
            kinds.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            version = version.max(kinds.iter().map(|kind| kind.updated_at).max());
            for full in self.full_types(kinds).await? {
                document.push(&full);
                if document.bytes() > MAX_RESPONSE_BYTES {
                    let too_large = "the document would have more than 5 MB: read the types one by one";
                    return Err(ServiceError::QuotaExceeded(too_large.to_owned()));
                }
            }
            // Other tasks of the thread run before the next types are written.
            tokio::task::yield_now().await;
        }
        Ok(document.finish(&version.map_or_else(|| "0".to_owned(), Timestamp::rfc3339)))
    }

    /// The types with their newest versions.
    pub(super) async fn full_types(&self, kinds: Vec<CatalogueType>) -> Result<Vec<FullType>, ServiceError> {
        let newest = |kind: &CatalogueType| Some((kind.name.clone(), kind.latest?));
        let wanted: Vec<(EventType, u32)> = kinds.iter().filter_map(newest).collect();
        let mut versions = self.store.type_versions(&wanted).await?;
        let full = |kind: CatalogueType| FullType { newest: newest(&kind).and_then(|it| versions.remove(&it)), kind };
        Ok(kinds.into_iter().map(full).collect())
    }
}

/// The bytes of a change's texts, and more than those of everything else.
fn text_bytes(change: &TypeChange) -> usize {
    let settings = &change.after.settings;
    let described = settings.description.as_ref().map_or(0, |text| text.as_str().len());
    let contents = change.new.as_ref().map(|new| &new.contents);
    let schema = contents.and_then(|it| it.schema.as_ref()).map_or(0, |schema| schema.as_str().len());
    let example = contents.and_then(|it| it.example.as_ref()).map_or(0, |example| example.as_str().len());
    described + schema + example + 2 * 1024
}
