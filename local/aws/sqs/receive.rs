//! Receiving messages, with long polling.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::answer::Answer;
use super::error::SqsError;
use super::limits::{MAX_VISIBILITY_SECONDS, within};
use super::message::{Message, md5_of_attributes, md5_of_body};
use super::queue::seconds;
use super::queues::unix_millis;
use super::{Sqs, answer, parse, wire};

/// The interval at which a long poll checks the clock while messages are hidden. The clock can jump: a test moves it,
/// or a laptop sleeps.
const CLOCK_TRUST: Duration = Duration::from_millis(20);

/// The result of one check of a queue.
enum Look {
    Messages(Vec<Message>),
    /// No message is visible. The next one becomes visible after this duration, if one is hidden.
    NoneFor(Option<Duration>),
}

impl Sqs {
    /// Responds as soon as a message is visible, and at the latest after the wait. The wait is real time and
    /// independent of the clock.
    pub(super) async fn receive_message(&self, body: &[u8]) -> Result<Answer, SqsError> {
        let request: wire::ReceiveMessage = parse(body)?;
        let wait = match request.wait_time_seconds {
            Some(wait) => within("WaitTimeSeconds", wait, 0..=20)?,
            None => self.queues().at(&request.queue_url)?.settings.receive_wait,
        };
        let most = within("MaxNumberOfMessages", request.max_number_of_messages.unwrap_or(1), 1..=10)?;
        let give_up_at = Instant::now() + seconds(wait);
        loop {
            let mut arrival = pin!(self.arrivals.notified());
            arrival.as_mut().enable();
            let next = match self.look(&request, most.unsigned_abs() as usize, wait > 0)? {
                Look::Messages(messages) => {
                    let messages = messages.into_iter().map(|message| present(message, &request)).collect();
                    return answer(&wire::Received { messages });
                }
                Look::NoneFor(_) if Instant::now() >= give_up_at => {
                    return answer(&wire::Received { messages: Vec::new() });
                }
                Look::NoneFor(next) => next.map(|next| Instant::now() + next.min(CLOCK_TRUST)),
            };
            let look_again_at = next.map_or(give_up_at, |next| next.min(give_up_at));
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep_until(look_again_at) => {}
            }
        }
    }

    fn look(&self, request: &wire::ReceiveMessage, most: usize, is_long_poll: bool) -> Result<Look, SqsError> {
        let now = self.now();
        let mut queues = self.queues();
        let queue = queues.at(&request.queue_url)?;
        let visibility = request.visibility_timeout.unwrap_or(queue.settings.visibility_timeout);
        let visibility = seconds(within("VisibilityTimeout", visibility, 0..=MAX_VISIBILITY_SECONDS)?);
        let handout = queues.receive(&request.queue_url, most, visibility, now)?;
        if handout.moved_dead_letters {
            self.arrivals.notify_waiters();
        }
        if !handout.messages.is_empty() {
            return Ok(Look::Messages(handout.messages));
        }
        let queue = queues.at(&request.queue_url)?;
        // At the limit of messages in flight, a long poll returns no messages and no error, as on AWS.
        if queue.is_at_flight_limit() && !is_long_poll {
            return Err(SqsError::new("OverLimit", "Too many messages in flight."));
        }
        let until_then = |at: SystemTime| at.duration_since(now).unwrap_or_default();
        Ok(Look::NoneFor(queue.next_visible_at().map(until_then)))
    }
}

/// The message in the receiver's format, with the requested attributes.
fn present(message: Message, request: &wire::ReceiveMessage) -> wire::ReceivedMessage {
    let system_names = || request.attribute_names.iter().chain(&request.message_system_attribute_names);
    let mut attributes = system_attributes(&message);
    attributes.retain(|name, _| system_names().any(|wanted| wanted == "All" || wanted == name));
    let receipt_handle = message.receipt().handle();
    let mut own = message.attributes;
    own.retain(|name, _| request.message_attribute_names.iter().any(|wanted| matches(wanted, name)));
    wire::ReceivedMessage {
        message_id: message.id.to_string(),
        receipt_handle,
        md5_of_body: md5_of_body(&message.body),
        body: message.body,
        attributes,
        md5_of_attributes: md5_of_attributes(&own),
        message_attributes: own,
    }
}

fn system_attributes(message: &Message) -> BTreeMap<&'static str, String> {
    let mut attributes = BTreeMap::from([
        ("SenderId", "AIDALOCAL".to_owned()),
        ("SentTimestamp", unix_millis(message.sent_at)),
        ("ApproximateReceiveCount", message.receive_count.to_string()),
    ]);
    let optional = [
        ("ApproximateFirstReceiveTimestamp", message.first_received_at.map(unix_millis)),
        ("MessageGroupId", message.group_id.clone()),
        ("DeadLetterQueueSourceArn", message.dead_letter_source.clone()),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    attributes
}

/// Whether a requested name (`All`, `prefix.*` or a name) matches this attribute.
fn matches(wanted: &str, name: &str) -> bool {
    wanted == "All" || wanted == name || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}
