//! Recoveries: everything that an endpoint missed in a span of time, asked for again.

use std::time::Duration;

use super::delivery::{Delivery, DeliveryStatus};
use super::ids::{DeliveryId, EndpointId, OrganizationId, RecoveryId};
use super::time::Timestamp;

/// How far the clocks of two processes may differ: one records a failure, the other notes when the recovery was requested.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(2);

/// Which of an endpoint's deliveries are asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecovery {
    /// Only those of events published at this time or later.
    pub since: Timestamp,
    /// Only those of events published before this time; the time of the request if not said.
    pub until: Option<Timestamp>,
    /// Only those that stand so: failed, exhausted, or both.
    pub statuses: Vec<DeliveryStatus>,
}

/// A recovery under way. It goes through the deliveries once, oldest first. Of an endpoint, one with the same
/// [`NewRecovery`] is under way at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Its identifier.
    pub id: RecoveryId,
    /// The organization.
    pub organization: OrganizationId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// What was asked for.
    pub wanted: NewRecovery,
    /// The first delivery that may still be asked for.
    pub from: DeliveryId,
    /// The first delivery that is too young.
    pub before: DeliveryId,
}

impl Recovery {
    /// A recovery that has not begun.
    pub fn new(
        id: RecoveryId,
        organization: &OrganizationId,
        endpoint: EndpointId,
        new: NewRecovery,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            organization: organization.clone(),
            endpoint,
            requested_at: now.to_millis(),
            from: DeliveryId::first_at(new.since),
            before: DeliveryId::first_at(new.until.unwrap_or(now)),
            wanted: new,
        }
    }

    /// Whether the delivery is to be asked for again. One that failed well after the recovery was requested is not: it may
    /// have failed again because two processes go through the same deliveries.
    pub fn admits(&self, delivery: &Delivery) -> bool {
        let is_in_span = (self.from..self.before).contains(&delivery.id);
        is_in_span
            && self.wanted.statuses.contains(&delivery.status)
            && delivery.updated_at <= self.requested_at.plus(CLOCK_DIFFERENCE)
    }

    /// Notes that everything up to this delivery was gone through.
    pub fn pass(&mut self, last: DeliveryId) {
        self.from = last.next();
    }
}

#[cfg(test)]
mod tests {
    use super::super::event_type::EventType;
    use super::super::ids::EventId;
    use super::*;

    #[test]
    fn a_recovery_goes_through_its_span_once() {
        let at = Timestamp::from_unix_seconds;
        let organization = OrganizationId::new(at(0), [0; 8]);
        let endpoint = EndpointId::new(at(0), [0; 8]);
        let delivery_that_failed = |failed_at, seconds, status| {
            let id = EventId::new(at(seconds), [0; 8]).delivery(0).unwrap();
            let event_type = EventType::parse("a.b").unwrap();
            let updated_at = at(failed_at);
            Delivery { status, updated_at, ..Delivery::new(id, &organization, endpoint, &event_type, false) }
        };
        let delivery = |seconds, status| delivery_that_failed(200, seconds, status);
        let statuses = vec![DeliveryStatus::Exhausted];
        let new = NewRecovery { since: at(100), until: None, statuses };
        let id = RecoveryId::new(at(200), [0; 8]);
        let mut recovery = Recovery::new(id, &organization, endpoint, new, at(200));
        for (seconds, status, admitted) in [
            (99, DeliveryStatus::Exhausted, false),
            (100, DeliveryStatus::Exhausted, true),
            (150, DeliveryStatus::Failed, false),
            (150, DeliveryStatus::Success, false),
            (199, DeliveryStatus::Exhausted, true),
            (200, DeliveryStatus::Exhausted, false),
        ] {
            assert_eq!(recovery.admits(&delivery(seconds, status)), admitted, "{seconds} {status:?}");
        }
        let failed_later = delivery_that_failed(201, 150, DeliveryStatus::Exhausted);
        assert!(!recovery.admits(&failed_later), "it failed after the request");
        let first = delivery(100, DeliveryStatus::Exhausted);
        recovery.pass(first.id);
        assert!(!recovery.admits(&first));
        assert!(recovery.admits(&delivery(101, DeliveryStatus::Exhausted)));
    }
}
