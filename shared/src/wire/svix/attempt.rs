//! Attempts, and the status of messages at endpoints.

use serde::Serialize;
use utoipa::ToSchema;

use super::endpoint::EndpointOut;
use super::ids::{print_attempt, print_endpoint, print_message};
use super::message::MessageOut;
use super::query::Parameters;
use crate::domain::Invalid;
use crate::domain::delivery::recorded::{AttemptFilter, RecordedAttempt, ResponseStatusFilter};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::event::channel;
use crate::domain::event::event_type::EventType;
use crate::domain::event::selection::EventFilter;
use crate::domain::time::Timestamp;
use crate::wire::openapi::{Millisecond, StoredUrl};
use crate::wire::redacted::Redacted;

/// The status of a message at an endpoint, or of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The receiver accepted the message.
    Success,
    /// No attempt was made.
    Pending,
    /// All attempts failed.
    Fail,
    /// An attempt failed, and another one will be made.
    Sending,
    /// The message is not delivered. Nothing here has this status.
    Canceled,
}

impl Status {
    const ALL: [Self; 5] = [Self::Success, Self::Pending, Self::Fail, Self::Sending, Self::Canceled];

    /// The number of the status.
    pub const fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Pending => 1,
            Self::Fail => 2,
            Self::Sending => 3,
            Self::Canceled => 4,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Pending => "pending",
            Self::Fail => "fail",
            Self::Sending => "sending",
            Self::Canceled => "canceled",
        }
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|status| status.number().to_string() == text || status.text() == text);
        found.ok_or_else(|| Invalid::new("must be 0, 1, 2, 3 or 4"))
    }

    /// The statuses of deliveries that have this one.
    pub const fn statuses(self) -> &'static [DeliveryStatus] {
        match self {
            Self::Success => &[DeliveryStatus::Success],
            Self::Pending => &[DeliveryStatus::Pending],
            Self::Fail => &[DeliveryStatus::Exhausted, DeliveryStatus::Failed],
            Self::Sending => &[DeliveryStatus::Retrying],
            Self::Canceled => &[],
        }
    }

    /// The status of a delivery.
    pub const fn of(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Pending => Self::Pending,
            DeliveryStatus::Retrying => Self::Sending,
            DeliveryStatus::Success => Self::Success,
            DeliveryStatus::Exhausted | DeliveryStatus::Failed => Self::Fail,
        }
    }
}

impl Parameters {
    /// Parses `status`.
    pub fn status(&mut self) -> Option<Status> {
        self.take("status", Status::parse)
    }

    /// Parses `event_types`, `channel`, `before` and `after`.
    pub fn event_filter(&mut self) -> EventFilter {
        let channel = self.channel();
        EventFilter {
            event_types: self.types(),
            since: self.time("after"),
            until: self.time("before"),
            channel,
            external_id: None,
        }
    }

    /// Parses `status`, `status_code_class`, `event_types`, `channel`, `before` and `after`. `None` if no attempt meets the
    /// conditions.
    pub fn attempt_filter(&mut self) -> Option<AttemptFilter> {
        let status = self.status();
        let class = self.take("status_code_class", |text| match text {
            "0" | "100" | "200" | "300" | "400" | "500" => Ok(text.parse::<u16>().unwrap_or_default() / 100),
            _ => Err(Invalid::new("must be 0, 100, 200, 300, 400 or 500")),
        });
        let succeeded = match status {
            None => None,
            Some(Status::Success) => Some(true),
            Some(Status::Fail) => Some(false),
            Some(Status::Pending | Status::Sending | Status::Canceled) => return None,
        };
        Some(AttemptFilter {
            succeeded,
            without_response: class == Some(0),
            response_status: class.filter(|class| *class > 0).map(ResponseStatusFilter::Class),
            event_types: self.types(),
            channel: self.channel(),
            since: self.time("after"),
            until: self.time("before"),
            ..AttemptFilter::default()
        })
    }

    fn channel(&mut self) -> Option<String> {
        self.take("channel", |name| channel::check_name(name).map(|()| name.to_owned()))
    }

    fn types(&mut self) -> Vec<EventType> {
        let mut types = Vec::new();
        for name in self.list("event_types") {
            match EventType::parse(&name) {
                Ok(name) => types.push(name),
                Err(invalid) => self.problem("event_types", invalid),
            }
        }
        types
    }

    /// Whether a filter selects by a tag, which no message has.
    pub fn has_tag(&mut self) -> bool {
        self.take("tag", |_| Ok(())).is_some()
    }
}

