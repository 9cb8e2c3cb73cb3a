//! An event's item.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{ListedEvent, appended, compression, with_body};
use crate::domain::Invalid;
use crate::domain::event::appended::Appended;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::{ContentType, Format, Payload};
use crate::domain::event::trace_context::TraceContext;
use crate::domain::event::{Event, Subject};
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EventId, KeyId, OrganizationId};
use crate::domain::text::{EditionId, SubjectPart};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, time};
use crate::store::{StoreError, keys};

/// The largest compressed body, in bytes, that lists read along with the event. A larger body is in an attribute
/// that lists do not read; it is read only for the events of the page.
const MOST_LISTED: usize = 4 * 1024;

/// The attributes of an event's item.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct EventItem {
    #[serde(flatten)]
    base: Base,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    /// The compressed body, if it has at most [`MOST_LISTED`] bytes.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    compressed: ByteBuf,
    /// The compressed body, if it has more than [`MOST_LISTED`] bytes.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    compressed_large: ByteBuf,
    /// The uncompressed body, in items of former versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The ids of the endpoints in the order of the fan-out, 16 bytes each.
    #[serde(default, skip_serializing_if = "ByteBuf::is_empty_buf")]
    endpoints: ByteBuf,
    /// Whether the event is a test of its endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    /// Absent for an envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Lists do not read the trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    /// Whether requests have the headers `svix-…`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    svix_headers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expunged_at: Option<String>,
    expires_at: i64,
}

trait IsEmptyBuf {
    fn is_empty_buf(&self) -> bool;
}

impl IsEmptyBuf for ByteBuf {
    fn is_empty_buf(&self) -> bool {
        self.is_empty()
    }
}

impl EventItem {
    pub(super) fn new(event: &Event, expires_at: Timestamp) -> Result<Self, StoreError> {
        let compressed = compression::compress(&event.payload.body)?;
        let trace = event.payload.trace.as_ref();
        let (compressed, large) =
            if compressed.len() <= MOST_LISTED { (compressed, Vec::new()) } else { (Vec::new(), compressed) };
        Ok(Self {
            base: Base::new(keys::event(&event.organization, event.id), "event"),
            external_id: event.external_id.as_ref().map(ExternalId::to_string),
            event_type: event.event_type.to_string(),
            compressed: compressed.into(),
            compressed_large: large.into(),
            body: None,
            endpoints: appended::to_bytes(&event.endpoints),
            is_test: event.is_test,
            subject_type: event.subject.as_ref().map(|subject| subject.kind.to_string()),
            subject_id: event.subject.as_ref().map(|subject| subject.id.to_string()),
            edition_id: event.edition.as_ref().map(EditionId::to_string),
            channels: event.channels.names().to_vec(),
            format: (event.format == Format::Raw).then(|| event.format.as_str().to_owned()),
            content_type: event.payload.content_type.as_ref().map(|it| it.as_str().to_owned()),
            traceparent: trace.map(|trace| trace.parent().to_owned()),
            tracestate: trace.and_then(TraceContext::state).map(str::to_owned),
            svix_headers: event.payload.svix_headers,
            schema_version: event.schema_version,
            published_by: event.published_by.map(|key| key.to_string()),
            expunged_at: event.expunged_at.map(Timestamp::rfc3339),
            expires_at: expires_at.unix_seconds(),
        })
    }
}

impl TryFrom<EventItem> for Event {
    type Error = Unreadable;

    fn try_from(mut item: EventItem) -> Result<Self, Unreadable> {
        let compressed =
            [&item.compressed, &item.compressed_large].into_iter().find(|compressed| !compressed.is_empty());
        let body = match item.body.take() {
            Some(body) => body,
            None => compression::decompress(compressed.map_or(&[], |compressed| compressed))?,
        };
        Ok(with_body(item.without_body()?, body))
    }
}

impl TryFrom<EventItem> for ListedEvent {
    type Error = Unreadable;

    fn try_from(mut item: EventItem) -> Result<Self, Unreadable> {
        let compressed = std::mem::take(&mut item.compressed).into_vec();
        Ok(Self {
            compressed: Some(compressed).filter(|compressed| !compressed.is_empty()),
            event: item.without_body()?,
        })
    }
}

impl EventItem {
    fn without_body(self) -> Result<Event, Unreadable> {
        let organization = self.base.pk.split('#').nth(1).unwrap_or_default();
        let subject = self.subject_type.zip(self.subject_id);
        let subject = subject.map(|(kind, id)| {
            Ok::<_, Invalid>(Subject { kind: SubjectPart::parse(&kind)?, id: SubjectPart::parse(&id)? })
        });
        Ok(Event {
            id: EventId::parse(&self.base.sk)?,
            external_id: self.external_id.as_deref().map(ExternalId::stored),
            organization: OrganizationId::parse(organization)?,
            event_type: EventType::parse(&self.event_type)?,
            subject: subject.transpose()?,
            edition: self.edition_id.map(|edition| EditionId::parse(&edition)).transpose()?,
            channels: Channels::stored(self.channels),
            schema_version: self.schema_version,
            format: self.format.map(|format| Format::parse(&format)).transpose()?.unwrap_or_default(),
            payload: Payload {
                body: String::new(),
                content_type: self.content_type.map(|it| ContentType::parse(&it)).transpose()?,
                trace: self.traceparent.and_then(|it| TraceContext::parse(&it, self.tracestate.as_deref())),
                svix_headers: self.svix_headers,
            },
            endpoints: appended::from_bytes(&self.endpoints)?,
            appended: Appended::default(),
            is_test: self.is_test,
            published_by: self.published_by.map(|key| KeyId::parse(&key)).transpose()?,
            expunged_at: time(self.expunged_at.as_ref())?,
        })
    }
}
