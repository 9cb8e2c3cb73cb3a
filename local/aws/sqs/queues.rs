//! All queues by name, and the operations on queues.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::SqsError;
use super::journal::Journal;
use super::message::Message;
use super::queue::Queue;
use super::settings::Settings;
use super::stored::Stored;
use super::{limits, wire};

/// The account in the resources' names.
const ACCOUNT: &str = "000000000000";

/// All queues, and the host and port of their URLs.
#[derive(Debug)]
pub(crate) struct Queues {
    authority: String,
    journal: Journal,
    /// Messages of an earlier process whose queues are not created yet.
    stored: Vec<Stored>,
    by_name: BTreeMap<String, Queue>,
}

/// The result of a receive that includes the dead-letter queue.
pub(crate) struct Handout {
    pub(crate) messages: Vec<Message>,
    /// Whether the receive moved messages to a dead-letter queue.
    pub(crate) moved_dead_letters: bool,
}

impl Queues {
    /// Creates a set without queues. When a queue is created, its messages among `stored` are added to it.
    pub(crate) fn new(authority: &str, journal: Journal, stored: Vec<Stored>) -> Self {
        Self { authority: authority.to_owned(), journal, stored, by_name: BTreeMap::new() }
    }

    /// The queue with this URL. Only the path is compared, because the host has another name in a container.
    pub(crate) fn at(&mut self, url: &str) -> Result<&mut Queue, SqsError> {
        self.by_name.get_mut(name_of(url)).ok_or_else(missing)
    }

    /// Receives visible messages from a queue. Messages that were received too often are moved to its dead-letter
    /// queue. If that queue does not exist, they are received like other messages.
    pub(crate) fn receive(
        &mut self,
        url: &str,
        most: usize,
        visibility: Duration,
        now: SystemTime,
    ) -> Result<Handout, SqsError> {
        let source = self.at(url)?;
        let target = source.settings.redrive.as_ref().map(|it| name_of(&it.dead_letter_arn).to_owned());
        let target = target.filter(|name| name != name_of(url) && self.by_name.contains_key(name));
        let batch = self.at(url)?.receive(most, visibility, target.is_some(), now);
        let moved_dead_letters = !batch.dead_letters.is_empty();
        if let Some(target) = target.and_then(|name| self.by_name.get_mut(&name)) {
            for message in batch.dead_letters {
                target.accept_dead(message, &arn(name_of(url)));
            }
        }
        Ok(Handout { messages: batch.received, moved_dead_letters })
    }

    /// Creates a queue. Returns an error if it exists with different attributes.
    pub(crate) fn create(&mut self, request: &wire::CreateQueue, now: SystemTime) -> Result<wire::QueueUrl, SqsError> {
        let name = &request.queue_name;
        if name.ends_with(".fifo") || request.attributes.contains_key("FifoQueue") {
            return Err(SqsError::new("UnsupportedOperation", "The embedded SQS has standard queues only."));
        }
        if !limits::is_name(name) {
            let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            return Err(SqsError::invalid_parameter(message));
        }
        match self.by_name.get(name) {
            None => {
                let settings = self.settings(&Settings::default(), &request.attributes)?;
                let mut queue = Queue::new(name, self.journal.clone(), settings, now);
                for stored in self.stored.extract_if(.., |stored| *stored.queue == **name) {
                    queue.restore(stored, now);
                }
                self.by_name.insert(name.clone(), queue);
            }
            Some(queue) if queue.settings.with(&request.attributes)? != queue.settings => {
                let message = format!(
                    "A queue already exists with the same name and a different value for its attributes: {name}"
                );
                return Err(SqsError::new("QueueNameExists", message));
            }
            Some(_) => {}
        }
        Ok(wire::QueueUrl { queue_url: self.url(name) })
    }

    /// Removes a queue and its messages.
    pub(crate) fn delete(&mut self, request: &wire::OneQueue) -> Result<wire::Nothing, SqsError> {
        self.by_name.remove(name_of(&request.queue_url)).ok_or_else(missing)?.forget();
        Ok(wire::Nothing {})
    }

