//! Creating, changing and deleting endpoints.

use std::time::Duration;

use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::clock;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointPatch, NewEndpoint};
use crate::domain::fan_out::{FanOutGroup, FanOutLimit, FanOutSize, MAX_FAN_OUT_BYTES};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::organization::OrganizationState;
use crate::domain::secret::SigningSecret;
use crate::store::StoreError;
use crate::telemetry::audit;

/// How often a change is tried if other processes change the endpoint first.
const CHANGE_TRIES: u32 = 5;

impl Core {
    /// Creates an endpoint and publishes `webhook.created`. Publish requests that begin after this returns use the
    /// endpoint.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the organization has reached a limit. After [`ServiceError::Unavailable`]
    /// the endpoint may exist, and publish requests may not use it for 30 seconds.
    pub async fn create_endpoint(
        &self,
        organization: &OrganizationId,
        new: NewEndpoint,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let secret = new.secret.unwrap_or_else(|| SigningSecret::generate(clock::secret_bytes()));
        let id = EndpointId::new(now, clock::id_bytes());
        let endpoint = Endpoint::new(id, organization, new.settings, secret, new.status, now);
        let state = self.require_room(organization, size_of(Some(&endpoint))).await?;
        let fan_out_group = FanOutGroup::of_new(id, state.size.endpoints);
        if state.revisions.of(fan_out_group).is_none() {
            self.store.open_group(organization, fan_out_group).await?;
        }
        let endpoint = Endpoint { fan_out_group, ..endpoint };
        self.store.create_endpoint(&endpoint).await?;
        audit("endpoint.create", organization, id);
        self.tell_publishers(&endpoint, None, Some(&endpoint)).await?;
        // A failed announcement does not affect the endpoint.
        if let Err(error) = self.publish_operational(organization, operational::webhook_created(&endpoint)).await {
            warn!(endpoint = %endpoint.id, %error, "webhook.created was not published");
        }
        self.write_usage().await;
        Ok(endpoint)
    }

    /// All endpoints of an organization, oldest first.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn list_endpoints(&self, organization: &OrganizationId) -> Result<Vec<Endpoint>, ServiceError> {
        Ok(self.store.endpoints(organization).await?)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<Endpoint, ServiceError> {
        self.store.endpoint(organization, id).await?.ok_or(ServiceError::NotFound("endpoint"))
    }

