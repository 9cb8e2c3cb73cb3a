//! Messages, which are events.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ids::print_message;
use crate::domain::Invalid;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::{ContentType, Data, Format};
use crate::domain::event::{Event, NewEvent};
use crate::domain::external_id::ExternalId;
use crate::wire::body::RawObject;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Kind, RawField, Reader};
use crate::wire::openapi::Millisecond;

/// The content type of raw payloads that are JSON.
const JSON: &str = "application/json";

/// The body of `POST …/msg`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::MessageIn)]
pub struct MessageIn {
    #[schema(value_type = String, required)]
    event_type: Field<String>,
    #[schema(value_type = Option<String>)]
    event_id: Field<String>,
    /// The body of the requests: any object.
    #[schema(value_type = Object, required)]
    payload: RawObject,
    #[schema(value_type = Option<Vec<String>>)]
    channels: Field<Vec<String>>,
    /// Refused, because messages are delivered at once.
    #[schema(value_type = Option<String>)]
    deliver_at: RawField,
    /// A body that is not JSON, as the clients' helper for raw payloads sends it: `rawPayload` and the header `content-type`.
    #[schema(value_type = Option<Object>)]
    transformations_params: Field<TransformationsParams>,
}

/// The parts of `transformationsParams` that have a meaning here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TransformationsParams {
    raw_payload: Option<String>,
    headers: Map<String, Value>,
}

impl Kind for TransformationsParams {
    const EXPECTED: &'static str = "must be an object";
}

impl MessageIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<NewEvent, Vec<Problem>> {
        let mut read = Reader::default();
        let event_type = read.required("eventType", self.event_type, |text| {
            let event_type = EventType::parse(&text)?;
            event_type.check_published()?;
            Ok(event_type)
        });
        let external_id = read.optional("eventId", self.event_id, |text| ExternalId::parse(&text));
        let channels = read.optional("channels", self.channels, Channels::of_event).unwrap_or_default();
        if let RawField::Text(_) = self.deliver_at {
            read.problem("deliverAt", "is not supported: messages are delivered at once");
        }
        let raw = read.optional("transformationsParams", self.transformations_params, raw_payload).flatten();
        let (data, content_type) = match raw {
            Some((text, content_type)) => (Some(text), content_type),
            None => {
                let data = read.check("payload", self.payload.text().map(|text| text.map(str::to_owned)));
                if data == Some(None) {
                    read.problem("payload", "is required");
                }
                (data.flatten(), None)
            }
        };
        let complete = event_type.zip(data).map(|(event_type, data)| NewEvent {
            external_id,
            format: Format::Raw,
            content_type,
            channels,
            svix_headers: true,
            ..NewEvent::new(event_type, data)
        });
        read.finish(complete)
    }
}

/// The raw payload and its content type, which is `None` for JSON.
fn raw_payload(given: TransformationsParams) -> Result<Option<(String, Option<ContentType>)>, Invalid> {
    let Some(text) = given.raw_payload else { return Ok(None) };
    let content_type = given.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    match content_type.and_then(|(_, value)| value.as_str()).filter(|it| !it.starts_with(JSON)) {
        Some(content_type) => {
            let content_type = ContentType::parse(content_type)
                .map_err(|Invalid(reason)| Invalid(format!("has a content-type that {reason}")))?;
            Ok(Some((text, Some(content_type))))
        }
        None => {
            let data: RawObject = serde_json::from_str(&text)
                .map_err(|_| Invalid::new("has a rawPayload that is not JSON, and no other content-type"))?;
            let text = data.text().map_err(|reason| Invalid(format!("has a rawPayload that {reason}")))?;
            Ok(Some((text.unwrap_or("{}").to_owned(), None)))
        }
    }
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::MessageOut)]
pub struct MessageOut {
    id: String,
    #[schema(required)]
    event_id: Option<String>,
    event_type: String,
    /// An empty object if it was removed or is not asked for. A payload that is not JSON is a string in `rawPayload`.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    #[schema(required)]
    channels: Option<Vec<String>>,
    /// Always null.
    #[schema(value_type = Option<Vec<String>>, required)]
    tags: (),
    #[schema(value_type = Millisecond)]
    timestamp: String,
}

impl MessageOut {
    /// A message, with its payload if `has_content`.
    pub fn new(event: &Event, has_content: bool) -> Self {
        let channels = event.channels.names();
        Self {
            id: print_message(event.id),
            event_id: event.external_id.as_ref().map(ExternalId::to_string),
            event_type: event.event_type.to_string(),
            payload: if has_content { payload(event) } else { empty() },
            channels: (!channels.is_empty()).then(|| channels.to_vec()),
            tags: (),
            timestamp: event.id.created_at().rfc3339(),
        }
    }
}

fn payload(event: &Event) -> Box<RawValue> {
    if event.expunged_at.is_some() {
        return empty();
    }
    let payload = match event.data() {
        Data::Json(json) => RawValue::from_string(json.to_owned()),
        Data::Text(text) => to_raw_value(&serde_json::json!({"rawPayload": text})),
    };
    payload.unwrap_or_else(|_| empty())
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
