//! Tests of the embedded services through the AWS SDK's clients.

mod batches;
mod durability;
mod dynamodb;
mod event_bridge;
mod fairness;
mod journal;
mod limits;
mod long_polls;
mod queues;
mod redrive;
mod restarts;
mod sockets;
mod visibility;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};

use super::{Clock, EmbeddedAws, Storage};

/// Host and port of the queue URLs in tests that open no port.
const AUTHORITY: &str = "127.0.0.1:8001";

#[expect(clippy::disallowed_methods, reason = "some tests measure real time")]
fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

fn in_directory(directory: impl Into<std::path::PathBuf>) -> Storage {
    Storage::Directory { path: directory.into(), durable: false }
}

/// A clock that only the test advances.
#[derive(Clone)]
struct StillClock(Arc<Mutex<SystemTime>>);

impl StillClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))))
    }

    fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn aws(&self) -> EmbeddedAws {
        self.aws_on(&Storage::Memory)
    }

    fn aws_on(&self, storage: &Storage) -> EmbeddedAws {
        let time = Arc::clone(&self.0);
        let clock = Arc::new(move || *time.lock().unwrap());
        EmbeddedAws::open(storage, AUTHORITY, clock).unwrap()
    }
}

/// A queue and a client for it.
#[derive(Clone)]
struct TestQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl TestQueue {
    async fn new(aws: &EmbeddedAws, attributes: &[(QueueAttributeName, &str)]) -> Self {
        Self::named(aws, "tasks", attributes).await
    }

    async fn named(aws: &EmbeddedAws, name: &str, attributes: &[(QueueAttributeName, &str)]) -> Self {
        let client = aws_sdk_sqs::Client::new(&aws.sdk_config());
        let mut request = client.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        let url = request.send().await.unwrap().queue_url.unwrap();
        Self { client, url }
    }

    async fn send(&self, body: &str) -> String {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    /// Receives up to ten messages with all attributes, in a long poll of `wait` seconds.
    async fn receive(&self, wait: i32) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let request = request.message_attribute_names("All").wait_time_seconds(wait);
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn receive_one(&self) -> Message {
        let mut messages = self.receive(0).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    async fn delete(&self, message: &Message) {
        let request = self.client.delete_message().queue_url(&self.url);
        request.receipt_handle(handle(message)).send().await.unwrap();
    }

    /// Hides a message for a number of seconds. Returns the error's code.
    async fn hide(&self, handle: &str, seconds: i32) -> Result<(), String> {
        let request = self.client.change_message_visibility().queue_url(&self.url);
        let result = request.receipt_handle(handle).visibility_timeout(seconds).send().await;
        result.map(drop).map_err(code)
    }

    /// The numbers of visible, delayed and in-flight messages.
    async fn counts(&self) -> [u32; 3] {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let attributes = request.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
        [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ]
        .map(|name| attributes[&name].parse().unwrap())
    }
}

fn handle(message: &Message) -> &str {
    message.receipt_handle().unwrap()
}

fn system(message: &Message, name: MessageSystemAttributeName) -> Option<&str> {
    message.attributes()?.get(&name).map(String::as_str)
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

/// The error's code.
fn code<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> String {
    error.code().expect("a response of the service").to_owned()
}
