//! Publishing what the messages of the ingest queue contain.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::{error, warn};

use super::ServiceError;
use super::access::Access;
use super::publisher::{Accepted, PublishRequest, Publisher};
use crate::clock::Clock;
use crate::domain::event::ingest::pause;
use crate::queue::{DeadLetter, Hide, IngestQueue};

/// Publishes the requests in the messages of the ingest queue. Whoever may send to the queue may publish for every organization,
/// as with a platform key.
#[derive(Debug)]
pub struct Ingestor {
    publisher: Arc<Publisher>,
    queue: IngestQueue,
}

/// A received message that waits before its next receive.
#[derive(Debug)]
pub struct Delayed {
    /// The receipt handle of the last receive.
    pub receipt_handle: String,
    /// How often the message was received, this time included.
    pub receives: u32,
    /// The time after which its request can succeed, at the earliest.
    pub after: Duration,
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

    /// Publishes requests. The results have their order.
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

    /// Hides messages until their requests can succeed. Those that cannot be hidden become visible after the queue's visibility
    /// timeout.
    pub async fn delay(&self, messages: Vec<Delayed>) {
        let hides = messages.into_iter().map(|Delayed { receipt_handle, receives, after }| {
            let pause = pause(after, receives);
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            Hide { receipt_handle, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
        });
        if let Err(error) = self.queue.hide(&hides.collect::<Vec<_>>()).await {
            warn!(%error, "messages of the ingest queue were not hidden");
        }
    }
}
