//! A delivery's record as an item.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::log;
use crate::domain::delivery::attempt::Cause;
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, is_zero, time, unknown};
use crate::store::jobs::{read_run, run_text};
use crate::store::{keys, response};

const ENTITY: &str = "delivery";
/// The attribute that holds the response to the first attempt.
pub(super) const FIRST: &str = "first";
/// The attribute that holds the log.
pub(super) const LOG: &str = "log";

/// A delivery's record.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct DeliveryItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    status: String,
    attempts: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    retries_used: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    leases: u32,
    /// What causes the next attempt; absent for the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    /// The response to the first attempt. [`fit`](super::fit) adds it, as far as there is space.
    #[serde(default, skip_serializing)]
    first: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<ByteBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<ByteBuf>,
    updated_at: String,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

impl DeliveryItem {
    pub(super) fn new(delivery: &Delivery, expires_at: Timestamp) -> Self {
        let (waiting_pk, waiting_sk) = keys::mark(delivery).unzip();
        let name = |cause: Cause| cause.as_str().to_owned();
        Self {
            base: Base::new(keys::delivery(delivery.endpoint, delivery.id), ENTITY),
            organization: delivery.organization.to_string(),
            event_type: delivery.event_type.to_string(),
            channels: delivery.channels.names().to_vec(),
            status: delivery.status.as_str().to_owned(),
            attempts: delivery.attempts,
            retries_used: delivery.retries_used,
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            ticket: delivery.ticket.map(|ticket| ticket.to_string()),
            recovery: delivery.recovery.map(run_text),
            leases: delivery.leases,
            trigger: Some(delivery.next_trigger)
                .filter(|it| *it != Trigger::default())
                .map(|it| it.as_str().to_owned()),
            first: None,
            error: delivery.error.map(name),
            signature: delivery.signature.as_ref().and_then(|hex| hex::decode(hex).ok()).map(ByteBuf::from),
            log: (!delivery.log.is_empty()).then(|| log::encode(&delivery.log).into()),
            updated_at: delivery.updated_at.rfc3339(),
            expires_at: expires_at.unix_seconds(),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<DeliveryItem> for Delivery {
    type Error = Unreadable;

    fn try_from(item: DeliveryItem) -> Result<Self, Unreadable> {
        let ids = keys::parse_delivery(&item.base.key());
        let (endpoint, id): (EndpointId, DeliveryId) =
            ids.ok_or_else(|| Unreadable("not a delivery's key".to_owned()))?;
        // A cause of a later version is only shown, so it does not make a list unreadable.
        let cause = |name: Option<String>| name.as_deref().and_then(Cause::parse);
        let waiting = item.waiting_pk.as_deref().zip(item.waiting_sk.as_deref());
        Ok(Self {
            id,
            organization: OrganizationId::parse(&item.organization)?,
            endpoint,
            event_type: EventType::parse(&item.event_type)?,
            channels: Channels::stored(item.channels),
            status: DeliveryStatus::parse(&item.status).ok_or_else(|| unknown("status", &item.status))?,
            attempts: item.attempts,
            retries_used: item.retries_used,
            next_attempt_at: time(item.next_attempt_at.as_ref())?,
            ticket: item.ticket.as_deref().map(Ticket::parse).transpose()?,
            recovery: item.recovery.as_deref().map(read_run).transpose()?,
            leases: item.leases,
            mark: waiting.and_then(|(pk, sk)| keys::parse_mark(pk, sk)),
            // A trigger of a later version is only shown.
            next_trigger: item.trigger.as_deref().and_then(Trigger::parse).unwrap_or_default(),
            first_response: item.first.as_ref().map(|bytes| response::decode(bytes)).transpose()?,
            last_response: None,
            error: cause(item.error),
            signature: item.signature.map(hex::encode),
            log: log::decode(&item.log.unwrap_or_default(), item.attempts)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
        })
    }
}
