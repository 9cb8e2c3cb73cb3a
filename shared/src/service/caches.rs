//! The caches of a process. A change in this process removes the cached item; other processes may use theirs until it expires.

use std::sync::Arc;
use std::time::Duration;

use super::cache::Cache;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, KeyId, OrganizationId};
use crate::domain::signing::key::PublishedKey;
use crate::domain::tenancy::api_key::{ApiKey, KeyHash};
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};

/// How long a process caches an API key.
const KEY_LIFETIME: Duration = Duration::from_secs(60);
/// How often a process records the use of a key.
const KEY_USE_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long a process caches an endpoint, an organization, or the absence of a key.
const STATE_LIFETIME: Duration = Duration::from_secs(5);

/// How long a process caches public keys, or their absence.
const PUBLIC_KEYS_LIFETIME: Duration = Duration::from_secs(60);
/// Most organizations whose public keys a process caches. Each may have 1,000 keys of about 60 bytes.
const MAX_ORGANIZATIONS_WITH_KEYS: usize = 100;

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
    /// The public keys of endpoints that have some.
    pub(super) endpoint_keys: Cache<(OrganizationId, EndpointId), Arc<[PublishedKey]>>,
    /// The public keys of organizations that have some.
    pub(super) organization_keys: Cache<OrganizationId, Arc<[PublishedKey]>>,
    /// Endpoints and organizations without public keys, most of which do not exist. They are separate, so that requests for
    /// random ids do not displace the others.
    pub(super) without_keys: Cache<(OrganizationId, Option<EndpointId>), ()>,
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
            endpoint_keys: Cache::new(PUBLIC_KEYS_LIFETIME),
            organization_keys: Cache::of(PUBLIC_KEYS_LIFETIME, MAX_ORGANIZATIONS_WITH_KEYS),
            without_keys: Cache::new(PUBLIC_KEYS_LIFETIME),
        }
    }
}
