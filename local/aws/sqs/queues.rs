//! All queues of the engine by name, and the operations on queues as such.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::SqsError;
use super::journal::Journal;
use super::limits;
use super::message::Message;
use super::queue::Queue;
use super::settings::Settings;
use super::stored::Stored;
use super::wire;

/// The account that resources pretend to be in.
const ACCOUNT: &str = "000000000000";

/// The queues, and the authority that their URLs name.
#[derive(Debug)]
pub(crate) struct Queues {
    authority: String,
    journal: Journal,
    /// Messages of an earlier process whose queues are not made again yet.
    stored: Vec<Stored>,
    by_name: BTreeMap<String, Queue>,
}

/// What a receive gives, over all queues.
pub(crate) struct Handout {
    pub(crate) messages: Vec<Message>,
    /// Whether messages arrived in a dead-letter queue by it.
    pub(crate) moved_dead_letters: bool,
}

impl Queues {
    /// No queues yet. A queue that is made gets those of the `stored` messages that are its own.
    pub(crate) fn new(authority: &str, journal: Journal, stored: Vec<Stored>) -> Self {
        Self { authority: authority.to_owned(), journal, stored, by_name: BTreeMap::new() }
    }

    /// The queue that a URL names. Only the path is read: in a container the host has another name.
    pub(crate) fn at(&mut self, url: &str) -> Result<&mut Queue, SqsError> {
        self.by_name.get_mut(name_of(url)).ok_or_else(missing)
    }

    /// Takes visible messages from a queue. Those received too often are moved to its dead-letter queue; without one
    /// they are received like any other.
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
        let taken = self.at(url)?.receive(most, visibility, target.is_some(), now);
        let moved_dead_letters = !taken.dead.is_empty();
        if let Some(target) = target.and_then(|name| self.by_name.get_mut(&name)) {
            for message in taken.dead {
                target.accept_dead(message, &arn(name_of(url)));
            }
        }
        Ok(Handout { messages: taken.received, moved_dead_letters })
    }

    /// Makes a queue; the same queue again is no error unless its attributes differ.
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

    /// Forgets a queue and its messages.
    pub(crate) fn delete(&mut self, request: &wire::OneQueue) -> Result<wire::Nothing, SqsError> {
        self.by_name.remove(name_of(&request.queue_url)).ok_or_else(missing)?.forget();
        Ok(wire::Nothing {})
    }

    /// The URL of a queue by its name.
    pub(crate) fn find(&self, request: &wire::GetQueueUrl) -> Result<wire::QueueUrl, SqsError> {
        let (name, _) = self.by_name.get_key_value(&request.queue_name).ok_or_else(missing)?;
        Ok(wire::QueueUrl { queue_url: self.url(name) })
    }

    /// The URLs of all queues with a prefix, in one page.
    pub(crate) fn list(&self, request: &wire::ListQueues) -> wire::QueueUrls {
        let names = self.by_name.keys().filter(|name| name.starts_with(&request.queue_name_prefix));
        wire::QueueUrls { queue_urls: names.map(|name| self.url(name)).collect() }
    }

    /// The URLs of the queues whose dead letters come to this one.
    pub(crate) fn sources(&mut self, request: &wire::OneQueue) -> Result<wire::SourceQueueUrls, SqsError> {
        self.at(&request.queue_url)?;
        let dead_letter_arn = arn(name_of(&request.queue_url));
        let is_source = |queue: &Queue| {
            queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_arn == dead_letter_arn)
        };
        let sources = self.by_name.iter().filter(|(_, queue)| is_source(queue));
        Ok(wire::SourceQueueUrls { queue_urls: sources.map(|(name, _)| self.url(name)).collect() })
    }

    /// The attributes asked for, counts included.
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

    /// Changes some attributes.
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

/// Milliseconds since 1970, as messages' attributes give times.
pub(crate) fn unix_millis(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

fn unix_seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

/// The ARN of the queue that a URL names.
pub(crate) fn arn_of(url: &str) -> String {
    arn(name_of(url))
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", super::super::REGION)
}

/// The last part of a URL or an ARN.
fn name_of(place: &str) -> &str {
    place.rsplit(['/', ':']).next().unwrap_or_default()
}

fn missing() -> SqsError {
    SqsError::new("QueueDoesNotExist", "The specified queue does not exist.")
}
