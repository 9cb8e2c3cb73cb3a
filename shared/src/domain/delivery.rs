//! Deliveries: one event for one endpoint, and the state machine that each attempt advances.

use std::time::Duration;

use super::attempt::{Answer, AttemptEntry, Cause, Outcome};
use super::endpoint::{DisabledReason, Endpoint, EndpointStatus};
use super::event_type::EventType;
use super::ids::{DeliveryId, EndpointId, OrganizationId};
use super::job::JobRun;
use super::organization::OrganizationStatus;
use super::schedule::{MAX_DELAYED_SECONDS, MAX_HIDDEN_SECONDS, RetrySchedule};
use super::ticket::{BEHIND_OTHER_COPY, OnReceipt, Receipt, Ticket};
use super::time::Timestamp;

/// How long a lease lasts: within this time the sweep does not send the delivery again.
pub const LEASE: Duration = Duration::from_secs(15 * 60);
/// How long a lease lasts after one renewal, and after more. A message that crashes its process, or that waits in a
/// backlog, gets at most one further message an hour.
const RENEWED_LEASES: [Duration; 2] = [Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)];
/// How long after the publishing of its event a delivery's message is hidden at most.
const HIDDEN_AFTER_PUBLISHING: Duration = Duration::from_secs(MAX_HIDDEN_SECONDS as u64);
/// The longest wait for which a delayed message is sent.
const LONGEST_DELAYED: Duration = Duration::from_secs(MAX_DELAYED_SECONDS as u64);
/// How much earlier than the next attempt a message may arrive and still count as due: clocks differ, and hiding a
/// message takes at least a second. This is less than the shortest delay of a schedule, so that a copy does not
/// attempt a retry immediately.
const EARLY: Duration = Duration::from_millis(500);
/// How long a publish request runs at most: Lambda and API Gateway end it earlier.
pub const PUBLISHING_ENDS: Duration = Duration::from_secs(30);
/// Most attempts in a delivery's log. Further attempts replace the oldest.
pub const MAX_LOG: usize = 32;

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery's identifier. It contains the event's id and the time of publishing.
    pub id: DeliveryId,
    /// The organization that the delivery belongs to.
    pub organization: OrganizationId,
    /// The endpoint that the delivery goes to.
    pub endpoint: EndpointId,
    /// The event's type.
    pub event_type: EventType,
    /// The delivery's status.
    pub status: DeliveryStatus,
    /// How many attempts were recorded. A manual retry does not reset the count.
    pub attempts: u32,
    /// How many retries of the current schedule were used. A manual retry resets it.
    pub retries_used: u32,
    /// When the next attempt is due; `None` if it is due immediately, or if there is none.
    pub next_attempt_at: Option<Timestamp>,
    /// Which partition of the `waiting` index the record is in; `None` if it is not in the index.
    pub mark: Option<Mark>,
    /// The ticket of the message that owns the delivery; `None` if that is the message of the publish request.
    pub ticket: Option<Ticket>,
    /// The last job run, of a recovery or of `send_all`, that sent the delivery.
    pub recovery: Option<JobRun>,
    /// How often the lease was renewed since the last recorded attempt.
    pub leases: u32,
    /// The status of the last attempt's response; `None` without a response.
    pub response_status: Option<u16>,
    /// The beginning of the last response's body.
    pub response_body: Option<String>,
    /// Why the last attempt or the delivery failed; `None` if neither has.
    pub error: Option<Cause>,
    /// The hex signature of the last attempt's body.
    pub signature: Option<String>,
    /// The last [`MAX_LOG`] attempts, oldest first.
    pub log: Vec<AttemptEntry>,
    /// When the record last changed.
    pub updated_at: Timestamp,
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// No attempt was made.
    Pending,
    /// The last attempt failed, and another one will be made.
    Retrying,
    /// The receiver answered with 2xx. Final.
    Success,
    /// All attempts of the schedule failed. Final.
    Exhausted,
    /// The delivery failed for another reason than its schedule. Final.
    Failed,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Retrying, Self::Success, Self::Exhausted, Self::Failed];

    /// The status's name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Success => "success",
            Self::Exhausted => "exhausted",
            Self::Failed => "failed",
        }
    }

    /// The status with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the status is final: no attempt follows without a manual retry or a recovery.
    pub const fn is_finished(self) -> bool {
        !matches!(self, Self::Pending | Self::Retrying)
    }

    /// Whether the status is final without success. Such a delivery can be retried manually or by a recovery.
    pub const fn is_recoverable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Failed)
    }
}

