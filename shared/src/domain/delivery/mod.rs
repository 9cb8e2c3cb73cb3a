//! Deliveries: one event for one endpoint, and the state machine that each attempt advances.

pub mod attempt;
pub mod decision;
pub mod isolation;
pub mod lease;
pub mod next_attempt;
pub mod outcome;
pub mod recorded;
pub mod response;
pub mod schedule;
pub mod selection;
pub mod ticket;
pub mod trigger;

use std::time::Duration;

use super::event::channel::Channels;
use super::event::event_type::EventType;
use super::ids::{DeliveryId, EndpointId, OrganizationId};
use super::job::JobRun;
use super::time::Timestamp;
use attempt::{AttemptEntry, Cause, Failure};
use response::Response;
use schedule::MAX_DELAYED_SECONDS;
use ticket::Ticket;
use trigger::Trigger;

/// The longest wait for which a delayed message is sent.
pub(super) const LONGEST_DELAYED: Duration = Duration::from_secs(MAX_DELAYED_SECONDS as u64);
/// How long a publish request runs at most: Lambda and API Gateway end it earlier.
pub const PUBLISHING_ENDS: Duration = Duration::from_secs(30);
/// Most attempts in a delivery's log. Further attempts replace the oldest.
pub const MAX_LOG: usize = 100;

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
    /// The event's channels.
    pub channels: Channels,
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
    /// The last job run, of a recovery, a replay or `send_all`, that sent the delivery.
    pub recovery: Option<JobRun>,
    /// How often the lease was renewed since the last recorded attempt.
    pub leases: u32,
    /// What causes the next attempt.
    pub next_trigger: Trigger,
    /// The response to the first attempt; `None` without a response, or if the attempt has an item.
    pub first_response: Option<Response>,
    /// The response to the last attempt, if it is not the first one. It is stored in the attempt's item, so it is `None`
    /// unless that was read.
    pub last_response: Option<Response>,
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
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Retrying)
    }

    /// Whether the status is final without success. Such a delivery can be retried manually or by a recovery.
    pub const fn is_recoverable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Failed)
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
pub enum DeliveryState {
    /// Neither queued nor parked: the delivery is in a final state.
    Final,
    /// In the queue, without a mark.
    Queued,
    /// In the queue or about to be sent to it. The mark is the end of the lease.
    Leased,
    /// In the table only. Only a lease ends parking.
    Parked,
}

impl Delivery {
    /// A delivery without attempts, of an event without channels. With `parked` it is parked until its endpoint accepts deliveries; otherwise it
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
            channels: Channels::default(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            retries_used: 0,
            next_attempt_at: None,
            mark: parked.then_some(Mark::Held),
            ticket: None,
            recovery: None,
            leases: 0,
            next_trigger: Trigger::default(),
            first_response: None,
            last_response: None,
            error: None,
            signature: None,
            log: Vec::new(),
            updated_at: id.created_at(),
        }
    }

    /// Why the last attempt or the delivery failed; `None` if neither has.
    pub fn failure(&self) -> Option<Failure> {
        let cause = self.error?;
        // A delivery that failed for another reason than its last attempt has no detail.
        let attempt = self.log.last().and_then(AttemptEntry::failure).filter(|failure| failure.cause == cause);
        Some(attempt.unwrap_or(cause.into()))
    }

    /// Where the delivery is, from its status, mark and next attempt.
    pub fn state(&self) -> DeliveryState {
        match self.mark {
            _ if self.status.is_final() => DeliveryState::Final,
            None => DeliveryState::Queued,
            Some(Mark::Due(at)) if self.next_attempt_at.is_none_or(|due| due < at) => DeliveryState::Leased,
            Some(_) => DeliveryState::Parked,
        }
    }

    /// The status of the last attempt's response; `None` without a response.
    pub fn response_status(&self) -> Option<u16> {
        self.log.last()?.response_status
    }

    /// The response to the last attempt; `None` if it is not stored or was not read.
    pub fn response(&self) -> Option<&Response> {
        let is_first = self.log.last().is_some_and(|last| !last.has_item);
        if is_first { self.first_response.as_ref() } else { self.last_response.as_ref() }
    }

    pub(super) fn end_without_success(&mut self, status: DeliveryStatus) {
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

    /// Returns the delivery after the data of its event was removed: without the response and the signature, and
    /// failed unless it is final. Unless it succeeded, it has the cause [`Cause::Expunged`] and no mark, so nothing retries
    /// it. `None` if nothing changes.
    pub fn expunged(&self, now: Timestamp) -> Option<Self> {
        let kept = match self.status {
            DeliveryStatus::Success => self.clone(),
            DeliveryStatus::Exhausted => Self { error: Some(Cause::Expunged), ..self.clone() },
            DeliveryStatus::Pending | DeliveryStatus::Retrying | DeliveryStatus::Failed => {
                let updated_at = self.updated_at;
                Self { updated_at, ..self.clone().failed(Cause::Expunged, now) }
            }
        };
        let expunged = Self { mark: None, first_response: None, last_response: None, signature: None, ..kept };
        (expunged != *self).then_some(Self { updated_at: now, ..expunged })
    }

    /// Returns the delivery without the response to its first attempt. `None` if its record has none.
    pub fn without_first_response(&self, now: Timestamp) -> Option<Self> {
        let without = || Self { first_response: None, updated_at: now, ..self.clone() };
        self.first_response.is_some().then(without)
    }

    /// Whether the data of its event was removed before the delivery succeeded.
    pub fn is_expunged(&self) -> bool {
        self.error == Some(Cause::Expunged)
    }

    /// Returns the delivery with the status `failed` and this cause.
    #[must_use]
    pub fn failed(mut self, cause: Cause, now: Timestamp) -> Self {
        self.error = Some(cause);
        self.end_without_success(DeliveryStatus::Failed);
        self.updated_at = now;
        self
    }
}

#[cfg(test)]
pub(crate) mod tests;
