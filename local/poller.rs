//! Does the work of Lambda's SQS event source mapping: it long-polls a queue, calls the handler with each batch,
//! deletes the messages that the handler did not report as failed, and leaves the others with the visibility timeout
//! that the handler set.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName};
use shared::clock::Clock;
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, INGEST_TIMEOUT_SECONDS};
use shared::service::{Deliverer, Ingestor};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::aws::arn_of;
use crate::pace::Pace;

/// The concurrency limits of a lane's poller. Each lane has separate limits, so the slow lane cannot occupy the fast
/// lane.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// How many batches are busy concurrently, see [`BUSY_TIME`]. With a higher limit, batches have fewer messages,
    /// since fewer messages collect in the queue while all batches are busy.
    busy_batches: u32,
    /// How many messages the busy batches have together, while only one organization has messages.
    busy_messages: u32,
    /// As `busy_messages`, while several organizations have messages. Each message costs processor time, and a message of
    /// another organization waits until one of the batches is no longer busy.
    shared_busy_messages: u32,
    /// How many attempts are in progress concurrently, including those that wait for a receiver.
    attempts: u32,
}

const FAST: Share = Share {
    busy_batches: 8,
    busy_messages: 8 * CONSUMER_BATCH,
    shared_busy_messages: 3 * CONSUMER_BATCH,
    attempts: 2_560,
};
/// The consumer of the slow lane waits for receivers nearly all the time, so two busy batches suffice.
const SLOW: Share = Share {
    busy_batches: 2,
    busy_messages: 2 * CONSUMER_BATCH,
    shared_busy_messages: 2 * CONSUMER_BATCH,
    attempts: 640,
};

/// The ingest function waits for the table most of the time.
const INGEST: Share = Share {
    busy_batches: 2,
    busy_messages: 2 * CONSUMER_BATCH,
    shared_busy_messages: 2 * CONSUMER_BATCH,
    attempts: 80,
};

/// A batch counts as busy for this time. After it, the batch probably waits for a slow receiver, and the poller
/// receives another one, so that receivers that hang do not delay other deliveries.
const BUSY_TIME: Duration = Duration::from_millis(50);
/// An organization counts as having messages for this time after one of them was received.
const RECENT: Duration = Duration::from_secs(10);
/// The pause after a failed receive.
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// How long a poll waits for messages, in seconds: the maximum of SQS.
const LONG_POLL_SECONDS: i32 = 20;

/// What limits the busy batches and their messages.
struct Busy {
    share: Share,
    batches: Arc<Semaphore>,
    /// One permit for each of [`Share::busy_messages`].
    messages: Arc<Semaphore>,
    /// The permits that are kept back while several organizations have messages.
    kept_back: Option<OwnedSemaphorePermit>,
    /// When the latest message of each organization was received.
    organizations: HashMap<Box<str>, Instant>,
}

impl Busy {
    fn new(share: Share) -> Self {
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        let (batches, messages) = (semaphore(share.busy_batches), semaphore(share.busy_messages));
        Self { share, batches, messages, kept_back: None, organizations: HashMap::new() }
    }

    /// Records whose messages were received.
    fn received(&mut self, batch: &[Message], now: Instant) {
        for message in batch {
            let group =
                message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            let Some((organization, _)) = group.and_then(|group| group.split_once('#')) else { continue };
            match self.organizations.get_mut(organization) {
                Some(at) => *at = now,
                None => drop(self.organizations.insert(organization.into(), now)),
            }
        }
        self.organizations.retain(|_, at| now < *at + RECENT);
    }

    /// Waits until another batch may be busy.
    async fn admit(&mut self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), AcquireError> {
        let batch = Arc::clone(&self.batches).acquire_owned().await?;
        let kept_back = self.share.busy_messages - self.share.shared_busy_messages;
        match self.organizations.len() {
            ..=1 => self.kept_back = None,
            _ if self.kept_back.is_none() && kept_back > 0 => {
                self.kept_back = Some(Arc::clone(&self.messages).acquire_many_owned(kept_back).await?);
            }
            _ => {}
        }
        let messages = Arc::clone(&self.messages).acquire_many_owned(CONSUMER_BATCH).await?;
        Ok((batch, messages))
    }
}

