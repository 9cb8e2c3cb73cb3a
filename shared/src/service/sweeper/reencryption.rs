//! Encrypting again, under a new key of the deployment, what other keys have encrypted.

use futures_util::{StreamExt, stream};
use tracing::{error, info};

use super::Sweeper;
use super::backlog::is_fifth_run;
use crate::clock;
use crate::domain::encryption::key_ring::KeyRing;
use crate::domain::encryption::reencryption::{ReencryptedPage, Reencryption};
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::OrganizationId;
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::store::StoreError;

/// How many organizations are in a page. The progress is stored after each.
const ORGANIZATIONS_PER_PAGE: usize = 10;
/// How many endpoints are encrypted concurrently.
const MAX_CONCURRENT_ENDPOINTS: usize = 8;

/// What became of an endpoint.
enum Outcome {
    /// It was encrypted again.
    Changed,
    /// It is under the current key, or was deleted.
    Unchanged,
    /// A field of it cannot be decrypted.
    Undecryptable,
}

impl Sweeper {
    /// Continues the walk through all endpoints until it has ended or `deadline` has passed. One of five runs looks whether
    /// the current key has changed. A deployment without the parameter of the keys, and the
    /// local host, have no cost.
    pub(super) async fn reencrypt(&self, started_at: Timestamp, deadline: Timestamp) -> Result<(), ServiceError> {
        if !is_fifth_run(started_at) {
            return Ok(());
        }
        let Some((keys, parameter_version)) = self.encryption.changeable_keys().await? else { return Ok(()) };
        let stored = self.store.reencryption().await?;
        let walk = Reencryption::towards(keys.current(), parameter_version, stored, started_at);
        let Some(mut walk) = walk else { return Ok(()) };
        while walk.finished_at.is_none() && walk.has_begun(self.clock.now()) {
            let Some(page) = self.reencrypt_page(&keys, &walk, deadline).await? else { return Ok(()) };
            walk = walk.after_page(page, self.clock.now());
            match self.store.store_reencryption(&walk).await {
                Ok(()) => {}
                // Another sweep continues it.
                Err(StoreError::Conflict) => return Ok(()),
                Err(failure) => return Err(failure.into()),
            }
        }
        if walk.finished_at.is_some() {
            let Reencryption { key, changed, undecryptable, .. } = &walk;
            info!(%key, changed, undecryptable, "all secrets are encrypted under the current key");
        }
        Ok(())
    }

    /// Encrypts the next organizations; `None` if there was no time for all of the page.
    async fn reencrypt_page(
        &self,
        keys: &KeyRing,
        walk: &Reencryption,
        deadline: Timestamp,
    ) -> Result<Option<ReencryptedPage>, ServiceError> {
        let (organizations, last) =
            self.store.organization_ids_after(walk.after.as_ref(), ORGANIZATIONS_PER_PAGE).await?;
        let mut page = ReencryptedPage { last, ..ReencryptedPage::default() };
        for organization in &organizations {
            let mut old = Vec::new();
            for endpoint in self.store.each_endpoint(organization).await? {
                match endpoint {
                    Ok(endpoint) if endpoint.is_encrypted_under(keys) => {}
                    Ok(endpoint) => old.push(endpoint),
                    Err(unreadable) => {
                        error!(%unreadable, "an endpoint cannot be read");
                        page.undecryptable += 1;
                    }
                }
            }
            let changes = old.iter().map(|endpoint| self.reencrypt_endpoint(keys, organization, endpoint));
            let changes = changes.collect::<Vec<_>>();
            let mut changes = stream::iter(changes).buffer_unordered(MAX_CONCURRENT_ENDPOINTS);
            while self.clock.now() < deadline {
                match changes.next().await.transpose()? {
                    Some(Outcome::Changed) => page.changed += 1,
                    Some(Outcome::Unchanged) => {}
                    Some(Outcome::Undecryptable) => page.undecryptable += 1,
                    None => break,
                }
            }
            if self.clock.now() >= deadline {
                return Ok(None);
            }
        }
        Ok(Some(page))
    }

    async fn reencrypt_endpoint(
        &self,
        keys: &KeyRing,
        organization: &OrganizationId,
        found: &Endpoint,
    ) -> Result<Outcome, ServiceError> {
        if let Err(cause) = found.clone().encrypted_again(keys, clock::secret_bytes) {
            error!(endpoint = %found.id, %cause, "a confidential field cannot be decrypted");
            return Ok(Outcome::Undecryptable);
        }
        let encrypt = |endpoint: Endpoint| {
            let is_old = !endpoint.is_encrypted_under(keys);
            is_old.then(|| endpoint.encrypted_again(keys, clock::secret_bytes).ok()).flatten()
        };
        match self.endpoints.change_if(organization, found.id, encrypt).await {
            Ok(Some(_)) => Ok(Outcome::Changed),
            Ok(None) | Err(ServiceError::NotFound(_)) => Ok(Outcome::Unchanged),
            Err(failure) => Err(failure),
        }
    }
}
