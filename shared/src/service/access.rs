//! Authentication of callers, and access to organizations.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use tracing::warn;

use super::ServiceError;
use super::caches::Caches;
use super::targets::{CurrentState, Targets};
use crate::clock::Clock;
use crate::domain::deployment::Deployment;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EndpointId, EventId, KeyId, OrganizationId, PortalSessionId};
use crate::domain::portal::session::Grant;
use crate::domain::tenancy::access::{PlatformRole, Scope};
use crate::domain::tenancy::api_key::{KeySecret, PlatformKey};
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::domain::tenancy::rights::{Binding, Excess, Rights};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The holder of a platform key.
    Platform(PlatformKey),
    /// The holder of an organization's key.
    Key {
        /// The key's identifier.
        id: KeyId,
        /// The organization that the key belongs to.
        organization: OrganizationId,
        /// What the key may do in its organization.
        rights: Rights,
    },
    /// A person who is signed in to the portal.
    Portal {
        /// The session's identifier.
        session: PortalSessionId,
        /// The organization of the session; `None` for an operator, who has all.
        organization: Option<OrganizationId>,
        /// What the person may do. They end when the key ends that they come from.
        rights: Rights,
        /// The name of the key that they come from.
        granted_by: String,
    },
}

impl Caller {
    /// Whether the caller has the scope. Its access to the organization and to the endpoint is checked separately.
    pub const fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Platform(key) => key.role.may(scope),
            Self::Key { rights, .. } | Self::Portal { rights, .. } => rights.scopes.contains(scope),
        }
    }

    /// What the caller's rights belong to, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Platform(_) | Self::Key { .. } => "key",
            Self::Portal { .. } => "session",
        }
    }

    /// The name of the caller's key or session in logs.
    pub fn name(&self) -> String {
        match self {
            Self::Platform(key) => key.name(),
            Self::Key { id, .. } => id.to_string(),
            Self::Portal { session, .. } => session.to_string(),
        }
    }

    /// Where the rights of a session come from that the caller creates.
    pub fn grant(&self) -> Grant {
        match self {
            Self::Platform(_) => Grant { key: self.name(), until: None },
            Self::Key { rights, .. } => Grant { key: self.name(), until: rights.expires_at },
            Self::Portal { rights, granted_by, .. } => Grant { key: granted_by.clone(), until: rights.expires_at },
        }
    }

    /// Whether the caller holds a platform key with full rights, or is an operator in the portal.
    pub const fn is_platform(&self) -> bool {
        self.holds_platform_key() || matches!(self, Self::Portal { organization: None, .. })
    }

    /// Whether the caller presents a platform key with full rights. No person in the portal does.
    pub const fn holds_platform_key(&self) -> bool {
        matches!(self, Self::Platform(PlatformKey { role: PlatformRole::Full, .. }))
    }

    /// Whether the caller may do everything in its organization, or in all organizations.
    pub fn is_owner(&self) -> bool {
        let is_own = matches!(self, Self::Key { rights, .. } | Self::Portal { rights, .. } if rights.is_owner());
        is_own || self.is_platform()
    }

    /// The endpoints that the caller's key or session is bound to. A platform key is not bound.
    pub fn binding(&self) -> Binding {
        match self {
            Self::Platform(_) => Binding::default(),
            Self::Key { rights, .. } | Self::Portal { rights, .. } => rights.binding.clone(),
        }
    }

    /// Whether the caller may issue a key with these rights. The platform may issue any.
    ///
    /// # Errors
    /// [`Excess`] if it lacks one of them.
    pub fn may_issue(&self, other: &Rights) -> Result<(), Excess> {
        match self {
            Self::Platform(_) | Self::Portal { organization: None, .. } => Ok(()),
            Self::Key { rights, .. } | Self::Portal { rights, .. } => rights.may_issue(other),
        }
    }

    /// The id of the organization's key; `None` for a platform key and in the portal.
    pub const fn key(&self) -> Option<KeyId> {
        match self {
            Self::Platform(_) | Self::Portal { .. } => None,
            Self::Key { id, .. } => Some(*id),
        }
    }

    /// The organization that the key or session belongs to; `None` for a platform key and an operator.
    pub const fn own_organization(&self) -> Option<&OrganizationId> {
        match self {
            Self::Platform(_) => None,
            Self::Key { organization, .. } => Some(organization),
            Self::Portal { organization, .. } => organization.as_ref(),
        }
    }
}

/// Authenticates callers and loads their organizations.
#[derive(Debug)]
pub struct Access {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
    pub(super) caches: Arc<Caches>,
    pub(super) targets: Arc<Targets>,
}

