//! Events.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::DeliveryOut;
use crate::domain::Invalid;
use crate::domain::delivery::Delivery;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::{ContentType, Data, Format};
use crate::domain::event::{Event, NewEvent, Subject};
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::text::{EditionId, SubjectPart};
use crate::domain::time::Timestamp;
use crate::wire::body::RawObject;
use crate::wire::error::{Details, ErrorCode, Problem};
use crate::wire::field::{Field, Kind, Reader};
use crate::wire::openapi::{EventChannels, Millisecond, accepted_or_refused, event_data, object, shown_event_data};

/// Most events of one batch.
const MAX_BATCH: usize = 100;

/// The body of `POST …/events`, and each entry of `POST …/events/batch`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewEvent)]
pub struct EventIn {
    #[serde(rename = "type")]
    #[schema(value_type = EventType, required)]
    event_type: Field<String>,
    /// The payload: any object, or with a `content_type` a string; at most 256 KiB. It is delivered unchanged.
    #[schema(schema_with = event_data, required)]
    data: RawObject,
    #[schema(value_type = Option<Format>)]
    format: Field<String>,
    #[schema(value_type = Option<ContentType>)]
    content_type: Field<String>,
    #[schema(value_type = Option<SubjectIn>)]
    subject: Field<SubjectIn>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    #[schema(value_type = Option<EventChannels>)]
    channels: Field<Vec<String>>,
    #[schema(value_type = Option<ExternalId>)]
    external_id: Field<String>,
    /// The version of the type whose schema the data must satisfy; by default the newest.
    #[schema(value_type = Option<u32>, minimum = 1)]
    schema_version: Field<i64>,
}

/// The subject of an event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = organizations::NewSubject)]
pub(super) struct SubjectIn {
    #[serde(rename = "type")]
    #[schema(value_type = SubjectPart)]
    kind: String,
    #[schema(value_type = SubjectPart)]
    id: String,
}

impl Kind for SubjectIn {
    const EXPECTED: &'static str = "must be an object with the strings type and id, and nothing else";
}

impl EventIn {
    /// Validates the fields. `default_format` applies if the event names no format.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, default_format: Format) -> Result<NewEvent, Vec<Problem>> {
        let mut read = Reader::default();
        let event_type = read.required("type", self.event_type, |text| {
            let event_type = EventType::parse(&text)?;
            event_type.check_published()?;
            Ok(event_type)
        });
        let format = read.optional("format", self.format, |text| Format::parse(&text)).unwrap_or(default_format);
        let has_content_type = !matches!(self.content_type, Field::Absent | Field::Null);
        let content_type = read.optional("content_type", self.content_type, |text| ContentType::parse(&text));
        if has_content_type && format != Format::Raw {
            read.problem("content_type", "requires the format raw");
        }
        let data =
            if has_content_type { self.data.string() } else { self.data.text().map(|text| text.map(str::to_owned)) };
        let data = read.check("data", data);
        if data == Some(None) {
            read.problem("data", "is required");
        }
        let subject = read.optional("subject", self.subject, |subject| {
            let part = |name: &str, text: &str| {
                SubjectPart::parse(text).map_err(|Invalid(reason)| Invalid(format!("has a {name} that {reason}")))
            };
            Ok(Subject { kind: part("type", &subject.kind)?, id: part("id", &subject.id)? })
        });
        let edition = read.optional("edition_id", self.edition_id, |edition| EditionId::parse(&edition));
        let channels = read.optional("channels", self.channels, Channels::of_event).unwrap_or_default();
        let external_id = read.optional("external_id", self.external_id, |text| ExternalId::parse(&text));
        let schema_version = read.optional("schema_version", self.schema_version, |number| {
            let version = u32::try_from(number).ok().filter(|version| *version > 0);
            version.ok_or_else(|| Invalid::new("must be the number of a version"))
        });
        let complete = event_type.zip(data.flatten());
        let complete = complete.map(|(event_type, data)| NewEvent {
            external_id,
            format,
            content_type,
            subject,
            edition,
            channels,
            schema_version,
            ..NewEvent::new(event_type, data)
        });
        read.finish(complete)
    }
}

/// An event with its deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Event)]
pub struct EventOut {
    #[schema(schema_with = object::event)]
    object: &'static str,
    #[schema(value_type = EventId)]
    id: String,
    #[schema(value_type = Option<ExternalId>, required)]
    external_id: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    event_type: String,
    subject: SubjectOut,
    /// The payload, exactly as it was published; null if it was removed.
    #[schema(schema_with = shown_event_data, required)]
    data: Option<Box<RawValue>>,
    /// When the payload was removed; absent if it was not.
    #[schema(value_type = Millisecond)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expunged_at: Option<String>,
    #[schema(value_type = Format)]
    format: &'static str,
    /// The content type of raw data that is a string; null for JSON.
    #[schema(value_type = Option<ContentType>, required)]
    content_type: Option<String>,
    #[schema(value_type = Option<EditionId>, required)]
    edition_id: Option<String>,
    #[schema(value_type = EventChannels)]
    channels: Vec<String>,
    /// The version of the type whose schema the data satisfies; null if there was no schema.
    #[schema(required)]
    schema_version: Option<u32>,
    webhook_deliveries: Vec<DeliveryOut>,
    #[schema(value_type = Millisecond)]
    created_at: String,
}

