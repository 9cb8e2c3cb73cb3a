//! Tickets: which message owns a delivery.
//!
//! A task carries a ticket, and the delivery's record stores the ticket of the message that owns it. The messages
//! of a publish request, and the records written for them, have no ticket. A write that hands a delivery over to a
//! new message stores a new random ticket. All copies of a message have its ticket. So SQS may deliver a message
//! any number of times, and a moved message may get another id.

use std::time::Duration;

use super::{Delivery, DeliveryState};
use crate::domain::Invalid;
use crate::domain::time::Timestamp;

/// How long after a message was sent the write that stores its ticket may be in progress.
const TICKET_WRITE: Duration = Duration::from_secs(120);
/// How long a copy of a message stays hidden after the next attempt is due, so that the message that waits for that
/// attempt is received first.
pub const BEHIND_OTHER_COPY: Duration = Duration::from_secs(2);

/// Identifies the message that owns a delivery: 8 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket([u8; 8]);

impl Ticket {
    /// A ticket with these random bytes.
    pub const fn new(random: [u8; 8]) -> Self {
        Self(random)
    }

    /// Parses 16 hex digits.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Invalid::new("must be 16 hex digits"))?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The properties of a received message that decide whether it owns the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The ticket in the message's task.
    pub ticket: Option<Ticket>,
    /// When the message was sent; `None` if the queue did not report it.
    pub sent_at: Option<Timestamp>,
    /// How often the message was received, including this time. A mark in the task that it is suspect adds 1.
    pub receives: u32,
}

/// What a consumer does first with a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReceipt {
    /// Process it: the message owns the delivery.
    Process,
    /// Nothing is left to do by this message.
    Done,
    /// Hide it until this time: the write that stores its ticket may be in progress.
    WaitUntil(Timestamp),
}

/// What a consumer does with its message if another process changed the delivery first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is left to do by this message.
    Done,
    /// Hide it until this time.
    WaitUntil(Timestamp),
    /// Leave it in the queue: it is received again after the queue's visibility timeout.
    Leave,
}

impl Receipt {
    /// Decides what to do with the message. `record` is the delivery's record as of `read_at` or later.
    pub fn on_receipt(&self, record: Option<&Delivery>, read_at: Timestamp) -> OnReceipt {
        let Some(record) = record else { return OnReceipt::Process };
        match record.state() {
            DeliveryState::Final | DeliveryState::Parked => OnReceipt::Done,
            DeliveryState::Queued | DeliveryState::Leased if record.ticket == self.ticket => OnReceipt::Process,
            DeliveryState::Queued | DeliveryState::Leased => {
                match self.sent_at.map(|sent_at| sent_at.plus(TICKET_WRITE)) {
                    Some(written_by) if written_by < read_at => OnReceipt::Done,
                    Some(written_by) => OnReceipt::WaitUntil(written_by),
                    None => OnReceipt::WaitUntil(read_at.plus(TICKET_WRITE)),
                }
            }
        }
    }

