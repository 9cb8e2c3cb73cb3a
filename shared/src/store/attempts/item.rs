//! An attempt's own item.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::domain::delivery::attempt::{AttemptEntry, Cause, Detail};
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Item, Unreadable, required, to_item};
use crate::store::size::{UNIT, item_bytes};
use crate::store::{StoreError, keys, response};

const ENTITY: &str = "attempt";
/// The attribute that holds the response.
pub(super) const RESPONSE: &str = "response";
/// The most bytes of an item. What does not fit of the response is left out.
const MAX_BYTES: usize = 3 * UNIT;

/// The attributes of an attempt's item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AttemptItem {
    #[serde(flatten)]
    base: Base,
    delivery: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    /// Absent for a resend.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    trigger: String,
    /// Microseconds since 1970. The id contains a quarter of them.
    started_at: i64,
    ms: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    #[serde(default, skip_serializing)]
    response: Option<ByteBuf>,
    expires_at: i64,
}

/// The item of an attempt, with as much of its response as fits.
pub(super) fn attempt_item(attempt: &RecordedAttempt, expires_at: Timestamp) -> Result<Item, StoreError> {
    let entry = &attempt.entry;
    let mut item = to_item(&AttemptItem {
        base: Base::new(keys::attempt(attempt.endpoint, attempt.id), ENTITY),
        delivery: attempt.delivery.to_string(),
        event_type: attempt.event_type.to_string(),
        channels: attempt.channels.names().to_vec(),
        number: entry.number,
        trigger: entry.trigger.as_str().to_owned(),
        started_at: entry.started_at.unix_micros(),
        ms: entry.duration_ms,
        status: entry.response_status,
        error: entry.error.map(|cause| cause.as_str().to_owned()),
        detail: entry.detail.map(|detail| detail.as_str().to_owned()),
        cut: entry.body_cut,
        response: None,
        expires_at: expires_at.unix_seconds(),
    })?;
    let space = MAX_BYTES.saturating_sub(item_bytes(&item) + RESPONSE.len());
    // Each started KiB costs a write unit, so every response of an attempt's item is compressed if it takes more than one.
    let first = UNIT.saturating_sub(item_bytes(&item) + RESPONSE.len());
    if let Some(kept) = &attempt.response {
        let encoded = response::encode(kept, first)?;
        let encoded = if encoded.len() <= space { Some(encoded) } else { response::encode_beginning(kept, space)? };
        if let Some(encoded) = encoded {
            item.insert(RESPONSE.to_owned(), AttributeValue::B(Blob::new(encoded)));
        }
    }
    Ok(item)
}

impl TryFrom<AttemptItem> for RecordedAttempt {
    type Error = Unreadable;

    fn try_from(item: AttemptItem) -> Result<Self, Unreadable> {
        let (endpoint, id) = required("an attempt's key", keys::parse_attempt(&item.base.key()))?;
        Ok(Self {
            id,
            delivery: DeliveryId::parse(&item.delivery)?,
            endpoint,
            event_type: EventType::parse(&item.event_type)?,
            channels: Channels::stored(item.channels),
            // Names of a later version are only shown.
            entry: AttemptEntry {
                number: item.number,
                trigger: Trigger::parse(&item.trigger).unwrap_or_default(),
                started_at: Timestamp::from_unix_micros(item.started_at),
                duration_ms: item.ms,
                response_status: item.status,
                error: item.error.as_deref().and_then(Cause::parse),
                detail: item.detail.as_deref().and_then(Detail::parse),
                body_cut: item.cut,
                has_item: true,
            },
            response: item.response.as_ref().map(|bytes| response::decode(bytes)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::response::Response;
    use crate::domain::ids::{AttemptId, EndpointId, EventId};
    use crate::store::item::read;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_774_382_400_123_456);

    fn attempt(kept: Option<Response>) -> RecordedAttempt {
        let delivery = EventId::new(NOW, [7; 8]).delivery(3).unwrap();
        RecordedAttempt {
            id: AttemptId::of(delivery, NOW),
            delivery,
            endpoint: EndpointId::new(NOW, [9; 8]),
            event_type: EventType::parse("member.added").unwrap(),
            channels: Channels::default(),
            entry: AttemptEntry { has_item: true, ..AttemptEntry::at(NOW) },
            response: kept,
        }
    }

    fn stored(attempt: &RecordedAttempt) -> (usize, RecordedAttempt) {
        let item = attempt_item(attempt, NOW).unwrap();
        (item_bytes(&item), read::<AttemptItem, _>(item).unwrap())
    }

    #[test]
    fn an_attempt_is_read_back() {
        let kept = Response::new([("server", &b"test"[..])], "not now");
        let failed = AttemptEntry {
            number: Some(4),
            trigger: Trigger::HalfOpen,
            response_status: Some(503),
            error: Some(Cause::HttpStatus),
            body_cut: true,
            ..attempt(None).entry
        };
        let resent = AttemptEntry { number: None, trigger: Trigger::Resend, ..attempt(None).entry };
        let channels = Channels::stored(vec!["eu".to_owned(), "orders".to_owned()]);
        for attempt in [
            attempt(None),
            RecordedAttempt { channels, ..attempt(None) },
            RecordedAttempt { entry: failed, ..attempt(Some(kept.clone())) },
            RecordedAttempt { entry: resent, ..attempt(Some(kept)) },
        ] {
            assert_eq!(stored(&attempt).1, attempt);
        }
    }

    #[test]
    fn an_item_has_at_most_three_write_units() {
        let mut random = fastrand::Rng::with_seed(1);
        let body: String = std::iter::repeat_with(|| random.alphanumeric()).take(4_096).collect();
        for (body, units) in [(body.as_str(), 3), ("x".repeat(4_096).as_str(), 1), ("", 1)] {
            let (bytes, found) = stored(&attempt(Some(Response::new([("server", &b"test"[..])], body))));
            assert_eq!(bytes.div_ceil(UNIT), units);
            let found = found.response.unwrap();
            assert!(body.starts_with(found.body()) && found.headers().count() == 1);
            assert!(found.body().len() > 3_000 || units == 1);
        }
    }
}