/// Which deliveries of an endpoint a list contains. Absent fields do not restrict it.
#[derive(Debug, Default)]
pub struct DeliveryFilter {
    /// Only deliveries with this status.
    pub status: Option<DeliveryStatus>,
    /// Only deliveries of events of this type.
    pub event_type: Option<EventType>,
    /// Only deliveries of events published at this time or later.
    pub since: Option<Timestamp>,
    /// Only deliveries of events published before this time.
    pub until: Option<Timestamp>,
}

impl DeliveryFilter {
    /// Whether the delivery meets all conditions of the filter.
    pub fn admits(&self, delivery: &Delivery) -> bool {
        let created_at = delivery.id.created_at();
        self.status.is_none_or(|wanted| wanted == delivery.status)
            && self.event_type.as_ref().is_none_or(|wanted| *wanted == delivery.event_type)
            && self.since.is_none_or(|since| since.to_millis() <= created_at)
            && self.until.is_none_or(|until| created_at < until)
    }
}

/// The partition of the `waiting` index that contains a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The delivery is parked or leased until this time, when the sweep sends it.
    Due(Timestamp),
    /// The delivery is parked until its endpoint accepts deliveries.
    Held,
    /// The delivery is failed or exhausted, and can be retried.
    Failed,
}

/// Where a delivery is, according to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Neither queued nor parked: the delivery is in a final state.
    Final,
    /// In the queue, without a mark.
    Queued,
    /// In the queue or about to be sent to it. The mark is the end of the lease.
    Leased,
    /// In the table only. Only a lease ends parking.
    Parked,
}

/// What a consumer does with a message that owns a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hide the message until this time.
    HideUntil(Timestamp),
    /// Record the delivery as parked until its endpoint accepts deliveries, and acknowledge the message.
    Park,
    /// Record the delivery as failed, and acknowledge the message.
    Fail(Cause),
    /// Send the request.
    Attempt,
}

/// What a consumer does with the message after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Acknowledge the message: the delivery is final or parked.
    Drop,
    /// Hide the message until this time.
    HideUntil(Timestamp),
    /// Send a copy of the message that is delayed until this time. Then record the attempt, and acknowledge the
    /// message.
    SendDelayed(Timestamp),
    /// Disable the endpoint, and acknowledge the message.
    Disable(DisabledReason),
}

/// The state of a delivery after a failed attempt.
#[derive(Debug, Clone, Copy)]
pub enum OnFailure<'a> {
    /// The delivery waits for the next delay of the schedule. The number in 0..1 is the jitter.
    Follow(&'a RetrySchedule, f64),
    /// The delivery is parked again: the attempt was a half-open probe of a suspended endpoint. A probe uses up no
    /// retry of the schedule.
    Hold,
}

/// The delivery is not in a state that allows a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only a failed or exhausted delivery can be retried, and this one is {}", .0.as_str())]
pub struct NotRecoverable(pub DeliveryStatus);

