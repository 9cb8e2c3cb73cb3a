//! Attempts as the API shows them, and the filter of their lists.

use super::Delivery;
use super::attempt::{AttemptEntry, Cause};
use super::response::Response;
use super::trigger::Trigger;
use crate::domain::Invalid;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId};
use crate::domain::time::Timestamp;

/// A recorded attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// The attempt's identifier.
    pub id: AttemptId,
    /// The delivery that was attempted.
    pub delivery: DeliveryId,
    /// The delivery's endpoint.
    pub endpoint: EndpointId,
    /// The event's type.
    pub event_type: EventType,
    /// The event's channels.
    pub channels: Channels,
    /// When it was made, and its result.
    pub entry: AttemptEntry,
    /// What is kept of the response; `None` without a response, or if it was not stored.
    pub response: Option<Response>,
}

impl RecordedAttempt {
    /// An attempt of this delivery. A response is added if the delivery's record has it.
    pub fn new(delivery: &Delivery, entry: AttemptEntry) -> Self {
        let is_first = entry.number == Some(1) && !entry.has_item;
        Self {
            id: entry.id(delivery.id),
            delivery: delivery.id,
            endpoint: delivery.endpoint,
            event_type: delivery.event_type.clone(),
            channels: delivery.channels.clone(),
            response: delivery.first_response.clone().filter(|_| is_first),
            entry,
        }
    }
}

impl AttemptEntry {
    /// The id of this attempt of a delivery. A first attempt without a separate item has the delivery's digits.
    pub fn id(&self, delivery: DeliveryId) -> AttemptId {
        if self.has_item { AttemptId::of(delivery, self.started_at) } else { AttemptId::first_of(delivery) }
    }
}

/// A condition on the status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseStatusFilter {
    /// This status.
    Is(u16),
    /// A status with this first digit.
    Class(u16),
}

impl ResponseStatusFilter {
    /// Parses a status such as `404`, or a class such as `5xx`.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("must be a status such as 404, or a class such as 5xx");
        let (digits, filter): (_, fn(u16) -> Self) = match text.strip_suffix("xx") {
            Some(class) => (class, Self::Class),
            None => (text, Self::Is),
        };
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u16 = digits.parse().ok().filter(|_| is_plain).ok_or_else(invalid)?;
        let range = if matches!(filter(number), Self::Class(_)) { 1..=9 } else { 100..=999 };
        range.contains(&number).then(|| filter(number)).ok_or_else(invalid)
    }

    /// Whether this response's status meets the condition.
    pub const fn admits(self, status: u16) -> bool {
        match self {
            Self::Is(wanted) => status == wanted,
            Self::Class(class) => status / 100 == class,
        }
    }
}

/// Which attempts a list contains. Absent fields do not restrict it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// Only attempts with such a response.
    pub response_status: Option<ResponseStatusFilter>,
    /// Only attempts that failed with this cause.
    pub error: Option<Cause>,
    /// Only attempts with this trigger.
    pub trigger: Option<Trigger>,
    /// Only attempts that succeeded, or only attempts that failed.
    pub succeeded: Option<bool>,
    /// Only attempts without a response.
    pub without_response: bool,
    /// Only attempts of events of one of these types; all if there are none.
    pub event_types: Vec<EventType>,
    /// Only attempts of events that have this channel.
    pub channel: Option<String>,
    /// Only attempts that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only attempts that began before this time.
    pub until: Option<Timestamp>,
}

impl AttemptFilter {
    /// Whether the attempt meets all conditions of the filter.
    pub fn admits(&self, attempt: &RecordedAttempt) -> bool {
        let entry = &attempt.entry;
        self.response_status.is_none_or(|wanted| entry.response_status.is_some_and(|status| wanted.admits(status)))
            && self.error.is_none_or(|wanted| entry.error == Some(wanted))
            && self.succeeded.is_none_or(|wanted| wanted == entry.error.is_none())
            && !(self.without_response && entry.response_status.is_some())
            && self.trigger.is_none_or(|wanted| entry.trigger == wanted)
            && self.admits_event_and_time(attempt)
    }

