//! A received message, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsMessage;
use tracing::warn;

use crate::domain::text::IdempotencyKey;
use crate::edge::ApiError;
use crate::edge::api_error::Repeat;
use crate::edge::publishing::Refused;
use crate::edge::sqs::receives;
use crate::service::{DeadLetter, DelayedCopy, Hide, RECEIVES};
use crate::wire::error::Problem;
use crate::wire::organizations::{Entries, IngestRequest};

/// The attribute of a message with its message group.
const GROUP: &str = "MessageGroupId";

/// A received message.
pub(super) struct Message {
    pub(super) id: String,
    receipt_handle: String,
    /// How often it and those that it is a copy of were received, this time included.
    pub(super) receives: u32,
    group: Option<String>,
    pub(super) body: Arc<str>,
}

/// What becomes of a message.
pub(super) enum Outcome {
    /// All of its events are published.
    Done,
    /// Some of its events can never be published. The others are.
    Refused(DeadLetter),
    /// It is received again, after a pause if the error states one.
    Repeated(Repeat),
    /// It was not begun, and is visible again at once.
    Postponed,
}

impl Message {
    /// Hides the message for this time.
    pub(super) fn hide(&self, pause: Duration) -> Hide {
        Hide { receipt_handle: self.receipt_handle.clone(), seconds: whole_seconds(pause) }
    }

    /// A copy that can be received after this time. It has the idempotency key of the message. `None` if there is none.
    pub(super) fn copy(&self, pause: Duration) -> Option<DelayedCopy> {
        let body = IngestRequest::keyed(&self.body, &key_of(&self.id).ok()?).ok()?;
        let (group, receives) = (self.group.clone(), self.receives);
        Some(DelayedCopy { body, group, receives, delay_seconds: whole_seconds(pause) })
    }

    /// The outcome of a message whose request failed as a whole.
    pub(super) fn failed(&self, error: &ApiError) -> Outcome {
        let (message_id, code) = (&self.id, error.code().as_str());
        match error.repeat() {
            Repeat::Never => Outcome::Refused(self.refused(error.clone(), self.body.to_string())),
            repeat => {
                warn!(%message_id, code, cause = error.cause(), "a message is not published yet");
                Outcome::Repeated(repeat)
            }
        }
    }

    /// The outcome of a message whose request was published, except for the refused events.
    pub(super) fn published(&self, request: &IngestRequest, mut refused: Vec<Refused>) -> Outcome {
        refused.sort_by_key(|(index, _)| *index);
        let Some((index, first)) = refused.first() else { return Outcome::Done };
        let entries = request.entries.all();
        let (error, body) = match &request.entries {
            Entries::One(_) => (first.clone(), self.body.to_string()),
            Entries::Batch(_) => (
                first.at(*index),
                match refused.len() {
                    all if all == entries.len() => self.body.to_string(),
                    _ => request.with_events(
                        refused.iter().filter_map(|(at, _)| entries.get(*at as usize)).map(String::as_str),
                    ),
                },
            ),
        };
        Outcome::Refused(self.refused(error, body))
    }

    fn refused(&self, error: ApiError, body: String) -> DeadLetter {
        let (message_id, reason) = (self.id.clone(), error.code().as_str());
        warn!(%message_id, reason, "a message was refused");
        DeadLetter { body, message_id, reason, detail: error.message().to_owned() }
    }
}

impl From<SqsMessage> for Message {
    fn from(mut record: SqsMessage) -> Self {
        let before = record.message_attributes.get(RECEIVES).and_then(|it| it.string_value.as_deref()?.parse().ok());
        Self {
            receives: receives(&record.attributes).saturating_add(before.unwrap_or_default()),
            group: record.attributes.remove(GROUP),
            id: record.message_id.unwrap_or_default(),
            receipt_handle: record.receipt_handle.unwrap_or_default(),
            body: record.body.unwrap_or_default().into(),
        }
    }
}

/// A time in seconds, rounded up.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The idempotency key of a message that gives none.
pub(super) fn key_of(message_id: &str) -> Result<IdempotencyKey, ApiError> {
    let key = IdempotencyKey::parse(&format!("sqs:{message_id}"));
    key.map_err(|invalid| ApiError::invalid(vec![Problem::new("messageId", invalid)]))
}
