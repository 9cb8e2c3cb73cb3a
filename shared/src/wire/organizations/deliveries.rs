//! Deliveries.

use serde::Serialize;

use crate::domain::delivery::{AttemptEntry, Delivery};
use crate::domain::time::Timestamp;

/// A delivery.
#[derive(Debug, Serialize)]
pub struct DeliveryOut {
    object: &'static str,
    id: String,
    event_id: String,
    endpoint_id: String,
    event_type: String,
    status: &'static str,
    attempts: u32,
    response_status: Option<u16>,
    response_body: Option<String>,
    error: Option<&'static str>,
    next_attempt_at: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<&Delivery> for DeliveryOut {
    fn from(delivery: &Delivery) -> Self {
        Self {
            object: "webhook_delivery",
            id: delivery.id.to_string(),
            event_id: delivery.id.event().to_string(),
            endpoint_id: delivery.endpoint.to_string(),
            event_type: delivery.event_type.to_string(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            response_status: delivery.response_status,
            response_body: delivery.response_body.clone(),
            error: delivery.error.map(|cause| cause.as_str()),
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            created_at: delivery.id.created_at().rfc3339(),
            updated_at: delivery.updated_at.rfc3339(),
        }
    }
}

/// A delivery with everything that is known of it.
#[derive(Debug, Serialize)]
pub struct DeliveryDetailOut {
    #[serde(flatten)]
    delivery: DeliveryOut,
    payload: String,
    signature: Option<String>,
    attempt_log: Vec<AttemptOut>,
}

#[derive(Debug, Serialize)]
struct AttemptOut {
    attempt: u32,
    started_at: String,
    duration_ms: u32,
    response_status: Option<u16>,
    error: Option<&'static str>,
}

impl From<&AttemptEntry> for AttemptOut {
    fn from(entry: &AttemptEntry) -> Self {
        Self {
            attempt: entry.number,
            started_at: entry.started_at.rfc3339(),
            duration_ms: entry.duration_ms,
            response_status: entry.response_status,
            error: entry.error.map(|cause| cause.as_str()),
        }
    }
}

impl DeliveryDetailOut {
    /// A delivery and the exact body that is sent.
    pub fn new(delivery: &Delivery, payload: String) -> Self {
        Self {
            delivery: delivery.into(),
            payload,
            signature: delivery.signature.clone(),
            attempt_log: delivery.log.iter().map(AttemptOut::from).collect(),
        }
    }
}
