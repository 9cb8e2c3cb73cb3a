//! The configuration of a deployment.

use std::time::Duration;

use super::api_key::PlatformKey;
use super::event_type::Catalogue;
use super::fields::UrlPolicy;
use super::limits::Limits;
use super::schedule::RetrySchedule;
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
    /// The limits of organizations for which the platform sets none.
    pub limits: Limits,
    /// How long events and deliveries are stored.
    pub retention: Duration,
    /// When the deployment's only process started: all requests that began earlier have ended. `None` if there are
    /// several processes.
    pub only_process_since: Option<Timestamp>,
}
