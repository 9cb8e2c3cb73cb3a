//! Creating, changing and deleting endpoints.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::secrets::{made, new_key_id};
use super::{Administrator, Page};
use crate::clock;
use crate::domain::encryption::key_ring::KeyRing;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::fan_out::FanOutGroup;
use crate::domain::endpoint::headers::HeaderChanges;
use crate::domain::endpoint::{DisabledReason, Endpoint, NewEndpoint};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::signing::key::SigningKey;
use crate::domain::tenancy::rights::Binding;
use crate::service::ServiceError;
use crate::service::announcer::{self, Occurrence};
use crate::service::endpoints::{CHANGE_TRIES, changed_by_others, size_of};
use crate::store::StoreError;
use crate::telemetry::audit;

impl Administrator {
    /// Creates an endpoint and publishes `webhook.created`. The secret and the headers of the returned endpoint are readable. Publish requests that begin after this returns use the
    /// endpoint.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if the organization has reached a limit, and [`ServiceError::Conflict`] if another
    /// endpoint has the external id. After [`ServiceError::Unavailable`]
    /// the endpoint may exist, and publish requests may not use it for 30 seconds.
    pub async fn create_endpoint(
        &self,
        organization: &OrganizationId,
        new: NewEndpoint,
    ) -> Result<Endpoint, ServiceError> {
        let id = EndpointId::new(self.clock.now(), clock::id_bytes());
        self.create_endpoint_with(organization, id, new).await
    }

    /// As [`Administrator::create_endpoint`], with this id. If an earlier request stored the endpoint and failed then, it is
    /// completed, and the endpoint is returned as it is stored.
    ///
    /// # Errors
    /// As [`Administrator::create_endpoint`].
    pub async fn create_endpoint_once(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        new: NewEndpoint,
    ) -> Result<Endpoint, ServiceError> {
        match self.create_endpoint_with(organization, id, new).await {
            Err(ServiceError::Conflict(reason)) => {
                let found = self.store.endpoint(organization, id).await?;
                let found = found.ok_or(ServiceError::Conflict(reason))?;
                self.endpoints.invalidate_fan_out(&found, None, None).await?;
                Ok(found)
            }
            other => other,
        }
    }

    async fn create_endpoint_with(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        new: NewEndpoint,
    ) -> Result<Endpoint, ServiceError> {
        let (now, keys) = (self.clock.now(), self.encryption.keys_to_encrypt().await?);
        let secret = SigningKey::new(new_key_id(), made(new.secret));
        let endpoint = Endpoint::new(id, organization, new.settings, secret, new.status, now);
        let state = self.endpoints.require_capacity(organization, size_of(Some(&endpoint))).await?;
        let fan_out_group = FanOutGroup::of_new(id, state.size.endpoints);
        if state.revisions.of(fan_out_group).is_none() {
            self.store.open_group(organization, fan_out_group).await?;
        }
        let endpoint = Endpoint { fan_out_group, ..endpoint };
        self.store.create_endpoint(&encrypted(endpoint.clone(), keys.as_deref())).await?;
        self.forget_public_keys(organization, id);
        audit("endpoint.create", organization, id);
        self.endpoints.invalidate_fan_out(&endpoint, None, Some(&endpoint)).await?;
        self.announce(&endpoint, announcer::webhook_created(&endpoint)).await;
        self.meter.write_usage().await;
        Ok(endpoint)
    }

    /// Publishes what happened to an endpoint. A failure does not affect the endpoint.
    async fn announce(&self, endpoint: &Endpoint, occurrence: Occurrence) {
        if let Err(error) = self.announcer.publish_operational(&endpoint.organization, occurrence).await {
            warn!(endpoint = %endpoint.id, %error, "an operational event was not published");
        }
    }

