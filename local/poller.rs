//! What Lambda's SQS event source mapping does: long polls, hands batches to the handler, deletes
//! what the handler did not report, and leaves the rest with the visibility that the handler set.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use shared::clock::Clock;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS};
use shared::service::Consumer;
use tokio::sync::watch;
use tracing::warn;

/// How many batches are handled at once.
const CONCURRENT_BATCHES: usize = 16;
/// How long a poll waits for messages, in seconds; the most that SQS allows.
const LONG_POLL_SECONDS: i32 = 20;

/// Moves messages from the queue to the consumer.
#[derive(Debug, Clone)]
pub struct Poller {
    sqs: Client,
    queue_url: String,
    consumer: Arc<Consumer>,
    clock: Clock,
}

impl Poller {
    /// A poller of this queue for this consumer.
    pub fn new(sqs: Client, queue_url: impl Into<String>, consumer: Arc<Consumer>, clock: Clock) -> Self {
        Self { sqs, queue_url: queue_url.into(), consumer, clock }
    }

    /// Polls until `stop` turns true; batches under way are finished.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>) {
        let mut pollers = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENT_BATCHES {
            pollers.spawn(self.clone().poll_until(stop.clone()));
        }
        pollers.join_all().await;
    }

    async fn poll_until(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let batch = tokio::select! {
                batch = self.receive(CONSUMER_BATCH, LONG_POLL_SECONDS) => batch,
                _ = stop.changed() => return,
            };
            let handled = match batch {
                Ok(batch) if batch.is_empty() => Ok(0),
                Ok(batch) => self.handle(batch).await,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                warn!(%error, "polling failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Handles one batch of at most `most` visible messages, without waiting for any. Returns how
    /// many there were.
    ///
    /// # Errors
    /// If the queue could not be read, or what was handled not be deleted.
    pub async fn poll_once(&self, most: u32) -> anyhow::Result<usize> {
        let batch = self.receive(most, 0).await?;
        self.handle(batch).await
    }

    async fn receive(&self, most: u32, wait_seconds: i32) -> anyhow::Result<Vec<Message>> {
        let receive = self.sqs.receive_message().queue_url(&self.queue_url).wait_time_seconds(wait_seconds);
        let receive = receive.max_number_of_messages(i32::try_from(most)?);
        let output = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await?;
        Ok(output.messages.unwrap_or_default())
    }

    async fn handle(&self, batch: Vec<Message>) -> anyhow::Result<usize> {
        let received = batch.len();
        let deadline = self.clock.now().plus(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS)));
        let handles: Vec<_> =
            batch.iter().map(|message| (message.message_id.clone(), message.receipt_handle.clone())).collect();
        let response = deliver::handle(&self.consumer, event(batch), deadline).await;
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

/// The batch as Lambda would present it.
fn event(batch: Vec<Message>) -> SqsEvent {
    let record = |message: Message| {
        let mut record = SqsMessage::default();
        record.message_id = message.message_id;
        record.receipt_handle = message.receipt_handle;
        record.body = message.body;
        record.md5_of_body = message.md5_of_body;
        let attributes = message.attributes.into_iter().flatten();
        record.attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect();
        record.event_source = Some("aws:sqs".to_owned());
        record.aws_region = Some(crate::aws::REGION.to_owned());
        record
    };
    let mut event = SqsEvent::default();
    event.records = batch.into_iter().map(record).collect();
    event
}
