//! The embedded SQS: standard queues in memory, with SQS's JSON protocol. If there is a data directory, messages
//! survive the process (`journal.rs`). The queues are created again at each start.
//!
//! It implements the parts of the API reference that this project and common tools use: batches with a result for each
//! entry, long polling, visibility timeouts, delays, redrive and limits. It does not implement FIFO queues, tags,
//! permissions, message move tasks, and message system attributes of senders. Receives are fair to message groups
//! (`visible.rs`). One lock guards all queues. It is never held across an await.

mod error;
mod journal;
mod limits;
mod message;
mod queue;
mod queues;
mod receive;
mod send;
mod settings;
mod stored;
mod visible;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use self::error::SqsError;
pub(crate) use self::journal::Journal;
use self::limits::MAX_VISIBILITY_SECONDS;
use self::message::Receipt;
pub(crate) use self::queue::{Flow, Queue};
use self::queues::Queues;
pub(crate) use self::queues::arn_of;
pub(crate) use self::stored::Stored;
use super::Clock;
use super::answer::Answer;

/// The engine. Clones are cheap and share the queues.
#[derive(Clone)]
pub(crate) struct Sqs {
    queues: Arc<Mutex<Queues>>,
    /// Wakes the long polls when a message may have become visible.
    arrivals: Arc<Notify>,
    journal: Journal,
    clock: Clock,
}

impl std::fmt::Debug for Sqs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sqs")
    }
}

impl Sqs {
    /// Creates the engine without queues. `authority` is host and port of the queue URLs, such as `127.0.0.1:8001`. The
    /// messages of the journal in `stored` are added to their queues when these are created.
    pub(crate) fn new(authority: &str, journal: Journal, stored: Vec<Stored>, clock: Clock) -> Self {
        let queues = Queues::new(authority, journal.clone(), stored);
        Self { queues: Arc::new(Mutex::new(queues)), arrivals: Arc::new(Notify::new()), journal, clock }
    }

    /// Performs one operation, named as in `X-Amz-Target` after the dot. Dropping the future ends a long poll. A
    /// message is received only together with the response that contains it.
    pub(crate) async fn call(&self, operation: &str, body: &[u8]) -> Answer {
        let (now, began) = (self.now(), self.journal.moment());
        let result = match operation {
            "ReceiveMessage" => self.receive_message(body).await,
            "SendMessage" => reply(body, |request| self.send_message(request, now)),
            "SendMessageBatch" => reply(body, |request| self.send_message_batch(request, now)),
            "DeleteMessage" => reply(body, |request| self.delete_message(request)),
            "DeleteMessageBatch" => reply(body, |request| self.delete_message_batch(request)),
            "ChangeMessageVisibility" => reply(body, |request| self.change_visibility(request, now)),
            "ChangeMessageVisibilityBatch" => reply(body, |request| self.change_visibility_batch(request, now)),
            "CreateQueue" => reply(body, |request| self.queues().create(&request, now)),
            "DeleteQueue" => reply(body, |request| self.queues().delete(&request)),
            "GetQueueUrl" => reply(body, |request| self.queues().find(&request)),
            "ListQueues" => reply(body, |request| Ok(self.queues().list(&request))),
            "ListDeadLetterSourceQueues" => reply(body, |request| self.queues().sources(&request)),
            "GetQueueAttributes" => reply(body, |request| self.queues().attributes(&request, now)),
            "SetQueueAttributes" => reply(body, |request| self.queues().set_attributes(&request, now)),
            "PurgeQueue" => reply(body, |request: wire::OneQueue| {
                self.queues().at(&request.queue_url)?.purge(now).map(|()| wire::Nothing {})
            }),
            _ => return Answer::unknown_operation(operation),
        };
        // If a deletion or a change of visibility is lost in a restart, the message is received once more. SQS itself
        // may always do that, so these operations do not wait for the commit.
        let result = match operation {
            "SendMessage" | "SendMessageBatch" | "DeleteQueue" | "PurgeQueue" => match result {
                Ok(answer) => self.journal.committed(began).await.map(|()| answer),
                Err(error) => Err(error),
            },
            _ => result,
        };
        result.unwrap_or_else(Answer::from)
    }

