//! Issuing, listing, renaming, rotating and revoking API keys.

use super::lists::bad_cursor;
use super::{Administrator, Page};
use crate::clock;
use crate::domain::Invalid;
use crate::domain::ids::{EndpointId, KeyId, OrganizationId};
use crate::domain::tenancy::api_key::{ApiKey, KeySecret, KeyStatus, NewKey};
use crate::domain::tenancy::rights::{Binding, Rights};
use crate::domain::text::Name;
use crate::service::{Caller, ServiceError};
use crate::telemetry::audit;

/// A newly issued key and its secret text, which is shown only once.
#[derive(Debug)]
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// The secret text that the holder presents.
    pub secret: KeySecret,
}

impl Administrator {
    /// Issues a key.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the new key would have rights that the caller does not have,
    /// [`ServiceError::Invalid`] if it would be bound to an endpoint that the organization does not have.
    pub async fn issue_key(
        &self,
        organization: &OrganizationId,
        by: &Caller,
        new: NewKey,
    ) -> Result<Issued, ServiceError> {
        require_issuable(by, &new.rights)?;
        self.require_endpoints(organization, &new.rights.binding).await?;
        let issued = self.make_key(organization, new);
        self.store.put_api_keys(&[(None, &issued.key)]).await?;
        audit("key.create", organization, issued.key.id);
        Ok(issued)
    }

    /// A page of an organization's keys, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if `cursor` is not a cursor of this list.
    pub async fn list_keys(
        &self,
        organization: &OrganizationId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ApiKey>, ServiceError> {
        let after = cursor.map(|text| KeyId::parse(text).map_err(|_| bad_cursor())).transpose()?;
        let keys = self.store.api_keys(organization, after, limit + 1).await?;
        Ok(Page::cut(keys, limit, |key| key.id))
    }

    /// Renames a key. Without a name the key stays as it is.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no key with this id.
    pub async fn rename_key(
        &self,
        organization: &OrganizationId,
        id: KeyId,
        name: Option<Name>,
    ) -> Result<ApiKey, ServiceError> {
        let key = self.key(organization, id).await?;
        let Some(name) = name else { return Ok(key) };
        let renamed = ApiKey { name, ..key.clone() };
        self.store.put_api_keys(&[(Some(&key), &renamed)]).await?;
        audit("key.update", organization, id);
        Ok(renamed)
    }

    /// Revokes a key, whatever rights it has. Other processes may accept it for up to 60 s, the lifetime of their caches.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no key with this id.
    pub async fn revoke_key(&self, organization: &OrganizationId, id: KeyId) -> Result<ApiKey, ServiceError> {
        let key = self.key(organization, id).await?;
        let revoked = ApiKey { status: key.status.revoked(self.clock.now()), ..key.clone() };
        self.store.put_api_keys(&[(Some(&key), &revoked)]).await?;
        audit("key.revoke", organization, id);
        self.caches.keys.forget(&revoked.hash);
        Ok(revoked)
    }

    /// Issues a successor of a key, with the same name and rights. The key itself keeps working for a day.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no key with this id, [`ServiceError::Forbidden`] if it has rights
    /// that the caller does not have, and [`ServiceError::Conflict`] if it was already rotated or revoked, or has expired.
    pub async fn rotate_key(
        &self,
        organization: &OrganizationId,
        by: &Caller,
        id: KeyId,
    ) -> Result<Issued, ServiceError> {
        let key = self.key(organization, id).await?;
        require_issuable(by, &key.rights)?;
        let now = self.clock.now();
        let status = key.status.rotated(now).filter(|_| key.works_at(now));
        let status = status.ok_or_else(|| ServiceError::Conflict("only an active key can be rotated".to_owned()))?;
        let issued = self.make_key(organization, NewKey { name: key.name.clone(), rights: key.rights.clone() });
        let rotated = ApiKey { status, ..key.clone() };
        self.store.put_api_keys(&[(None, &issued.key), (Some(&key), &rotated)]).await?;
        audit("key.rotate", organization, id);
        self.caches.keys.forget(&rotated.hash);
        Ok(issued)
    }

    fn make_key(&self, organization: &OrganizationId, new: NewKey) -> Issued {
        let now = self.clock.now();
        let secret = KeySecret::generate(&clock::secret_bytes());
        let key = ApiKey {
            id: KeyId::new(now, clock::id_bytes()),
            hash: secret.hash(),
            organization: organization.clone(),
            name: new.name,
            rights: new.rights,
            preview: secret.preview(),
            status: KeyStatus::Active,
            created_at: now,
            last_used_at: None,
        };
        Issued { key, secret }
    }

    /// Refuses a binding to endpoints that the organization does not have.
    pub(super) async fn require_endpoints(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
    ) -> Result<(), ServiceError> {
        let Some(wanted) = binding.endpoints() else { return Ok(()) };
        let ids: Vec<_> = wanted.iter().copied().collect();
        let found = self.store.endpoints_by_id(organization, &ids).await?;
        let is_missing = |id: &&EndpointId| !found.iter().any(|endpoint| endpoint.id == **id);
        let missing: Vec<_> = ids.iter().filter(is_missing).map(EndpointId::to_string).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("must be endpoints of the organization, which {} is not", missing.join(", "));
        Err(ServiceError::Invalid(vec![("endpoints", Invalid::new(message))]))
    }

    async fn key(&self, organization: &OrganizationId, id: KeyId) -> Result<ApiKey, ServiceError> {
        self.store.api_key(organization, id).await?.ok_or(ServiceError::NotFound("API key"))
    }
}

fn require_issuable(by: &Caller, rights: &Rights) -> Result<(), ServiceError> {
    by.may_issue(rights).map_err(|excess| ServiceError::forbidden(excess.to_string()))
}
