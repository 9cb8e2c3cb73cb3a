//! The time of a delivery's next attempt, as the API shows it.

use super::{Delivery, Mark};
use crate::domain::endpoint::{Endpoint, EndpointStatus};
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;

/// When the next attempt is due. `None` if none is scheduled, if the due time has passed, or if no attempt can be
/// made at that time because the endpoint is paused, suspended or disabled or the organization is suspended.
///
/// A parked delivery keeps its schedule, so its stored time may have passed.
pub fn next_attempt_at(
    delivery: &Delivery,
    endpoint: &Endpoint,
    organization: OrganizationStatus,
    now: Timestamp,
) -> Option<Timestamp> {
    let attempts = matches!(endpoint.status, EndpointStatus::Active)
        && !endpoint.parks()
        && organization == OrganizationStatus::Active
        && delivery.mark != Some(Mark::Held)
        && !delivery.status.is_final();
    delivery.next_attempt_at.filter(|due| attempts && *due > now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::delivery::attempt::Cause;
    use crate::domain::delivery::ticket::Ticket;
    use crate::domain::endpoint::WantedStatus;
    use crate::domain::endpoint::change::EndpointPatch;
    use crate::domain::endpoint::tests::{KEY, endpoint};
    use crate::domain::event::event_type::EventType;
    use crate::domain::ids::EventId;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    #[test]
    fn the_next_attempt_is_shown_only_if_it_can_be_made_at_that_time() {
        let with_status =
            |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW, KEY);
        let (active, paused, disabled) =
            (endpoint(), with_status(WantedStatus::Paused), with_status(WantedStatus::Disabled));
        let suspended = endpoint().suspended(NOW).unwrap();
        let (on, off) = (OrganizationStatus::Active, OrganizationStatus::Suspended);

        let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
        let event_type = EventType::parse("a.b").unwrap();
        let fresh = Delivery::new(id, &active.organization, active.id, &event_type, false);
        let due = NOW.plus(Duration::from_secs(5));
        let waiting = Delivery { next_attempt_at: Some(due), ..fresh.clone() };
        let overdue = Delivery { next_attempt_at: Some(NOW), ..fresh.clone() };
        let until_due = Delivery { mark: Some(Mark::Due(due)), ..waiting.clone() };
        let released = |it: &Delivery| it.clone().parked(NOW).leased_for_release(NOW, Ticket::new([0; 8])).unwrap();
        let table = [
            (&fresh, &active, on, None),
            (&waiting, &active, on, Some(due)),
            (&until_due, &active, on, Some(due)),
            (&released(&waiting), &active, on, Some(due)),
            (&overdue, &active, on, None),
            (&released(&overdue), &active, on, None),
            (&waiting.clone().parked(NOW), &active, on, None),
            (&waiting, &paused, on, None),
            (&waiting, &suspended, on, None),
            (&until_due, &disabled, on, None),
            (&waiting, &active, off, None),
            (&waiting.clone().failed(Cause::Dns, NOW), &active, on, None),
        ];
        for (row, (delivery, endpoint, organization, expected)) in table.into_iter().enumerate() {
            assert_eq!(next_attempt_at(delivery, endpoint, organization, NOW), expected, "row {row}");
        }
    }
}