/// The function that handles the messages of a queue.
#[derive(Debug, Clone)]
enum Function {
    Deliver(Arc<Deliverer>),
    Ingest(Arc<Ingestor>),
}

/// Receives messages from a queue and calls the function with them.
#[derive(Debug, Clone)]
pub struct Poller {
    sqs: Client,
    queue_url: String,
    share: Share,
    function: Function,
    /// Delays publishing; `None` without delays.
    pace: Option<Arc<Pace>>,
    clock: Clock,
}

impl Poller {
    /// A poller that calls this consumer with the messages of the lane's queue.
    pub fn new(sqs: Client, lane: Lane, queue_url: impl Into<String>, deliverer: Arc<Deliverer>, clock: Clock) -> Self {
        let share = match lane {
            Lane::Fast => FAST,
            Lane::Slow => SLOW,
        };
        Self { sqs, queue_url: queue_url.into(), share, function: Function::Deliver(deliverer), pace: None, clock }
    }

    /// A poller that calls the ingest function with the messages of this queue.
    pub fn of_ingest_queue(sqs: Client, queue_url: impl Into<String>, ingestor: Arc<Ingestor>, clock: Clock) -> Self {
        Self {
            sqs,
            queue_url: queue_url.into(),
            share: INGEST,
            function: Function::Ingest(ingestor),
            pace: None,
            clock,
        }
    }

    /// Publishes what messages contain at this pace.
    pub(crate) fn at_pace(self, pace: Arc<Pace>) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Polls until `stop` becomes true. Returns when the batches that are in progress have ended.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut busy = Busy::new(self.share);
        let attempts = Arc::new(Semaphore::new(self.share.max_attempts() as usize));
        let mut batches = JoinSet::new();
        while !*stop.borrow() {
            tokio::select! {
                received = self.receive_batch(&mut busy, &attempts) => match received {
                    Ok(handling) => drop(batches.spawn(handling)),
                    Err(error) => {
                        warn!(%error, "polling failed");
                        tokio::time::sleep(ERROR_PAUSE).await;
                    }
                },
                _ = stop.changed() => break,
            }
            while batches.try_join_next().is_some() {}
        }
        batches.join_all().await;
    }

    /// Waits until the limits allow another batch, and receives it. The returned future processes the batch.
    async fn receive_batch(
        &self,
        busy: &mut Busy,
        attempts: &Arc<Semaphore>,
    ) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        let mut permits = Arc::clone(attempts).acquire_many_owned(CONSUMER_BATCH).await?;
        let (busy_batch, mut busy_messages) = busy.admit().await?;
        let batch = self.receive(CONSUMER_BATCH, LONG_POLL_SECONDS).await?;
        busy.received(&batch, Instant::now());
        let unused = (CONSUMER_BATCH as usize).saturating_sub(batch.len());
        drop((permits.split(unused), busy_messages.split(unused)));
        let poller = self.clone();
        Ok(async move {
            let mut handling = pin!(poller.handle(batch));
            let handled_while_busy = timeout(BUSY_TIME, &mut handling).await;
            drop((busy_batch, busy_messages));
            let handled = match handled_while_busy {
                Ok(handled) => handled,
                Err(_) => handling.await,
            };
            drop(permits);
            if let Err(error) = handled {
                warn!(%error, "a batch could not be deleted");
            }
        })
    }

    /// Receives at most `most` visible messages, without waiting for new ones, and processes them as one batch. Returns
    /// the number of received messages.
    ///
    /// # Errors
    /// An error if the messages could not be received, or the processed ones could not be deleted.
    pub async fn poll_once(&self, most: u32) -> anyhow::Result<usize> {
        let batch = self.receive(most, 0).await?;
        self.handle(batch).await
    }

    async fn receive(&self, most: u32, wait_seconds: i32) -> anyhow::Result<Vec<Message>> {
        let receive = self.sqs.receive_message().queue_url(&self.queue_url).wait_time_seconds(wait_seconds);
        let receive = receive.max_number_of_messages(i32::try_from(most)?);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        let output = receive.message_attribute_names("All").send().await?;
        Ok(output.messages.unwrap_or_default())
    }

    async fn handle(&self, batch: Vec<Message>) -> anyhow::Result<usize> {
        let received = batch.len();
        let timeout_seconds = match &self.function {
            Function::Deliver(_) => CONSUMER_TIMEOUT_SECONDS,
            Function::Ingest(_) => INGEST_TIMEOUT_SECONDS,
        };
        let deadline = self.clock.now().plus(Duration::from_secs(timeout_seconds.into()));
        let handles: Vec<_> =
            batch.iter().map(|message| (message.message_id.clone(), message.receipt_handle.clone())).collect();
        let event = event(batch, &self.queue_url);
        let response = match &self.function {
            Function::Deliver(deliverer) => deliver::handle(deliverer, event, deadline).await,
            Function::Ingest(ingestor) => {
                if let Some(pace) = &self.pace {
                    pace.wait_for(ingest::organizations(ingestor, &event).await.into_iter()).await;
                }
                ingest::handle(ingestor, event, deadline).await
            }
        };
        self.delete(handles, &response).await?;
        Ok(received)
    }

    async fn delete(
        &self,
        handles: Vec<(Option<String>, Option<String>)>,
        response: &SqsBatchResponse,
    ) -> anyhow::Result<()> {
        let failed = |id: &Option<String>| {
            response.batch_item_failures.iter().any(|failure| Some(&failure.item_identifier) == id.as_ref())
        };
        let mut done = Vec::new();
        for (index, (_, handle)) in handles.into_iter().filter(|(id, _)| !failed(id)).enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).set_receipt_handle(handle);
            done.push(entry.build()?);
        }
        if !done.is_empty() {
            self.sqs.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(done)).send().await?;
        }
        Ok(())
    }
}

