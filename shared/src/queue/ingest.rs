//! The ingest queue, whose messages are publish requests, and its dead-letter queue.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;

use super::{Hide, QueueError, hide};
use crate::domain::deployment::IngestQueues;

/// Most characters of the text that explains a dead letter.
const MAX_DETAIL_CHARS: usize = 1_000;
/// The attribute of a copy: how often the messages that it is a copy of were received.
pub(crate) const RECEIVES: &str = "receives";

/// A publish request that can never be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The request, as a message of the ingest queue.
    pub body: String,
    /// The id of the message that contained the request.
    pub message_id: String,
    /// The code of the error.
    pub reason: &'static str,
    /// The explanation of the error, for people.
    pub detail: String,
}

/// A copy that replaces a message of the ingest queue, and can be received after a delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayedCopy {
    /// The request, with an idempotency key.
    pub body: String,
    /// The message group of the message; `None` if it has none.
    pub group: Option<String>,
    /// How often the message was received, those that it is a copy of included.
    pub receives: u32,
    /// The delay in seconds; at most 900.
    pub delay_seconds: u32,
}

/// The ingest queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct IngestQueue {
    client: Client,
    urls: IngestQueues,
}

impl IngestQueue {
    /// Access to the queues with these URLs.
    pub(crate) fn new(sdk: &SdkConfig, urls: IngestQueues) -> Self {
        Self { client: Client::new(sdk), urls }
    }

    /// Sets the visibility timeouts of received messages.
    ///
    /// # Errors
    /// [`QueueError`] if some messages were not hidden. They become visible after the queue's visibility timeout.
    pub(crate) async fn hide(&self, messages: &[Hide]) -> Result<(), QueueError> {
        hide(&self.client, &self.urls.queue, messages).await
    }

    /// Sends a copy of a message to the queue.
    ///
    /// # Errors
    /// [`QueueError`] if the copy may not have been sent.
    pub(crate) async fn send_copy(&self, copy: &DelayedCopy) -> Result<(), QueueError> {
        let DelayedCopy { body, group, receives, delay_seconds } = copy;
        let send = self.client.send_message().queue_url(&self.urls.queue).message_body(body);
        let send = send.set_message_group_id(group.clone()).message_attributes(RECEIVES, text(&receives.to_string())?);
        send.delay_seconds(i32::try_from(*delay_seconds).unwrap_or(i32::MAX)).send().await?;
        Ok(())
    }

    /// Sends a request to the dead-letter queue, with the reason as attributes. A letter has a call of its own, since a batch
    /// may be too large. SQS counts the attributes towards the size of a message, so a letter that it refuses is sent again
    /// with fewer of them: first without the detail, in the end without any.
    ///
    /// # Errors
    /// [`QueueError`] if the letter may not have been sent.
    pub(crate) async fn send_dead_letter(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let DeadLetter { body, message_id, reason, detail } = letter;
        let detail = sendable(detail);
        let mut attributes = vec![("reason", *reason), ("message_id", message_id), ("detail", &detail)];
        attributes.retain(|(_, value)| !value.is_empty());
        loop {
            let texts = attributes.iter().map(|(name, value)| Ok(((*name).to_owned(), text(value)?)));
            let texts = texts.collect::<Result<HashMap<_, _>, QueueError>>()?;
            let send = self.client.send_message().queue_url(&self.urls.dead_letter).message_body(body);
            match send.set_message_attributes(Some(texts)).send().await.map_err(QueueError::from) {
                Err(QueueError::Refused(_)) if attributes.pop().is_some() => {}
                sent => return sent.map(drop),
            }
        }
    }
}

/// An attribute with this text.
fn text(value: &str) -> Result<MessageAttributeValue, QueueError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(QueueError::refused)
}

/// The beginning of a text, with characters that SQS rejects replaced.
fn sendable(text: &str) -> String {
    let is_rejected =
        |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().take(MAX_DETAIL_CHARS).map(|c| if is_rejected(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_bounded_and_has_no_character_that_sqs_rejects() {
        assert_eq!(sendable("data\u{0} is \u{ffff}required\n"), "data\u{fffd} is \u{fffd}required\n");
        assert_eq!(sendable(&"é".repeat(2_000)).chars().count(), MAX_DETAIL_CHARS);
    }
}
