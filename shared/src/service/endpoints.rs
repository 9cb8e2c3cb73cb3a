//! Creating, changing and deleting endpoints.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::clock;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointPatch, EndpointStatus, NewEndpoint};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::secret::SigningSecret;
use crate::store::StoreError;
use crate::telemetry::audit;

/// How often a change is decided anew because somebody else changed the endpoint meanwhile.
const CHANGE_TRIES: u32 = 5;

impl Core {
    /// Creates an endpoint, and publishes `webhook.created`.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the organization has all it may have.
    pub async fn create_endpoint(
        &self,
        organization: &OrganizationId,
        new: NewEndpoint,
    ) -> Result<Endpoint, ServiceError> {
        let most = self.deployment.max_endpoints;
        if self.store.endpoints(organization).await?.len() >= most {
            return Err(ServiceError::QuotaExceeded(format!(
                "the organization already has {most} endpoints, the most it may have"
            )));
        }
        let now = self.clock.now();
        let secret = new.secret.unwrap_or_else(|| SigningSecret::generate(clock::secret_bytes()));
        let id = EndpointId::new(now, clock::id_bytes());
        let endpoint = Endpoint::new(id, organization, new.settings, secret, new.status, now);
        self.store.create_endpoint(&endpoint).await?;
        audit("endpoint.create", organization, id);
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
    pub async fn list_endpoints(&self, organization: &OrganizationId) -> Result<Arc<[Endpoint]>, ServiceError> {
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
    /// As [`Core::endpoint`].
    pub async fn update_endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let (before, after) = self.change(organization, id, |endpoint| endpoint.patched(patch.clone(), now)).await?;
        audit("endpoint.update", organization, id);
        let resumed = before.release_since != after.release_since && after.status == EndpointStatus::Active;
        if resumed && let Err(error) = self.release_first(&after).await {
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
        let disabled = self.change(organization, id, |endpoint| endpoint.disabled(reason, now)).await?.1;
        audit("endpoint.disable", organization, id);
        Ok(disabled)
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
        let rotated = self.change(organization, id, rotate).await?.1;
        audit("endpoint.rotate_secret", organization, id);
        Ok(rotated)
    }

    /// Deletes an endpoint for good.
    ///
    /// # Errors
    /// As [`Core::endpoint`].
    pub async fn delete_endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<(), ServiceError> {
        let endpoint = self.endpoint(organization, id).await?;
        self.store.delete_endpoint(&endpoint, self.clock.now()).await?;
        audit("endpoint.delete", organization, id);
        Ok(())
    }

    /// Applies a change to what is stored now, and again if somebody else was faster. Returns the
    /// endpoint before and after.
    async fn change(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        change: impl Fn(Endpoint) -> Endpoint,
    ) -> Result<(Endpoint, Endpoint), ServiceError> {
        let changed = self.change_if(organization, id, |endpoint| Some(change(endpoint))).await?;
        changed.ok_or(ServiceError::NotFound("endpoint"))
    }

    /// The same for a change that may turn out not to be wanted any more.
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
            let after = Endpoint { revision: before.revision + 1, ..changed };
            match self.store.change_endpoint(&before, &after, self.clock.now()).await {
                Ok(()) => return Ok(Some((before, after))),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Unavailable("the endpoint is being changed by others".to_owned()))
    }
}

/// Refuses to ask for deliveries to a disabled endpoint: they would fail at once, and their failure would replace what
/// is recorded of them. A paused or suspended endpoint parks them.
pub(super) fn require_enabled(endpoint: &Endpoint) -> Result<(), ServiceError> {
    if endpoint.is_disabled() {
        return Err(ServiceError::Conflict("the endpoint is disabled".to_owned()));
    }
    Ok(())
}