/// An attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::MessageAttemptOut)]
pub struct AttemptOut {
    id: String,
    msg_id: String,
    endpoint_id: String,
    /// The endpoint's present URL; empty if the endpoint was deleted.
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    /// The beginning of the response's body, if it is asked for.
    response: String,
    /// 0 without a response.
    response_status_code: u16,
    response_duration_ms: u32,
    status: u8,
    status_text: &'static str,
    /// 0 for attempts of the schedule, 1 for others.
    trigger_type: u8,
    #[schema(value_type = Millisecond)]
    timestamp: String,
    /// The message, if it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<MessageOut>,
}

impl AttemptOut {
    /// An attempt, with the response's body if `has_content`.
    pub fn new(attempt: &RecordedAttempt, endpoint: Option<&Endpoint>, has_content: bool) -> Self {
        let entry = &attempt.entry;
        let status = if entry.error.is_none() { Status::Success } else { Status::Fail };
        let response = attempt.response.as_ref().filter(|_| has_content).map(|response| response.body().to_owned());
        Self {
            id: print_attempt(attempt.id),
            msg_id: print_message(attempt.delivery.event()),
            endpoint_id: print_endpoint(attempt.endpoint),
            url: endpoint.map_or("", |endpoint| endpoint.settings.destination.as_str()).into(),
            response: response.unwrap_or_default(),
            response_status_code: entry.response_status.unwrap_or_default(),
            response_duration_ms: entry.duration_ms,
            status: status.number(),
            status_text: status.text(),
            trigger_type: match entry.trigger {
                Trigger::Schedule | Trigger::HalfOpen => 0,
                Trigger::Manual | Trigger::Resend | Trigger::Test => 1,
            },
            timestamp: entry.started_at.rfc3339(),
            msg: None,
        }
    }

    /// The attempt with its message.
    #[must_use]
    pub fn with_message(self, event: Option<&Event>, has_content: bool) -> Self {
        Self { msg: event.map(|event| MessageOut::new(event, has_content)), ..self }
    }
}

/// A message at an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::EndpointMessageOut)]
pub struct EndpointMessageOut {
    #[serde(flatten)]
    message: MessageOut,
    status: u8,
    status_text: &'static str,
    #[schema(value_type = Option<Millisecond>, required)]
    next_attempt: Option<String>,
}

impl EndpointMessageOut {
    /// A message with the status of its delivery.
    pub fn new(event: &Event, delivery: &Delivery, has_content: bool) -> Self {
        let status = Status::of(delivery.status);
        Self {
            message: MessageOut::new(event, has_content),
            status: status.number(),
            status_text: status.text(),
            next_attempt: delivery.next_attempt_at.map(Timestamp::rfc3339),
        }
    }
}

/// An endpoint that a message goes to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::MessageEndpointOut)]
pub struct MessageEndpointOut {
    #[serde(flatten)]
    endpoint: EndpointOut,
    status: u8,
    status_text: &'static str,
    #[schema(value_type = Option<Millisecond>, required)]
    next_attempt: Option<String>,
}

impl MessageEndpointOut {
    /// The endpoint of a delivery. Of a deleted one, only the identifier is known.
    pub fn new(delivery: &Delivery, endpoint: Option<&Endpoint>) -> Self {
        let status = Status::of(delivery.status);
        Self {
            endpoint: match endpoint {
                Some(endpoint) => endpoint.into(),
                None => EndpointOut::deleted(delivery.endpoint, delivery.id.created_at()),
            },
            status: status.number(),
            status_text: status.text(),
            next_attempt: delivery.next_attempt_at.map(Timestamp::rfc3339),
        }
    }
}

/// How many messages of an endpoint have each status.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = svix::EndpointStats)]
pub struct StatsOut {
    success: u64,
    pending: u64,
    fail: u64,
    sending: u64,
    canceled: u64,
}

impl StatsOut {
    /// Counts these deliveries.
    pub fn new(statuses: impl IntoIterator<Item = DeliveryStatus>) -> Self {
        let mut stats = Self::default();
        for status in statuses {
            let count = match Status::of(status) {
                Status::Success => &mut stats.success,
                Status::Pending => &mut stats.pending,
                Status::Fail => &mut stats.fail,
                Status::Sending => &mut stats.sending,
                Status::Canceled => &mut stats.canceled,
            };
            *count += 1;
        }
        stats
    }
}
