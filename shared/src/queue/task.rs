//! The content of messages. Every format that was ever sent stays readable.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::Invalid;
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::{ContentType, Payload};
use crate::domain::event::trace_context::TraceContext;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};

/// The largest body in bytes that a message contains, in the form that it has in the message. A larger body is read from the event.
const MAX_INLINE_BODY_BYTES: usize = 48 * 1024;

/// Most bytes of a message without its body: ids, the event's type, its channels and the trace context.
const MAX_OTHER_BYTES: usize = 3 * 1024;

/// A task to attempt a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverTask {
    /// The organization that the delivery belongs to.
    pub organization: OrganizationId,
    /// The endpoint that the delivery goes to.
    pub endpoint: EndpointId,
    /// The delivery's id. It contains the event's id.
    pub delivery: DeliveryId,
    /// The version of the endpoint that the sender read; 0 if it read none. A consumer must not use an older
    /// version.
    pub endpoint_version: u64,
    /// The event's type.
    pub event_type: EventType,
    /// The event's channels.
    pub channels: Channels,
    /// The ticket, by which the message owns the delivery; `None` for the message of a publish request.
    pub ticket: Option<Ticket>,
    /// What causes the attempt. In a task, [`Trigger::Manual`] is not distinguished from [`Trigger::Schedule`]: the delivery's
    /// record says it.
    pub trigger: Trigger,
    /// Whether an earlier message for the delivery was or may have been received without a recorded attempt.
    pub suspect: bool,
    /// What the request carries; `None` if it must be read from the event.
    pub payload: Option<Arc<Payload>>,
}

impl DeliverTask {
    /// The payload, if a message can contain it: its body must be small, and must not contain the two characters that
    /// JSON allows and SQS rejects.
    pub fn inline(payload: &Payload) -> Option<Arc<Payload>> {
        let Payload { body, content_type, .. } = payload;
        // The message has a text as a JSON string, in which a control character takes six bytes.
        let in_string = |body: &str| serde_json::to_string(body).map_or(usize::MAX, |string| string.len());
        let fits = body.len() <= MAX_INLINE_BODY_BYTES
            && (content_type.is_none() || in_string(body) <= MAX_INLINE_BODY_BYTES)
            && !body.contains(['\u{fffe}', '\u{ffff}']);
        fits.then(|| Arc::new(payload.clone()))
    }

    /// Most bytes of the message that contains the task.
    pub(super) fn max_message_bytes(&self) -> usize {
        let payload = self.payload.as_deref().map_or(0, |Payload { body, content_type, .. }| match content_type {
            None => body.len(),
            Some(_) => MAX_INLINE_BODY_BYTES,
        });
        MAX_OTHER_BYTES + payload
    }
}

/// The decoded body of a message. It borrows strings from the message where possible.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task<'a> {
    /// Attempt a delivery.
    #[serde(rename = "deliver_v1", borrow)]
    DeliverV1(DeliverV1<'a>),
    /// Attempt a delivery once, whatever its state is. Of the fields of a delivery's task it has those that name the delivery
    /// and its endpoint, `ticket`, which identifies the copies of the message, and `suspect`.
    #[serde(rename = "resend_v1", borrow)]
    ResendV1(DeliverV1<'a>),
}

/// [`DeliverTask`] in the format of messages.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliverV1<'a> {
    #[serde(borrow)]
    organization: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    delivery: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    endpoint_version: u64,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<Cow<'a, str>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    ticket: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    probe: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspect: bool,
    /// The body is JSON itself, so it is embedded as it is instead of as an escaped string.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    /// A body that is not JSON. It has a content type.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    content_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    svix_headers: bool,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    tracestate: Option<Cow<'a, str>>,
}

