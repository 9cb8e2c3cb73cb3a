//! Attempts.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::delivery::attempt::{Cause, Detail, Failure};
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId};
use crate::wire::openapi::{Millisecond, object};

/// An attempt at a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::DeliveryAttempt)]
pub struct DeliveryAttemptOut {
    #[schema(schema_with = object::webhook_attempt)]
    object: &'static str,
    #[schema(value_type = AttemptId)]
    id: String,
    #[schema(value_type = DeliveryId)]
    delivery_id: String,
    #[schema(value_type = EventId)]
    event_id: String,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    #[schema(value_type = EventType)]
    event_type: String,
    /// The attempt's number, from 1; null for a resend.
    #[schema(required)]
    number: Option<u32>,
    #[schema(value_type = Trigger)]
    trigger: &'static str,
    #[schema(value_type = Millisecond)]
    started_at: String,
    duration_ms: u32,
    /// The status of the response; null without a response.
    #[schema(required)]
    response_status: Option<u16>,
    /// The first headers of the response, at most 20 and 4 KiB, without cookies; null without a response, or if the headers
    /// are not stored.
    #[schema(value_type = Option<Vec<ResponseHeaderOut>>, required)]
    response_headers: Option<Vec<ResponseHeaderOut>>,
    /// The beginning of the response's body: at most 1 KiB of a success and 4 KiB of a failure; null without a response, or
    /// if the body is not stored.
    #[schema(required)]
    response_body: Option<String>,
    /// Why the attempt failed; null if it succeeded.
    #[schema(value_type = Option<Cause>, required)]
    error: Option<&'static str>,
    /// What exactly failed; null if `error` has no details, or if it is unknown.
    #[schema(value_type = Option<Detail>, required)]
    error_detail: Option<&'static str>,
    /// The documentation of `error_detail`, or of `error` without it, relative to the API's URL; null without an error.
    #[schema(format = "uri-reference", required)]
    docs_url: Option<String>,
}

/// A header of a response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::ResponseHeader)]
struct ResponseHeaderOut {
    /// The name in lower case.
    name: String,
    value: String,
}

impl From<&RecordedAttempt> for DeliveryAttemptOut {
    fn from(attempt: &RecordedAttempt) -> Self {
        let RecordedAttempt { id, delivery, endpoint, event_type, channels: _, entry, response } = attempt;
        let header = |(name, value): (&str, &str)| ResponseHeaderOut { name: name.to_owned(), value: value.to_owned() };
        Self {
            object: "webhook_attempt",
            id: id.to_string(),
            delivery_id: delivery.to_string(),
            event_id: delivery.event().to_string(),
            endpoint_id: endpoint.to_string(),
            event_type: event_type.to_string(),
            number: entry.number,
            trigger: entry.trigger.as_str(),
            started_at: entry.started_at.rfc3339(),
            duration_ms: entry.duration_ms,
            response_status: entry.response_status,
            response_headers: response.as_ref().map(|response| response.headers().map(header).collect()),
            response_body: response.as_ref().map(|response| response.body().to_owned()),
            error: entry.error.map(Cause::as_str),
            error_detail: entry.detail.map(Detail::as_str),
            docs_url: entry.failure().map(Failure::docs_url),
        }
    }
}
