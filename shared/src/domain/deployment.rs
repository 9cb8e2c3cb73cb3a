//! What the operator of a deployment decides.

use std::time::Duration;

use super::api_key::PlatformKey;
use super::event_type::Catalogue;
use super::fields::UrlPolicy;
use super::limits::Limits;
use super::schedule::RetrySchedule;
use super::time::Timestamp;

/// The settings of one deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The platform's keys.
    pub platform_keys: Vec<PlatformKey>,
    /// The schedule of endpoints that have none of their own.
    pub retry_schedule: RetrySchedule,
    /// The event types that may be published.
    pub catalogue: Catalogue,
    /// Which URLs endpoints may have.
    pub urls: UrlPolicy,
    /// The limits of organizations for which the platform set none.
    pub limits: Limits,
    /// How long events and deliveries are kept.
    pub retention: Duration,
    /// When the only process of the deployment started: whatever a request began earlier has ended. `None` if there are
    /// several processes.
    pub only_process_since: Option<Timestamp>,
}
