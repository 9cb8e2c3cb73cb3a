//! The SQS queues: sending tasks, and hiding received messages. Each lane has a queue.

mod error;
mod ingest;
pub mod schema;
mod task;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, SendMessageBatchRequestEntry};
use futures_util::future::{join_all, try_join_all};
use futures_util::{FutureExt, StreamExt, stream};

use crate::clock;
use crate::coalescer::{Coalescer, Unanswered};
use crate::domain::endpoint::lane::{ByLane, Lane};

pub use error::QueueError;
pub use ingest::{DeadLetter, DelayedCopy};
pub(crate) use ingest::{IngestQueue, RECEIVES};
pub use task::{DeliverTask, Task, UnreadableTask};

/// Most entries of one batch request.
const BATCH_ENTRIES: usize = 10;
/// Most bytes of one batch of messages that all implementations of SQS accept.
const BATCH_BYTES: usize = 256 * 1024;
/// How many batches are in progress at the same time.
const MAX_CONCURRENT_BATCHES: usize = 16;
/// The id of an entry that is not in a batch yet.
const UNNUMBERED: &str = "";
/// How often failed entries are sent again before they count as a failure.
const BATCH_TRIES: u32 = 5;
/// The longest visibility timeout that is requested, in seconds. SQS rejects one that ends more than 12 hours after
/// the receive.
pub const MAX_HIDE_SECONDS: u32 = 42_000;

/// The number of message groups of an organization. With one group, an endpoint with a backlog would delay all
/// other endpoints of its organization. With a group for each endpoint, an organization with many endpoints would
/// delay other organizations.
const GROUPS: u8 = 8;

/// The queues of deliveries.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    urls: ByLane<String>,
    sends: Coalescer<Lane, SendMessageBatchRequestEntry, Sent>,
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The task that the message contains.
    pub task: DeliverTask,
    /// The lane of the queue that the message goes to.
    pub lane: Lane,
    /// The delay in seconds before the message can be received; at most 900.
    pub delay_seconds: u32,
}

impl Outgoing {
    /// A message without a delay.
    pub const fn new(task: DeliverTask, lane: Lane) -> Self {
        Self { task, lane, delay_seconds: 0 }
    }
}

/// `None` if the message was sent; the message itself if SQS had a temporary error.
type Sent = Result<Option<SendMessageBatchRequestEntry>, QueueError>;

/// A message to hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hide {
    /// The receipt handle of the last receive.
    pub receipt_handle: String,
    /// The visibility timeout in seconds from now. Values above [`MAX_HIDE_SECONDS`] are reduced to it.
    pub seconds: u32,
}

impl Queue {
    /// Access to the queues with these URLs.
    pub fn new(sdk: &SdkConfig, urls: ByLane<String>) -> Self {
        let client = Client::new(sdk);
        let (sender, to) = (client.clone(), urls.clone());
        let sends = Coalescer::new(BATCH_ENTRIES, move |lane, entries| {
            send_all(sender.clone(), to.of(lane).clone(), entries).boxed()
        });
        Self { client, urls, sends }
    }

    /// The lane of the queue with this ARN. It is the slow lane only if the name is that of the queue for slow
    /// endpoints, so no message is forwarded twice.
    pub fn lane_of(&self, arn: &str) -> Lane {
        if queue_name(arn) == queue_name(&self.urls.slow) { Lane::Slow } else { Lane::Fast }
    }

    /// Sends messages in concurrent batches. The message group of each is derived from its organization and
    /// endpoint (SQS fair queues). A message is encoded when its batch is sent, so the memory that the encoded messages
    /// use does not grow with the number of messages.
    ///
    /// # Errors
    /// [`QueueError`] if some of the messages may not have been sent.
    pub async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let mut by_lane = ByLane::<Vec<_>>::default();
        for message in messages {
            by_lane.of_mut(message.lane).push(message);
        }
        let fast = self.send_batches(Lane::Fast, by_lane.fast);
        let sends: Vec<_> = fast.chain(self.send_batches(Lane::Slow, by_lane.slow)).collect();
        stream::iter(sends).buffer_unordered(MAX_CONCURRENT_BATCHES).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Returns a future for each batch of these messages.
    fn send_batches(
        &self,
        lane: Lane,
        messages: Vec<Outgoing>,
    ) -> impl Iterator<Item = impl Future<Output = Result<(), QueueError>>> {
        let batches = batches(messages, |message| message.task.max_message_bytes());
        let last = batches.len().saturating_sub(1);
        // All batches except the last are full.
        let is_full = move |at: usize, batch: &[_]| at < last || batch.len() == BATCH_ENTRIES;
        (0..).zip(batches).map(move |(at, batch)| self.send_batch(lane, is_full(at, &batch), batch))
    }

