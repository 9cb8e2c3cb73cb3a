//! The state and the targets of an organization, for publishing. Every request reads the state. A process caches the
//! targets as long as the state's revisions stay the same, and for at most 30 s.

mod cache;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tracing::warn;

use super::ServiceError;
use super::cache::Cache;
use crate::clock::Clock;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::fan_out::{FanOut, FanOutGroup, LARGE_FAN_OUT_BYTES};
use crate::domain::event::payload::Format;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::Limits;
use crate::domain::tenancy::organization::{OrganizationState, OrganizationStatus};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::telemetry::metrics;
use cache::{CachedGroup, FanOutCache};

/// A request must begin to write within this time after it began to read the state. Otherwise it reads the state again.
const MAX_STATE_AGE: Duration = Duration::from_secs(60);
/// How many times a request reads the targets before it fails. It reads the state again before each further time.
const MAX_READS: usize = 3;

/// The state of an organization, as read by a request.
#[derive(Debug, Clone)]
pub struct CurrentState {
    id: OrganizationId,
    state: OrganizationState,
    limits: Limits,
    /// When the read began.
    read_at: Timestamp,
}

impl CurrentState {
    /// The id of the organization.
    pub const fn organization(&self) -> &OrganizationId {
        &self.id
    }

    /// The limits that apply to the organization.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The number of the organization's endpoints.
    pub const fn endpoints(&self) -> u64 {
        self.state.size.endpoints
    }

    /// The platform's identifier of the organization.
    pub const fn external_id(&self) -> Option<&ExternalId> {
        self.state.external_id.as_ref()
    }

    /// Whether the organization is being deleted.
    pub(super) fn is_deleting(&self) -> bool {
        self.state.status == OrganizationStatus::Deleting
    }

    /// The format of events that name none.
    pub const fn default_format(&self) -> Format {
        self.state.default_format
    }

    /// Checks that the organization is active.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the organization is suspended or being deleted.
    pub(super) fn require_active(&self) -> Result<(), ServiceError> {
        refuse_suspended(self.state.status)
    }
}

/// Reads the state and the targets of organizations, and caches the targets.
#[derive(Debug)]
pub(super) struct Targets {
    store: Arc<Store>,
    clock: Clock,
    deployment: Arc<Deployment>,
    cache: FanOutCache,
    /// Whether the platform's own organization did not exist when this process last looked for it.
    without_platform: Cache<(), ()>,
    /// Held while the platform's own organization is looked for, so that concurrent announcements cause one read.
    look_for_platform: Mutex<()>,
}

impl Targets {
    /// Reads targets. A process looks for the platform's own organization, or reads its targets, at most every 30 s.
    pub(super) fn new(store: Arc<Store>, clock: Clock, deployment: Arc<Deployment>) -> Self {
        let (cache, without_platform) = (FanOutCache::default(), Cache::new(cache::LIFETIME));
        Self { store, clock, deployment, cache, without_platform, look_for_platform: Mutex::default() }
    }

    /// Reads the state of an organization, strongly consistent.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization does not exist.
    pub(super) async fn current_state(&self, id: &OrganizationId) -> Result<CurrentState, ServiceError> {
        let read_at = self.clock.now();
        let state = self.store.organization_state(id).await?.ok_or(ServiceError::NotFound("organization"))?;
        let limits = self.deployment.limits.with(&state.limits);
        Ok(CurrentState { id: id.clone(), state, limits, read_at })
    }

    /// The targets of an organization, at least as new as the state. Groups that are not cached are read.
    ///
    /// # Errors
    /// [`ServiceError`] if a group could not be read.
    pub(super) async fn fan_out(&self, current: &CurrentState) -> Result<FanOut, ServiceError> {
        let CurrentState { id, state, .. } = current;
        let now = self.clock.now();
        let mut groups = self.cache.current(id, &state.revisions, now);
        let missing = state.revisions.groups().filter(|(group, _)| !groups.contains_key(group));
        let read = missing.map(async |(group, revision)| {
            // The read begins after the state was read, so it finds all changes that this revision counts.
            let targets = self.store.targets(id, group).await?;
            Ok::<_, ServiceError>((group, CachedGroup::new(revision, now, targets)))
        });
        let read: Vec<_> = try_join_all(read).await?;
        if !read.is_empty() {
            let bytes = self.cache.insert(id, &read, now);
            if bytes > LARGE_FAN_OUT_BYTES {
                metrics::large_fan_out();
                warn!(organization = %id, bytes, "the targets of an organization are large");
            }
            groups.extend(read.into_iter().map(|(group, cached)| (group, cached.targets)));
        }
        Ok(FanOut::new(groups.into_values().collect()))
    }

    /// The targets of an organization for a write that begins soon, and when the state was read. Reads the state again if it
    /// is older than 60 s.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the state was read again and the organization is suspended.
    /// [`ServiceError::Unavailable`] if the reads take too long.
    pub(super) async fn fan_out_to_write(&self, current: &CurrentState) -> Result<(FanOut, Timestamp), ServiceError> {
        let mut current = current.clone();
        for _ in 0..MAX_READS {
            let fan_out = self.fan_out(&current).await?;
            if self.clock.now().since(current.read_at) <= MAX_STATE_AGE {
                return Ok((fan_out, current.read_at));
            }
            current = self.current_state(&current.id).await?;
            current.require_active()?;
        }
        Err(ServiceError::Unavailable("endpoints could not be read in time".to_owned()))
    }

    /// Checks that a write may begin now that relies on a state that was read at this time.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if the state is older than 60 s.
    pub(super) fn require_recent(&self, read_at: Timestamp) -> Result<(), ServiceError> {
        if self.clock.now().since(read_at) <= MAX_STATE_AGE {
            return Ok(());
        }
        Err(ServiceError::Unavailable("the events could not be written in time".to_owned()))
    }

    /// The targets of an organization if this process has read all its cached groups in the last 30 s; otherwise
    /// `None`. They may have changed since.
    pub(super) fn recent(&self, organization: &OrganizationId) -> Option<FanOut> {
        self.cache.recent(organization, self.clock.now())
    }

    /// The targets of the platform's own organization as they were at most 30 s ago; none if the organization does not exist.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub(super) async fn of_platform(&self) -> Result<FanOut, ServiceError> {
        let (platform, now) = (OrganizationId::platform(), self.clock.now());
        let _looking = self.look_for_platform.lock().await;
        if self.without_platform.get(&(), now).is_some() {
            return Ok(FanOut::default());
        }
        if let Some(recent) = self.recent(&platform) {
            return Ok(recent);
        }
        match self.current_state(&platform).await {
            Ok(current) => self.fan_out(&current).await,
            Err(ServiceError::NotFound(_)) => {
                self.without_platform.put((), (), now);
                Ok(FanOut::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Expires a cached group, so that this process reads it again even if its revision is the same.
    pub(super) fn expire(&self, organization: &OrganizationId, group: FanOutGroup) {
        self.cache.expire(organization, group);
        if organization.is_platform() {
            self.without_platform.forget(&());
        }
    }
}

/// Refuses an operation that publishes or delivers for a suspended organization.
pub(super) fn refuse_suspended(status: OrganizationStatus) -> Result<(), ServiceError> {
    match status {
        OrganizationStatus::Active => Ok(()),
        OrganizationStatus::Suspended => {
            Err(ServiceError::forbidden("the organization is suspended: nothing is published or delivered for it"))
        }
        OrganizationStatus::Deleting => Err(ServiceError::forbidden("the organization is being deleted")),
    }
}
