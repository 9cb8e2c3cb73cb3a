//! The catalogue of event types, which the platform writes and every caller reads.

use std::borrow::Cow;

use super::lists::bad_cursor;
use super::{Administrator, Page};
use crate::clock;
use crate::domain::Invalid;
use crate::domain::catalogue::{
    CatalogueType, Contents, FullType, TypeChange, TypePatch, TypeVersion, Visibility, WantedType,
};
use crate::domain::deployment::Deployment;
use crate::domain::event::event_type::EventType;
use crate::service::{Caller, ServiceError};
use crate::store::StoreError;
use crate::telemetry::audit_of_platform;

/// How often a change is tried if other processes are changing the catalogue.
pub(super) const TRIES: u32 = 8;
const NOT_FOUND: ServiceError = ServiceError::NotFound("event type");

/// Which types a list contains.
#[derive(Debug, Default)]
pub struct TypeFilter {
    /// Whether archived types are included.
    pub archived: bool,
    /// Only types of this group.
    pub group: Option<String>,
}

/// Whether the caller may see the type.
pub(super) fn is_visible(caller: &Caller, kind: &CatalogueType) -> bool {
    caller.is_platform() || kind.settings.visibility == Visibility::Public
}

impl Administrator {
    /// The settings of the deployment, with the catalogue's types that the caller may see if the catalogue is closed.
    ///
    /// # Errors
    /// [`ServiceError`] if the types could not be read.
    pub async fn deployment_for(&self, caller: &Caller) -> Result<Cow<'_, Deployment>, ServiceError> {
        if !self.deployment.catalogue.is_closed() {
            return Ok(Cow::Borrowed(&self.deployment));
        }
        let types = self.store.all_event_types().await?.into_iter().filter(|kind| is_visible(caller, kind));
        let mut deployment = Deployment::clone(&self.deployment);
        deployment.catalogue = deployment.catalogue.with(types.map(|kind| kind.name));
        Ok(Cow::Owned(deployment))
    }

    /// Creates a type.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if there is a type with this name, [`ServiceError::Invalid`] if the example does not
    /// satisfy the schema.
    pub async fn create_event_type(&self, name: EventType, wanted: WantedType) -> Result<FullType, ServiceError> {
        check(&wanted.contents)?;
        let write = wanted.creation(&name, self.clock.now());
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            match self.store.write_event_types(std::slice::from_ref(&write)).await {
                Ok(()) => return Ok(self.changed("event_type.create", write)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            match self.store.event_type(&name).await? {
                // The response to an earlier try was lost.
                Some(found) if found == write.after => return Ok(self.changed("event_type.create", write)),
                Some(_) => return Err(ServiceError::Conflict(format!("the event type {name} exists"))),
                None => {}
            }
        }
        Err(busy())
    }

    /// Replaces a type, or creates it. Returns whether it was created.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if the example does not satisfy the schema.
    pub async fn replace_event_type(
        &self,
        name: &EventType,
        wanted: WantedType,
    ) -> Result<(FullType, bool), ServiceError> {
        check(&wanted.contents)?;
        self.change_event_type(name, |_| Ok(wanted.clone())).await
    }

    /// Changes a type.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such type, [`ServiceError::Invalid`] if the example does not satisfy the
    /// schema.
    pub async fn update_event_type(&self, name: &EventType, patch: TypePatch) -> Result<FullType, ServiceError> {
        let patched = |before: Option<&FullType>| {
            let wanted = before.ok_or(NOT_FOUND)?.patched(patch.clone());
            check(&wanted.contents)?;
            Ok(wanted)
        };
        self.change_event_type(name, patched).await.map(|(changed, _)| changed)
    }

    /// Removes a type with all its versions.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such type.
    pub async fn remove_event_type(&self, name: &EventType) -> Result<(), ServiceError> {
        let mut is_sent = false;
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let Some(kind) = self.store.event_type(name).await? else {
                // The response to an earlier try may have been lost.
                return if is_sent { Ok(()) } else { Err(NOT_FOUND) };
            };
            is_sent = true;
            match self.store.delete_event_type(&kind).await {
                Ok(()) => {
                    audit_of_platform("event_type.delete", name);
                    self.event_types.expire();
                    return Ok(());
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    /// Reads a type with its newest version.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such type, or the caller may not see it.
    pub async fn event_type(&self, caller: &Caller, name: &EventType) -> Result<FullType, ServiceError> {
        let full = self.full_type(name).await?.filter(|full| is_visible(caller, &full.kind));
        full.ok_or(NOT_FOUND)
    }

    /// A page of the types that the caller may see, by name.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if `cursor` is not a cursor of this list.
    pub async fn list_event_types(
        &self,
        caller: &Caller,
        filter: &TypeFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<CatalogueType>, ServiceError> {
        let after = cursor.map(|text| EventType::parse(text).map_err(|_| bad_cursor())).transpose()?;
        let admits = |kind: &CatalogueType| {
            let group = kind.settings.group.as_ref();
            is_visible(caller, kind)
                && (filter.archived || !kind.settings.is_archived)
                && filter.group.as_ref().is_none_or(|wanted| group.is_some_and(|group| group.as_str() == wanted))
        };
        let (items, has_more) = self.store.event_types_after(after.as_ref(), limit, admits).await?;
        // The last type of the page, and not one behind it that the caller may not see.
        let next = items.last().filter(|_| has_more).map(|kind| kind.name.to_string());
        Ok(Page { items, next })
    }

    /// A page of the versions of a type, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such type, or the caller may not see it; [`ServiceError::Invalid`] if
    /// `cursor` is not a cursor of this list.
    pub async fn list_type_versions(
        &self,
        caller: &Caller,
        name: &EventType,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<TypeVersion>, ServiceError> {
        let before = cursor.map(|text| text.parse::<u32>().map_err(|_| bad_cursor())).transpose()?;
        let kind = self.store.event_type(name).await?.filter(|kind| is_visible(caller, kind)).ok_or(NOT_FOUND)?;
        let newest = kind.latest.unwrap_or(0).min(before.map_or(u32::MAX, |before| before.saturating_sub(1)));
        let mut numbers: Vec<_> = (1..=newest).rev().take(limit + 1).collect();
        let is_last = numbers.len() <= limit;
        numbers.truncate(limit);
        let next = numbers.last().filter(|_| !is_last).map(u32::to_string);
        let wanted: Vec<_> = numbers.into_iter().map(|number| (name.clone(), number)).collect();
        let mut found = self.store.type_versions(&wanted).await?;
        Ok(Page { items: wanted.iter().filter_map(|wanted| found.remove(wanted)).collect(), next })
    }

    /// Reads a version of a type.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such version, or the caller may not see the type.
    pub async fn type_version(
        &self,
        caller: &Caller,
        name: &EventType,
        number: u32,
    ) -> Result<TypeVersion, ServiceError> {
        self.store.event_type(name).await?.filter(|kind| is_visible(caller, kind)).ok_or(NOT_FOUND)?;
        let version = self.store.type_version(name, number).await?;
        version.ok_or(ServiceError::NotFound("version of the event type"))
    }

    /// The type with its newest version.
    pub(super) async fn full_type(&self, name: &EventType) -> Result<Option<FullType>, ServiceError> {
        let Some(kind) = self.store.event_type(name).await? else { return Ok(None) };
        let newest = match kind.latest {
            Some(number) => self.store.type_version(name, number).await?,
            None => None,
        };
        Ok(Some(FullType { kind, newest }))
    }

    /// Changes a type to what `change` makes of it. Returns whether the type was created.
    async fn change_event_type(
        &self,
        name: &EventType,
        change: impl Fn(Option<&FullType>) -> Result<WantedType, ServiceError>,
    ) -> Result<(FullType, bool), ServiceError> {
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let before = self.full_type(name).await?;
            let wanted = change(before.as_ref())?;
            let Some(write) = wanted.change(name, before.as_ref(), self.clock.now()) else {
                return before.map(|before| (before, false)).ok_or(NOT_FOUND);
            };
            let (is_new, newest) = (before.is_none(), before.and_then(|before| before.newest));
            match self.store.write_event_types(std::slice::from_ref(&write)).await {
                Ok(()) => {
                    let action = if is_new { "event_type.create" } else { "event_type.update" };
                    let FullType { kind, newest: new } = self.changed(action, write);
                    return Ok((FullType { kind, newest: new.or(newest) }, is_new));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    pub(super) fn changed(&self, action: &'static str, write: TypeChange) -> FullType {
        audit_of_platform(action, &write.after.name);
        self.event_types.expire();
        FullType { kind: write.after, newest: write.new }
    }
}

/// Checks that the example satisfies the schema.
fn check(contents: &Contents) -> Result<(), ServiceError> {
    let problems = |invalid: Vec<Invalid>| invalid.into_iter().map(|invalid| ("example", invalid)).collect();
    contents.check().map_err(|invalid| ServiceError::Invalid(problems(invalid)))
}

pub(super) fn busy() -> ServiceError {
    ServiceError::Unavailable("other processes are changing the catalogue".to_owned())
}