    async fn send_batch(&self, lane: Lane, is_full: bool, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let mut left = messages.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        for attempt in 0..BATCH_TRIES {
            clock::back_off(attempt).await;
            let sent = if is_full {
                self.sends.uncoalesced(lane, left).await
            } else {
                self.sends.call_all(lane, left).await?
            };
            left = sent.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(QueueError::Unavailable(format!("{} messages failed {BATCH_TRIES} times", left.len())))
    }

    /// Sets the visibility timeouts of received messages in this lane's queue.
    ///
    /// # Errors
    /// [`QueueError`] if some messages were not hidden. They become visible after the queue's visibility timeout.
    pub async fn hide(&self, lane: Lane, messages: &[Hide]) -> Result<(), QueueError> {
        hide(&self.client, self.urls.of(lane), messages).await
    }
}

/// Sets the visibility timeouts of received messages of a queue.
async fn hide(client: &Client, url: &str, messages: &[Hide]) -> Result<(), QueueError> {
    try_join_all(messages.chunks(BATCH_ENTRIES).map(|chunk| hide_batch(client, url, chunk))).await?;
    Ok(())
}

async fn hide_batch(client: &Client, url: &str, messages: &[Hide]) -> Result<(), QueueError> {
    let mut request = client.change_message_visibility_batch().queue_url(url);
    for (id, hide) in messages.iter().enumerate() {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(id.to_string())
            .receipt_handle(&hide.receipt_handle)
            .visibility_timeout(i32::try_from(hide.seconds.min(MAX_HIDE_SECONDS)).unwrap_or(i32::MAX));
        request = request.entries(entry.build().map_err(QueueError::refused)?);
    }
    let output = request.send().await?;
    match output.failed().first() {
        None => Ok(()),
        Some(failure) => Err(QueueError::Refused(failure.message().unwrap_or(failure.code()).to_owned())),
    }
}

/// The last part of a URL or an ARN.
fn queue_name(of: &str) -> &str {
    of.rsplit(['/', ':']).next().unwrap_or_default()
}

async fn send_all(client: Client, url: String, entries: Vec<SendMessageBatchRequestEntry>) -> Vec<Sent> {
    let batches = batches(entries, |entry| entry.message_body().len());
    let sends = batches.into_iter().map(|batch| send(&client, &url, batch));
    join_all(sends).await.into_iter().flatten().collect()
}

async fn send(client: &Client, url: &str, mut entries: Vec<SendMessageBatchRequestEntry>) -> Vec<Sent> {
    // Entries are identified by their position, since a coalesced call may contain two messages for one delivery.
    for (id, entry) in entries.iter_mut().enumerate() {
        entry.id = id.to_string();
    }
    let request = client.send_message_batch().queue_url(url).set_entries(Some(entries.clone()));
    let output = match request.send().await {
        Ok(output) => output,
        Err(error) => return vec![Err(error.into()); entries.len()],
    };
    let sent =
        entries.into_iter().map(|entry| match output.failed().iter().find(|failure| failure.id() == entry.id()) {
            None => Ok(None),
            Some(refused) if refused.sender_fault() => {
                Err(QueueError::Refused(refused.message().unwrap_or(refused.code()).to_owned()))
            }
            Some(_) => Ok(Some(entry)),
        });
    sent.collect()
}

impl From<Unanswered> for QueueError {
    fn from(Unanswered: Unanswered) -> Self {
        Self::Unavailable("a coalesced call ended without a response".to_owned())
    }
}

/// The message group of a task: its organization, and one of [`GROUPS`] groups of the organization's endpoints. A
/// fair queue serves the groups in turn. So an organization with 8,000 endpoints gets no more turns than one with
/// eight.
fn message_group(task: &DeliverTask) -> String {
    let [.., byte] = task.endpoint.uuid().into_bytes();
    format!("{}#{}", task.organization, byte % GROUPS)
}

fn entry(message: &Outgoing) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let group = message_group(&message.task);
    let body = Task::from(&message.task).encode().map_err(QueueError::refused)?;
    let entry = SendMessageBatchRequestEntry::builder().id(UNNUMBERED).message_body(body).message_group_id(group);
    let delay = (message.delay_seconds > 0).then(|| i32::try_from(message.delay_seconds).unwrap_or(i32::MAX));
    entry.set_delay_seconds(delay).build().map_err(QueueError::refused)
}

/// Splits messages into batches that SQS accepts, in the same order. `size_of` returns the bytes of a message.
fn batches<T>(messages: Vec<T>, size_of: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = size_of(&message);
        let fits = batches.last().is_some_and(|batch| batch.len() < BATCH_ENTRIES && bytes + size <= BATCH_BYTES);
        match batches.last_mut().filter(|_| fits) {
            Some(batch) => batch.push(message),
            None => {
                bytes = 0;
                batches.push(vec![message]);
            }
        }
        bytes += size;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_queue_for_slow_endpoints_is_the_slow_lane() {
        let url = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}");
        let sdk = SdkConfig::builder().behavior_version(crate::config::behavior_version()).build();
        let queue = Queue::new(&sdk, ByLane { fast: url("stack-Queue-A"), slow: url("stack-SlowQueue-B") });
        for (arn, expected) in [
            ("arn:aws:sqs:us-east-1:123456789012:stack-SlowQueue-B", Lane::Slow),
            ("arn:aws:sqs:us-east-1:123456789012:stack-Queue-A", Lane::Fast),
            ("arn:aws:sqs:us-east-1:123456789012:stack-SlowQueue", Lane::Fast),
            ("", Lane::Fast),
        ] {
            assert_eq!(queue.lane_of(arn), expected, "{arn}");
        }
    }

    #[test]
    fn a_batch_has_at_most_ten_entries_and_256_kib() {
        let sizes = |messages| batches(messages, |size| *size).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![]), [0_usize; 0]);
        assert_eq!(sizes(vec![1; 21]), [10, 10, 1]);
        assert_eq!(sizes(vec![64 * 1024; 9]), [4, 4, 1]);
        assert_eq!(sizes(vec![1, BATCH_BYTES, 1]), [1, 1, 1]);
    }
}
