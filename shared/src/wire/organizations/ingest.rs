//! Messages of the ingest queue: publish requests, and events of EventBridge.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::events::BatchIn;
use crate::domain::Invalid;
use crate::domain::event::trace_context::TraceContext;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::domain::text::IdempotencyKey;
use crate::wire::body::{self, InvalidJson};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};

/// The field that only an event of EventBridge has.
const DETAIL_TYPE: &str = "detail-type";
/// The field of a message with several events.
const EVENTS: &str = "events";
/// The field of a message's idempotency key.
const KEY: &str = "idempotency_key";
/// The fields of a message that are not those of its event.
const OF_MESSAGE: [&str; 4] = ["organization", KEY, "traceparent", "tracestate"];

/// A publish request in a message.
#[derive(Debug, PartialEq, Eq)]
pub struct IngestRequest {
    /// The organization that publishes.
    pub organization: OrganizationName,
    /// The idempotency key; `None` if the message gives none.
    pub key: Option<IdempotencyKey>,
    /// The trace context of the events.
    pub trace: Option<TraceContext>,
    /// The events.
    pub entries: Entries,
}

/// The events of a message, each as the JSON text of a [`NewEvent`](super::EventIn).
#[derive(Debug, PartialEq, Eq)]
pub enum Entries {
    /// The message is an event.
    One(String),
    /// The message has a list of events.
    Batch(Vec<String>),
}

impl Entries {
    /// The events.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(event) => std::slice::from_ref(event),
            Self::Batch(events) => events,
        }
    }
}

/// An organization by its id, or by its external id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrganizationName {
    /// The id.
    Id(OrganizationId),
    /// The external id.
    External(ExternalId),
}

impl OrganizationName {
    /// Reads an id, or `ext:` and an external id, as in a path.
    fn parse(text: &str) -> Option<Self> {
        match ExternalId::in_path(text) {
            None => OrganizationId::parse(text).ok().map(Self::Id),
            Some(external_id) => external_id.map(Self::External),
        }
    }
}

impl fmt::Display for OrganizationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::External(external_id) => write!(f, "ext:{external_id}"),
        }
    }
}

/// A message is not a publish request.
#[derive(Debug, PartialEq, Eq)]
pub enum NotARequest {
    /// It is not a JSON object.
    Json(InvalidJson),
    /// These fields are invalid.
    Fields(Vec<Problem>),
}

impl From<InvalidJson> for NotARequest {
    fn from(invalid: InvalidJson) -> Self {
        Self::Json(invalid)
    }
}

impl From<Vec<Problem>> for NotARequest {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Fields(problems)
    }
}

impl IngestRequest {
    /// Reads the body of a message. The events are not validated.
    ///
    /// # Errors
    /// [`NotARequest`] if the body is not JSON, or the fields that do not belong to its events are invalid.
    pub fn read(message: &[u8]) -> Result<Self, NotARequest> {
        let fields = body::parse::<Fields>(message)?.read(Ok)?.0;
        if fields.iter().any(|(name, _)| name == DETAIL_TYPE) { of_event_bridge(&fields) } else { of_publisher(fields) }
    }

    /// The message with this idempotency key, unless it has one. Its events keep their texts.
    ///
    /// # Errors
    /// [`NotARequest`] if the message is not a publish request.
    pub fn keyed(message: &str, key: &IdempotencyKey) -> Result<String, NotARequest> {
        if Self::read(message.as_bytes())?.key.is_some() {
            return Ok(message.to_owned());
        }
        let mut fields = body::parse::<Fields>(message.as_bytes())?.read(Ok)?.0;
        fields.retain(|(name, _)| name != KEY);
        let of_key = format!("{{{}:{}", quoted(KEY), quoted(key.as_str()));
        Ok(object(&fields).replacen('{', &format!("{of_key},"), 1))
    }

