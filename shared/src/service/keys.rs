//! Issuing, listing, renaming, rotating and revoking API keys.

use super::{Core, ServiceError};
use crate::clock;
use crate::domain::api_key::{ApiKey, KeySecret, KeyStatus, NewKey};
use crate::domain::fields::Name;
use crate::domain::ids::{KeyId, OrganizationId};
use crate::telemetry::audit;

/// A key that was just issued, with the only sight of its secret.
#[derive(Debug)]
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// What its holder presents.
    pub secret: KeySecret,
}

impl Core {
    /// Issues a key.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be stored.
    pub async fn issue_key(&self, organization: &OrganizationId, new: NewKey) -> Result<Issued, ServiceError> {
        let issued = self.make_key(organization, new);
        self.store.put_api_keys(&[(None, &issued.key)]).await?;
        audit("key.create", organization, issued.key.id);
        Ok(issued)
    }

    /// All keys of an organization, oldest first.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn list_keys(&self, organization: &OrganizationId) -> Result<Vec<ApiKey>, ServiceError> {
        Ok(self.store.api_keys(organization).await?)
    }

    /// Gives a key another name, if there is one.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such key.
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

    /// Revokes a key. It works no longer than a process trusts what it read: 60 s.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such key.
    pub async fn revoke_key(&self, organization: &OrganizationId, id: KeyId) -> Result<ApiKey, ServiceError> {
        let key = self.key(organization, id).await?;
        let revoked = ApiKey { status: key.status.revoked(self.clock.now()), ..key.clone() };
        self.store.put_api_keys(&[(Some(&key), &revoked)]).await?;
        audit("key.revoke", organization, id);
        self.keys.forget(&revoked.hash);
        Ok(revoked)
    }

    /// Issues a key's successor, with its name and role; the key itself works on for a day.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such key, [`ServiceError::Conflict`] if
    /// it was rotated or revoked before.
    pub async fn rotate_key(&self, organization: &OrganizationId, id: KeyId) -> Result<Issued, ServiceError> {
        let key = self.key(organization, id).await?;
        let status = key.status.rotated(self.clock.now());
        let status = status.ok_or_else(|| ServiceError::Conflict("only an active key can be rotated".to_owned()))?;
        let issued = self.make_key(organization, NewKey { name: key.name.clone(), role: key.role });
        let rotated = ApiKey { status, ..key.clone() };
        self.store.put_api_keys(&[(None, &issued.key), (Some(&key), &rotated)]).await?;
        audit("key.rotate", organization, id);
        self.keys.forget(&rotated.hash);
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
            role: new.role,
            preview: secret.preview(),
            status: KeyStatus::Active,
            created_at: now,
            last_used_at: None,
        };
        Issued { key, secret }
    }

    async fn key(&self, organization: &OrganizationId, id: KeyId) -> Result<ApiKey, ServiceError> {
        self.store.api_key(organization, id).await?.ok_or(ServiceError::NotFound("API key"))
    }
}
