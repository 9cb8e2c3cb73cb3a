//! What an attempt changes of its delivery.

use std::time::Duration;

use super::attempt::{Answer, AttemptEntry, Cause, Outcome};
use super::schedule::{MAX_HIDDEN_SECONDS, RetrySchedule};
use super::ticket::{OnReceipt, Receipt};
use super::trigger::Trigger;
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

/// A first attempt that begins later than this after its event was published has a separate item.
pub const WITHOUT_ITEM: Duration = Duration::from_secs(60);

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
        let trigger = std::mem::take(&mut self.next_trigger);
        let entry = outcome.entry(Some(self.attempts), trigger);
        // Lists of attempts order a first attempt without an item by the time of publishing.
        let is_late = self.id.created_at().plus(WITHOUT_ITEM) < outcome.started_at;
        let entry = AttemptEntry { has_item: self.attempts > 1 || is_late, ..entry };
        let (error, has_item) = (entry.error, entry.has_item);
        self.log_attempt(entry);
        if self.is_expunged() {
            if error.is_none() {
                (self.status, self.error) = (DeliveryStatus::Success, None);
            }
            return (self, Consequence::Done);
        }
        if !has_item {
            self.first_response = outcome.response().cloned();
        }
        self.error = error;
        self.signature.clone_from(&outcome.signature);
        let retry_after = match outcome.answer {
            Answer::Response { retry_after, .. } => retry_after,
            Answer::None(_) => None,
        };
        let consequence = self.settle(on_failure, retry_after, now);
        (self, consequence)
    }

    /// Returns the delivery after a resend that succeeded, unless it is already successful. A failed resend changes nothing,
    /// so `None` is returned for it. If the event's data was removed, only status and time are added.
    pub fn after_resend(mut self, outcome: &Outcome, now: Timestamp) -> Option<Self> {
        if !outcome.is_success() || self.status == DeliveryStatus::Success {
            return None;
        }
        if !self.is_expunged() {
            self.signature.clone_from(&outcome.signature);
        }
        self.log_attempt(AttemptEntry { has_item: true, ..outcome.entry(None, Trigger::Resend) });
        self.status = DeliveryStatus::Success;
        (self.error, self.next_attempt_at, self.mark) = (None, None, None);
        (self.leases, self.next_trigger, self.updated_at) = (0, Trigger::default(), now);
        Some(self)
    }

    /// The attempts in the log of this record that the log of `later`, which replaces it, no longer has.
    pub fn dropped_by(&self, later: &Self) -> &[AttemptEntry] {
        // A log loses its oldest entries.
        let kept = self.log.iter().position(|entry| later.log.first() == Some(entry));
        &self.log[..kept.unwrap_or(self.log.len())]
    }

    fn log_attempt(&mut self, entry: AttemptEntry) {
        let surplus = (self.log.len() + 1).saturating_sub(MAX_LOG);
        self.log.drain(..surplus);
        self.log.push(entry);
    }

    /// Whether the outcome of an attempt is added to this record, which has changed since the attempt began.
    /// `attempts` is the count that the attempt was based on. A success is added to every state that is not final.
    /// A failure is added if only a lease has changed the record. Both are added if the event's data was removed meanwhile.
    pub fn takes(&self, outcome: &Outcome, attempts: u32, receipt: Receipt, now: Timestamp) -> bool {
        let is_owned = || receipt.on_receipt(Some(self), now) == OnReceipt::Process;
        let is_open = !self.status.is_final() && (outcome.is_success() || (self.attempts == attempts && is_owned()));
        is_open || self.is_expunged()
    }

    /// Returns the delivery without its optional fields: the first response, the signature, and all log entries
    /// but the last.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        self.log.drain(..self.log.len().saturating_sub(1));
        Self { first_response: None, signature: None, ..self }
    }

    /// Changes the state after the last attempt.
    fn settle(&mut self, on_failure: OnFailure<'_>, retry_after: Option<Duration>, now: Timestamp) -> Consequence {
        self.next_attempt_at = None;
        self.mark = None;
        match (self.error, self.response_status()) {
            (None, _) => {
                self.status = DeliveryStatus::Success;
                Consequence::Done
            }
            // A status 410 of an AWS service does not mean that the resource is gone.
            (Some(Cause::HttpStatus), Some(410)) => {
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