impl DeliverV1<'_> {
    /// What the message contains of the event.
    fn payload(&self) -> Result<Option<Payload>, Invalid> {
        let content_type = self.content_type.as_deref().map(ContentType::parse).transpose()?;
        let body = match (&content_type, self.body, &self.text) {
            (None, Some(body), None) => body.get(),
            (Some(_), None, Some(text)) => text,
            (None, None, None) => return Ok(None),
            _ => return Err(Invalid::new("has not one body with its content type")),
        };
        let trace = self.traceparent.as_deref();
        let trace = trace.and_then(|parent| TraceContext::parse(parent, self.tracestate.as_deref()));
        Ok(Some(Payload { body: body.to_owned(), content_type, trace, svix_headers: self.svix_headers }))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The body of a message is not a task.
#[derive(Debug, thiserror::Error)]
#[error("not a task: {0}")]
pub struct UnreadableTask(String);

impl Task<'_> {
    /// Encodes the message's body.
    ///
    /// # Errors
    /// None in practice: tasks are plain data.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Decodes a message's body.
    ///
    /// # Errors
    /// [`UnreadableTask`] if the body has none of the known formats.
    pub fn decode(body: &str) -> Result<DeliverTask, UnreadableTask> {
        let unreadable = |reason: &dyn std::fmt::Display| UnreadableTask(reason.to_string());
        let (task, is_resend) = match serde_json::from_str(body).map_err(|e| unreadable(&e))? {
            Task::DeliverV1(task) => (task, false),
            Task::ResendV1(task) => (task, true),
        };
        let trigger = match (is_resend, task.probe, task.test) {
            (true, ..) => Trigger::Resend,
            (false, true, _) => Trigger::HalfOpen,
            (false, false, true) => Trigger::Test,
            (false, false, false) => Trigger::Schedule,
        };
        let payload = task.payload().map_err(|e| unreadable(&e))?;
        Ok(DeliverTask {
            organization: OrganizationId::parse(&task.organization).map_err(|e| unreadable(&e))?,
            endpoint: EndpointId::parse(&task.endpoint).map_err(|e| unreadable(&e))?,
            delivery: DeliveryId::parse(&task.delivery).map_err(|e| unreadable(&e))?,
            endpoint_version: task.endpoint_version,
            event_type: EventType::parse(&task.event_type).map_err(|e| unreadable(&e))?,
            channels: Channels::stored(task.channels.into_iter().map(Cow::into_owned).collect()),
            ticket: task.ticket.map(|it| Ticket::parse(&it)).transpose().map_err(|e| unreadable(&e))?,
            trigger,
            suspect: task.suspect,
            payload: payload.map(Arc::new),
        })
    }
}

impl<'a> From<&'a DeliverTask> for Task<'a> {
    fn from(task: &'a DeliverTask) -> Self {
        match task.trigger {
            Trigger::Resend => Self::ResendV1(task.into()),
            Trigger::Schedule | Trigger::Manual | Trigger::HalfOpen | Trigger::Test => Self::DeliverV1(task.into()),
        }
    }
}

