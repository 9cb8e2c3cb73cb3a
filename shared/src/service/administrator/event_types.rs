//! The catalogue of event types, which the platform writes and every caller reads.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::lists::bad_cursor;
use super::{Administrator, Page};
use crate::clock;
use crate::domain::Invalid;
use crate::domain::catalogue::{
    CatalogueType, Contents, FullType, TypeChange, TypeEntry, TypePatch, TypeVersion, Visibility, WantedType,
};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::event::event_type::{Catalogue, EventType};
use crate::domain::event::operational::PLATFORM_EVENTS;
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
    /// The settings of the deployment. If the catalogue is closed and the configured types do not include these types and
    /// subscriptions of a request, it has also the types that the caller may see: those that this process knows, or the current
    /// ones, if the request would be refused. So a tenant that is refused reads no more than the catalogue's revision.
    ///
    /// # Errors
    /// [`ServiceError`] if the types could not be read.
    pub async fn deployment_for(&self, caller: &Caller, types: &[String]) -> Result<Cow<'_, Deployment>, ServiceError> {
        // Malformed ones, and too many, are refused in any case.
        let named = types.iter().take(MAX_SUBSCRIPTIONS).filter_map(|text| Subscription::parse(text).ok());
        let named: Vec<_> = named.collect();
        let mut deployment = Cow::Borrowed(&*self.deployment);
        for are_current in [false, true] {
            if named.iter().all(|named| deployment.catalogue.check_subscribed(named).is_ok()) {
                break;
            }
            let entries = self.event_types.entries(are_current).await?;
            let visible = entries.iter().filter(|entry| entry.is_visible(caller.is_platform()));
            let catalogue = self.deployment.catalogue.clone().with(visible.map(|entry| entry.name.clone()));
            deployment = Cow::Owned(Deployment { catalogue, ..Deployment::clone(&self.deployment) });
        }
        Ok(deployment)
    }

    /// The settings of the deployment for endpoints of the platform's own organization, which receive only what the service
    /// publishes.
    pub fn deployment_of_platform(&self) -> Deployment {
        let types = PLATFORM_EVENTS.iter().filter_map(|name| EventType::parse(name).ok());
        Deployment { catalogue: Catalogue::closed(types), ..Deployment::clone(&self.deployment) }
    }

    /// Those of these types that neither the settings nor the catalogue has, or that are archived. Patterns are not looked up.
    ///
    /// # Errors
    /// [`ServiceError`] if the types could not be read.
    pub async fn unregistered(&self, caller: &Caller, types: &[String]) -> Result<Vec<EventType>, ServiceError> {
        let named = types.iter().take(MAX_SUBSCRIPTIONS).filter_map(|text| EventType::parse(text).ok());
        let is_open = |name: &EventType| !name.is_operational() && !self.deployment.catalogue.names(name);
        let mut missing: Vec<_> = named.filter(is_open).collect();
        if missing.is_empty() {
            return Ok(missing);
        }
        let entries = self.event_types.entries(true).await?;
        let is_platform = caller.is_platform();
        let is_known = |name: &EventType| {
            let mut found = entries.iter().filter(|entry| entry.name == *name);
            found.any(|entry| !entry.is_archived && entry.is_visible(is_platform))
        };
        missing.retain(|name| !is_known(name));
        Ok(missing)
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
            // If the response was lost, the SDK repeats the transaction with the same token, and it succeeds once.
            if self.store.event_type(&name).await?.is_some() {
                return Err(ServiceError::Conflict(format!("the event type {name} exists")));
            }
        }
        Err(busy())
    }

    /// Replaces a type, or creates it. Returns whether it was created.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if only the service publishes events of the type, or the example does not satisfy the schema.
    pub async fn replace_event_type(
        &self,
        name: &EventType,
        wanted: WantedType,
    ) -> Result<(FullType, bool), ServiceError> {
        name.check_published().map_err(|invalid| ServiceError::Invalid(vec![("name", invalid)]))?;
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
        let is_platform = caller.is_platform();
        let admits = |entry: &&TypeEntry| {
            entry.is_visible(is_platform)
                && after.as_ref().is_none_or(|after| entry.name > *after)
                && (filter.archived || !entry.is_archived)
                && filter
                    .group
                    .as_deref()
                    .is_none_or(|wanted| entry.group.as_ref().is_some_and(|it| it.as_str() == wanted))
        };
        let entries = self.event_types.entries(true).await?;
        let names = entries.iter().filter(admits).take(limit + 1).map(|entry| entry.name.clone()).collect();
        // The cursor is the last type of the page, and not one behind it that the caller may not see.
        let Page { items: names, next } = Page::cut(names, limit, EventType::clone);
        let mut items = self.store.event_types(&names).await?;
        items.retain(|kind| is_visible(caller, kind));
        items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
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
        let before =
            cursor.map(|text| text.parse::<NonZeroU32>().map_err(|_| bad_cursor())).transpose()?.map(NonZeroU32::get);
        let kind = self.store.event_type(name).await?.filter(|kind| is_visible(caller, kind)).ok_or(NOT_FOUND)?;
        let newest = kind.latest.unwrap_or(0).min(before.map_or(u32::MAX, |before| before.saturating_sub(1)));
        let numbers = (1..=newest).rev().take(limit + 1).collect();
        let Page { items: numbers, next } = Page::cut(numbers, limit, |number| *number);
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
