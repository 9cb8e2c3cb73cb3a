//! What happens to a delivery whose message was received.

use std::time::Duration;

use super::Delivery;
use super::attempt::Cause;
use super::ticket::BEHIND_OTHER_COPY;
use crate::domain::endpoint::{Endpoint, EndpointStatus};
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;

/// What a consumer does with a message that owns a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The delivery is due later: look at it again then.
    WaitUntil(Timestamp),
    /// Record the delivery as parked until its endpoint accepts requests.
    Park,
    /// Record the delivery as failed.
    Fail(Cause),
    /// Do nothing, and record nothing: the organization is being deleted.
    Discard,
    /// Send the request.
    Attempt,
}

/// How much earlier than the next attempt a message may arrive and still count as due: clocks differ, and hiding a
/// message takes at least a second. This is less than the shortest delay of a schedule, so that a copy does not
/// attempt a retry immediately.
pub(super) const EARLY: Duration = Duration::from_millis(500);

impl Delivery {
    /// Decides what a consumer does with a message that owns this delivery. The delivery must be neither parked nor
    /// final. A probe is attempted although its endpoint is suspended.
    pub fn decide(
        &self,
        endpoint: Option<&Endpoint>,
        organization: OrganizationStatus,
        probe: bool,
        now: Timestamp,
    ) -> Decision {
        if organization == OrganizationStatus::Deleting {
            return Decision::Discard;
        }
        let Some(endpoint) = endpoint else { return Decision::Fail(Cause::EndpointDeleted) };
        match (endpoint.status, organization) {
            (_, OrganizationStatus::Suspended) => Decision::Fail(Cause::OrganizationSuspended),
            (EndpointStatus::Disabled { .. }, _) => Decision::Fail(Cause::EndpointDisabled),
            (EndpointStatus::Paused { .. }, _) => Decision::Park,
            (EndpointStatus::Active, _) if endpoint.circuit_breaker.suspension.is_none() => {
                self.decide_when_active(now)
            }
            (EndpointStatus::Active, _) if probe => Decision::Attempt,
            (EndpointStatus::Active, _) => Decision::Park,
        }
    }

    fn decide_when_active(&self, now: Timestamp) -> Decision {
        match self.next_attempt_at {
            // Another copy of the message may be hidden until the due time.
            Some(due) if now.plus(EARLY) < due => Decision::WaitUntil(due.plus(BEHIND_OTHER_COPY)),
            _ => Decision::Attempt,
        }
    }
}