impl Access {
    /// The clock that the process uses.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Authenticates the holder of a key; `None` if the key is unknown or does not work. A known key is cached for
    /// 60 s, an unknown one for 5 s. A text that does not have the format of a key causes no read.
    ///
    /// # Errors
    /// [`ServiceError`] if the key could not be read.
    pub async fn authenticate(&self, presented: &KeySecret) -> Result<Option<Caller>, ServiceError> {
        let hash = presented.hash();
        let is_presented = |key: &&PlatformKey| bool::from(hash.as_bytes().ct_eq(key.hash.as_bytes()));
        if let Some(key) = self.deployment.platform_keys.iter().find(is_presented) {
            return Ok(Some(Caller::Platform(*key)));
        }
        let now = self.clock.now();
        let known = match self.caches.keys.get(&hash, now) {
            Some(key) => Some(key),
            None if !presented.is_well_formed() || self.caches.unknown_keys.get(&hash, now).is_some() => None,
            None => {
                let found = self.store.api_key_by_hash(&hash).await?;
                match &found {
                    Some(key) => self.caches.keys.put(hash, key.clone(), now),
                    None => self.caches.unknown_keys.put(hash, (), now),
                }
                found
            }
        };
        let working = known.filter(|key| key.works_at(now));
        if let Some(key) = &working {
            self.record_use(&key.organization, key.id, now).await;
        }
        Ok(working.map(|key| Caller::Key { id: key.id, organization: key.organization, rights: key.rights }))
    }

    /// Records the use of a key, at most once an hour in each process. A failure is logged only.
    async fn record_use(&self, organization: &OrganizationId, key: KeyId, now: Timestamp) {
        if self.caches.recent_key_uses.get(&key, now).is_some() {
            return;
        }
        self.caches.recent_key_uses.put(key, (), now);
        if let Err(error) = self.store.record_key_use(organization, key, now).await {
            warn!(%key, %error, "the key's use was not recorded");
        }
    }

    /// The organization, if the caller may access it. It may be up to 5 s old.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist or is not the caller's own,
    /// [`ServiceError::Conflict`] if it is being deleted.
    pub async fn organization_for(&self, caller: &Caller, id: &OrganizationId) -> Result<Organization, ServiceError> {
        if caller.own_organization().is_some_and(|own| own != id) {
            return Err(ServiceError::NotFound("organization"));
        }
        self.organization(id).await
    }

    /// The current state of the organization, if the caller may access it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist or is not the caller's own.
    pub async fn state_for(&self, caller: &Caller, id: &OrganizationId) -> Result<CurrentState, ServiceError> {
        if caller.own_organization().is_some_and(|own| own != id) {
            return Err(ServiceError::NotFound("organization"));
        }
        self.state(id).await
    }

    /// The current state of the organization, for a caller that may access every organization.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist.
    pub async fn state(&self, id: &OrganizationId) -> Result<CurrentState, ServiceError> {
        self.targets.current_state(id).await
    }

    /// The organization. It may be up to 5 s old.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist, [`ServiceError::Conflict`] if it is being deleted.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Organization, ServiceError> {
        let organization = self.cached_organization(id).await?.ok_or(ServiceError::NotFound("organization"))?;
        match organization.status {
            OrganizationStatus::Active | OrganizationStatus::Suspended => Ok(organization),
            OrganizationStatus::Deleting => Err(ServiceError::Conflict("the organization is being deleted".to_owned())),
        }
    }

    /// Forgets what this process has read of the organization.
    pub(super) fn forget(&self, id: &OrganizationId) {
        self.caches.organizations.forget(id);
        self.caches.statuses.forget(id);
    }

    /// The organization with this external id.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub async fn organization_named(&self, external_id: &ExternalId) -> Result<Option<OrganizationId>, ServiceError> {
        Ok(self.store.organization_named(external_id).await?)
    }

    /// The endpoint of the organization with this external id.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub async fn endpoint_named(
        &self,
        organization: &OrganizationId,
        external_id: &ExternalId,
    ) -> Result<Option<EndpointId>, ServiceError> {
        Ok(self.store.endpoint_named(organization, external_id).await?)
    }

    /// The event of the organization with this external id. It may not exist yet.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub async fn event_named(
        &self,
        organization: &OrganizationId,
        external_id: &ExternalId,
    ) -> Result<Option<EventId>, ServiceError> {
        Ok(self.store.event_named(organization, external_id).await?)
    }

    pub(super) async fn cached_organization(&self, id: &OrganizationId) -> Result<Option<Organization>, ServiceError> {
        let now = self.clock.now();
        if let Some(organization) = self.caches.organizations.get(id, now) {
            return Ok(Some(organization));
        }
        let found = self.store.organization(id).await?;
        if let Some(organization) = &found {
            self.caches.organizations.put(id.clone(), organization.clone(), now);
        }
        Ok(found)
    }
}
