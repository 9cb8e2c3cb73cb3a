//! The configuration of a deployment.

use std::time::Duration;

use super::delivery::schedule::RetrySchedule;
use super::encryption::KeySource;
use super::endpoint::destination::internal_targets::InternalTargets;
use super::endpoint::url::UrlPolicy;
use super::event::event_type::Catalogue;
use super::portal::PortalSettings;
use super::portal::session::Grant;
use super::tenancy::access::PlatformRole;
use super::tenancy::api_key::PlatformKey;
use super::tenancy::limits::Limits;
use super::time::Timestamp;

/// The settings that apply to all organizations of a deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The platform keys.
    pub platform_keys: Vec<PlatformKey>,
    /// The retry schedule of endpoints without their own.
    pub retry_schedule: RetrySchedule,
    /// The event types that callers may publish.
    pub catalogue: Catalogue,
    /// Which URLs endpoints may have.
    pub urls: UrlPolicy,
    /// Which resources of the deployment's own account endpoints may have instead of a URL.
    pub internal_targets: InternalTargets,
    /// The limits of organizations for which the platform sets none.
    pub limits: Limits,
    /// Whether statistics of endpoints are counted.
    pub statistics: bool,
    /// Whether signing secrets can be read after they were generated.
    pub secrets_readable: bool,
    /// The settings of the portal.
    pub portal: PortalSettings,
    /// How long events and deliveries are stored.
    pub retention: Duration,
    /// Where the keys come from that encrypt the confidential fields of endpoints.
    pub encryption_keys: KeySource,
    /// When the deployment's only process started: all requests that began earlier have ended. `None` if there are
    /// several processes.
    pub only_process_since: Option<Timestamp>,
}

/// The URLs of the queue whose messages are publish requests, and of its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestQueues {
    /// The ingest queue.
    pub queue: String,
    /// Its dead-letter queue.
    pub dead_letter: String,
}

impl Deployment {
    /// The earliest publishing time whose events and deliveries have not expired.
    pub fn oldest_retained(&self, now: Timestamp) -> Timestamp {
        now.minus(self.retention).plus(Duration::from_millis(1))
    }

    /// Whether an item that was created at `created_at` has expired. DynamoDB deletes expired items with a delay, so
    /// readers must skip them.
    pub fn is_expired(&self, created_at: Timestamp, now: Timestamp) -> bool {
        created_at.plus(self.retention) <= now
    }

    /// Whether portal sessions with this grant work. Those that come from a platform key end when the deployment no longer has the key.
    pub fn may_grant(&self, grant: &Grant) -> bool {
        let mut full = self.platform_keys.iter().filter(|key| key.role == PlatformRole::Full);
        !grant.key.starts_with(PlatformKey::NAME_PREFIX) || full.any(|key| key.name() == grant.key)
    }
}
