//! The ingest queue, whose messages are publish requests, and its dead-letter queue.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;

use super::{Hide, QueueError, hide};
use crate::domain::deployment::IngestQueues;

/// Most characters of the text that explains a dead letter.
const MAX_DETAIL_CHARS: usize = 1_000;

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

    /// Sends a request to the dead-letter queue, with the reason as attributes. A letter has a call of its own, since a batch
    /// may be too large.
    ///
    /// # Errors
    /// [`QueueError`] if the letter may not have been sent.
    pub(crate) async fn send_dead_letter(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let DeadLetter { body, message_id, reason, detail } = letter;
        let mut send = self.client.send_message().queue_url(&self.urls.dead_letter).message_body(body);
        let detail = sendable(detail);
        for (name, value) in [("reason", *reason), ("detail", &*detail), ("message_id", message_id)] {
            if !value.is_empty() {
                let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
                send = send.message_attributes(name, attribute.map_err(QueueError::refused)?);
            }
        }
        send.send().await?;
        Ok(())
    }
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
