//! Recoveries: retries of the failed deliveries of an endpoint in a span of time.

use std::fmt;

use super::JobRun;
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;

/// Selects the deliveries of an endpoint that a recovery retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Only deliveries of events published at this time or later.
    pub since: Timestamp,
    /// Only deliveries of events published before this time. `None` means the time of the request.
    pub until: Option<Timestamp>,
    /// Only deliveries with these statuses: `failed`, `exhausted`, or both.
    pub statuses: Vec<DeliveryStatus>,
}

/// Equal selections have equal texts: the order of the statuses does not matter. The job's id is derived from the text.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.until.map(Timestamp::rfc3339).unwrap_or_default();
        write!(f, "{} {until}", self.since.rfc3339())?;
        let named = DeliveryStatus::ALL.into_iter().filter(|status| self.statuses.contains(status));
        named.map(DeliveryStatus::as_str).try_for_each(|status| write!(f, " {status}"))
    }
}

impl Recovery {
    /// The delivery after a manual retry with this ticket. `None` if the recovery does not select it, if it is not
    /// before `before` ([`Job::before`](super::Job::before)), if this `run` has retried it before, since two processes may
    /// do the same page, or if a run that was requested later has: two jobs would otherwise retry it in turns.
    pub fn retried(
        &self,
        delivery: Delivery,
        run: JobRun,
        before: Option<DeliveryId>,
        now: Timestamp,
        ticket: Ticket,
    ) -> Option<Delivery> {
        let is_in_span = DeliveryId::first_at(self.since) <= delivery.id && before.is_none_or(|end| delivery.id < end);
        let is_retried = delivery.recovery.is_some_and(|other| (other.since, other.job) >= (run.since, run.job));
        let is_wanted = self.statuses.contains(&delivery.status) && !is_retried;
        let again = Some(delivery).filter(|_| is_in_span && is_wanted)?.manually_retried(now, ticket).ok()?;
        Some(Delivery { recovery: Some(run), ..again })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Job, Work};
    use super::*;
    use crate::domain::event::event_type::EventType;
    use crate::domain::ids::{EndpointId, EventId, OrganizationId};

    #[test]
    fn a_recovery_retries_each_delivery_of_its_span_once() {
        let at = Timestamp::from_unix_seconds;
        let organization = OrganizationId::new(at(0), [0; 8]);
        let endpoint = EndpointId::new(at(0), [0; 8]);
        let delivery = |seconds, status| {
            let id = EventId::new(at(seconds), [0; 8]).delivery(0).unwrap();
            let event_type = EventType::parse("a.b").unwrap();
            Delivery { status, ..Delivery::new(id, &organization, endpoint, &event_type, false) }
        };
        let ticket = Ticket::new([1; 8]);
        let recovery = Recovery { since: at(100), until: None, statuses: vec![DeliveryStatus::Exhausted] };
        let job = Job::new(&organization, Work::Recover(endpoint, recovery.clone()), at(200));
        let retried = |delivery, seconds| recovery.retried(delivery, job.run(), job.before(), at(seconds), ticket);
        for (seconds, status, admitted) in [
            (99, DeliveryStatus::Exhausted, false),
            (100, DeliveryStatus::Exhausted, true),
            (150, DeliveryStatus::Failed, false),
            (150, DeliveryStatus::Success, false),
            (199, DeliveryStatus::Exhausted, true),
            (200, DeliveryStatus::Exhausted, false),
        ] {
            assert_eq!(retried(delivery(seconds, status), 201).is_some(), admitted, "{seconds} {status:?}");
        }
        let again = retried(delivery(150, DeliveryStatus::Exhausted), 201).unwrap();
        assert_eq!((again.ticket, again.recovery), (Some(ticket), Some(job.run())));
        let failed_again = Delivery { status: DeliveryStatus::Exhausted, ..again };
        assert_eq!(retried(failed_again.clone(), 202), None, "this recovery retried it before");
        let later = JobRun { since: at(300), ..job.run() };
        let by_the_later = recovery.retried(failed_again.clone(), later, None, at(301), ticket).unwrap();
        assert_eq!(by_the_later.recovery, Some(later), "a later run may");
        let failed_again = Delivery { status: DeliveryStatus::Exhausted, ..by_the_later };
        assert_eq!(retried(failed_again, 302), None, "a run that was requested later retried it");
    }
}
