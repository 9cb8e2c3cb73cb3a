//! The caches of a process. A change in this process removes the cached item; other processes may use theirs until it expires.

use std::time::Duration;

use super::cache::Cache;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, KeyId, OrganizationId};
use crate::domain::tenancy::api_key::{ApiKey, KeyHash};
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};

/// How long a process caches an API key.
const KEY_LIFETIME: Duration = Duration::from_secs(60);
/// How often a process records the use of a key.
const KEY_USE_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long a process caches an endpoint, an organization, or the absence of a key.
const STATE_LIFETIME: Duration = Duration::from_secs(5);

/// The items that operations of this process have read.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) keys: Cache<KeyHash, ApiKey>,
    /// Hashes of keys that do not exist.
    pub(super) unknown_keys: Cache<KeyHash, ()>,
    /// Keys whose use was recorded.
    pub(super) recent_key_uses: Cache<KeyId, ()>,
    pub(super) organizations: Cache<OrganizationId, Organization>,
    /// The statuses that deliveries depend on.
    pub(super) statuses: Cache<OrganizationId, OrganizationStatus>,
    /// The endpoints that deliveries are sent to.
    pub(super) endpoints: Cache<(OrganizationId, EndpointId), Endpoint>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            keys: Cache::new(KEY_LIFETIME),
            unknown_keys: Cache::new(STATE_LIFETIME),
            recent_key_uses: Cache::new(KEY_USE_INTERVAL),
            organizations: Cache::new(STATE_LIFETIME),
            statuses: Cache::new(STATE_LIFETIME),
            endpoints: Cache::new(STATE_LIFETIME),
        }
    }
}
