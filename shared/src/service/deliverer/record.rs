//! Recording an attempt, and the verdict on its message.

use std::time::Duration;

use tracing::{error, info, warn};

use super::Deliverer;
use super::message::Verdict;
use super::observed::Observations;
use crate::clock;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::{Cause, Detail, Outcome};
use crate::domain::delivery::outcome::{Consequence, OnFailure};
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::delivery::response::Response;
use crate::domain::delivery::ticket::{OnConflict, Receipt, Ticket};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Lane;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Outgoing};
use crate::service::releaser::new_ticket;
use crate::store::{Replaced, StoreError};
use crate::telemetry::metrics;

/// After this time a message whose record DynamoDB rejects is received again. It is a dead letter after 1,000
/// receives, so before the queue deletes it after 14 days.
const TRY_RECORD_AFTER: Duration = Duration::from_secs(15 * 60);
/// How often the record of an attempt is tried if other processes change the record first.
const TRIES: usize = 5;
/// How long after a delayed copy was sent the write that makes it the owner may begin. Another ticket in the record
/// does not disqualify a message that is less than 2 minutes old.
const RECORD_AFTER_COPY: Duration = Duration::from_secs(60);

/// A completed attempt.
pub(super) struct Attempted<'a> {
    /// The delivery's record as it was read; `None` if there was none.
    pub(super) seen: Option<Delivery>,
    pub(super) task: DeliverTask,
    pub(super) receipt: Receipt,
    pub(super) endpoint: &'a Endpoint,
    pub(super) observations: &'a Observations,
    /// Whether DynamoDB has already rejected the record of this attempt.
    pub(super) was_refused: bool,
}

/// The outcome of an attempt whose record DynamoDB rejected.
#[derive(Debug, Clone)]
pub(super) struct Unrecorded {
    outcome: Outcome,
    /// The attempt's number.
    number: u32,
    /// The ticket of the message that the attempt was made for.
    ticket: Option<Ticket>,
    /// The ticket of the delayed copy that was sent before the record was rejected.
    copy: Option<Ticket>,
}

/// What a process has cached about a delivery whose record DynamoDB rejected.
pub(super) enum Remembered {
    /// The outcome of the next attempt, which was made for this message.
    Outcome(Outcome),
    /// The message is the delayed copy of the message that the attempt was made for. That message is still in the
    /// queue.
    Copy,
}

