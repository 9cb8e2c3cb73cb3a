//! Recoveries: everything that an endpoint missed in a span of time, asked for again.

use super::delivery::{Delivery, DeliveryStatus};
use super::ids::{DeliveryId, EndpointId, OrganizationId, RecoveryId};
use super::ticket::Ticket;
use super::time::Timestamp;

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

    /// The delivery, asked for again under this ticket, if it is one that the recovery is for. One that this recovery asked
    /// for before is not: two processes may go through the same deliveries.
    pub fn ask_again(&self, delivery: Delivery, now: Timestamp, ticket: Ticket) -> Option<Delivery> {
        let is_in_span = (self.from..self.before).contains(&delivery.id);
        let is_wanted = self.wanted.statuses.contains(&delivery.status) && delivery.recovery != Some(self.id);
        let again = Some(delivery).filter(|_| is_in_span && is_wanted)?.asked_again(now, ticket).ok()?;
        Some(Delivery { recovery: Some(self.id), ..again })
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
        let delivery = |seconds, status| {
            let id = EventId::new(at(seconds), [0; 8]).delivery(0).unwrap();
            let event_type = EventType::parse("a.b").unwrap();
            Delivery { status, ..Delivery::new(id, &organization, endpoint, &event_type, false) }
        };
        let ticket = Ticket::new([1; 8]);
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
            let again = recovery.ask_again(delivery(seconds, status), at(201), ticket);
            assert_eq!(again.is_some(), admitted, "{seconds} {status:?}");
        }
        let again = recovery.ask_again(delivery(150, DeliveryStatus::Exhausted), at(201), ticket).unwrap();
        assert_eq!((again.ticket, again.recovery), (Some(ticket), Some(id)));
        let failed_again = Delivery { status: DeliveryStatus::Exhausted, ..again };
        assert_eq!(recovery.ask_again(failed_again, at(202), ticket), None, "it was asked for before");
        let first = delivery(100, DeliveryStatus::Exhausted);
        recovery.pass(first.id);
        assert_eq!(recovery.ask_again(first, at(201), ticket), None);
        assert!(recovery.ask_again(delivery(101, DeliveryStatus::Exhausted), at(201), ticket).is_some());
    }
}
