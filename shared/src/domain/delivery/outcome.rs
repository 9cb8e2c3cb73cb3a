//! What an attempt changes of its delivery.

use std::time::Duration;

use super::attempt::{Answer, AttemptEntry, Cause, Outcome};
use super::schedule::{MAX_HIDDEN_SECONDS, RetrySchedule};
use super::ticket::{OnReceipt, Receipt};
use super::{Delivery, DeliveryStatus, LONGEST_DELAYED, MAX_LOG, Mark};
use crate::domain::endpoint::DisabledReason;
use crate::domain::time::Timestamp;

/// What a consumer does with the message after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing more follows by this message: the delivery is final or parked.
    Done,
    /// The next attempt is due then, within the time that a message can stay hidden.
    WaitUntil(Timestamp),
    /// The next attempt is due then, and a delayed copy of the message must be sent before this is recorded.
    WaitLongUntil(Timestamp),
    /// The endpoint must be disabled. Nothing more follows by this message.
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

/// How long after the publishing of its event a delivery's message is hidden at most.
const HIDDEN_AFTER_PUBLISHING: Duration = Duration::from_secs(MAX_HIDDEN_SECONDS as u64);

impl Delivery {
    /// Returns the delivery after an attempt, and what the consumer does with the message. If the event's data was removed
    /// during the attempt, only status and time of the attempt are added.
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
        let (error, detail) = (entry.error, entry.detail);
        let surplus = (self.log.len() + 1).saturating_sub(MAX_LOG);
        self.log.drain(..surplus);
        self.log.push(entry);
        if self.is_expunged() {
            if error.is_none() {
                (self.status, self.error) = (DeliveryStatus::Success, None);
            }
            return (self, Consequence::Done);
        }
        self.response_body = body;
        (self.error, self.error_detail) = (error, detail);
        self.signature = Some(outcome.signature.clone());
        let consequence = self.settle(on_failure, retry_after, now);
        (self, consequence)
    }

    /// Whether the outcome of an attempt is added to this record, which has changed since the attempt began.
    /// `attempts` is the count that the attempt was based on. A success is added to every state that is not final.
    /// A failure is added if only a lease has changed the record. Both are added if the event's data was removed meanwhile.
    pub fn takes(&self, outcome: &Outcome, attempts: u32, receipt: Receipt, now: Timestamp) -> bool {
        let is_owned = || receipt.on_receipt(Some(self), now) == OnReceipt::Process;
        let is_open = !self.status.is_final() && (outcome.is_success() || (self.attempts == attempts && is_owned()));
        is_open || self.is_expunged()
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
                Consequence::Done
            }
            (Some(_), Some(410)) => {
                self.end_without_success(DeliveryStatus::Failed);
                Consequence::Disable(DisabledReason::Gone)
            }
            (Some(Cause::RefusedAddress), _) => {
                self.end_without_success(DeliveryStatus::Failed);
                Consequence::Done
            }
            _ => match on_failure {
                OnFailure::Hold => {
                    self.status = DeliveryStatus::Retrying;
                    self.mark = Some(Mark::Held);
                    Consequence::Done
                }
                OnFailure::Follow(schedule, jitter) => {
                    match schedule.delay(self.retries_used as usize, jitter, retry_after) {
                        Some(delay) => self.wait(delay, now),
                        None => {
                            self.end_without_success(DeliveryStatus::Exhausted);
                            Consequence::Done
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
            return Consequence::WaitUntil(due);
        }
        if delay <= LONGEST_DELAYED {
            return Consequence::WaitLongUntil(due);
        }
        self.mark = Some(Mark::Due(due));
        Consequence::Done
    }
}