    /// The URL of the queue with this name.
    pub(crate) fn find(&self, request: &wire::GetQueueUrl) -> Result<wire::QueueUrl, SqsError> {
        let (name, _) = self.by_name.get_key_value(&request.queue_name).ok_or_else(missing)?;
        Ok(wire::QueueUrl { queue_url: self.url(name) })
    }

    /// The URLs of all queues with a prefix, in one page.
    pub(crate) fn list(&self, request: &wire::ListQueues) -> wire::QueueUrls {
        let names = self.by_name.keys().filter(|name| name.starts_with(&request.queue_name_prefix));
        wire::QueueUrls { queue_urls: names.map(|name| self.url(name)).collect() }
    }

    /// The URLs of the queues that have this one as their dead-letter queue.
    pub(crate) fn sources(&mut self, request: &wire::OneQueue) -> Result<wire::SourceQueueUrls, SqsError> {
        self.at(&request.queue_url)?;
        let dead_letter_arn = arn(name_of(&request.queue_url));
        let is_source = |queue: &Queue| {
            queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_arn == dead_letter_arn)
        };
        let sources = self.by_name.iter().filter(|(_, queue)| is_source(queue));
        Ok(wire::SourceQueueUrls { queue_urls: sources.map(|(name, _)| self.url(name)).collect() })
    }

    /// The requested attributes, including the message counts.
    pub(crate) fn attributes(
        &mut self,
        request: &wire::GetQueueAttributes,
        now: SystemTime,
    ) -> Result<wire::QueueAttributes, SqsError> {
        let queue = self.at(&request.queue_url)?;
        let counts = queue.counts(now);
        let mut attributes = queue.settings.attributes();
        let others = [
            ("QueueArn", arn(name_of(&request.queue_url))),
            ("CreatedTimestamp", unix_seconds(queue.created_at)),
            ("LastModifiedTimestamp", unix_seconds(queue.modified_at)),
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ];
        attributes.extend(others.map(|(name, value)| (name.to_owned(), value)));
        let wanted = &request.attribute_names;
        attributes.retain(|name, _| wanted.iter().any(|it| it == "All" || it == name));
        Ok(wire::QueueAttributes { attributes })
    }

    /// Sets attributes.
    pub(crate) fn set_attributes(
        &mut self,
        request: &wire::SetQueueAttributes,
        now: SystemTime,
    ) -> Result<wire::Nothing, SqsError> {
        let current = self.at(&request.queue_url)?.settings.clone();
        let settings = self.settings(&current, &request.attributes)?;
        let queue = self.at(&request.queue_url)?;
        queue.settings = settings;
        queue.modified_at = now;
        Ok(wire::Nothing {})
    }

    fn settings(&self, current: &Settings, attributes: &BTreeMap<String, String>) -> Result<Settings, SqsError> {
        let settings = current.with(attributes)?;
        let target = settings.redrive.as_ref().map(|redrive| name_of(&redrive.dead_letter_arn));
        if target.is_some_and(|name| !self.by_name.contains_key(name)) {
            let message = "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.";
            return Err(SqsError::invalid_parameter(message));
        }
        Ok(settings)
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{ACCOUNT}/{name}", self.authority)
    }
}

/// Milliseconds since 1970, the format of times in message attributes.
pub(crate) fn unix_millis(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

fn unix_seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

/// The ARN of the queue with this URL.
pub(crate) fn arn_of(url: &str) -> String {
    arn(name_of(url))
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", super::super::REGION)
}

/// The last part of a URL or an ARN.
fn name_of(url_or_arn: &str) -> &str {
    url_or_arn.rsplit(['/', ':']).next().unwrap_or_default()
}

fn missing() -> SqsError {
    SqsError::new("QueueDoesNotExist", "The specified queue does not exist.")
}