impl Delivery {
    /// A delivery without attempts. With `parked` it is parked until its endpoint accepts deliveries; otherwise it
    /// is queued.
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
            ticket: None,
            recovery: None,
            leases: 0,
            response_status: None,
            response_body: None,
            error: None,
            signature: None,
            log: Vec::new(),
            updated_at: id.created_at(),
        }
    }

    /// Where the delivery is, from its status, mark and next attempt.
    pub fn place(&self) -> Place {
        match self.mark {
            _ if self.status.is_finished() => Place::Final,
            None => Place::Queued,
            Some(Mark::Due(at)) if self.next_attempt_at.is_none_or(|due| due < at) => Place::Leased,
            Some(_) => Place::Parked,
        }
    }

    /// Decides what a consumer does with a message that owns this delivery. The delivery must be neither parked nor
    /// final. A probe is attempted although its endpoint is suspended.
    pub fn step(
        &self,
        endpoint: Option<&Endpoint>,
        organization: OrganizationStatus,
        probe: bool,
        now: Timestamp,
    ) -> Step {
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
        match self.next_attempt_at {
            // Another copy of the message may be hidden until the due time.
            Some(due) if now.plus(EARLY) < due => Step::HideUntil(due.plus(BEHIND_OTHER_COPY)),
            _ => Step::Attempt,
        }
    }

    /// Returns the delivery after an attempt, and what the consumer does with the message.
    pub fn after_attempt(
        mut self,
        outcome: &Outcome,
        on_failure: OnFailure<'_>,
        now: Timestamp,
    ) -> (Self, Consequence) {
        self.attempts += 1;
        self.leases = 0;
        self.updated_at = now;
        let mut entry = AttemptEntry {
            number: self.attempts,
            started_at: outcome.started_at,
            duration_ms: u32::try_from(outcome.duration.as_millis()).unwrap_or(u32::MAX),
            response_status: None,
            error: None,
            detail: None,
            body_cut: false,
        };
        let (body, retry_after) = match &outcome.answer {
            &Answer::Response { status, ref body, body_cut, retry_after } => {
                entry.response_status = Some(status);
                entry.error = (!(200..300).contains(&status)).then_some(Cause::HttpStatus);
                entry.body_cut = body_cut;
                (Some(body.clone()), retry_after)
            }
            Answer::None(failure) => {
                entry.error = Some(failure.cause);
                entry.detail = failure.detail;
                (None, None)
            }
        };
        self.response_status = entry.response_status;
        self.response_body = body;
        self.error = entry.error;
        self.signature = Some(outcome.signature.clone());
        let surplus = (self.log.len() + 1).saturating_sub(MAX_LOG);
        self.log.drain(..surplus);
        self.log.push(entry);
        let consequence = self.settle(on_failure, retry_after, now);
        (self, consequence)
    }

    /// Whether the outcome of an attempt is added to this record, which has changed since the attempt began.
    /// `attempts` is the count that the attempt was based on. A success is added to every state that is not final.
    /// A failure is added if only a lease has changed the record.
    pub fn takes(&self, outcome: &Outcome, attempts: u32, receipt: Receipt, now: Timestamp) -> bool {
        let is_owned = || receipt.on_receipt(Some(self), now) == OnReceipt::Process;
        !self.status.is_finished() && (outcome.is_success() || (self.attempts == attempts && is_owned()))
    }

    /// Returns the delivery without its optional fields: the response's body, the signature, and all log entries
    /// but the last.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        self.log.drain(..self.log.len().saturating_sub(1));
        Self { response_body: None, signature: None, ..self }
    }

    /// Changes the state after the last attempt.
    fn settle(&mut self, on_failure: OnFailure<'_>, retry_after: Option<Duration>, now: Timestamp) -> Consequence {
        self.next_attempt_at = None;
        self.mark = None;
        match (self.error, self.response_status) {
            (None, _) => {
                self.status = DeliveryStatus::Success;
                Consequence::Drop
            }
            (Some(_), Some(410)) => {
                self.end_without_success(DeliveryStatus::Failed);
                Consequence::Disable(DisabledReason::Gone)
            }
            (Some(Cause::RefusedAddress), _) => {
                self.end_without_success(DeliveryStatus::Failed);
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
                            self.end_without_success(DeliveryStatus::Exhausted);
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
        if due <= self.id.created_at().plus(HIDDEN_AFTER_PUBLISHING) {
            return Consequence::HideUntil(due);
        }
        if delay <= LONGEST_DELAYED {
            return Consequence::SendDelayed(due);
        }
        self.mark = Some(Mark::Due(due));
        Consequence::Drop
    }

    fn end_without_success(&mut self, status: DeliveryStatus) {
        self.status = status;
        self.next_attempt_at = None;
        self.mark = Some(Mark::Failed);
    }

    /// Returns the delivery parked until its endpoint accepts deliveries.
    #[must_use]
    pub fn parked(mut self, now: Timestamp) -> Self {
        self.mark = Some(Mark::Held);
        self.updated_at = now;
        self
    }

    /// Returns the delivery parked until this time. A delivery that has a mark is returned unchanged.
    #[must_use]
    pub fn due_at(mut self, at: Timestamp) -> Self {
        if self.mark.is_none() {
            self.mark = Some(Mark::Due(at));
            self.next_attempt_at = Some(at);
        }
        self
    }

    /// Returns the delivery with the status `failed` and this cause.
    #[must_use]
    pub fn failed(mut self, cause: Cause, now: Timestamp) -> Self {
        self.error = Some(cause);
        self.end_without_success(DeliveryStatus::Failed);
        self.updated_at = now;
        self
    }

    /// Returns the delivery leased until this time to the publish request that sends it. If that request fails, the
    /// sweep sends the delivery after the lease. The message has no ticket. A delivery that has a mark is returned
    /// unchanged.
    #[must_use]
    pub fn leased_to_publisher(self, until: Timestamp) -> Self {
        Self { mark: self.mark.or(Some(Mark::Due(until))), ..self }
    }

    /// Returns the delivery leased to a new message with this ticket. If the message is lost, the sweep sends the
    /// delivery when the lease ends. The lease ends after the next attempt is due.
    fn leased(self, now: Timestamp, ticket: Ticket) -> Self {
        Self { ticket: Some(ticket), leases: 0, ..self }.until_lease_ends(now)
    }

    /// Renews the lease for a message with the same ticket. The first renewal lasts 30 minutes, later ones 60.
    fn renewed(self, now: Timestamp) -> Self {
        Self { leases: self.leases.saturating_add(1), ..self }.until_lease_ends(now)
    }

    fn until_lease_ends(mut self, now: Timestamp) -> Self {
        let from = self.next_attempt_at.map_or(now, |due| due.max(now));
        let length = match self.leases {
            0 => LEASE,
            1 => RENEWED_LEASES[0],
            _ => RENEWED_LEASES[1],
        };
        self.mark = Some(Mark::Due(from.plus(length)));
        self
    }

    /// How many seconds SQS must delay the message of a leased delivery, rounded up, so that it does not arrive
    /// before the next attempt is due. At most [`MAX_DELAYED_SECONDS`].
    pub fn message_delay_seconds(&self, now: Timestamp) -> u32 {
        let wait = self.next_attempt_at.map_or(Duration::ZERO, |due| due.since(now));
        u32::try_from(wait.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX).min(MAX_DELAYED_SECONDS)
    }

    /// Returns the delivery as it must be stored before its message is sent. A parked delivery is leased under
    /// `ticket`; a lease that has ended is renewed under its own ticket. A delivery whose next attempt is more than
    /// 15 minutes ahead is parked until then instead. `None` if there is nothing to send.
    pub fn taken(self, now: Timestamp, ticket: Ticket) -> Option<Self> {
        match (self.place(), self.next_attempt_at) {
            (Place::Final | Place::Queued, _) => None,
            (Place::Leased, _) => {
                let has_ended = matches!(self.mark, Some(Mark::Due(end)) if end <= now);
                has_ended.then(|| self.renewed(now))
            }
            (Place::Parked, Some(due)) if now.plus(LONGEST_DELAYED) < due => {
                Some(Self { mark: Some(Mark::Due(due)), ..self })
            }
            (Place::Parked, _) => Some(self.leased(now, ticket)),
        }
    }

    /// Returns the delivery leased under this ticket for an immediate attempt, whatever its schedule says. `None`
    /// if it is not parked.
    pub fn taken_as_probe(self, now: Timestamp, ticket: Ticket) -> Option<Self> {
        (self.place() == Place::Parked).then(|| Self { next_attempt_at: None, ..self }.leased(now, ticket))
    }

    /// Returns a delivery that should be in the queue, leased to a new message with this ticket, since its message
    /// may be lost. The schedule stays. `None` if the delivery is final or parked, or if this job run has already
    /// sent it.
    pub fn sent_again(self, run: JobRun, now: Timestamp, ticket: Ticket) -> Option<Self> {
        let is_in_motion = matches!(self.place(), Place::Queued | Place::Leased) && self.recovery != Some(run);
        is_in_motion.then(|| Self { recovery: Some(run), ..self }.leased(now, ticket))
    }

    /// Whether the publish request ended without sending the delivery: it was never attempted or leased, and is
    /// older than [`PUBLISHING_ENDS`].
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        let is_untouched = self.status == DeliveryStatus::Pending && self.place() == Place::Queued;
        is_untouched && self.ticket.is_none() && self.id.created_at().plus(PUBLISHING_ENDS) <= now
    }

    /// Returns the delivery after a manual retry or a recovery, leased to a new message with this ticket. It starts
    /// a new schedule, and the count of attempts continues.
    ///
    /// # Errors
    /// [`NotRecoverable`] unless it is failed, exhausted, or [abandoned](Self::is_abandoned).
    pub fn asked_again(mut self, now: Timestamp, ticket: Ticket) -> Result<Self, NotRecoverable> {
        if !self.status.is_recoverable() && !self.is_abandoned(now) {
            return Err(NotRecoverable(self.status));
        }
        self.status = if self.attempts == 0 { DeliveryStatus::Pending } else { DeliveryStatus::Retrying };
        self.retries_used = 0;
        self.next_attempt_at = None;
        self.updated_at = now;
        Ok(self.leased(now, ticket))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::endpoint::tests::endpoint;
    use super::super::endpoint::{EndpointPatch, WantedStatus};
    use super::super::ids::{EventId, JobId};
    use super::*;

    const OWN: Ticket = Ticket::new([1; 8]);
    const OTHER: Ticket = Ticket::new([2; 8]);
    pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    pub(crate) fn delivery() -> Delivery {
        let endpoint = endpoint();
        let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
        Delivery::new(id, &endpoint.organization, endpoint.id, &EventType::parse("a.b").unwrap(), false)
    }

    fn outcome(answer: Answer) -> Outcome {
        Outcome { started_at: NOW, duration: Duration::from_millis(12), signature: "ab".into(), answer }
    }

    fn response(status: u16, retry_after: Option<u64>) -> Outcome {
        let retry_after = retry_after.map(Duration::from_secs);
        outcome(Answer::Response { status, body: "hello".into(), body_cut: false, retry_after })
    }

    fn after(delivery: Delivery, outcome: Outcome) -> (Delivery, Consequence) {
        delivery.after_attempt(&outcome, OnFailure::Follow(&RetrySchedule::default(), 0.0), NOW)
    }

    pub(crate) fn in_seconds(seconds: u64) -> Timestamp {
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
    fn a_delivery_follows_its_schedule_and_is_then_exhausted() {
        let mut current = delivery();
        for (attempt, delay) in [(1, 1), (2, 5), (3, 30)] {
            let (next, consequence) = after(current, response(500, None));
            assert_eq!((next.status, next.attempts), (DeliveryStatus::Retrying, attempt));
            assert_eq!(consequence, Consequence::HideUntil(in_seconds(delay)));
            assert_eq!((next.next_attempt_at, next.mark), (Some(in_seconds(delay)), None));
            current = next;
        }
        let (exhausted, consequence) = after(current, outcome(Answer::None(Cause::Connect.into())));
        assert_eq!(
            (exhausted.status, exhausted.attempts, exhausted.mark),
            (DeliveryStatus::Exhausted, 4, Some(Mark::Failed))
        );
        assert_eq!((exhausted.error, exhausted.response_status), (Some(Cause::Connect), None));
        assert_eq!(consequence, Consequence::Drop);
        assert_eq!(exhausted.log.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_wait_is_hidden_only_if_it_ends_within_30_s_of_the_publishing() {
        for (age, delay, is_hidden) in
            [(0, 30, true), (1, 29, true), (1, 30, false), (29, 1, true), (30, 1, false), (7_200, 1, false)]
        {
            let schedule = RetrySchedule::new(vec![delay]).unwrap();
            let follow = OnFailure::Follow(&schedule, 0.0);
            let (_, consequence) = delivery().after_attempt(&response(500, None), follow, in_seconds(age));
            let due = in_seconds(age + u64::from(delay));
            let expected = if is_hidden { Consequence::HideUntil(due) } else { Consequence::SendDelayed(due) };
            assert_eq!(consequence, expected, "{delay} s after {age} s");
        }
    }

    #[test]
    fn waits_are_hidden_up_to_30_s_delayed_up_to_15_min_and_parked_beyond() {
        for asked in [1, 30, 31, 900, 901, 1_000_000] {
            let (delivery, consequence) = after(delivery(), response(503, Some(asked)));
            let due = in_seconds(asked.min(86_400));
            assert_eq!(delivery.next_attempt_at, Some(due));
            let (mark, expected) = match asked {
                ..=30 => (None, Consequence::HideUntil(due)),
                31..=900 => (None, Consequence::SendDelayed(due)),
                _ => (Some(Mark::Due(due)), Consequence::Drop),
            };
            assert_eq!((delivery.mark, consequence), (mark, expected), "{asked}");
        }
    }

    #[test]
    fn a_message_is_delayed_by_whole_seconds_rounded_up_to_the_next_attempt() {
        for (millis, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (900_000, 900), (2_000_000, 900)] {
            let delivery = Delivery { next_attempt_at: Some(NOW.plus(Duration::from_millis(millis))), ..delivery() };
            assert_eq!(delivery.message_delay_seconds(NOW), expected, "{millis}");
        }
        assert_eq!(delivery().message_delay_seconds(NOW), 0);
    }

    #[test]
    fn a_410_disables_the_endpoint_and_a_refused_address_fails_without_a_retry() {
        let (gone, consequence) = after(delivery(), response(410, None));
        assert_eq!((gone.status, gone.mark), (DeliveryStatus::Failed, Some(Mark::Failed)));
        assert_eq!(consequence, Consequence::Disable(DisabledReason::Gone));
        let (refused, consequence) = after(delivery(), outcome(Answer::None(Cause::RefusedAddress.into())));
        assert_eq!((refused.status, refused.error), (DeliveryStatus::Failed, Some(Cause::RefusedAddress)));
        assert_eq!(consequence, Consequence::Drop);
    }

    #[test]
    fn a_failed_probe_is_parked_again_and_uses_up_no_retry() {
        let held = Delivery { retries_used: 3, ..delivery() }.parked(NOW);
        let (failed, consequence) = held.clone().after_attempt(&response(500, None), OnFailure::Hold, NOW);
        assert_eq!((failed.status, failed.mark), (DeliveryStatus::Retrying, Some(Mark::Held)));
        assert_eq!((failed.attempts, failed.retries_used, consequence), (1, 3, Consequence::Drop));
        let (done, _) = held.clone().after_attempt(&response(200, None), OnFailure::Hold, NOW);
        assert_eq!((done.status, done.mark), (DeliveryStatus::Success, None));
        let (gone, consequence) = held.after_attempt(&response(410, None), OnFailure::Hold, NOW);
        assert_eq!((gone.status, consequence), (DeliveryStatus::Failed, Consequence::Disable(DisabledReason::Gone)));
    }

    #[test]
    fn the_step_follows_from_the_endpoint_the_organization_and_the_time() {
        let active = endpoint();
        let suspended = endpoint().suspended(NOW).unwrap();
        let with_status =
            |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW);
        let (paused, disabled) = (with_status(WantedStatus::Paused), with_status(WantedStatus::Disabled));
        let fresh = delivery();
        let waiting = Delivery { next_attempt_at: Some(in_seconds(5)), ..delivery() };
        let due = Delivery { next_attempt_at: Some(NOW), ..delivery() };
        let early = Delivery { next_attempt_at: Some(NOW.plus(EARLY)), ..delivery() };
        let leased = due.clone().leased(NOW, OWN);
        let released_early = waiting.clone().leased(NOW, OWN);
        let (on, off) = (OrganizationStatus::Active, OrganizationStatus::Suspended);
        let table = [
            (&fresh, Some(&active), on, Step::Attempt),
            (&due, Some(&active), on, Step::Attempt),
            (&leased, Some(&active), on, Step::Attempt),
            (&early, Some(&active), on, Step::Attempt),
            (&waiting, Some(&active), on, Step::HideUntil(in_seconds(7))),
            (&released_early, Some(&active), on, Step::HideUntil(in_seconds(7))),
            (&fresh, Some(&paused), on, Step::Park),
            (&fresh, Some(&suspended), on, Step::Park),
            (&waiting, Some(&paused), on, Step::Park),
            (&fresh, Some(&disabled), on, Step::Fail(Cause::EndpointDisabled)),
            (&fresh, None, on, Step::Fail(Cause::EndpointDeleted)),
            (&fresh, Some(&active), off, Step::Fail(Cause::OrganizationSuspended)),
        ];
        for (row, (delivery, endpoint, organization, expected)) in table.into_iter().enumerate() {
            assert_eq!(delivery.step(endpoint, organization, false, NOW), expected, "row {row}");
        }
        assert_eq!(waiting.step(Some(&suspended), on, true, NOW), Step::Attempt);
        assert_eq!(fresh.step(Some(&paused), on, true, NOW), Step::Park);
    }

    #[test]
    fn only_failed_and_exhausted_deliveries_are_retried_and_start_a_new_schedule() {
        for status in [DeliveryStatus::Pending, DeliveryStatus::Retrying, DeliveryStatus::Success] {
            assert_eq!(Delivery { status, ..delivery() }.asked_again(NOW, OWN), Err(NotRecoverable(status)));
        }
        let exhausted = Delivery { attempts: 4, retries_used: 3, status: DeliveryStatus::Exhausted, ..delivery() };
        let again = exhausted.asked_again(NOW, OWN).unwrap();
        assert_eq!((again.status, again.attempts, again.retries_used), (DeliveryStatus::Retrying, 4, 0));
        assert_eq!((again.ticket, again.place()), (Some(OWN), Place::Leased));
        assert_eq!(again.mark, Some(Mark::Due(NOW.plus(LEASE))));
        assert_eq!(again.step(Some(&endpoint()), OrganizationStatus::Active, false, NOW), Step::Attempt);
        let never_tried = delivery().failed(Cause::EndpointDisabled, NOW).asked_again(NOW, OWN).unwrap();
        assert_eq!(never_tried.status, DeliveryStatus::Pending);
    }

    #[test]
    fn a_pending_delivery_can_be_retried_once_its_publish_request_must_have_ended() {
        let later = NOW.plus(PUBLISHING_ENDS);
        let sent = delivery().asked_again(later, OWN).unwrap();
        assert_eq!((sent.status, sent.ticket, sent.place()), (DeliveryStatus::Pending, Some(OWN), Place::Leased));
        let pending = Err(NotRecoverable(DeliveryStatus::Pending));
        assert_eq!(delivery().asked_again(NOW.plus(Duration::from_millis(29_999)), OWN), pending);
        let taken = [sent, delivery().parked(NOW), delivery().due_at(later), delivery().leased_to_publisher(later)];
        for taken in taken {
            assert_eq!(taken.asked_again(later, OTHER), pending);
        }
    }

    #[test]
    fn a_new_ticket_is_drawn_when_parking_ends_and_kept_when_a_lease_is_renewed() {
        let held = Delivery { ticket: Some(OWN), ..delivery() }.parked(NOW);
        let due = Delivery { ticket: Some(OWN), ..delivery() }.due_at(NOW);
        for parked in [held.clone(), due] {
            let leased = parked.taken(NOW, OTHER).unwrap();
            assert_eq!((leased.ticket, leased.place()), (Some(OTHER), Place::Leased));
            assert_eq!(leased.mark, Some(Mark::Due(NOW.plus(LEASE))));
            let end = NOW.plus(LEASE);
            assert_eq!(leased.clone().taken(end.minus(Duration::from_secs(1)), OWN), None, "its lease has not ended");
            let renewed = leased.taken(end, OWN).unwrap();
            assert_eq!((renewed.ticket, renewed.mark), (Some(OTHER), Some(Mark::Due(in_seconds(900 + 1_800)))));
        }
        let published = delivery().leased_to_publisher(NOW).taken(NOW, OWN).unwrap();
        assert_eq!(published.ticket, None, "the message of its publishing may be in the queue");
        let done = Delivery { status: DeliveryStatus::Success, ..delivery() };
        for nothing in [done, delivery()] {
            assert_eq!(nothing.taken(NOW, OWN), None);
        }
        // This delivery was parked as held while it waited for a retry.
        for (seconds, place, mark) in [(900, Place::Leased, 1800), (901, Place::Parked, 901)] {
            let taken =
                Delivery { next_attempt_at: Some(in_seconds(seconds)), ..held.clone() }.taken(NOW, OTHER).unwrap();
            assert_eq!((taken.place(), taken.mark), (place, Some(Mark::Due(in_seconds(mark)))));
        }
        let probe = Delivery { next_attempt_at: Some(in_seconds(5000)), ..held }.taken_as_probe(NOW, OTHER).unwrap();
        assert_eq!((probe.place(), probe.ticket, probe.next_attempt_at), (Place::Leased, Some(OTHER), None));
        assert_eq!(probe.taken_as_probe(NOW, OWN), None);
    }

    #[test]
    fn a_job_sends_each_delivery_that_should_be_queued_once() {
        let job = JobRun { job: JobId::from_uuid(uuid::Uuid::from_u128(1)), since: NOW };
        let later = JobRun { since: in_seconds(1), ..job };
        let waiting = Delivery { next_attempt_at: Some(in_seconds(600)), ticket: Some(OWN), ..delivery() };
        let leased = delivery().parked(NOW).taken(NOW, OWN).unwrap();
        for it in [delivery(), waiting.clone(), leased] {
            let sent = it.clone().sent_again(job, NOW, OTHER).unwrap();
            assert_eq!(
                (sent.ticket, sent.place(), sent.next_attempt_at),
                (Some(OTHER), Place::Leased, it.next_attempt_at)
            );
            assert_eq!(sent.clone().sent_again(job, in_seconds(2), OWN), None);
            assert!(sent.sent_again(later, in_seconds(2), OWN).is_some());
        }
        let done = Delivery { status: DeliveryStatus::Success, ..delivery() };
        for nothing in [done, delivery().parked(NOW), delivery().due_at(NOW), delivery().failed(Cause::Dns, NOW)] {
            assert_eq!(nothing.sent_again(job, NOW, OTHER), None);
        }
        assert_eq!(waiting.sent_again(job, NOW, OTHER).unwrap().message_delay_seconds(NOW), 600);
    }

    #[test]
    fn leases_get_longer_with_each_renewal_until_an_attempt_is_recorded() {
        let mut leased = delivery().parked(NOW).taken(NOW, OWN).unwrap();
        let mut end = 900;
        for minutes in [30, 60, 60] {
            leased = leased.taken(in_seconds(end), OTHER).unwrap();
            end += 60 * minutes;
            assert_eq!(leased.mark, Some(Mark::Due(in_seconds(end))));
        }
        assert_eq!(leased.leases, 3);
        let again = leased.clone().parked(NOW).taken(NOW, OWN).unwrap();
        assert_eq!((again.leases, again.mark), (0, Some(Mark::Due(NOW.plus(LEASE)))), "another message");
        assert_eq!(after(leased, response(500, None)).0.leases, 0);
    }

    #[test]
    fn an_outcome_is_added_to_a_record_that_another_process_changed() {
        let (ok, failure) = (response(204, None), response(500, None));
        let own = Receipt { ticket: Some(OWN), sent_at: Some(NOW), receives: 1 };
        let queued = Delivery { ticket: Some(OWN), ..delivery() };
        let leased = queued.clone().renewed(NOW);
        let (retried, _) = after(queued.clone(), failure.clone());
        let done = Delivery { status: DeliveryStatus::Success, ..queued.clone() };
        let lost = Delivery { ticket: Some(OTHER), ..leased.clone() };
        let table = [(leased, true, true), (retried.clone(), true, false), (queued.parked(NOW), true, false)];
        let table = table.into_iter().chain([(lost, true, false), (done, false, false)]);
        for (row, (found, takes_success, takes_failure)) in table.enumerate() {
            assert_eq!(found.takes(&ok, 0, own, NOW), takes_success, "row {row}");
            assert_eq!(found.takes(&failure, 0, own, NOW), takes_failure, "row {row}");
        }
        let (added, _) = after(retried.parked(NOW), ok);
        assert_eq!((added.status, added.attempts, added.mark), (DeliveryStatus::Success, 2, None));
        let log: Vec<_> = added.log.iter().map(|entry| (entry.number, entry.response_status)).collect();
        assert_eq!(log, [(1, Some(500)), (2, Some(204))]);
        let reduced = added.reduced();
        assert_eq!((reduced.log.len(), reduced.response_body, reduced.attempts), (1, None, 2));
    }

    #[test]
    fn the_log_drops_the_oldest_attempts() {
        let mut current = delivery();
        for _ in 0..40 {
            current = Delivery { retries_used: 0, ..after(current, response(500, None)).0 };
        }
        assert_eq!((current.attempts, current.log.len(), current.log[0].number), (40, MAX_LOG, 9));
    }
}
