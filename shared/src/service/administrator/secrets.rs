//! The secrets of endpoints: rotating and reading them, and the public keys by which everyone can verify signatures.

use std::sync::Arc;

use super::Administrator;
use super::endpoints::encrypted;
use crate::clock;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::confidential::Fields;
use crate::domain::endpoint::secrets::{Rotation, Secrets};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::signing::key::{NewSecret, PublishedKey, SigningKey, SigningKeyId};
use crate::domain::signing::secret::{Algorithm, SigningSecret};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::encryption::DecryptError;
use crate::telemetry::audit;

const NO_PUBLIC_KEY: ServiceError = ServiceError::NotFound("public key");

impl Administrator {
    /// Gives an endpoint a new secret, which is readable in the returned endpoint. The former one signs beside it for the overlap.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`], and [`ServiceError::Conflict`] if too many older secrets sign.
    pub async fn rotate_secret(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        rotation: Rotation,
    ) -> Result<Endpoint, ServiceError> {
        let (now, keys) = (self.clock.now(), self.encryption.keys_to_encrypt().await?);
        let key_id = new_key_id();
        let rotate = |endpoint: Endpoint| {
            let algorithm = endpoint.secrets.newest.secret.algorithm();
            let secret = rotation.secret.clone().unwrap_or(NewSecret::Generated(algorithm));
            let key = SigningKey::new(key_id, made(secret));
            let secrets = endpoint.secrets.clone().rotated(key, rotation.overlap, now);
            let secrets = secrets.map_err(|error| ServiceError::Conflict(error.to_string()))?;
            Ok(encrypted(Endpoint { secrets, updated_at: now, ..endpoint }, keys.as_deref()))
        };
        let (_, after) = self.change(organization, id, "endpoint.rotate_secret", rotate).await?;
        self.readable(after, Fields::NewestSecret).await
    }

    /// The secrets that sign an endpoint's deliveries now, and the time as of which they do. The request is audited.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`], and [`ServiceError::Forbidden`] if the deployment does not allow it.
    pub async fn read_secrets(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
    ) -> Result<(Secrets, Timestamp), ServiceError> {
        if !self.deployment.secrets_readable {
            return Err(ServiceError::forbidden(
                "this deployment shows secrets only when they are generated; its parameter SecretsReadable changes that",
            ));
        }
        let endpoint = self.endpoint(organization, id).await?;
        let now = self.clock.now();
        let endpoint = self.readable(endpoint, Fields::SigningSecrets(now)).await?;
        audit("endpoint.read_secret", organization, id);
        Ok((endpoint.secrets, now))
    }

    /// The secret with this id, for a repetition of the request that made it; `None` if it does not sign any more. The request
    /// is audited.
    ///
    /// # Errors
    /// As [`Administrator::readable`].
    pub async fn read_secret_again(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        key: SigningKeyId,
    ) -> Result<Option<SigningKey>, ServiceError> {
        let endpoint = self.endpoint(organization, id).await?;
        let endpoint = self.readable(endpoint, Fields::SigningSecrets(self.clock.now())).await?;
        let found = endpoint.secrets.keys().map(|(found, _)| found).find(|found| found.id == key).cloned();
        if found.is_some() {
            audit("endpoint.read_secret", organization, id);
        }
        Ok(found)
    }

    /// The endpoint with these fields readable.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if the keys cannot be read, [`ServiceError::Conflict`] if a field cannot be decrypted with
    /// them.
    pub async fn readable(&self, endpoint: Endpoint, fields: Fields) -> Result<Endpoint, ServiceError> {
        Ok(match self.encryption.decrypt(&endpoint, fields).await? {
            Some((secrets, headers)) => endpoint.with_confidential(secrets, headers),
            None => endpoint,
        })
    }

    /// The endpoint with readable headers, for callers who may see them. Headers that cannot be decrypted stay as they are, so
    /// that the owner can still read and change the endpoint.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if the keys cannot be read.
    pub async fn with_readable_headers(&self, mut endpoint: Endpoint) -> Result<Endpoint, ServiceError> {
        match self.encryption.decrypt(&endpoint, Fields::Headers).await {
            Ok(Some((_, headers))) => endpoint.settings.headers = headers,
            Ok(None) | Err(DecryptError::Undecryptable(_)) => {}
            Err(DecryptError::Unavailable(error)) => return Err(error),
        }
        Ok(endpoint)
    }

    /// The public keys that verify an endpoint's deliveries. They may be up to 60 s old. The caller need not be
    /// authenticated, so nothing is read that contains a secret.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there are none. The endpoint may not exist, or have only HMAC secrets.
    pub async fn endpoint_keys(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
    ) -> Result<Vec<PublishedKey>, ServiceError> {
        let now = self.clock.now();
        let scope = (organization.clone(), id);
        if let Some(keys) = self.caches.endpoint_keys.get(&scope, now) {
            return signing(&keys, now);
        }
        let found = self.read_public_keys(organization, Some(id), now).await?;
        self.caches.endpoint_keys.put(scope, Arc::clone(&found), now);
        signing(&found, now)
    }

    /// The public keys of an organization's endpoints, at most 1,000. As [`Administrator::endpoint_keys`].
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there are none.
    pub async fn organization_keys(&self, organization: &OrganizationId) -> Result<Vec<PublishedKey>, ServiceError> {
        let now = self.clock.now();
        if let Some(keys) = self.caches.organization_keys.get(organization, now) {
            return signing(&keys, now);
        }
        let found = self.read_public_keys(organization, None, now).await?;
        self.caches.organization_keys.put(organization.clone(), Arc::clone(&found), now);
        signing(&found, now)
    }

    async fn read_public_keys(
        &self,
        organization: &OrganizationId,
        endpoint: Option<EndpointId>,
        now: Timestamp,
    ) -> Result<Arc<[PublishedKey]>, ServiceError> {
        let scope = (organization.clone(), endpoint);
        if self.caches.without_keys.get(&scope, now).is_some() {
            return Err(NO_PUBLIC_KEY);
        }
        let found = self.store.published_keys(organization, endpoint, now).await?;
        if found.is_empty() {
            self.caches.without_keys.put(scope, (), now);
            return Err(NO_PUBLIC_KEY);
        }
        Ok(found.into())
    }

    /// Forgets the cached public keys that a change of an endpoint concerns.
    pub(super) fn forget_public_keys(&self, organization: &OrganizationId, id: EndpointId) {
        self.caches.endpoint_keys.forget(&(organization.clone(), id));
        self.caches.organization_keys.forget(organization);
        self.caches.without_keys.forget(&(organization.clone(), Some(id)));
        self.caches.without_keys.forget(&(organization.clone(), None));
    }
}

/// The keys that sign at `now`.
fn signing(keys: &[PublishedKey], now: Timestamp) -> Result<Vec<PublishedKey>, ServiceError> {
    let keys: Vec<_> = keys.iter().filter(|key| key.signs_at(now)).copied().collect();
    if keys.is_empty() { Err(NO_PUBLIC_KEY) } else { Ok(keys) }
}

/// The secret that a request asks for.
pub(super) fn made(secret: NewSecret) -> SigningSecret {
    match secret {
        NewSecret::Supplied(secret) => secret,
        NewSecret::Generated(Algorithm::HmacSha256) => SigningSecret::generate(clock::secret_bytes()),
        NewSecret::Generated(Algorithm::Ed25519) => SigningSecret::generate_ed25519(clock::secret_bytes()),
    }
}

/// The identifier of a new secret.
pub(super) fn new_key_id() -> SigningKeyId {
    SigningKeyId::new(clock::secret_bytes())
}