    /// Decides what to do with the message after a conditional write at `written_at` or later failed because of
    /// this record.
    pub fn on_conflict(&self, found: &Delivery, written_at: Timestamp) -> OnConflict {
        match (self.on_receipt(Some(found), written_at), found.next_attempt_at) {
            (OnReceipt::Done, _) => OnConflict::Done,
            (OnReceipt::WaitUntil(until), _) => OnConflict::WaitUntil(until),
            // Another copy of this message recorded an attempt. Both copies wait for the next attempt, this one a
            // little longer.
            (OnReceipt::Process, Some(due)) if found.state() == DeliveryState::Queued && due > written_at => {
                OnConflict::WaitUntil(due.plus(BEHIND_OTHER_COPY))
            }
            (OnReceipt::Process, _) => OnConflict::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::tests::{NOW, delivery, in_seconds};
    use crate::domain::delivery::{DeliveryStatus, Mark};

    const OWN: Ticket = Ticket::new([1; 8]);
    const OTHER: Ticket = Ticket::new([2; 8]);

    fn receipt(ticket: Option<Ticket>, age_seconds: u64) -> Receipt {
        Receipt { ticket, sent_at: Some(NOW.minus(Duration::from_secs(age_seconds))), receives: 1 }
    }

    #[test]
    fn a_printed_ticket_is_parsed_and_other_text_is_rejected() {
        assert_eq!(Ticket::parse(&OWN.to_string()), Ok(OWN));
        for text in ["", "01", "010101010101010g", "0101010101010101 ", "010101010101010101"] {
            assert!(Ticket::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_processed_if_its_ticket_is_the_records_and_otherwise_acknowledged() {
        let queued = |ticket| Delivery { ticket, ..delivery() };
        let leased = Delivery { mark: Some(Mark::Due(in_seconds(900))), ..queued(Some(OWN)) };
        let held = Delivery { mark: Some(Mark::Held), ..queued(Some(OWN)) };
        let due = Delivery { mark: Some(Mark::Due(NOW)), next_attempt_at: Some(NOW), ..queued(Some(OWN)) };
        let done = Delivery { status: DeliveryStatus::Success, ..queued(Some(OWN)) };
        let failed = Delivery { status: DeliveryStatus::Failed, mark: Some(Mark::Failed), ..queued(Some(OWN)) };
        let (old, young) = (121, 60);
        let hidden = OnReceipt::WaitUntil(in_seconds(60));
        let table = [
            (None, receipt(None, old), OnReceipt::Process),
            (None, receipt(Some(OWN), old), OnReceipt::Process),
            (Some(&done), receipt(Some(OWN), old), OnReceipt::Done),
            (Some(&failed), receipt(Some(OWN), young), OnReceipt::Done),
            (Some(&held), receipt(Some(OWN), old), OnReceipt::Done),
            (Some(&held), receipt(Some(OTHER), young), OnReceipt::Done),
            (Some(&due), receipt(Some(OWN), old), OnReceipt::Done),
            (Some(&queued(None)), receipt(None, old), OnReceipt::Process),
            (Some(&queued(Some(OWN))), receipt(Some(OWN), old), OnReceipt::Process),
            (Some(&leased), receipt(Some(OWN), old), OnReceipt::Process),
            (Some(&leased), receipt(None, old), OnReceipt::Done),
            (Some(&leased), receipt(Some(OTHER), old), OnReceipt::Done),
            (Some(&leased), receipt(None, young), hidden),
            (Some(&queued(Some(OWN))), receipt(Some(OTHER), young), hidden),
            (Some(&queued(None)), receipt(Some(OTHER), 120), OnReceipt::WaitUntil(NOW)),
            (
                Some(&leased),
                Receipt { ticket: None, sent_at: None, receives: 1 },
                OnReceipt::WaitUntil(in_seconds(120)),
            ),
        ];
        for (row, (record, receipt, expected)) in table.into_iter().enumerate() {
            assert_eq!(receipt.on_receipt(record, NOW), expected, "row {row}");
        }
    }

    #[test]
    fn after_a_conflict_a_copy_is_hidden_longer_than_the_other_and_a_former_owner_is_acknowledged() {
        let retrying = |due| Delivery {
            status: DeliveryStatus::Retrying,
            attempts: 1,
            next_attempt_at: Some(due),
            ticket: Some(OWN),
            ..delivery()
        };
        let leased = Delivery { mark: Some(Mark::Due(in_seconds(900))), ..retrying(NOW) };
        let parked = Delivery { mark: Some(Mark::Due(in_seconds(5))), ..retrying(in_seconds(5)) };
        let done = Delivery { status: DeliveryStatus::Success, ..retrying(NOW) };
        let (own, other) = (receipt(Some(OWN), 500), receipt(Some(OTHER), 500));
        let table = [
            (retrying(in_seconds(5)), own, OnConflict::WaitUntil(in_seconds(7))),
            (retrying(NOW), own, OnConflict::Leave),
            (Delivery { next_attempt_at: None, ..retrying(NOW) }, own, OnConflict::Leave),
            (leased, own, OnConflict::Leave),
            (parked, own, OnConflict::Done),
            (done, own, OnConflict::Done),
            (retrying(in_seconds(5)), other, OnConflict::Done),
            (retrying(in_seconds(5)), receipt(Some(OTHER), 60), OnConflict::WaitUntil(in_seconds(60))),
        ];
        for (row, (found, receipt, expected)) in table.into_iter().enumerate() {
            assert_eq!(receipt.on_conflict(&found, NOW), expected, "row {row}");
        }
    }
}
