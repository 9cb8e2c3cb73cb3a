//! Deliveries: one event for one endpoint, and the state machine that every attempt moves on.

use std::time::Duration;

use super::attempt::{Answer, AttemptEntry, Cause, Outcome};
use super::endpoint::{DisabledReason, Endpoint, EndpointStatus};
use super::event_type::EventType;
use super::ids::{DeliveryId, EndpointId, OrganizationId};
use super::organization::OrganizationStatus;
use super::schedule::{MAX_HIDDEN_SECONDS, RetrySchedule};
use super::time::Timestamp;

/// How long a delivery that was sent to the queue out of turn is left alone by the sweep.
pub const LEASE: Duration = Duration::from_secs(15 * 60);
/// Most attempts that a delivery's log remembers; the oldest go first.
pub const MAX_LOG: usize = 32;

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identifier, which also tells the event and when it was published.
    pub id: DeliveryId,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// The endpoint it goes to.
    pub endpoint: EndpointId,
    /// The event's type.
    pub event_type: EventType,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How many attempts were made, over all schedules.
    pub attempts: u32,
    /// How many retries of the current schedule were used.
    pub retries_used: u32,
    /// When the next attempt is due; `None` if at once or never.
    pub next_attempt_at: Option<Timestamp>,
    /// How it is found when it is not in the queue.
    pub mark: Option<Mark>,
    /// What the last attempt's answer was, if there was one.
    pub response_status: Option<u16>,
    /// The beginning of the last answer's body.
    pub response_body: Option<String>,
    /// Why it is not (or not yet) delivered.
    pub error: Option<Cause>,
    /// Hex signature of the last attempt.
    pub signature: Option<String>,
    /// The last [`MAX_LOG`] attempts, oldest first.
    pub log: Vec<AttemptEntry>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Not attempted yet.
    Pending,
    /// Failed at least once, and will be tried again.
    Retrying,
    /// Delivered.
    Success,
    /// Its schedule is used up.
    Exhausted,
    /// Will not be tried again for another reason.
    Failed,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Retrying, Self::Success, Self::Exhausted, Self::Failed];

    /// The status's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Success => "success",
            Self::Exhausted => "exhausted",
            Self::Failed => "failed",
        }
    }

    /// The status with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing more will happen unless somebody asks for it.
    pub const fn is_finished(self) -> bool {
        !matches!(self, Self::Pending | Self::Retrying)
    }

    /// Whether it may be asked for again.
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Exhausted | Self::Failed)
    }
}

/// Which deliveries of an endpoint a list is to hold.
#[derive(Debug, Default)]
pub struct DeliveryFilter {
    /// Only those that stand so.
    pub status: Option<DeliveryStatus>,
    /// Only those of events of this type.
    pub event_type: Option<EventType>,
    /// Only those of events published at this time or later.
    pub since: Option<Timestamp>,
    /// Only those of events published before this time.
    pub until: Option<Timestamp>,
}

impl DeliveryFilter {
    /// Whether the delivery belongs into the list.
    pub fn admits(&self, delivery: &Delivery) -> bool {
        let created_at = delivery.id.created_at();
        self.status.is_none_or(|wanted| wanted == delivery.status)
            && self.event_type.as_ref().is_none_or(|wanted| *wanted == delivery.event_type)
            && self.since.is_none_or(|since| since.to_millis() <= created_at)
            && self.until.is_none_or(|until| created_at < until)
    }
}

/// How a delivery that is not in motion is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Parked until this time, when the sweep sends it.
    Due(Timestamp),
    /// Parked until its endpoint can take it.
    Held,
    /// Failed or exhausted; may be asked for again.
    Dead,
}

/// What is to be done with a message that names a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: acknowledge the message.
    Drop,
    /// Leave it in the queue until then.
    HideUntil(Timestamp),
    /// Record the delivery as parked until its endpoint can take it, and acknowledge.
    Park,
    /// Record the delivery as failed, and acknowledge.
    Fail(Cause),
    /// Send the request.
    Attempt,
}