    /// Changes an endpoint. If it accepts deliveries again, a first part of its parked deliveries is sent before
    /// this returns.
    ///
    /// # Errors
    /// As [`Core::endpoint`], and [`ServiceError::QuotaExceeded`] if the change exceeds a limit of the
    /// organization.
    pub async fn update_endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let patched = |endpoint: Endpoint| endpoint.patched(patch.clone(), now);
        let (before, after) = self.change(organization, id, "endpoint.update", patched).await?;
        let accepts_again = after.accepts() && !before.accepts();
        if accepts_again && let Err(error) = self.begin_release(&after).await {
            // The sweep continues the release.
            warn!(endpoint = %id, %error, "parked deliveries were not released immediately");
        }
        Ok(after)
    }

    /// Disables an endpoint: it gets no new deliveries, and the sweep fails the parked ones.
    ///
    /// # Errors
    /// As [`Core::endpoint`].
    pub async fn disable_endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        reason: DisabledReason,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let disable = |endpoint: Endpoint| endpoint.disabled(reason, now);
        Ok(self.change(organization, id, "endpoint.disable", disable).await?.1)
    }

    /// Replaces an endpoint's secret by a generated one. Requests are also signed with the former secret for
    /// `overlap`.
    ///
    /// # Errors
    /// As [`Core::endpoint`].
    pub async fn rotate_secret(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        overlap: Duration,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let secret = SigningSecret::generate(clock::secret_bytes());
        let rotate = |endpoint: Endpoint| {
            let secrets = endpoint.secrets.clone().rotated(secret.clone(), overlap, now);
            Endpoint { secrets, updated_at: now, ..endpoint }
        };
        Ok(self.change(organization, id, "endpoint.rotate_secret", rotate).await?.1)
    }

    /// Deletes an endpoint permanently.
    ///
    /// # Errors
    /// As [`Core::endpoint`].
    pub async fn delete_endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<(), ServiceError> {
        let mut endpoint = self.endpoint(organization, id).await?;
        for tries in 0..CHANGE_TRIES {
            clock::back_off(tries).await;
            match self.store.delete_endpoint(&endpoint, self.clock.now()).await {
                Ok(()) => {
                    audit("endpoint.delete", organization, id);
                    return self.tell_publishers(&endpoint, Some(&endpoint), None).await;
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            match self.store.endpoint(organization, id).await? {
                Some(changed) => endpoint = changed,
                // Another request deleted the endpoint and updates the size, or this request did in a try whose
                // response was lost.
                None => return self.tell_publishers(&endpoint, None, None).await,
            }
        }
        Err(changed_by_others())
    }

    /// Applies an owner's change to the stored endpoint, and repeats that if another process changed the endpoint
    /// first. Returns the endpoint before and after. Publish requests that begin after this returns use the changed
    /// endpoint.
    async fn change(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        action: &'static str,
        change: impl Fn(Endpoint) -> Endpoint,
    ) -> Result<(Endpoint, Endpoint), ServiceError> {
        let changed = self.change_if(organization, id, |endpoint| Some(change(endpoint))).await?;
        let (before, after) = changed.ok_or(ServiceError::NotFound("endpoint"))?;
        audit(action, organization, id);
        if after.changes_target_of(&before) {
            self.tell_publishers(&after, Some(&before), Some(&after)).await?;
        }
        Ok((before, after))
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
            let before = self.endpoint(organization, id).await?;
            let Some(changed) = change(before.clone()) else { return Ok(None) };
            let after = Endpoint { version: before.version + 1, ..changed };
            let bytes = size_of(Some(&after)).bytes.saturating_sub(size_of(Some(&before)).bytes);
            if bytes > 0 {
                self.require_room(organization, FanOutSize { endpoints: 0, bytes }).await?;
            }
            match self.store.change_endpoint(&before, &after, self.clock.now()).await {
                Ok(()) => {
                    if after.changes_target_of(&before) {
                        self.fan_outs.expire(organization, after.fan_out_group);
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
    async fn tell_publishers(
        &self,
        endpoint: &Endpoint,
        before: Option<&Endpoint>,
        after: Option<&Endpoint>,
    ) -> Result<(), ServiceError> {
        let (organization, group) = (&endpoint.organization, endpoint.fan_out_group);
        self.fan_outs.expire(organization, group);
        Ok(self.store.raise_revision(organization, group, size_of(before), size_of(after)).await?)
    }

    /// Returns the state of an organization if its fan-out may grow by `growth`.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the growth exceeds a limit.
    async fn require_room(
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
                "the event types of the organization's endpoints would exceed their limit of {} MiB in total",
                MAX_FAN_OUT_BYTES / (1024 * 1024)
            ))),
        }
    }
}

/// The part of an endpoint in the size of the fan-out; zero for `None`.
fn size_of(endpoint: Option<&Endpoint>) -> FanOutSize {
    endpoint.map(Endpoint::target).into_iter().collect()
}

fn changed_by_others() -> ServiceError {
    ServiceError::Unavailable("other processes are changing the endpoint".to_owned())
}

/// Rejects tests and retries for a disabled endpoint: the deliveries would fail immediately, and the recorded cause
/// of their failure would be replaced. For a paused or suspended endpoint they are parked.
pub(super) fn require_enabled(endpoint: &Endpoint) -> Result<(), ServiceError> {
    if endpoint.is_disabled() {
        return Err(ServiceError::Conflict("the endpoint is disabled".to_owned()));
    }
    Ok(())
}