    /// Whether the filter may admit a resend of which only the event and the time are known.
    pub fn may_admit_resend(&self, attempt: &RecordedAttempt) -> bool {
        self.trigger.is_none_or(|wanted| wanted == Trigger::Resend) && self.admits_event_and_time(attempt)
    }

    fn admits_event_and_time(&self, attempt: &RecordedAttempt) -> bool {
        let started_at = attempt.entry.started_at;
        (self.event_types.is_empty() || self.event_types.contains(&attempt.event_type))
            && self.channel.as_ref().is_none_or(|wanted| attempt.channels.names().contains(wanted))
            && self.since.is_none_or(|since| since <= started_at)
            && self.until.is_none_or(|until| started_at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::tests::{NOW, delivery as sample, in_seconds};

    #[test]
    fn a_response_status_is_filtered_by_its_number_or_its_class() {
        for (text, admitted, refused) in [("404", 404, 405), ("5xx", 599, 499), ("2xx", 200, 300)] {
            let filter = ResponseStatusFilter::parse(text).unwrap();
            assert!(filter.admits(admitted) && !filter.admits(refused), "{text}");
        }
        for text in ["", "xx", "0xx", "10xx", "99", "1000", "4x", "+404", "-1", "4.4", "5XX"] {
            assert!(ResponseStatusFilter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_attempt_must_meet_all_conditions() {
        let event_type = EventType::parse("a.b").unwrap();
        let channels = Channels::stored(vec!["eu".to_owned()]);
        let delivery = Delivery { channels, event_type: event_type.clone(), ..sample() };
        let entry = AttemptEntry {
            response_status: Some(503),
            error: Some(Cause::HttpStatus),
            trigger: Trigger::Manual,
            ..AttemptEntry::at(NOW)
        };
        let none = AttemptFilter::default();
        let status = |text| ResponseStatusFilter::parse(text).ok();
        let table = [
            (none.clone(), true),
            (AttemptFilter { response_status: status("5xx"), ..none.clone() }, true),
            (AttemptFilter { response_status: status("500"), ..none.clone() }, false),
            (AttemptFilter { error: Some(Cause::HttpStatus), ..none.clone() }, true),
            (AttemptFilter { error: Some(Cause::Timeout), ..none.clone() }, false),
            (AttemptFilter { trigger: Some(Trigger::Manual), ..none.clone() }, true),
            (AttemptFilter { trigger: Some(Trigger::Resend), ..none.clone() }, false),
            (AttemptFilter { event_types: vec![event_type.clone()], ..none.clone() }, true),
            (AttemptFilter { event_types: vec![EventType::parse("a.c").unwrap()], ..none.clone() }, false),
            (AttemptFilter { succeeded: Some(false), ..none.clone() }, true),
            (AttemptFilter { succeeded: Some(true), ..none.clone() }, false),
            (AttemptFilter { without_response: true, ..none.clone() }, false),
            (AttemptFilter { channel: Some("eu".to_owned()), ..none.clone() }, true),
            (AttemptFilter { channel: Some("e".to_owned()), ..none.clone() }, false),
            (AttemptFilter { since: Some(NOW), until: Some(in_seconds(1)), ..none.clone() }, true),
            (AttemptFilter { since: Some(in_seconds(1)), ..none.clone() }, false),
            (AttemptFilter { until: Some(NOW), ..none.clone() }, false),
            (AttemptFilter { response_status: status("5xx"), error: Some(Cause::Dns), ..none }, false),
        ];
        for (filter, expected) in table {
            assert_eq!(filter.admits(&RecordedAttempt::new(&delivery, entry.clone())), expected, "{filter:?}");
        }
        let no_response = RecordedAttempt::new(&delivery, AttemptEntry { response_status: None, ..entry });
        let filter = AttemptFilter { response_status: status("5xx"), ..AttemptFilter::default() };
        assert!(!filter.admits(&no_response));
    }
}
