//! Messages: what is received, and what becomes of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tracing::error;

use crate::domain::ticket::Receipt;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Task};

/// One received message.
#[derive(Debug, Clone)]
pub struct Message {
    /// What the batch's answer calls it.
    pub id: String,
    /// What hides or deletes it.
    pub receipt_handle: String,
    /// When it was sent; `None` if the queue did not say.
    pub sent_at: Option<Timestamp>,
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
}

/// Decodes the messages. Those with the same ticket for the same delivery are copies of one: they are processed once, and
/// each is then treated by its own receipt. Returns also the ids of those that cannot be decoded.
pub(super) fn read(messages: Vec<Message>) -> (Vec<Received>, Vec<String>) {
    let (mut received, mut unreadable) = (Vec::<Received>::new(), Vec::new());
    let mut places = HashMap::new();
    for message in messages {
        match Task::decode(&message.body) {
            Ok(task) => match places.entry((task.delivery, task.ticket)) {
                Entry::Occupied(place) => {
                    let first: &mut Received = &mut received[*place.get()];
                    first.task.probe |= task.probe;
                    first.receipt.sent_at = first.receipt.sent_at.max(message.sent_at);
                    first.messages.push(message);
                }
                Entry::Vacant(place) => {
                    place.insert(received.len());
                    let receipt = Receipt { ticket: task.ticket, sent_at: message.sent_at };
                    received.push(Received { task, receipt, messages: vec![message] });
                }
            },
            Err(error) => {
                error!(message = %message.id, %error, "unreadable message");
                unreadable.push(message.id);
            }
        }
    }
    (received, unreadable)
}
