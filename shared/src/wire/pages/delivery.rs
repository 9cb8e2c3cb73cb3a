//! Deliveries of the `pages` dialect.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::Timestamp;
use crate::wire::openapi::{BodyDigest, Millisecond};

/// A delivery with its payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Delivery)]
pub struct DeliveryOut {
    #[schema(value_type = DeliveryId)]
    id: String,
    /// The event's type.
    #[schema(value_type = EventType)]
    event: String,
    #[schema(value_type = Millisecond)]
    created: String,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    /// The exact body of the request.
    payload: String,
    #[schema(value_type = DeliveryStatus)]
    status: &'static str,
    /// The number of attempts.
    attempts: u32,
    /// The status of the last attempt's response; null without a response.
    #[schema(required)]
    response_status_code: Option<u16>,
    #[schema(value_type = Option<Millisecond>, required)]
    last_attempt_at: Option<String>,
    /// When the next attempt is due, always in the future. Null if none is scheduled, while the endpoint is paused
    /// or suspended, and while an attempt is due.
    #[schema(value_type = Option<Millisecond>, required)]
    next_retry_at: Option<String>,
    /// The `X-Webhook-Signature` of the last attempt; null before the first attempt, and if no HMAC secret signed it.
    #[schema(value_type = Option<BodyDigest>, required)]
    signature: Option<String>,
}

impl DeliveryOut {
    /// A delivery with the exact body of its request.
    pub fn new(delivery: &Delivery, payload: String) -> Self {
        Self {
            id: delivery.id.to_string(),
            event: delivery.event_type.to_string(),
            created: delivery.id.created_at().rfc3339(),
            endpoint_id: delivery.endpoint.to_string(),
            payload,
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            response_status_code: delivery.response_status(),
            last_attempt_at: delivery.log.last().map(|attempt| attempt.started_at.rfc3339()),
            next_retry_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            signature: delivery.signature.clone(),
        }
    }
}