impl Deliverer {
    /// Records an attempt and returns the verdict on its message. If another process changed the record first, a
    /// success is added to every record that is not final. A failure is added if only the lease has changed:
    /// attempts and ticket are the same, and the delivery is not parked.
    pub(super) async fn record(&self, attempted: Attempted<'_>, outcome: Outcome) -> Verdict {
        let Attempted { mut seen, task, receipt, endpoint, observations, was_refused } = attempted;
        let jitter = clock::jitter();
        let schedule = endpoint.settings.retry_schedule.as_ref().unwrap_or(&self.deployment.retry_schedule);
        let on_failure = match endpoint.circuit_breaker.suspension {
            Some(_) => OnFailure::Hold,
            None => OnFailure::Follow(schedule, jitter),
        };
        // If the record was rejected before, no copy is sent: no record would name it, so it would lead to attempts
        // of its own.
        let mut copy = was_refused.then_some(None);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let mut current = seen.clone().unwrap_or_else(|| unrecorded(&task));
            if task.trigger == Trigger::HalfOpen {
                current.next_trigger = Trigger::HalfOpen;
            }
            // Of an attempt whose event's data was removed meanwhile, no response is kept.
            let kept = outcome.response().filter(|_| !current.is_expunged());
            let attempts = current.attempts;
            let (mut updated, mut consequence) = current.after_attempt(&outcome, on_failure, now);
            if let Consequence::WaitLongUntil(due) = consequence {
                let sent = match copy {
                    Some(sent) => sent,
                    None => self.send_copy(&task, endpoint.lane, updated.message_delay_seconds(now)).await,
                };
                copy = Some(sent);
                match sent {
                    Some(sent) if self.clock.now().since(sent.at) > RECORD_AFTER_COPY => return Verdict::Stay,
                    Some(sent) => updated.ticket = Some(sent.ticket),
                    None => consequence = Consequence::WaitUntil(due),
                }
            }
            match self.store.record_attempt(seen.as_ref(), &mut updated).await {
                Ok(Replaced::Written) => {
                    self.put_attempt(&updated, kept).await;
                    return self.recorded(endpoint, observations, (seen.as_ref(), &updated), consequence).await;
                }
                Ok(Replaced::Found(Some(found))) if found.takes(&outcome, attempts, receipt, now) => {
                    seen = Some(*found);
                }
                Ok(Replaced::Found(found)) => return after_conflict(receipt, found.as_deref(), now),
                Err(error @ StoreError::Refused(_)) => {
                    let reduced = updated.reduced();
                    let written = self.store.replace_delivery(seen.as_ref(), &reduced).await;
                    if !matches!(written, Ok(Replaced::Written)) {
                        return self.refused(&reduced, receipt, outcome, copy.flatten(), &error);
                    }
                    error!(delivery = %reduced.id, %error, "an attempt is recorded without its details");
                    self.put_attempt(&reduced, kept).await;
                    return self.recorded(endpoint, observations, (seen.as_ref(), &reduced), consequence).await;
                }
                Err(error) => return stays(&error),
            }
        }
        Verdict::Stay
    }

    /// Writes the item of the attempt that was just recorded, if it has one.
    async fn put_attempt(&self, delivery: &Delivery, kept: Option<&Response>) {
        let Some(last) = delivery.log.last().filter(|last| last.has_item) else { return };
        let attempt = RecordedAttempt { response: kept.cloned(), ..RecordedAttempt::new(delivery, last.clone()) };
        if let Err(error) = self.store.put_attempt(delivery, &attempt).await {
            warn!(delivery = %delivery.id, %error, "the item of an attempt was not written");
        }
    }

    /// Sends the delayed copy of a message, for the next attempt. `None` if it could not be sent.
    async fn send_copy(&self, task: &DeliverTask, lane: Lane, delay_seconds: u32) -> Option<Copy> {
        let (at, ticket) = (self.clock.now(), new_ticket());
        let trigger = Trigger::Schedule;
        let task = DeliverTask { ticket: Some(ticket), trigger, suspect: false, ..task.clone() };
        match self.queue.send(vec![Outgoing { task, lane, delay_seconds }]).await {
            Ok(()) => Some(Copy { ticket, at }),
            Err(error) => {
                warn!(%error, "a delayed copy could not be sent, the message is hidden instead");
                None
            }
        }
    }

    /// Applies the consequences of a recorded attempt. `before` is the record that it replaced.
    async fn recorded(
        &self,
        endpoint: &Endpoint,
        observations: &Observations,
        (before, delivery): (Option<&Delivery>, &Delivery),
        consequence: Consequence,
    ) -> Verdict {
        let now = self.clock.now();
        self.unrecorded.forget(&delivery.id);
        report(delivery, now);
        delivery.log.last().inspect(|attempt| self.meter.count_attempt(delivery, attempt));
        self.meter.count_end(before, delivery);
        if !matches!(consequence, Consequence::Disable(_)) {
            observations.add(endpoint, delivery, now);
        }
        if self.health.apply_consequence(endpoint, delivery, consequence).await {
            self.caches.endpoints.forget(&(endpoint.organization.clone(), endpoint.id));
        }
        match consequence {
            Consequence::Done | Consequence::WaitLongUntil(_) | Consequence::Disable(_) => Verdict::Acknowledge,
            Consequence::WaitUntil(due) => Verdict::HideUntil(due),
        }
    }

    /// Handles a record that DynamoDB rejects. The message is received again until an operator has fixed the cause,
    /// or until it is a dead letter. This process then only writes the record. It does not repeat the attempt,
    /// since the receiver may have accepted the request.
    fn refused(
        &self,
        updated: &Delivery,
        receipt: Receipt,
        outcome: Outcome,
        copy: Option<Copy>,
        error: &StoreError,
    ) -> Verdict {
        error!(
            delivery = %updated.id,
            attempt = updated.attempts,
            status = updated.status.as_str(),
            %error,
            "an attempt cannot be recorded"
        );
        metrics::unrecorded();
        let now = self.clock.now();
        let copy = copy.map(|copy| copy.ticket).or_else(|| self.unrecorded.get(&updated.id, now)?.copy);
        let unrecorded = Unrecorded { outcome, number: updated.attempts, ticket: receipt.ticket, copy };
        self.unrecorded.put(updated.id, unrecorded, now);
        Verdict::HideUntil(now.plus(TRY_RECORD_AFTER))
    }

    /// The cached outcome of the next attempt at this delivery, if this process made it and could not record it.
    pub(super) fn remembered(&self, delivery: &Delivery, receipt: Receipt, now: Timestamp) -> Option<Remembered> {
        let found = self.unrecorded.get(&delivery.id, now).filter(|found| found.number == delivery.attempts + 1)?;
        if found.ticket == receipt.ticket {
            return Some(Remembered::Outcome(found.outcome));
        }
        let is_copy = found.copy.is_some() && found.copy == receipt.ticket;
        is_copy.then_some(Remembered::Copy)
    }
}

