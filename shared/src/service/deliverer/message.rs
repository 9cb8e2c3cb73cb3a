//! Received messages, and what the consumer does with each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tracing::error;

use crate::domain::delivery::ticket::{BEHIND_OTHER_COPY, Receipt};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Task};
use crate::telemetry::metrics;

/// A received message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The message's id in the response of the batch.
    pub id: String,
    /// The receipt handle, which is required to hide or delete the message.
    pub receipt_handle: String,
    /// When the message was sent; `None` if the queue did not report it.
    pub sent_at: Option<Timestamp>,
    /// How often the message was received, including this time.
    pub receives: u32,
    /// The body: an encoded task.
    pub body: String,
}

/// A task and the messages of a batch that contain it. SQS may deliver a message twice in one batch.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) task: DeliverTask,
    pub(super) receipt: Receipt,
    pub(super) messages: Vec<Message>,
}

/// What the consumer does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Delete the message: its task is complete.
    Acknowledge,
    /// Leave the message in the queue. It is received again after the queue's visibility timeout.
    Stay,
    /// Hide the message until this time.
    HideUntil(Timestamp),
    /// Hide the message until this time, although neither an attempt was made nor a record was written.
    Postpone(Timestamp),
    /// Delete the message: the same task was sent to another lane.
    Forwarded,
}

impl Verdict {
    /// Whether an attempt ended, or the record shows that no attempt is needed.
    pub(super) const fn completes_task(self) -> bool {
        matches!(self, Self::Acknowledge | Self::HideUntil(_))
    }
}

/// Which messages of a batch stay in the queue, and which of them are not hidden yet.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The ids of the messages that stay.
    pub(super) stay: Vec<String>,
    /// The receipt handles of messages that must be hidden, and until when.
    pub(super) hidden: Vec<(String, Timestamp)>,
}

impl Left {
    /// Records the verdict on the messages of a task.
    pub(super) fn record_verdict(&mut self, messages: Vec<Message>, verdict: Verdict) {
        for (copy, message) in messages.into_iter().enumerate() {
            if !matches!(verdict, Verdict::Acknowledge | Verdict::Forwarded) {
                self.stay.push(message.id);
            }
            if let Verdict::HideUntil(until) | Verdict::Postpone(until) = verdict {
                // Copies must not become visible at the same time: two consumers would attempt the delivery
                // concurrently.
                let until = if copy == 0 { until } else { until.plus(BEHIND_OTHER_COPY) };
                self.hidden.push((message.receipt_handle, until));
            }
        }
    }
}

/// Decodes the messages. Messages with the same ticket for the same delivery are copies: their task is processed
/// once, and each copy is then hidden or deleted by its own receipt handle. Returns also the ids of messages that
/// cannot be decoded.
pub(super) fn read(messages: Vec<Message>) -> (Vec<Received>, Vec<String>) {
    let (mut received, mut unreadable) = (Vec::<Received>::new(), Vec::new());
    let mut positions = HashMap::new();
    for message in messages {
        match Task::decode(&message.body) {
            Ok(task) => {
                let receives = message.receives.saturating_add(task.suspect.into());
                match positions.entry((task.delivery, task.ticket)) {
                    Entry::Occupied(position) => {
                        let first: &mut Received = &mut received[*position.get()];
                        if task.trigger == Trigger::HalfOpen {
                            first.task.trigger = task.trigger;
                        }
                        first.receipt.sent_at = first.receipt.sent_at.max(message.sent_at);
                        first.receipt.receives = first.receipt.receives.max(receives);
                        first.messages.push(message);
                    }
                    Entry::Vacant(position) => {
                        position.insert(received.len());
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
