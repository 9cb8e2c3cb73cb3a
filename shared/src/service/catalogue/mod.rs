//! The catalogue of event types, as publishing uses it.

mod cache;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use tracing::warn;

use super::ServiceError;
use super::event_writer::Numbered;
use crate::clock::Clock;
use crate::domain::catalogue::{CatalogueType, Refusal, SchemaText, TypeEntry, required_version};
use crate::domain::deployment::Deployment;
use crate::domain::event::NewEvent;
use crate::domain::event::event_type::EventType;
use crate::domain::schema::Schema;
use crate::store::Store;
use cache::{Cache, Compiled};

/// The events of a request after their validation.
#[derive(Debug, Default)]
pub(super) struct Validated {
    /// The events that may be published.
    pub(super) accepted: Vec<Numbered>,
    /// The positions of the others, and why they are refused.
    pub(super) refused: Vec<(u32, Refusal)>,
}

/// The types of a request's events; `None` for one that is not in the catalogue.
type Types = BTreeMap<EventType, Option<Arc<CatalogueType>>>;

/// Validates events against the catalogue, and remembers its types and schemas. A change of a type applies to events that
/// are published at least 10 s later.
#[derive(Debug)]
pub(super) struct EventTypes {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
    cache: Mutex<Cache>,
}

impl EventTypes {
    pub(super) fn new(store: Arc<Store>, clock: Clock, deployment: Arc<Deployment>) -> Self {
        Self { store, clock, deployment, cache: Mutex::default() }
    }

    /// Validates events. `is_platform` is whether they are published with a platform key.
    ///
    /// # Errors
    /// [`ServiceError`] if the catalogue could not be read. An event that cannot be validated is not accepted: it could not
    /// be recalled, and the publisher can repeat the request.
    pub(super) async fn validate(&self, new: Vec<Numbered>, is_platform: bool) -> Result<Validated, ServiceError> {
        let mut validated = Validated::default();
        if new.is_empty() {
            return Ok(validated);
        }
        let types = self.types_of(&new, is_platform).await?;
        for (index, mut event) in new {
            let kind = types.get(&event.event_type).and_then(Option::as_deref);
            match self.validate_event(&mut event, kind, is_platform).await? {
                Ok(()) => validated.accepted.push((index, event)),
                Err(refusal) => validated.refused.push((index, refusal)),
            }
        }
        Ok(validated)
    }

    async fn validate_event(
        &self,
        event: &mut NewEvent,
        kind: Option<&CatalogueType>,
        is_platform: bool,
    ) -> Result<Result<(), Refusal>, ServiceError> {
        let name = &event.event_type;
        let required = required_version(name, event.schema_version, kind, is_platform, &self.deployment.catalogue);
        let (kind, number) = match (kind, required) {
            (_, Err(refusal)) => return Ok(Err(refusal)),
            (Some(kind), Ok(Some(number))) => (kind, number),
            _ => return Ok(Ok(())),
        };
        let Some(compiled) = self.compiled(kind, number).await? else {
            return Ok(Err(Refusal::of_version(name, number)));
        };
        event.schema_version = compiled.is_some().then_some(number);
        let Some(schema) = compiled else { return Ok(Ok(())) };
        // Data with a content type is text, which the API shows as a JSON string.
        let is_text = event.content_type.is_some();
        let result = if is_text { schema.validate_string(&event.data) } else { schema.validate_text(&event.data) };
        let result = result.map_err(Refusal::Data);
        // Other tasks of the thread run before the next event is validated.
        tokio::task::yield_now().await;
        Ok(result)
    }