/// A delayed copy of a message.
#[derive(Debug, Clone, Copy)]
struct Copy {
    ticket: Ticket,
    /// When the send began.
    at: Timestamp,
}

/// The delivery of a task that has no record.
pub(super) fn unrecorded(task: &DeliverTask) -> Delivery {
    let delivery = Delivery::new(task.delivery, &task.organization, task.endpoint, &task.event_type, false);
    let next_trigger = if task.trigger == Trigger::Test { Trigger::Test } else { Trigger::Schedule };
    Delivery { channels: task.channels.clone(), ticket: task.ticket, next_trigger, ..delivery }
}

/// The verdict on a message after another process changed the delivery first. `found` is the current record.
pub(super) fn after_conflict(receipt: Receipt, found: Option<&Delivery>, written_at: Timestamp) -> Verdict {
    match found.map(|found| receipt.on_conflict(found, written_at)) {
        Some(OnConflict::Done) => Verdict::Acknowledge,
        Some(OnConflict::WaitUntil(until)) => Verdict::HideUntil(until),
        Some(OnConflict::Leave) | None => Verdict::Stay,
    }
}

pub(super) fn stays(error: &StoreError) -> Verdict {
    match error {
        StoreError::Refused(_) => {
            error!(%error, "a record was left in the queue");
            metrics::unrecorded();
        }
        StoreError::Corrupt(_) => {
            error!(%error, "a record was left in the queue");
            metrics::unreadable();
        }
        StoreError::Conflict | StoreError::ExternalIdTaken(_) | StoreError::Unavailable(_) => {
            warn!(%error, "a record was left in the queue")
        }
    }
    Verdict::Stay
}

/// Emits the metrics of a recorded attempt, and logs a failure.
fn report(delivery: &Delivery, now: Timestamp) {
    delivery.log.last().inspect(|attempt| metrics::attempted(attempt.duration_ms));
    match delivery.error {
        None => metrics::delivered(now.since(delivery.id.created_at())),
        Some(cause) => {
            metrics::failed(cause, 1);
            log_failure(delivery, cause);
        }
    }
}

fn log_failure(delivery: &Delivery, cause: Cause) {
    info!(
        organization = %delivery.organization,
        endpoint = %delivery.endpoint,
        delivery = %delivery.id,
        attempt = delivery.attempts,
        cause = cause.as_str(),
        detail = delivery.failure().and_then(|failure| failure.detail).map(Detail::as_str),
        response_status = delivery.response_status(),
        status = delivery.status.as_str(),
        "attempt failed"
    );
}