/// What an attempt led to, beside the new state of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Acknowledge the message: delivered, given up, or parked.
    Drop,
    /// Leave the message in the queue until then.
    HideUntil(Timestamp),
    /// Disable the endpoint, and acknowledge the message.
    Disable(DisabledReason),
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy)]
pub enum OnFailure<'a> {
    /// The next delay of the schedule, with this jitter in 0..1.
    Follow(&'a RetrySchedule, f64),
    /// Back to where it was parked: it was tried to see whether its suspended endpoint works again,
    /// and its own schedule stands still.
    Hold,
}

/// The delivery is not one that can be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only a failed or exhausted delivery can be retried, and this one is {}", .0.as_str())]
pub struct NotDead(pub DeliveryStatus);

impl Delivery {
    /// A delivery that was not attempted yet: parked if its endpoint is paused, else to be queued.
    pub fn new(
        id: DeliveryId,
        organization: &OrganizationId,
        endpoint: EndpointId,
        event_type: &EventType,
        parked: bool,
    ) -> Self {
        Self {
            id,
            organization: organization.clone(),
            endpoint,
            event_type: event_type.clone(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            retries_used: 0,
            next_attempt_at: None,
            mark: parked.then_some(Mark::Held),
            response_status: None,
            response_body: None,
            error: None,
            signature: None,
            log: Vec::new(),
            updated_at: id.created_at(),
        }
    }

    /// What is to be done with a message that names this delivery. A probe is attempted although its
    /// endpoint is suspended.
    pub fn step(
        &self,
        endpoint: Option<&Endpoint>,
        organization: OrganizationStatus,
        probe: bool,
        now: Timestamp,
    ) -> Step {
        if self.status.is_finished() {
            return Step::Drop;
        }
        let Some(endpoint) = endpoint else { return Step::Fail(Cause::EndpointDeleted) };
        match (endpoint.status, organization) {
            (_, OrganizationStatus::Suspended) => Step::Fail(Cause::OrganizationSuspended),
            (EndpointStatus::Disabled { .. }, _) => Step::Fail(Cause::EndpointDisabled),
            (EndpointStatus::Paused { .. }, _) => Step::Park,
            (EndpointStatus::Active, _) if endpoint.health.suspension.is_none() => self.step_when_active(now),
            (EndpointStatus::Active, _) if probe => Step::Attempt,
            (EndpointStatus::Active, _) => Step::Park,
        }
    }

    fn step_when_active(&self, now: Timestamp) -> Step {
        match (self.next_attempt_at, self.mark) {
            // Parked until it is due. A lease ends later than that, and its message waits.
            (Some(due), Some(Mark::Due(parked))) if now < due && parked <= due => Step::Drop,
            (Some(due), _) if now < due => Step::HideUntil(due),
            _ => Step::Attempt,
        }
    }

    /// The delivery after an attempt, and what follows from it.
    pub fn after_attempt(mut self, outcome: Outcome, on_failure: OnFailure<'_>, now: Timestamp) -> (Self, Consequence) {
        self.attempts += 1;
        self.updated_at = now;
        let (status, body, retry_after, error) = match outcome.answer {
            Answer::Response { status, body, retry_after } => {
                let error = (!(200..300).contains(&status)).then_some(Cause::HttpStatus);
                (Some(status), Some(body), retry_after, error)
            }
            Answer::None(cause) => (None, None, None, Some(cause)),
        };
        self.response_status = status;
        self.response_body = body;
        self.error = error;
        self.signature = Some(outcome.signature);
        let surplus = (self.log.len() + 1).saturating_sub(MAX_LOG);
        self.log.drain(..surplus);
        self.log.push(AttemptEntry {
            number: self.attempts,
            started_at: outcome.started_at,
            duration_ms: u32::try_from(outcome.duration.as_millis()).unwrap_or(u32::MAX),
            response_status: status,
            error,
        });
        let consequence = self.settle(on_failure, retry_after, now);
        (self, consequence)
    }

    /// Moves on to the state that the last attempt leads to.
    fn settle(&mut self, on_failure: OnFailure<'_>, retry_after: Option<Duration>, now: Timestamp) -> Consequence {
        self.next_attempt_at = None;
        self.mark = None;
        match (self.error, self.response_status) {
            (None, _) => {
                self.status = DeliveryStatus::Success;
                Consequence::Drop
            }
            (Some(_), Some(410)) => {
                self.die(DeliveryStatus::Failed);
                Consequence::Disable(DisabledReason::Gone)
            }
            (Some(Cause::RefusedAddress), _) => {
                self.die(DeliveryStatus::Failed);
                Consequence::Drop
            }
            _ => match on_failure {
                OnFailure::Hold => {
                    self.status = DeliveryStatus::Retrying;
                    self.mark = Some(Mark::Held);
                    Consequence::Drop
                }
                OnFailure::Follow(schedule, jitter) => {
                    match schedule.delay(self.retries_used as usize, jitter, retry_after) {
                        Some(delay) => self.wait(delay, now),
                        None => {
                            self.die(DeliveryStatus::Exhausted);
                            Consequence::Drop
                        }
                    }
                }
            },
        }
    }

    fn wait(&mut self, delay: Duration, now: Timestamp) -> Consequence {
        let due = now.plus(delay);
        self.status = DeliveryStatus::Retrying;
        self.retries_used += 1;
        self.next_attempt_at = Some(due);
        if delay <= Duration::from_secs(u64::from(MAX_HIDDEN_SECONDS)) {
            return Consequence::HideUntil(due);
        }
        self.mark = Some(Mark::Due(due));
        Consequence::Drop
    }

    fn die(&mut self, status: DeliveryStatus) {
        self.status = status;
        self.next_attempt_at = None;
        self.mark = Some(Mark::Dead);
    }

    /// The delivery, parked until its endpoint can take it.
    #[must_use]
    pub fn parked(mut self, now: Timestamp) -> Self {
        self.mark = Some(Mark::Held);
        self.updated_at = now;
        self
    }

    /// The delivery, left to the sweep from this time on; a held one stays where it is.
    #[must_use]
    pub fn due_at(mut self, at: Timestamp) -> Self {
        self.mark = self.mark.or(Some(Mark::Due(at)));
        self
    }

    /// The delivery, given up for a reason other than its schedule.
    #[must_use]
    pub fn failed(mut self, cause: Cause, now: Timestamp) -> Self {
        self.error = Some(cause);
        self.die(DeliveryStatus::Failed);
        self.updated_at = now;
        self
    }

    /// The delivery, taken out of its place to be sent to the queue: if that never happens, the
    /// sweep finds it when the lease ends.
    #[must_use]
    pub fn leased(mut self, now: Timestamp) -> Self {
        self.mark = Some(Mark::Due(now.plus(LEASE)));
        self
    }

    /// The delivery, asked for again: on a fresh schedule, its attempts counted on.
    ///
    /// # Errors
    /// [`NotDead`] unless it is failed or exhausted.
    pub fn asked_again(mut self, now: Timestamp) -> Result<Self, NotDead> {
        if !self.status.is_dead() {
            return Err(NotDead(self.status));
        }
        self.status = if self.attempts == 0 { DeliveryStatus::Pending } else { DeliveryStatus::Retrying };
        self.retries_used = 0;
        self.next_attempt_at = None;
        self.updated_at = now;
        Ok(self.leased(now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::tests::endpoint;
    use super::super::endpoint::{EndpointPatch, WantedStatus};
    use super::super::health::Health;
    use super::super::ids::EventId;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn delivery() -> Delivery {
        let endpoint = endpoint();
        let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
        Delivery::new(id, &endpoint.organization, endpoint.id, &EventType::parse("a.b").unwrap(), false)
    }

    fn outcome(answer: Answer) -> Outcome {
        Outcome { started_at: NOW, duration: Duration::from_millis(12), signature: "ab".into(), answer }
    }

    fn response(status: u16, retry_after: Option<u64>) -> Outcome {
        let retry_after = retry_after.map(Duration::from_secs);
        outcome(Answer::Response { status, body: "hello".into(), retry_after })
    }

    fn after(delivery: Delivery, outcome: Outcome) -> (Delivery, Consequence) {
        delivery.after_attempt(outcome, OnFailure::Follow(&RetrySchedule::default(), 0.0), NOW)
    }

    fn in_seconds(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn any_2xx_is_a_success_and_nothing_else() {
        for status in [200, 201, 204, 299] {
            let (delivery, consequence) = after(delivery(), response(status, None));
            assert_eq!((delivery.status, delivery.error, delivery.mark), (DeliveryStatus::Success, None, None));
            assert_eq!(consequence, Consequence::Drop);
        }
        for status in [100, 199, 300, 301, 400, 404, 500, 599] {
            let (delivery, _) = after(delivery(), response(status, None));
            assert_eq!((delivery.status, delivery.error), (DeliveryStatus::Retrying, Some(Cause::HttpStatus)));
        }
    }

    #[test]
    fn failures_follow_the_schedule_and_then_exhaust() {
        let mut current = delivery();
        for (attempt, delay) in [(1, 1), (2, 5), (3, 30)] {
            let (next, consequence) = after(current, response(500, None));
            assert_eq!((next.status, next.attempts), (DeliveryStatus::Retrying, attempt));
            assert_eq!(consequence, Consequence::HideUntil(in_seconds(delay)));
            assert_eq!((next.next_attempt_at, next.mark), (Some(in_seconds(delay)), None));
            current = next;
        }
        let (dead, consequence) = after(current, outcome(Answer::None(Cause::Connect)));
        assert_eq!((dead.status, dead.attempts, dead.mark), (DeliveryStatus::Exhausted, 4, Some(Mark::Dead)));
        assert_eq!((dead.error, dead.response_status), (Some(Cause::Connect), None));
        assert_eq!(consequence, Consequence::Drop);
        assert_eq!(dead.log.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn waits_of_more_than_fifteen_minutes_are_parked() {
        for (asked, parked) in [(900, false), (901, true), (1_000_000, true)] {
            let (delivery, consequence) = after(delivery(), response(503, Some(asked)));
            let due = in_seconds(asked.min(86_400));
            assert_eq!(delivery.next_attempt_at, Some(due));
            assert_eq!(delivery.mark, parked.then_some(Mark::Due(due)), "{asked}");
            assert_eq!(consequence, if parked { Consequence::Drop } else { Consequence::HideUntil(due) });
        }
    }

    #[test]
    fn a_gone_endpoint_is_disabled_and_a_refused_address_not_tried_again() {
        let (gone, consequence) = after(delivery(), response(410, None));
        assert_eq!((gone.status, gone.mark), (DeliveryStatus::Failed, Some(Mark::Dead)));
        assert_eq!(consequence, Consequence::Disable(DisabledReason::Gone));
        let (refused, consequence) = after(delivery(), outcome(Answer::None(Cause::RefusedAddress)));
        assert_eq!((refused.status, refused.error), (DeliveryStatus::Failed, Some(Cause::RefusedAddress)));
        assert_eq!(consequence, Consequence::Drop);
    }

    #[test]
    fn a_failed_probe_goes_back_to_where_it_was_parked_and_uses_up_nothing() {
        let held = Delivery { retries_used: 3, ..delivery() }.parked(NOW);
        let (failed, consequence) = held.clone().after_attempt(response(500, None), OnFailure::Hold, NOW);
        assert_eq!((failed.status, failed.mark), (DeliveryStatus::Retrying, Some(Mark::Held)));
        assert_eq!((failed.attempts, failed.retries_used, consequence), (1, 3, Consequence::Drop));
        let (done, _) = held.clone().after_attempt(response(200, None), OnFailure::Hold, NOW);
        assert_eq!((done.status, done.mark), (DeliveryStatus::Success, None));
        let (gone, consequence) = held.after_attempt(response(410, None), OnFailure::Hold, NOW);
        assert_eq!((gone.status, consequence), (DeliveryStatus::Failed, Consequence::Disable(DisabledReason::Gone)));
    }

    #[test]
    fn what_is_done_with_a_message() {
        let active = endpoint();
        let suspended = Endpoint { health: Health::default().suspended(NOW), ..endpoint() };
        let with_status =
            |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW);
        let (paused, disabled) = (with_status(WantedStatus::Paused), with_status(WantedStatus::Disabled));
        let fresh = delivery();
        let waiting = Delivery { next_attempt_at: Some(in_seconds(5)), ..delivery() };
        let due = Delivery { next_attempt_at: Some(NOW), ..delivery() };
        let parked = Delivery { mark: Some(Mark::Due(in_seconds(5))), ..waiting.clone() };
        let leased = due.clone().leased(NOW);
        let held = fresh.clone().parked(NOW);
        let released_early = waiting.clone().leased(NOW);
        let done = Delivery { status: DeliveryStatus::Success, ..delivery() };
        let (on, off) = (OrganizationStatus::Active, OrganizationStatus::Suspended);
        let table = [
            (&fresh, Some(&active), on, Step::Attempt),
            (&due, Some(&active), on, Step::Attempt),
            (&leased, Some(&active), on, Step::Attempt),
            (&held, Some(&active), on, Step::Attempt),
            (&waiting, Some(&active), on, Step::HideUntil(in_seconds(5))),
            (&parked, Some(&active), on, Step::Drop),
            (&released_early, Some(&active), on, Step::HideUntil(in_seconds(5))),
            (&fresh, Some(&paused), on, Step::Park),
            (&fresh, Some(&suspended), on, Step::Park),
            (&done, Some(&suspended), on, Step::Drop),
            (&waiting, Some(&paused), on, Step::Park),
            (&fresh, Some(&disabled), on, Step::Fail(Cause::EndpointDisabled)),
            (&fresh, None, on, Step::Fail(Cause::EndpointDeleted)),
            (&fresh, Some(&active), off, Step::Fail(Cause::OrganizationSuspended)),
            (&done, None, off, Step::Drop),
            (&done, Some(&paused), on, Step::Drop),
        ];
        for (row, (delivery, endpoint, organization, expected)) in table.into_iter().enumerate() {
            assert_eq!(delivery.step(endpoint, organization, false, NOW), expected, "row {row}");
        }
        assert_eq!(waiting.step(Some(&suspended), on, true, NOW), Step::Attempt);
        assert_eq!(fresh.step(Some(&paused), on, true, NOW), Step::Park);
        assert_eq!(done.step(Some(&suspended), on, true, NOW), Step::Drop);
    }

    #[test]
    fn only_dead_deliveries_are_asked_for_again_on_a_fresh_schedule() {
        for status in [DeliveryStatus::Pending, DeliveryStatus::Retrying, DeliveryStatus::Success] {
            assert_eq!(Delivery { status, ..delivery() }.asked_again(NOW), Err(NotDead(status)));
        }
        let exhausted = Delivery { attempts: 4, retries_used: 3, status: DeliveryStatus::Exhausted, ..delivery() };
        let again = exhausted.asked_again(NOW).unwrap();
        assert_eq!((again.status, again.attempts, again.retries_used), (DeliveryStatus::Retrying, 4, 0));
        assert_eq!(again.mark, Some(Mark::Due(NOW.plus(LEASE))));
        assert_eq!(again.step(Some(&endpoint()), OrganizationStatus::Active, false, NOW), Step::Attempt);
        let never_tried = delivery().failed(Cause::EndpointDisabled, NOW).asked_again(NOW).unwrap();
        assert_eq!(never_tried.status, DeliveryStatus::Pending);
    }

    #[test]
    fn the_log_forgets_the_oldest_attempts() {
        let mut current = delivery();
        for _ in 0..40 {
            current = Delivery { retries_used: 0, ..after(current, response(500, None)).0 };
        }
        assert_eq!((current.attempts, current.log.len(), current.log[0].number), (40, MAX_LOG, 9));
    }
}