impl<'a> From<&'a DeliverTask> for DeliverV1<'a> {
    fn from(task: &'a DeliverTask) -> Self {
        let (json, text) = match task.payload.as_deref() {
            Some(Payload { body, content_type: None, .. }) => (Some(body.as_str()), None),
            Some(Payload { body, .. }) => (None, Some(body.as_str())),
            None => (None, None),
        };
        // A body that is not JSON cannot occur. It would be read from the event.
        let body = json.and_then(|body| serde_json::from_str(body).ok());
        let sent = task.payload.as_ref().filter(|_| body.is_some() || text.is_some());
        let trace = sent.and_then(|payload| payload.trace.as_ref());
        Self {
            organization: task.organization.as_str().into(),
            endpoint: task.endpoint.to_string().into(),
            delivery: task.delivery.to_string().into(),
            endpoint_version: task.endpoint_version,
            event_type: task.event_type.as_str().into(),
            channels: task.channels.names().iter().map(Cow::from).collect(),
            ticket: task.ticket.map(|ticket| ticket.to_string().into()),
            probe: task.trigger == Trigger::HalfOpen,
            test: task.trigger == Trigger::Test,
            suspect: task.suspect,
            body,
            text: text.map(Cow::from),
            content_type: sent.and_then(|payload| Some(payload.content_type.as_ref()?.as_str().into())),
            svix_headers: sent.is_some_and(|payload| payload.svix_headers),
            traceparent: trace.map(|trace| trace.parent().into()),
            tracestate: trace.and_then(TraceContext::state).map(Cow::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EventId;
    use crate::domain::time::Timestamp;

    fn task(body: Option<&str>) -> DeliverTask {
        let now = Timestamp::from_unix_seconds(1_774_382_400);
        DeliverTask {
            organization: OrganizationId::new(now, [1; 8]),
            endpoint: EndpointId::new(now, [2; 8]),
            delivery: EventId::new(now, [3; 8]).delivery(0).unwrap(),
            endpoint_version: if body.is_some() { 12 } else { 0 },
            event_type: EventType::parse("member.added").unwrap(),
            channels: Channels::stored(if body.is_some() { vec!["a".to_owned(), "b".to_owned()] } else { Vec::new() }),
            ticket: body.is_none().then_some(Ticket::new([4; 8])),
            trigger: if body.is_some() { Trigger::Schedule } else { Trigger::HalfOpen },
            suspect: body.is_none(),
            payload: body.map(|body| Arc::new(Payload::json(body.to_owned()))),
        }
    }

    fn traced(body: &str, content_type: Option<&str>, state: Option<&str>) -> DeliverTask {
        let content_type = content_type.map(|text| ContentType::parse(text).unwrap());
        let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state);
        DeliverTask {
            payload: Some(Arc::new(Payload { content_type, trace, ..Payload::json(body.to_owned()) })),
            ..task(None)
        }
    }

    #[test]
    fn a_task_is_read_back_with_its_body_byte_for_byte() {
        for body in [None, Some(r#"{"a": 1.10,  "b":"\u00e9 é \" "}"#)] {
            let encoded = Task::from(&task(body)).encode().unwrap();
            assert!(encoded.starts_with(r#"{"deliver_v1":{"#), "{encoded}");
            assert_eq!(encoded.contains("suspect"), task(body).suspect, "a flag that is not set is absent: {encoded}");
            assert_eq!(encoded.contains("channels"), body.is_some(), "{encoded}");
            assert_eq!(encoded.contains("endpoint_version"), task(body).endpoint_version > 0, "{encoded}");
            assert_eq!(Task::decode(&encoded).unwrap(), task(body));
        }
    }

    #[test]
    fn each_trigger_is_read_back() {
        for trigger in [Trigger::Schedule, Trigger::Resend, Trigger::HalfOpen, Trigger::Test] {
            let task = DeliverTask { trigger, ..task(None) };
            let encoded = Task::from(&task).encode().unwrap();
            assert_eq!(encoded.starts_with(r#"{"resend_v1":{"#), trigger == Trigger::Resend, "{encoded}");
            assert_eq!(Task::decode(&encoded).unwrap(), task);
        }
    }

    #[test]
    fn a_text_and_a_trace_context_are_read_back() {
        for task in [
            traced("{}", None, None),
            traced("{}", None, Some("a=1")),
            traced(" 12 ", Some("text/plain"), Some("a=1")),
            traced("\u{0}\"\\\r\n é", Some("text/xml; charset=utf-8"), None),
            traced("", Some("text/plain"), None),
        ] {
            let encoded = Task::from(&task).encode().unwrap();
            assert_eq!(Task::decode(&encoded).unwrap(), task, "{encoded}");
        }
    }

    #[test]
    fn a_body_that_is_not_a_task_is_rejected() {
        let good = Task::from(&task(None)).encode().unwrap();
        let (unknown, other_id) = (good.replace("deliver_v1", "deliver_v9"), good.replace("we_", "ep_"));
        let other_ticket = good.replace("0404", "ticket");
        for body in ["", "{}", "null", "hello", &good[1..], &unknown, &other_id, &other_ticket] {
            assert!(Task::decode(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_message_contains_a_body_that_is_small_and_whose_characters_sqs_accepts() {
        let long = "x".repeat(MAX_INLINE_BODY_BYTES + 1);
        for (body, inline) in
            [("{}", true), (&long[1..], true), (&long, false), ("\u{ffff}", false), ("\u{fffd}", true)]
        {
            assert_eq!(DeliverTask::inline(&Payload::json(body.to_owned())).is_some(), inline);
        }
        let control = "\u{1}".repeat(MAX_INLINE_BODY_BYTES / 6);
        for (body, inline) in [(&long[3..], true), (&long[2..], false), (&control, false), (&control[1..], true)] {
            let payload = traced(body, Some("text/plain"), None).payload.unwrap();
            assert_eq!(DeliverTask::inline(&payload).is_some(), inline);
        }
    }
}