    /// A message with these events of the request. It has no idempotency key, since it is another request.
    pub fn with_events<'a>(&self, events: impl IntoIterator<Item = &'a str>) -> String {
        let events: Vec<_> = events.into_iter().collect();
        let mut message = format!(r#"{{"organization":"{}""#, self.organization);
        if let Some(trace) = &self.trace {
            message += &format!(r#","traceparent":{}"#, quoted(trace.parent()));
            message += &trace.state().map(|state| format!(r#","tracestate":{}"#, quoted(state))).unwrap_or_default();
        }
        format!(r#"{message},"events":[{}]}}"#, events.join(","))
    }
}

/// Reads a message of a publisher: the fields of the message, and those of one event or a list of events.
fn of_publisher(fields: Vec<(String, Box<RawValue>)>) -> Result<IngestRequest, NotARequest> {
    let is_of_message = |(name, _): &(String, _)| OF_MESSAGE.contains(&name.as_str());
    let (of_message, of_events): (Vec<_>, Vec<_>) = fields.into_iter().partition(is_of_message);
    let message: MessageIn = body::parse(object(&of_message).as_bytes())?.read(Ok)?;
    let mut read = Reader::default();
    let named = |text: String| OrganizationName::parse(&text).ok_or_else(|| Invalid::new(UNNAMED));
    let organization = read.required("organization", message.organization, named);
    let key = read.optional("idempotency_key", message.idempotency_key, |text| IdempotencyKey::parse(&text));
    let parent = read.optional("traceparent", message.traceparent, Ok);
    let state = read.optional("tracestate", message.tracestate, Ok);
    // As in a request's header, a malformed trace context is ignored.
    let trace = parent.and_then(|parent| TraceContext::parse(&parent, state.as_deref()));
    let (mut lists, others): (Vec<_>, Vec<_>) = of_events.into_iter().partition(|(name, _)| name == EVENTS);
    let entries = match lists.pop() {
        None => Some(Entries::One(object(&others))),
        Some((_, events)) => {
            for (name, _) in lists.iter().chain(&others) {
                read.problem(name, "must not be beside events");
            }
            let entries = BatchIn { events: Some(events) }.entries();
            let problems = entries.as_ref().err().into_iter().flatten();
            problems.for_each(|problem| read.problem(&problem.name, &problem.message));
            entries.map(Entries::Batch).ok()
        }
    };
    let request = organization.zip(entries);
    let request = request.map(|(organization, entries)| IngestRequest { organization, key, trace, entries });
    Ok(read.finish(request)?)
}

/// Reads an event of EventBridge. Fields that the convention does not use are ignored, since EventBridge may add some.
fn of_event_bridge(fields: &[(String, Box<RawValue>)]) -> Result<IngestRequest, NotARequest> {
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.get());
    let mut read = Reader::default();
    let text = |name: &str| -> Field<String> {
        field(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let of_id = read.optional("id", text("id"), |id| IdempotencyKey::parse(&format!("eventbridge:{id}")));
    // Every event of EventBridge has an id. A copy of another one has a key.
    let key = of_id.or_else(|| read.optional(KEY, text(KEY), |key| IdempotencyKey::parse(&key)));
    let resources: Vec<String> =
        field("resources").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let named: Vec<_> = resources.iter().filter_map(|text| OrganizationName::parse(text)).collect();
    let in_detail = || {
        let detail: DetailIn = serde_json::from_str(field("detail")?).ok()?;
        detail.organization.value().and_then(|text| OrganizationName::parse(text))
    };
    let organization = match &named[..] {
        [] => in_detail()
            .ok_or("or detail.organization must name the organization, by its id or ext: and its external id"),
        [organization] => Ok(organization.clone()),
        _ => Err("must not name more than one organization"),
    };
    let organization = read.check("resources", organization);
    let [event_type, data] = [DETAIL_TYPE, "detail"].map(|name| field(name).unwrap_or("null"));
    let entries = Entries::One(format!(r#"{{"type":{event_type},"data":{data}}}"#));
    let request = organization.map(|organization| IngestRequest { organization, key, trace: None, entries });
    Ok(read.finish(request)?)
}

const UNNAMED: &str = "must be the organization's id, or ext: and its external id";

/// The fields of a message beside those of its events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessageIn {
    organization: Field<String>,
    idempotency_key: Field<String>,
    traceparent: Field<String>,
    tracestate: Field<String>,
}

/// What the convention reads in the detail of an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DetailIn {
    organization: Field<String>,
}

/// The fields of an object, each with the text of its value.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor).map(Self)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

/// The text of an object with these fields. Repeated ones stay, so that the object's reader finds them.
fn object(fields: &[(String, Box<RawValue>)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}:{}", quoted(name), value.get())).collect();
    format!("{{{}}}", fields.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "org_0123456789abcdefghjkmnpqrs";

    fn read(message: &str) -> Result<IngestRequest, NotARequest> {
        IngestRequest::read(message.replace("ORG", ORGANIZATION).as_bytes())
    }

    fn named(text: &str) -> OrganizationName {
        OrganizationName::parse(text).unwrap()
    }

    #[test]
    fn a_message_is_an_event_or_a_list_of_events_with_their_texts_unchanged() {
        let one =
            read(r#"{"type": "a.b", "organization": "ORG", "data": {"n":  1.10}, "idempotency_key": "k"}"#).unwrap();
        assert_eq!(one.entries, Entries::One(r#"{"type":"a.b","data":{"n":  1.10}}"#.to_owned()));
        assert_eq!((one.organization, one.key), (named(ORGANIZATION), IdempotencyKey::parse("k").ok()));
        let batch = read(r#"{"organization": "ext:acme", "events": [{"type": "a"}, 7]}"#).unwrap();
        assert_eq!(batch.entries, Entries::Batch(vec![r#"{"type": "a"}"#.to_owned(), "7".to_owned()]));
        assert_eq!((batch.organization.to_string().as_str(), batch.key), ("ext:acme", None));
    }

    #[test]
    fn an_event_of_event_bridge_names_its_organization_in_its_resources_or_its_detail() {
        for (resources, detail, expected) in [
            (r#"["ORG"]"#, r#"{"a": 1}"#, Some(ORGANIZATION)),
            (r#"["arn:aws:s3:::x", "ext:acme"]"#, r#"{"organization": "ORG"}"#, Some("ext:acme")),
            ("[]", r#"{"organization": "ORG"}"#, Some(ORGANIZATION)),
            ("[]", r#"{"organization": "ext:acme"}"#, Some("ext:acme")),
            (r#"["ORG", "ext:acme"]"#, "{}", None),
            ("[]", r#"{"organization": "acme"}"#, None),
            ("[]", "{}", None),
            ("[]", "7", None),
        ] {
            let event = format!(
                r#"{{"version": "0", "id": "e1", "detail-type": "a.b", "source": "s", "resources": {resources}, "detail": {detail}}}"#
            );
            let found = read(&event);
            assert_eq!(found.as_ref().ok().map(|it| it.organization.clone()), expected.map(named), "{event}");
            let Ok(found) = found else { continue };
            assert_eq!(found.key.unwrap().as_str(), "eventbridge:e1");
            let data = detail.replace("ORG", ORGANIZATION);
            assert_eq!(found.entries, Entries::One(format!(r#"{{"type":"a.b","data":{data}}}"#)));
        }
    }

    #[test]
    fn the_error_of_a_message_names_its_fields() {
        for (message, field) in [
            (r#"{"type": "a", "data": {}}"#, "organization"),
            (r#"{"organization": "acme"}"#, "organization"),
            (r#"{"organization": "ext:"}"#, "organization"),
            (r#"{"organization": 7}"#, "organization"),
            (r#"{"organization": "ORG", "idempotency_key": ""}"#, "idempotency_key"),
            (r#"{"organization": "ORG", "events": {}}"#, "events"),
            (r#"{"organization": "ORG", "events": []}"#, "events"),
            (r#"{"organization": "ORG", "events": [{}], "type": "a"}"#, "type"),
            (r#"{"organization": "ORG", "events": [{}], "events": [{}]}"#, "events"),
        ] {
            let Err(NotARequest::Fields(problems)) = read(message) else { panic!("{message}") };
            assert_eq!(problems.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [field], "{message}");
        }
        for message in ["", "[]", "7", "hello", r#"{"organization": "ORG", "organization": "ORG"}"#] {
            let error = read(message).unwrap_err();
            assert!(matches!(error, NotARequest::Json(_)) || message.is_empty(), "{message}: {error:?}");
        }
    }

    #[test]
    fn a_message_without_a_key_gets_one_and_its_events_keep_their_texts() {
        let new = IdempotencyKey::parse("sqs:1").unwrap();
        for (message, key) in [
            (r#"{"type": "a", "organization": "ORG", "data": {"n":  1.0}}"#, "sqs:1"),
            (r#"{"type": "a", "organization": "ORG", "data": {"n":  1.0}, "idempotency_key": null}"#, "sqs:1"),
            (r#"{"organization": "ORG", "events": [{"type":  "a"}, {"{": 7}]}"#, "sqs:1"),
            (r#"{"type": "a", "organization": "ORG", "idempotency_key": "k"}"#, "k"),
            (r#"{"detail-type": "a", "id": "e1", "resources": ["ORG"], "detail": {"n":  1}}"#, "eventbridge:e1"),
            (r#"{"detail-type": "a", "resources": ["ORG"], "detail": {"n":  1}}"#, "sqs:1"),
        ] {
            let message = message.replace("ORG", ORGANIZATION);
            let keyed = IngestRequest::keyed(&message, &new).unwrap();
            let (before, after) = (read(&message).unwrap(), read(&keyed).unwrap());
            assert_eq!((after.entries, after.organization), (before.entries, before.organization), "{keyed}");
            assert_eq!(after.key.unwrap().as_str(), key, "{keyed}");
            assert_eq!(before.key.is_some(), keyed == message, "{keyed}");
        }
        assert!(IngestRequest::keyed("{}", &new).is_err());
    }

    #[test]
    fn a_message_with_a_part_of_the_events_is_read_back_without_the_key() {
        let state = r#"a=\"1\""#;
        let trace = format!(
            r#""traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "{state}""#
        );
        for (of_message, key) in [(r#""idempotency_key": "k""#, true), (&*trace, false)] {
            let message = format!(r#"{{"organization": "ORG", {of_message}, "events": [{{"a": 1}}, {{"b":  2}}]}}"#);
            let request = read(&message).unwrap();
            assert_eq!((request.key.is_some(), request.trace.is_some()), (key, !key), "{message}");
            let part = read(&request.with_events([r#"{"b":  2}"#])).unwrap();
            assert_eq!(part.entries, Entries::Batch(vec![r#"{"b":  2}"#.to_owned()]));
            assert_eq!((part.organization, part.key, part.trace), (request.organization, None, request.trace));
        }
    }
}