    /// The endpoints of an organization, oldest first: all, or those of the binding.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn list_endpoints(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
    ) -> Result<Vec<Endpoint>, ServiceError> {
        let Some(ids) = binding.endpoints() else { return Ok(self.store.endpoints(organization).await?) };
        let ids: Vec<_> = ids.iter().copied().collect();
        let mut endpoints = self.store.endpoints_by_id(organization, &ids).await?;
        endpoints.sort_by_key(|endpoint| endpoint.id);
        Ok(endpoints)
    }

    /// These endpoints of an organization. Deleted ones are left out.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn endpoints_by_id(
        &self,
        organization: &OrganizationId,
        ids: &[EndpointId],
    ) -> Result<HashMap<EndpointId, Endpoint>, ServiceError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let found = self.store.endpoints_by_id(organization, &ids).await?;
        Ok(found.into_iter().map(|endpoint| (endpoint.id, endpoint)).collect())
    }

    /// Up to `limit` endpoints of an organization, or of the binding, after this one, oldest first.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn endpoints_after(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        after: Option<EndpointId>,
        limit: usize,
    ) -> Result<Page<Endpoint>, ServiceError> {
        let mut items = match binding.is_bound() {
            true => self.list_endpoints(organization, binding).await?,
            false => self.store.endpoints_after(organization, after, limit + 1).await?,
        };
        items.retain(|endpoint| after.is_none_or(|after| endpoint.id > after));
        Ok(Page::cut(items, limit, |endpoint| endpoint.id))
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<Endpoint, ServiceError> {
        self.endpoints.get(organization, id).await
    }

    /// Changes an endpoint. If it accepts deliveries again, a first part of its parked deliveries is sent before
    /// this returns.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`], [`ServiceError::QuotaExceeded`] if the change exceeds a limit of the
    /// organization, [`ServiceError::Conflict`] if another endpoint has the new external id, and
    /// [`ServiceError::Forbidden`] if a bound key must not make the change.
    pub async fn update_endpoint(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, ServiceError> {
        let (now, key) = (self.clock.now(), new_key_id());
        let keys = match patch.secret.is_some() || patch.headers.is_some() {
            true => self.encryption.keys_to_encrypt().await?,
            false => None,
        };
        let patched = |endpoint: Endpoint| {
            binding.may_change(&endpoint, &patch).map_err(ServiceError::forbidden)?;
            Ok(encrypted(endpoint.patched(patch.clone(), now, key), keys.as_deref()))
        };
        let (before, after) = self.change(organization, id, "endpoint.update", patched).await?;
        let accepts_again = after.accepts() && !before.accepts();
        if accepts_again && let Err(error) = self.begin_release(&after).await {
            // The sweep continues the release.
            warn!(endpoint = %id, %error, "parked deliveries were not released immediately");
        }
        Ok(after)
    }

    /// Changes some headers of an endpoint.
    ///
    /// # Errors
    /// As [`Administrator::update_endpoint`], and [`ServiceError::Invalid`] if there would be too many.
    pub async fn change_headers(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        changes: HeaderChanges,
    ) -> Result<Endpoint, ServiceError> {
        let (now, keys) = (self.clock.now(), self.encryption.keys_to_encrypt().await?);
        let change = |mut endpoint: Endpoint| {
            let headers = endpoint.settings.headers.changed(&changes);
            endpoint.settings.headers = headers.map_err(|invalid| ServiceError::Invalid(vec![("headers", invalid)]))?;
            endpoint.updated_at = now;
            Ok(encrypted(endpoint, keys.as_deref()))
        };
        Ok(self.change(organization, id, "endpoint.update", change).await?.1)
    }

    /// Disables an endpoint: it gets no new deliveries, and the sweep fails the parked ones.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`].
    pub async fn disable_endpoint(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        reason: DisabledReason,
    ) -> Result<Endpoint, ServiceError> {
        let now = self.clock.now();
        let disable = |endpoint: Endpoint| Ok(endpoint.disabled(reason, now));
        Ok(self.change(organization, id, "endpoint.disable", disable).await?.1)
    }

    /// Deletes an endpoint permanently.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`].
    pub async fn delete_endpoint(&self, organization: &OrganizationId, id: EndpointId) -> Result<(), ServiceError> {
        let mut endpoint = self.endpoint(organization, id).await?;
        for tries in 0..CHANGE_TRIES {
            clock::back_off(tries).await;
            match self.store.delete_endpoint(&endpoint, self.clock.now()).await {
                Ok(()) => {
                    audit("endpoint.delete", organization, id);
                    self.forget_public_keys(organization, id);
                    self.endpoints.invalidate_fan_out(&endpoint, Some(&endpoint), None).await?;
                    self.announce(&endpoint, announcer::endpoint_deleted(&endpoint)).await;
                    return Ok(());
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            match self.store.endpoint(organization, id).await? {
                Some(changed) => endpoint = changed,
                // Another request deleted the endpoint and updates the size, or this request did in a try whose
                // response was lost.
                None => return self.endpoints.invalidate_fan_out(&endpoint, None, None).await,
            }
        }
        Err(changed_by_others())
    }

    /// Applies an owner's change to the stored endpoint, and repeats that if another process changed the endpoint
    /// first. Returns the endpoint before and after. Publish requests that begin after this returns use the changed
    /// endpoint.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`], and the error of `change` if the stored endpoint does not allow it.
    pub(super) async fn change(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        action: &'static str,
        change: impl Fn(Endpoint) -> Result<Endpoint, ServiceError>,
    ) -> Result<(Endpoint, Endpoint), ServiceError> {
        let refused = Mutex::new(None);
        let changed = self.endpoints.change_if(organization, id, |endpoint| {
            let changed = change(endpoint);
            changed.map_err(|error| *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error)).ok()
        });
        let changed = changed.await?;
        let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (before, after) = changed.ok_or_else(|| refused.unwrap_or_else(changed_by_others))?;
        audit(action, organization, id);
        if after.secrets != before.secrets {
            self.forget_public_keys(organization, id);
        }
        if after.changes_target_of(&before) {
            self.endpoints.invalidate_fan_out(&after, Some(&before), Some(&after)).await?;
        }
        for occurrence in announcer::endpoint_changed(&before, &after) {
            self.announce(&after, occurrence).await;
        }
        Ok((before, after))
    }
}

/// The endpoint as it is stored: encrypted, if the deployment has keys.
pub(super) fn encrypted(endpoint: Endpoint, keys: Option<&KeyRing>) -> Endpoint {
    match keys {
        Some(keys) => endpoint.encrypted(keys, clock::secret_bytes),
        None => endpoint,
    }
}

/// Rejects tests and retries for a disabled endpoint: the deliveries would fail immediately, and the recorded cause
/// of their failure would be replaced. For a paused or suspended endpoint they are parked.
pub(super) fn require_enabled(endpoint: &Endpoint) -> Result<(), ServiceError> {
    if endpoint.is_disabled() {
        return Err(ServiceError::Conflict("the endpoint is disabled".to_owned()));
    }
    Ok(())
}
