//! Deliveries.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::delivery::attempt::{AttemptEntry, Cause, Detail, Failure};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, EventId};
use crate::domain::time::Timestamp;
use crate::wire::openapi::{BodyDigest, Millisecond, object};

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Delivery)]
pub struct DeliveryOut {
    #[schema(schema_with = object::webhook_delivery)]
    object: &'static str,
    #[schema(value_type = DeliveryId)]
    id: String,
    #[schema(value_type = EventId)]
    event_id: String,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    #[schema(value_type = EventType)]
    event_type: String,
    #[schema(value_type = DeliveryStatus)]
    status: &'static str,
    /// The number of attempts.
    attempts: u32,
    /// The status of the last attempt's response; null without a response.
    #[schema(required)]
    response_status: Option<u16>,
    /// The beginning of the last response's body.
    #[schema(required)]
    response_body: Option<String>,
    /// Why the last attempt or the delivery failed; null if neither has.
    #[schema(value_type = Option<Cause>, required)]
    error: Option<&'static str>,
    /// What exactly failed; null if `error` has no details, or if it is unknown.
    #[schema(value_type = Option<Detail>, required)]
    error_detail: Option<&'static str>,
    /// The documentation of `error_detail`, or of `error` without it, relative to the API's URL; null without an error.
    #[schema(format = "uri-reference", required)]
    docs_url: Option<String>,
    /// When the next attempt is due, always in the future. Null if none is scheduled, while the endpoint is paused
    /// or suspended, and while an attempt is due.
    #[schema(value_type = Option<Millisecond>, required)]
    next_attempt_at: Option<String>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl From<&Delivery> for DeliveryOut {
    fn from(delivery: &Delivery) -> Self {
        let failure = delivery.failure();
        Self {
            object: "webhook_delivery",
            id: delivery.id.to_string(),
            event_id: delivery.id.event().to_string(),
            endpoint_id: delivery.endpoint.to_string(),
            event_type: delivery.event_type.to_string(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            response_status: delivery.response_status(),
            response_body: delivery.response().map(|response| response.body().to_owned()),
            error: failure.map(|failure| failure.cause.as_str()),
            error_detail: failure.and_then(|failure| failure.detail).map(Detail::as_str),
            docs_url: failure.map(Failure::docs_url),
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            created_at: delivery.id.created_at().rfc3339(),
            updated_at: delivery.updated_at.rfc3339(),
        }
    }
}

/// A delivery with its payload and its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::DeliveryDetail)]
pub struct DeliveryDetailOut {
    #[serde(flatten)]
    delivery: DeliveryOut,
    /// The exact body of the request.
    payload: String,
    /// The `X-Webhook-Signature` of the last attempt; null before the first attempt, and if no HMAC secret signed it.
    #[schema(value_type = Option<BodyDigest>, required)]
    signature: Option<String>,
    /// The last 100 attempts, oldest first, without resends.
    attempt_log: Vec<AttemptOut>,
}

/// An attempt at a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Attempt)]
struct AttemptOut {
    /// The attempt's number, from 1.
    attempt: u32,
    #[schema(value_type = Millisecond)]
    started_at: String,
    duration_ms: u32,
    #[schema(required)]
    response_status: Option<u16>,
    #[schema(value_type = Option<Cause>, required)]
    error: Option<&'static str>,
    /// What exactly failed; null if `error` has no details, or if it is unknown.
    #[schema(value_type = Option<Detail>, required)]
    error_detail: Option<&'static str>,
    /// The documentation of `error_detail`, or of `error` without it, relative to the API's URL; null without an error.
    #[schema(format = "uri-reference", required)]
    docs_url: Option<String>,
}

impl AttemptOut {
    /// An attempt with a number; `None` for a resend.
    fn new(entry: &AttemptEntry) -> Option<Self> {
        let failure = entry.failure();
        Some(Self {
            attempt: entry.number?,
            started_at: entry.started_at.rfc3339(),
            duration_ms: entry.duration_ms,
            response_status: entry.response_status,
            error: failure.map(|failure| failure.cause.as_str()),
            error_detail: failure.and_then(|failure| failure.detail).map(Detail::as_str),
            docs_url: failure.map(Failure::docs_url),
        })
    }
}

impl DeliveryDetailOut {
    /// A delivery with the exact body of its request.
    pub fn new(delivery: &Delivery, payload: String) -> Self {
        Self {
            delivery: delivery.into(),
            payload,
            signature: delivery.signature.clone(),
            attempt_log: delivery.log.iter().filter_map(AttemptOut::new).collect(),
        }
    }
}
