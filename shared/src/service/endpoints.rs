//! Reading and changing endpoints, with the size and the revisions of their organization's fan-out.

use std::sync::Arc;

use super::ServiceError;
use super::targets::Targets;
use crate::clock::{self, Clock};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::fan_out::{FanOutLimit, FanOutSize, MAX_FAN_OUT_BYTES};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::tenancy::organization::OrganizationState;
use crate::store::{Store, StoreError};

/// How often a change is tried if other processes change the endpoint first.
pub(super) const CHANGE_TRIES: u32 = 5;

/// Reads and changes stored endpoints.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
    pub(super) targets: Arc<Targets>,
}

impl Endpoints {
    /// One endpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub(super) async fn get(&self, organization: &OrganizationId, id: EndpointId) -> Result<Endpoint, ServiceError> {
        self.store.endpoint(organization, id).await?.ok_or(ServiceError::NotFound("endpoint"))
    }

    /// Applies a change, unless `change` returns `None` for the stored endpoint. Publishers in other processes may
    /// use the former endpoint for 30 seconds.
    pub(super) async fn change_if(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        change: impl Fn(Endpoint) -> Option<Endpoint>,
    ) -> Result<Option<(Endpoint, Endpoint)>, ServiceError> {
        for tries in 0..CHANGE_TRIES {
            clock::back_off(tries).await;
            let before = self.get(organization, id).await?;
            let Some(changed) = change(before.clone()) else { return Ok(None) };
            let after = Endpoint { version: before.version + 1, ..changed };
            let bytes = size_of(Some(&after)).bytes.saturating_sub(size_of(Some(&before)).bytes);
            if bytes > 0 {
                self.require_capacity(organization, FanOutSize { endpoints: 0, bytes }).await?;
            }
            match self.store.change_endpoint(&before, &after, self.clock.now()).await {
                Ok(()) => {
                    if after.changes_target_of(&before) {
                        self.targets.expire(organization, after.fan_out_group);
                    }
                    return Ok(Some((before, after)));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(changed_by_others())
    }

    /// Makes publishers in all processes read the group of an endpoint that its owner created, changed or deleted.
    /// Call it after the change was acknowledged, and before the response to the owner.
    pub(super) async fn invalidate_fan_out(
        &self,
        endpoint: &Endpoint,
        before: Option<&Endpoint>,
        after: Option<&Endpoint>,
    ) -> Result<(), ServiceError> {
        let (organization, group) = (&endpoint.organization, endpoint.fan_out_group);
        self.targets.expire(organization, group);
        Ok(self.store.raise_revision(organization, group, size_of(before), size_of(after)).await?)
    }

    /// Returns the state of an organization if its fan-out may grow by `growth`.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the growth exceeds a limit.
    pub(super) async fn require_capacity(
        &self,
        organization: &OrganizationId,
        growth: FanOutSize,
    ) -> Result<OrganizationState, ServiceError> {
        let state = self.store.organization_state(organization).await?;
        let state = state.ok_or(ServiceError::NotFound("organization"))?;
        let max_endpoints = u64::from(self.deployment.limits.with(&state.limits).max_endpoints);
        if state.size.exceeds_with(growth, max_endpoints).is_none() {
            return Ok(state);
        }
        // The stored size may be inaccurate, so the endpoints are counted before the growth is rejected.
        let size = self.store.count_fan_out(organization, &state.revisions).await?;
        if size != state.size {
            self.store.correct_size(organization, size).await?;
        }
        match size.exceeds_with(growth, max_endpoints) {
            None => Ok(OrganizationState { size, ..state }),
            Some(FanOutLimit::Endpoints) => Err(ServiceError::QuotaExceeded(format!(
                "the organization has reached its limit of {max_endpoints} endpoints"
            ))),
            Some(FanOutLimit::Bytes) => Err(ServiceError::QuotaExceeded(format!(
                "the event types, channels and filters of the organization's endpoints would exceed their limit of {} MiB in total",
                MAX_FAN_OUT_BYTES / (1024 * 1024)
            ))),
        }
    }
}

/// The part of an endpoint in the size of the fan-out; zero for `None`.
pub(super) fn size_of(endpoint: Option<&Endpoint>) -> FanOutSize {
    endpoint.map(Endpoint::target).into_iter().collect()
}

pub(super) fn changed_by_others() -> ServiceError {
    ServiceError::Unavailable("other processes are changing the endpoint".to_owned())
}