    /// The visible, sent and received messages of a family of message groups. All numbers are 0 if the queue does not
    /// exist.
    pub(crate) fn flow(&self, queue_url: &str, family: &str) -> Flow {
        let now = self.now();
        self.queues().at(queue_url).map_or_else(|_| Flow::default(), |queue| queue.flow(family, now))
    }

    /// Waits until every acknowledged change is committed. Returns an error if a commit failed.
    pub(crate) async fn flush(&self) -> Result<(), SqsError> {
        self.journal.committed(self.journal.moment()).await
    }

    /// The bodies of all messages in the queue with this URL, including hidden ones. The result is empty if the queue
    /// does not exist.
    pub(crate) fn bodies(&self, queue_url: &str) -> Vec<String> {
        self.queues().at(queue_url).map_or_else(|_| Vec::new(), |queue| queue.bodies().map(str::to_owned).collect())
    }

    /// Applies `change` to the queue with this URL. It does nothing if the queue does not exist.
    pub(crate) fn with_queue(&self, queue_url: &str, change: impl FnOnce(&mut Queue)) {
        if let Ok(queue) = self.queues().at(queue_url) {
            change(queue);
        }
        self.arrivals.notify_waiters();
    }

    fn delete_message(&self, request: wire::DeleteMessage) -> Result<wire::Nothing, SqsError> {
        delete(self.queues().at(&request.queue_url)?, &request.message)
    }

    fn delete_message_batch(
        &self,
        request: wire::Batch<wire::Deletion>,
    ) -> Result<wire::BatchResult<wire::Nothing>, SqsError> {
        request.check()?;
        let mut queues = self.queues();
        let queue = queues.at(&request.queue_url)?;
        Ok(request.each(|message| delete(queue, &message)))
    }

    fn change_visibility(
        &self,
        request: wire::ChangeMessageVisibility,
        now: SystemTime,
    ) -> Result<wire::Nothing, SqsError> {
        let result = hide(self.queues().at(&request.queue_url)?, &request.message, now);
        self.arrivals.notify_waiters();
        result
    }

    fn change_visibility_batch(
        &self,
        request: wire::Batch<wire::Hiding>,
        now: SystemTime,
    ) -> Result<wire::BatchResult<wire::Nothing>, SqsError> {
        request.check()?;
        let mut queues = self.queues();
        let queue = queues.at(&request.queue_url)?;
        let result = request.each(|message| hide(queue, &message, now));
        self.arrivals.notify_waiters();
        Ok(result)
    }

    fn now(&self) -> SystemTime {
        (self.clock)()
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delete(queue: &mut Queue, message: &wire::Deletion) -> Result<wire::Nothing, SqsError> {
    queue.delete(Receipt::parse(&message.receipt_handle)?);
    Ok(wire::Nothing {})
}

fn hide(queue: &mut Queue, message: &wire::Hiding, now: SystemTime) -> Result<wire::Nothing, SqsError> {
    let timeout = limits::within("VisibilityTimeout", message.visibility_timeout, 0..=MAX_VISIBILITY_SECONDS)?;
    queue.change_visibility(Receipt::parse(&message.receipt_handle)?, timeout, now)?;
    Ok(wire::Nothing {})
}

/// Parses a request, performs it and serializes its response.
fn reply<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Response, SqsError>,
) -> Result<Answer, SqsError> {
    answer(&operation(parse(body)?)?)
}

fn parse<Request: DeserializeOwned>(body: &[u8]) -> Result<Request, SqsError> {
    serde_json::from_slice(body).map_err(|error| SqsError::new("SerializationException", error.to_string()))
}

fn answer(response: &impl Serialize) -> Result<Answer, SqsError> {
    let body = serde_json::to_string(response);
    body.map(Answer::ok).map_err(|error| SqsError::new(error::INTERNAL, error.to_string()))
}