impl Share {
    /// The maximum number of concurrent attempts. Each needs a file descriptor for its connection. The attempts of all
    /// lanes use at most half of the file descriptors that the process may have.
    fn max_attempts(self) -> u32 {
        let all_lanes = FAST.attempts + SLOW.attempts + INGEST.attempts;
        let files = rlimit::increase_nofile_limit(2 * u64::from(all_lanes)).unwrap_or(0);
        let files = u32::try_from(files / 2).unwrap_or(u32::MAX).min(all_lanes);
        let own_files = u64::from(files) * u64::from(self.attempts) / u64::from(all_lanes);
        u32::try_from(own_files).unwrap_or(u32::MAX).max(CONSUMER_BATCH * self.busy_batches)
    }
}

fn attribute(value: MessageAttributeValue) -> SqsMessageAttribute {
    let mut attribute = SqsMessageAttribute::default();
    attribute.data_type = Some(value.data_type);
    attribute.string_value = value.string_value;
    attribute
}

/// The event with which Lambda would invoke the function for this batch.
fn event(batch: Vec<Message>, queue_url: &str) -> SqsEvent {
    let arn = arn_of(queue_url);
    let record = |message: Message| {
        let mut record = SqsMessage::default();
        record.message_id = message.message_id;
        record.receipt_handle = message.receipt_handle;
        record.body = message.body;
        record.md5_of_body = message.md5_of_body;
        let attributes = message.attributes.into_iter().flatten();
        record.attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect();
        let of_sender = message.message_attributes.into_iter().flatten();
        record.message_attributes = of_sender.map(|(name, value)| (name, attribute(value))).collect();
        record.event_source = Some("aws:sqs".to_owned());
        record.event_source_arn = Some(arn.clone());
        record.aws_region = Some(crate::aws::REGION.to_owned());
        record
    };
    let mut event = SqsEvent::default();
    event.records = batch.into_iter().map(record).collect();
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fewer_messages_are_busy_while_several_organizations_have_messages() {
        let message = |group: &str| {
            let group = (MessageSystemAttributeName::MessageGroupId, group.to_owned());
            Message::builder().set_attributes(Some(HashMap::from([group]))).build()
        };
        let (now, mut busy) = (Instant::now(), Busy::new(FAST));
        let mut free = async |groups: &[&str], now| {
            let batch: Vec<_> = groups.iter().map(|group| message(group)).collect();
            busy.received(&batch, now);
            let _admitted = busy.admit().await.unwrap();
            busy.messages.available_permits()
        };
        assert_eq!(free(&[], now).await, 70);
        assert_eq!(free(&["a#1", "a#2"], now).await, 70);
        assert_eq!(free(&["b#1"], now).await, 20);
        assert_eq!(free(&["a#3"], now + RECENT / 2).await, 20);
        assert_eq!(free(&["a#4"], now + RECENT).await, 70);
    }
}
