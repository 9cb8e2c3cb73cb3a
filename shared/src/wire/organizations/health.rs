//! The health of endpoints.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::endpoint::health::{Health, HealthState};
use crate::domain::time::Timestamp;
use crate::wire::openapi::Millisecond;

/// Whether attempts to an endpoint succeed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Health)]
pub struct HealthOut {
    /// `failing` if more attempts failed than succeeded. `suspended` if they failed so often that deliveries wait, while
    /// single probes are sent.
    #[schema(value_type = HealthState)]
    state: &'static str,
    /// The first of the failures that outnumber the successes; null if they do not.
    #[schema(value_type = Option<Millisecond>, required)]
    failing_since: Option<String>,
    /// When the endpoint was suspended; null if it is not suspended.
    #[schema(value_type = Option<Millisecond>, required)]
    suspended_since: Option<String>,
    /// When the next probe is due, always in the future; null if none is scheduled, and while one is due and not sent yet.
    #[schema(value_type = Option<Millisecond>, required)]
    next_probe_at: Option<String>,
    /// The last successful attempt that the statistics contain, which are written with a delay. Only reading a single
    /// endpoint shows it. Absent if there was none in the last 32 days.
    #[schema(value_type = Option<Millisecond>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_at: Option<String>,
}

impl From<&Health> for HealthOut {
    fn from(health: &Health) -> Self {
        Self {
            state: health.state.as_str(),
            failing_since: health.failing_since.map(Timestamp::rfc3339),
            suspended_since: health.suspended_since.map(Timestamp::rfc3339),
            next_probe_at: health.next_probe_at.map(Timestamp::rfc3339),
            last_success_at: health.last_success_at.map(Timestamp::rfc3339),
        }
    }
}