    /// The types of these events. Those that are not known are read; none is read if the catalogue has never had a type. A
    /// type because of which an event would be refused, as the type or the version that it names is unknown, is read in any
    /// case. If a type cannot be read, this process goes on with what it knows of it.
    async fn types_of(&self, new: &[Numbered], is_platform: bool) -> Result<Types, ServiceError> {
        let revision = self.revision().await?;
        let catalogue = &self.deployment.catalogue;
        let mut types = Types::new();
        if revision == 0 && !catalogue.is_closed() && new.iter().all(|(_, event)| event.schema_version.is_none()) {
            return Ok(types);
        }
        let now = self.clock.now();
        let is_refused = |event: &NewEvent, kind: Option<&CatalogueType>| {
            required_version(&event.event_type, event.schema_version, kind, is_platform, catalogue).is_err()
        };
        let mut missing = BTreeSet::new();
        {
            let cache = self.cache();
            for (_, event) in new {
                let name = &event.event_type;
                match cache.kind(name, now) {
                    Some(kind) if !is_refused(event, kind.as_deref()) => drop(types.insert(name.clone(), kind)),
                    None if revision == 0 && !is_refused(event, None) => {}
                    _ => drop(missing.insert(name)),
                }
            }
        }
        let reads = missing.into_iter().map(async |name| {
            let kind = match self.store.event_type(name).await {
                Ok(kind) => kind.map(Arc::new),
                Err(error) => {
                    let refuses = |kind: &Option<Arc<CatalogueType>>| {
                        let mut events = new.iter().filter(|(_, event)| event.event_type == *name);
                        events.any(|(_, event)| is_refused(event, kind.as_deref()))
                    };
                    let last = self.cache().last_kind(name).filter(|kind| !refuses(kind));
                    let kind = last.ok_or(error.clone())?;
                    warn!(%error, "an event type could not be read");
                    return Ok((name, kind));
                }
            };
            self.cache().found_type(name, kind.clone(), revision, now);
            Ok::<_, ServiceError>((name, kind))
        });
        let read = try_join_all(reads).await?;
        types.extend(read.into_iter().map(|(name, kind)| (name.clone(), kind)));
        Ok(types)
    }

    /// The revision of the catalogue, which may be 10 s old. If it cannot be read, this process goes on with the revision
    /// that it knows.
    async fn revision(&self) -> Result<u64, ServiceError> {
        if let Some(revision) = self.cache().revision(self.clock.now()) {
            return Ok(revision);
        }
        let now = self.clock.now();
        match self.store.catalogue_revision(false).await {
            Ok(revision) => Ok(self.cache().found_revision(revision, now)),
            Err(error) => {
                let known = self.cache().prolong(now);
                known.inspect(|_| warn!(%error, "the revision of the catalogue could not be read")).ok_or(error.into())
            }
        }
    }

    /// The entries of all types, by name. If they are to be current, they have every change that was answered before this call;
    /// otherwise they may be 10 s old. They are read only if this process does not know them at the catalogue's revision.
    ///
    /// # Errors
    /// [`ServiceError`] if the revision or the entries could not be read.
    pub(super) async fn entries(&self, are_current: bool) -> Result<Arc<[TypeEntry]>, ServiceError> {
        let now = self.clock.now();
        let revision = if are_current {
            let number = self.store.catalogue_revision(true).await?;
            self.cache().found_revision(number, now)
        } else {
            self.revision().await?
        };
        if let Some(entries) = self.cache().entries(now) {
            return Ok(entries);
        }
        let entries: Arc<[_]> = if revision == 0 { Arc::default() } else { self.store.type_entries().await?.into() };
        self.cache().found_entries(Arc::clone(&entries), revision, now);
        Ok(entries)
    }

    /// The compiled schema of a version of a type; `None` if there is no such version.
    async fn compiled(&self, kind: &CatalogueType, number: u32) -> Result<Option<Compiled>, ServiceError> {
        let name = &kind.name;
        if let Some(compiled) = self.cache().compiled(kind, number) {
            return Ok(Some(compiled));
        }
        let Some(version) = self.store.type_version(name, number).await? else { return Ok(None) };
        let text = version.contents.schema;
        let compiled = text.as_ref().map(SchemaText::compile).transpose().map_err(|error| {
            ServiceError::Internal(format!("version {number} of {name} is no longer accepted: {error}"))
        })?;
        let bytes = compiled.as_ref().map_or(0, Schema::bytes);
        let compiled = compiled.map(Arc::new);
        self.cache().found_version(kind, number, compiled.clone(), bytes);
        Ok(Some(compiled))
    }

    /// Makes this process read the catalogue again.
    pub(super) fn expire(&self) {
        self.cache().expire();
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Each change is complete before the lock is released.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
