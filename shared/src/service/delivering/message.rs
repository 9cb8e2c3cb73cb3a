//! Messages: what is received, and what becomes of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tracing::error;

use crate::domain::ticket::{BEHIND_OTHER_COPY, Receipt};
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Task};
use crate::telemetry::metrics;

/// One received message.
#[derive(Debug, Clone)]
pub struct Message {
    /// What the batch's answer calls it.
    pub id: String,
    /// What hides or deletes it.
    pub receipt_handle: String,
    /// When it was sent; `None` if the queue did not say.
    pub sent_at: Option<Timestamp>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// What it says.
    pub body: String,
}

/// A task, and the messages of a batch that carry it: SQS may deliver one twice.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) task: DeliverTask,
    pub(super) receipt: Receipt,
    pub(super) messages: Vec<Message>,
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done and may be deleted.
    Acknowledge,
    /// It stays, and comes back after the queue's visibility timeout.
    Stay,
    /// It stays, and comes back at that time.
    HideUntil(Timestamp),
    /// The same, without anything having been tried or recorded.
    Postpone(Timestamp),
    /// It may be deleted: the same task was sent to another lane.
    Forwarded,
}

impl Verdict {
    /// Whether an attempt ended, or the record says that none is needed.
    pub(super) const fn is_finished(self) -> bool {
        matches!(self, Self::Acknowledge | Self::HideUntil(_))
    }
}

/// What is left of a batch: which messages stay in the queue, and which of those are still to be hidden.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Their ids.
    pub(super) stay: Vec<String>,
    /// Their receipt handles, and until when.
    pub(super) hidden: Vec<(String, Timestamp)>,
}

impl Left {
    /// Notes the verdict on a task's messages.
    pub(super) fn note(&mut self, messages: Vec<Message>, verdict: Verdict) {
        for (copy, message) in messages.into_iter().enumerate() {
            if !matches!(verdict, Verdict::Acknowledge | Verdict::Forwarded) {
                self.stay.push(message.id);
            }
            if let Verdict::HideUntil(until) | Verdict::Postpone(until) = verdict {
                // Not at the same time: two consumers would attempt the delivery at once.
                let until = if copy == 0 { until } else { until.plus(BEHIND_OTHER_COPY) };
                self.hidden.push((message.receipt_handle, until));
            }
        }
    }
}

/// Decodes the messages. Those with the same ticket for the same delivery are copies of one: they are processed once, and
/// each is then treated by its own receipt. Returns also the ids of those that cannot be decoded.
pub(super) fn read(messages: Vec<Message>) -> (Vec<Received>, Vec<String>) {
    let (mut received, mut unreadable) = (Vec::<Received>::new(), Vec::new());
    let mut places = HashMap::new();
    for message in messages {
        match Task::decode(&message.body) {
            Ok(task) => {
                let receives = message.receives.saturating_add(task.suspect.into());
                match places.entry((task.delivery, task.ticket)) {
                    Entry::Occupied(place) => {
                        let first: &mut Received = &mut received[*place.get()];
                        first.task.probe |= task.probe;
                        first.receipt.sent_at = first.receipt.sent_at.max(message.sent_at);
                        first.receipt.receives = first.receipt.receives.max(receives);
                        first.messages.push(message);
                    }
                    Entry::Vacant(place) => {
                        place.insert(received.len());
                        let receipt = Receipt { ticket: task.ticket, sent_at: message.sent_at, receives };
                        received.push(Received { task, receipt, messages: vec![message] });
                    }
                }
            }
            Err(error) => {
                error!(message = %message.id, %error, "unreadable message");
                metrics::unreadable();
                unreadable.push(message.id);
            }
        }
    }
    (received, unreadable)
}
