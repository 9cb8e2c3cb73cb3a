//! Publishing what the messages of the ingest queue contain.

use std::sync::Arc;

use futures_util::future::join_all;
use tracing::{error, warn};

use super::ServiceError;
use super::access::Access;
use super::publisher::{Accepted, PublishRequest, Publisher};
use crate::clock::Clock;
use crate::queue::{DeadLetter, DelayedCopy, Hide, IngestQueue};

/// Publishes the requests in the messages of the ingest queue. Whoever may send to the queue may publish for every organization,
/// as with a platform key.
#[derive(Debug)]
pub struct Ingestor {
    publisher: Arc<Publisher>,
    queue: IngestQueue,
}

impl Ingestor {
    pub(super) const fn new(publisher: Arc<Publisher>, queue: IngestQueue) -> Self {
        Self { publisher, queue }
    }

    /// Finds organizations.
    pub fn access(&self) -> &Access {
        self.publisher.access()
    }

    /// The clock that the process uses.
    pub fn clock(&self) -> &Clock {
        self.access().clock()
    }

    /// Publishes requests together, each in a task of its own. The results have their order.
    pub async fn publish(&self, requests: Vec<PublishRequest>) -> Vec<Result<Accepted, ServiceError>> {
        self.publisher.publish_each(requests).await
    }

    /// Sends requests that can never be accepted to the dead-letter queue. Returns whether each was sent.
    pub async fn refuse(&self, letters: &[DeadLetter]) -> Vec<bool> {
        let sends = letters.iter().map(async |letter| {
            let sent = self.queue.send_dead_letter(letter).await;
            let message_id = &letter.message_id;
            sent.inspect_err(|error| error!(%message_id, %error, "a refused message stays in the ingest queue")).is_ok()
        });
        join_all(sends).await
    }

    /// Sends delayed copies of messages to the queue. Returns whether each was sent.
    pub async fn send_copies(&self, copies: &[DelayedCopy]) -> Vec<bool> {
        let sends = copies.iter().map(async |copy| {
            let sent = self.queue.send_copy(copy).await;
            sent.inspect_err(|error| warn!(%error, "a message of the ingest queue is hidden, as it was not copied"))
                .is_ok()
        });
        join_all(sends).await
    }

    /// Sets the visibility timeouts of messages. Those for which this fails become visible after the queue's visibility timeout.
    pub async fn hide(&self, messages: &[Hide]) {
        if let Err(error) = self.queue.hide(messages).await {
            warn!(%error, "messages of the ingest queue were not hidden");
        }
    }
}