/// The subject of an event; by default the organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Subject)]
struct SubjectOut {
    #[serde(rename = "type")]
    #[schema(value_type = SubjectPart)]
    kind: String,
    #[schema(value_type = SubjectPart)]
    id: String,
}

impl EventOut {
    /// An event with the deliveries to show.
    pub fn new(event: &Event, deliveries: &[Delivery]) -> Self {
        let organization = || SubjectOut { kind: "organization".to_owned(), id: event.organization.to_string() };
        let own = event.subject.as_ref();
        let own = own.map(|subject| SubjectOut { kind: subject.kind.to_string(), id: subject.id.to_string() });
        Self {
            object: "event",
            id: event.id.to_string(),
            external_id: event.external_id.as_ref().map(ExternalId::to_string),
            event_type: event.event_type.to_string(),
            subject: own.unwrap_or_else(organization),
            data: match event.data() {
                Data::Json(text) => RawValue::from_string(text.to_owned()).ok(),
                Data::Text(text) => to_raw_value(text).ok(),
            },
            expunged_at: event.expunged_at.map(Timestamp::rfc3339),
            format: event.format.as_str(),
            content_type: event.payload.content_type.as_ref().map(|it| it.as_str().to_owned()),
            edition_id: event.edition.as_ref().map(EditionId::to_string),
            channels: event.channels.names().to_vec(),
            schema_version: event.schema_version,
            webhook_deliveries: deliveries.iter().map(DeliveryOut::from).collect(),
            created_at: event.id.created_at().rfc3339(),
        }
    }
}

/// The body of `POST …/events/batch`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewEvents)]
pub struct BatchIn {
    /// Each entry is accepted or refused separately.
    #[schema(value_type = Vec<EventIn>, required, min_items = 1, max_items = 100)]
    pub(super) events: Option<Box<RawValue>>,
}

impl BatchIn {
    /// The entries as JSON text. Each is parsed separately.
    ///
    /// # Errors
    /// A problem of `events` if it is absent, not an array, empty or too long.
    pub fn entries(self) -> Result<Vec<String>, Vec<Problem>> {
        let entries = self.events.map(|events| serde_json::from_str::<Vec<Box<RawValue>>>(events.get()));
        match entries {
            None => Err(vec![Problem::new("events", "is required")]),
            Some(Err(_)) => Err(vec![Problem::new("events", "must be an array")]),
            Some(Ok(events)) if events.is_empty() || events.len() > MAX_BATCH => {
                Err(vec![Problem::new("events", format!("must have 1 to {MAX_BATCH} entries"))])
            }
            Some(Ok(events)) => Ok(events.iter().map(|entry| entry.get().to_owned()).collect()),
        }
    }
}

/// The result of one entry of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::BatchResult)]
pub struct BatchResultOut {
    #[schema(schema_with = object::batch_result)]
    object: &'static str,
    /// The index of the entry, from 0.
    index: usize,
    #[schema(schema_with = accepted_or_refused)]
    status: &'static str,
    /// The event; only if it was accepted.
    #[schema(value_type = AcceptedEventOut)]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<AcceptedEventOut>,
    /// The error; only if the event was refused.
    #[schema(value_type = BatchErrorOut)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<BatchErrorOut>,
}

/// An accepted event of a batch. It contains only the ids of its deliveries, so that a response with a hundred
/// events is small enough.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::AcceptedEvent)]
struct AcceptedEventOut {
    #[schema(schema_with = object::event)]
    object: &'static str,
    #[schema(value_type = EventId)]
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    event_type: String,
    #[schema(value_type = Vec<DeliveryId>)]
    delivery_ids: Vec<String>,
    #[schema(value_type = Millisecond)]
    created_at: String,
}

/// Why an entry of a batch was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::BatchError)]
struct BatchErrorOut {
    #[schema(value_type = ErrorCode)]
    code: &'static str,
    /// The reason of the error, for people.
    message: String,
    #[schema(value_type = Details)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

impl BatchResultOut {
    /// The result of a published event.
    pub fn accepted(index: usize, event: &Event, deliveries: &[Delivery]) -> Self {
        let event = AcceptedEventOut {
            object: "event",
            id: event.id.to_string(),
            event_type: event.event_type.to_string(),
            delivery_ids: deliveries.iter().map(|delivery| delivery.id.to_string()).collect(),
            created_at: event.id.created_at().rfc3339(),
        };
        Self { object: "batch_result", index, status: "accepted", event: Some(event), error: None }
    }

    /// The result of an event that was not published.
    pub fn refused(index: usize, code: ErrorCode, message: &str, problems: &[Problem]) -> Self {
        let error =
            BatchErrorOut { code: code.as_str(), message: message.to_owned(), details: Details::new(problems, None) };
        Self { object: "batch_result", index, status: "refused", event: None, error: Some(error) }
    }
}
