//! A delivery's record as an item.

use serde::{Deserialize, Serialize};

use crate::domain::delivery::attempt::{AttemptEntry, Cause, Detail};
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, is_zero, time, unknown};
use crate::store::jobs::{read_run, run_text};
use crate::store::keys;

const ENTITY: &str = "delivery";

/// A delivery's record.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct DeliveryItem {
    #[serde(flatten)]
    base: Base,
    organization: String,
    #[serde(rename = "type")]
    event_type: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    log: Vec<AttemptItem>,
    updated_at: String,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AttemptItem {
    n: u32,
    at: String,
    ms: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

impl DeliveryItem {
    pub(super) fn new(delivery: &Delivery, expires_at: Timestamp) -> Self {
        let mark = delivery.mark.map(|mark| keys::mark(mark, delivery.endpoint, delivery.id));
        let (waiting_pk, waiting_sk) = mark.unzip();
        let name = |cause: Cause| cause.as_str().to_owned();
        let detail_name = |detail: Detail| detail.as_str().to_owned();
        let entry = |entry: &AttemptEntry| AttemptItem {
            n: entry.number,
            at: entry.started_at.rfc3339(),
            ms: entry.duration_ms,
            status: entry.response_status,
            error: entry.error.map(name),
            detail: entry.detail.map(detail_name),
            cut: entry.body_cut,
        };
        Self {
            base: Base::new(keys::delivery(delivery.endpoint, delivery.id), ENTITY),
            organization: delivery.organization.to_string(),
            event_type: delivery.event_type.to_string(),
            status: delivery.status.as_str().to_owned(),
            attempts: delivery.attempts,
            retries_used: delivery.retries_used,
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::rfc3339),
            ticket: delivery.ticket.map(|ticket| ticket.to_string()),
            recovery: delivery.recovery.map(run_text),
            leases: delivery.leases,
            response_status: delivery.response_status,
            response_body: delivery.response_body.clone(),
            error: delivery.error.map(name),
            error_detail: delivery.error_detail.map(detail_name),
            signature: delivery.signature.clone(),
            log: delivery.log.iter().map(entry).collect(),
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
        // Causes and details are only shown, so one of a later version does not make a list unreadable.
        let cause = |name: Option<String>| name.as_deref().and_then(Cause::parse);
        let detail = |name: Option<String>| name.as_deref().and_then(Detail::parse);
        let entry = |entry: AttemptItem| {
            Ok::<_, Unreadable>(AttemptEntry {
                number: entry.n,
                started_at: Timestamp::parse(&entry.at)?,
                duration_ms: entry.ms,
                response_status: entry.status,
                error: cause(entry.error),
                detail: detail(entry.detail),
                body_cut: entry.cut,
            })
        };
        let waiting = item.waiting_pk.as_deref().zip(item.waiting_sk.as_deref());
        Ok(Self {
            id,
            organization: OrganizationId::parse(&item.organization)?,
            endpoint,
            event_type: EventType::parse(&item.event_type)?,
            status: DeliveryStatus::parse(&item.status).ok_or_else(|| unknown("status", &item.status))?,
            attempts: item.attempts,
            retries_used: item.retries_used,
            next_attempt_at: time(item.next_attempt_at.as_ref())?,
            ticket: item.ticket.as_deref().map(Ticket::parse).transpose()?,
            recovery: item.recovery.as_deref().map(read_run).transpose()?,
            leases: item.leases,
            mark: waiting.and_then(|(pk, sk)| keys::parse_mark(pk, sk)),
            response_status: item.response_status,
            response_body: item.response_body,
            error: cause(item.error),
            error_detail: detail(item.error_detail),
            signature: item.signature,
            log: item.log.into_iter().map(entry).collect::<Result<_, _>>()?,
            updated_at: Timestamp::parse(&item.updated_at)?,
        })
    }
}
