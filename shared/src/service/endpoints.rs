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

/// How often a change is decided anew because somebody else changed the endpoint meanwhile.
const CHANGE_TRIES: u32 = 5;

impl Core {
    /// Creates an endpoint, and publishes `webhook.created`. Requests that publish after this returns find the endpoint.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the organization has all it may have. After [`ServiceError::Unavailable`] the
    /// endpoint may exist, and publishers may not find it for half a minute.
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
        // The endpoint is there whether or not the announcement succeeds.
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
    /// [`ServiceError::NotFound`] if the organization has none with this id.
    pub async fn endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<Endpoint, ServiceError> {
        self.store.endpoint(organization, id).await?.ok_or(ServiceError::NotFound("endpoint"))
    }

    /// Changes an endpoint. One that becomes active again gets the first of what was parked for it.
    ///
    /// # Errors
    /// As [`Core::endpoint`], and [`ServiceError::QuotaExceeded`] if it grows beyond what the organization may have.
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
            // The sweep does what could not be done at once.
            warn!(endpoint = %id, %error, "parked deliveries were not released at once");
        }
        Ok(after)
    }

    /// Disables an endpoint: nothing new is made for it, and what is parked is failed by the sweep.
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

    /// Gives an endpoint a new secret; the old one signs beside it for `overlap`.
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

    /// Deletes an endpoint for good.
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
                // Deleted by another request, which notes the size, or by a try whose answer was lost.
                None => return self.tell_publishers(&endpoint, None, None).await,
            }
        }
        Err(changed_by_others())
    }

    /// Applies an owner's change to what is stored now, and again if another process changed the endpoint first. Returns
    /// the endpoint before and after. Requests that publish after this returns find the changed endpoint.
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

    /// Applies a change that may turn out not to be wanted any more. Publishers of other processes may not find it for half
    /// a minute.
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

    /// Makes publishers of all processes read an endpoint that its owner created, changed or deleted. It must be called
    /// after the change was acknowledged, and before the owner is answered.
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

    /// The state of an organization whose fan-out may grow by so much.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if it may not.
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
        // The stored size may be off, and must not refuse what there is room for.
        let size = self.store.count_fan_out(organization, &state.revisions).await?;
        if size != state.size {
            self.store.correct_size(organization, size).await?;
        }
        match size.exceeds_with(growth, max_endpoints) {
            None => Ok(OrganizationState { size, ..state }),
            Some(FanOutLimit::Endpoints) => Err(ServiceError::QuotaExceeded(format!(
                "the organization already has {max_endpoints} endpoints, the most it may have"
            ))),
            Some(FanOutLimit::Bytes) => Err(ServiceError::QuotaExceeded(format!(
                "the event types of the organization's endpoints would take more than {} MiB in all, the most they may",
                MAX_FAN_OUT_BYTES / (1024 * 1024)
            ))),
        }
    }
}

/// What an endpoint adds to the size of the fan-out.
fn size_of(endpoint: Option<&Endpoint>) -> FanOutSize {
    endpoint.map(Endpoint::target).into_iter().collect()
}

fn changed_by_others() -> ServiceError {
    ServiceError::Unavailable("the endpoint is being changed by others".to_owned())
}

/// Refuses to ask for deliveries to a disabled endpoint: they would fail at once, and their failure would replace what
/// is recorded of them. A paused or suspended endpoint parks them.
pub(super) fn require_enabled(endpoint: &Endpoint) -> Result<(), ServiceError> {
    if endpoint.is_disabled() {
        return Err(ServiceError::Conflict("the endpoint is disabled".to_owned()));
    }
    Ok(())
}
