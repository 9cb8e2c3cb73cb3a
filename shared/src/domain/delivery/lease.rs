//! Leases: which message owns a delivery that the sweep, a recovery, a replay or a manual retry sends.

use std::time::Duration;

use super::schedule::MAX_DELAYED_SECONDS;
use super::ticket::Ticket;
use super::trigger::Trigger;
use super::{Delivery, DeliveryState, DeliveryStatus, LONGEST_DELAYED, Mark, PUBLISHING_ENDS};
use crate::domain::job::JobRun;
use crate::domain::time::Timestamp;

/// How long a lease lasts: within this time the sweep does not send the delivery again.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// How long a lease lasts after one renewal, and after more. A message that crashes its process, or that waits in a
/// backlog, gets at most one further message an hour.
pub(super) const RENEWED_LEASES: [Duration; 2] = [Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)];

/// The delivery is not in a state that allows a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecoverable {
    /// It is neither failed nor exhausted.
    #[error("only a failed or exhausted delivery can be retried, and this one is {}", .0.as_str())]
    Status(DeliveryStatus),
    /// The data of its event was removed.
    #[error("the data of the delivery's event was removed")]
    Expunged,
}

impl Delivery {
    /// Returns the delivery leased until this time to the publish request that sends it. If that request fails, the
    /// sweep sends the delivery after the lease. The message has no ticket. A delivery that has a mark is returned
    /// unchanged.
    #[must_use]
    pub fn leased_to_publisher(self, until: Timestamp) -> Self {
        Self { mark: self.mark.or(Some(Mark::Due(until))), ..self }
    }

    /// Returns the delivery leased to a new message with this ticket. If the message is lost, the sweep sends the
    /// delivery when the lease ends. The lease ends after the next attempt is due.
    pub(super) fn leased(self, now: Timestamp, ticket: Ticket) -> Self {
        Self { ticket: Some(ticket), leases: 0, ..self }.until_lease_ends(now)
    }

    /// Renews the lease for a message with the same ticket. The first renewal lasts 30 minutes, later ones 60.
    pub(super) fn renewed(self, now: Timestamp) -> Self {
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
    pub fn leased_for_release(self, now: Timestamp, ticket: Ticket) -> Option<Self> {
        match (self.state(), self.next_attempt_at) {
            (DeliveryState::Final | DeliveryState::Queued, _) => None,
            (DeliveryState::Leased, _) => {
                let has_ended = matches!(self.mark, Some(Mark::Due(end)) if end <= now);
                has_ended.then(|| self.renewed(now))
            }
            (DeliveryState::Parked, Some(due)) if now.plus(LONGEST_DELAYED) < due => {
                Some(Self { mark: Some(Mark::Due(due)), ..self })
            }
            (DeliveryState::Parked, _) => Some(self.leased(now, ticket)),
        }
    }

    /// Returns the delivery leased under this ticket for an immediate attempt, whatever its schedule says. `None`
    /// if it is not parked.
    pub fn leased_as_probe(self, now: Timestamp, ticket: Ticket) -> Option<Self> {
        (self.state() == DeliveryState::Parked).then(|| Self { next_attempt_at: None, ..self }.leased(now, ticket))
    }

    /// Returns a delivery that should be in the queue, leased to a new message with this ticket, since its message
    /// may be lost. The schedule stays. `None` if the delivery is final or parked, or if this job run has already
    /// sent it.
    pub fn leased_to_resend(self, run: JobRun, now: Timestamp, ticket: Ticket) -> Option<Self> {
        let is_in_motion =
            matches!(self.state(), DeliveryState::Queued | DeliveryState::Leased) && self.recovery != Some(run);
        is_in_motion.then(|| Self { recovery: Some(run), ..self }.leased(now, ticket))
    }

    /// Whether the publish request ended without sending the delivery: it was never attempted or leased, and is
    /// older than [`PUBLISHING_ENDS`].
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        let is_untouched = self.status == DeliveryStatus::Pending && self.state() == DeliveryState::Queued;
        is_untouched && self.ticket.is_none() && self.id.created_at().plus(PUBLISHING_ENDS) <= now
    }

    /// Returns the delivery after a manual retry or a recovery, leased to a new message with this ticket. It starts
    /// a new schedule, and the count of attempts continues.
    ///
    /// # Errors
    /// [`NotRecoverable`] unless it is failed, exhausted, or [abandoned](Self::is_abandoned), or if the data of its event was
    /// removed.
    pub fn manually_retried(self, now: Timestamp, ticket: Ticket) -> Result<Self, NotRecoverable> {
        if !self.status.is_recoverable() && !self.is_abandoned(now) {
            return Err(NotRecoverable::Status(self.status));
        }
        if self.is_expunged() {
            return Err(NotRecoverable::Expunged);
        }
        Ok(self.begun_again(now, ticket))
    }

    /// Returns a final delivery, also a successful one, as [`manually_retried`](Self::manually_retried) does. A successful
    /// one loses its first response and its signature, which belong to a result that no longer holds. `None` if it is not
    /// final, or if the data of its event was removed before it succeeded.
    pub fn replayed(self, now: Timestamp, ticket: Ticket) -> Option<Self> {
        let begun = match self.status {
            DeliveryStatus::Pending | DeliveryStatus::Retrying => return None,
            _ if self.is_expunged() => return None,
            DeliveryStatus::Success => Self { first_response: None, last_response: None, signature: None, ..self },
            DeliveryStatus::Exhausted | DeliveryStatus::Failed => self,
        };
        Some(begun.begun_again(now, ticket))
    }

    fn begun_again(mut self, now: Timestamp, ticket: Ticket) -> Self {
        self.status = if self.attempts == 0 { DeliveryStatus::Pending } else { DeliveryStatus::Retrying };
        self.retries_used = 0;
        self.next_trigger = Trigger::Manual;
        self.next_attempt_at = None;
        self.updated_at = now;
        self.leased(now, ticket)
    }

    /// Returns a delivery that a replay adds, in its initial state, leased to a new message with this ticket.
    #[must_use]
    pub fn added(mut self, now: Timestamp, ticket: Ticket) -> Self {
        self.updated_at = now;
        self.leased(now, ticket)
    }
}
