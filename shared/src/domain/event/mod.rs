//! Events: what a publisher sent, and which endpoints receive it.

pub mod appended;
pub mod channel;
pub mod event_type;
pub mod ingest;
pub mod operational;
pub mod payload;
pub mod selection;
pub mod trace_context;

use super::Invalid;
use super::delivery::Delivery;
use super::endpoint::fan_out::Target;
use super::endpoint::filter::EventView;
use super::external_id::ExternalId;
use super::ids::{DeliveryId, EndpointId, EventId, KeyId, OrganizationId};
use super::text::{EditionId, SubjectPart};
use super::time::Timestamp;
use appended::{Appended, MAX_FAN_OUT};
use channel::Channels;
use event_type::EventType;
use payload::{ContentType, Data, Format, Payload};
use trace_context::TraceContext;

/// Most bytes of an event's `data`.
pub const MAX_DATA_BYTES: usize = 256 * 1024;
/// Most levels of nested objects and arrays in an event's `data`, including the outermost. Many JSON libraries read
/// at most 100 levels, and a list of events is as deep as its deepest event.
pub const MAX_DATA_LEVELS: usize = 64;

/// The fields of a new event.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The publisher's identifier of the event.
    pub external_id: Option<ExternalId>,
    /// The event's type.
    pub event_type: EventType,
    /// The payload: the text of a JSON object, or any text if there is a content type.
    pub data: String,
    /// How the data becomes the body of requests.
    pub format: Format,
    /// The content type of raw data that is not JSON. It requires [`Format::Raw`].
    pub content_type: Option<ContentType>,
    /// The subject; `None` for the organization.
    pub subject: Option<Subject>,
    /// The edition that the event belongs to.
    pub edition: Option<EditionId>,
    /// The channels of the event.
    pub channels: Channels,
    /// The trace context of the publish request.
    pub trace: Option<TraceContext>,
    /// Whether requests have the signed headers `svix-…` as well.
    pub svix_headers: bool,
    /// The version of its type whose schema `data` must satisfy, and after the validation the one that it satisfies.
    /// `None` for the newest version, and after the validation if that has no schema.
    pub schema_version: Option<u32>,
}

impl NewEvent {
    /// An event of the organization itself, in an envelope, with none of the optional fields. `data` is the text of a
    /// JSON object.
    pub fn new(event_type: EventType, data: String) -> Self {
        Self {
            external_id: None,
            event_type,
            data,
            format: Format::Envelope,
            content_type: None,
            subject: None,
            edition: None,
            channels: Channels::default(),
            trace: None,
            svix_headers: false,
            schema_version: None,
        }
    }

    /// What filters see of the event.
    ///
    /// # Errors
    /// [`Invalid`] if `data` is not JSON or has more than [`MAX_DATA_LEVELS`] levels. Accepted data has neither fault.
    pub fn view<'a>(&'a self, organization: &'a OrganizationId) -> Result<EventView<'a>, Invalid> {
        let own = self.subject.as_ref().map(|subject| (subject.kind.as_str(), subject.id.as_str()));
        let subject = own.unwrap_or(("organization", organization.as_str()));
        let (event_type, channels) = (self.event_type.as_str(), self.channels.names());
        match self.content_type {
            None => EventView::new(event_type, subject, channels, &self.data),
            Some(_) => Ok(EventView::of_text(event_type, subject, channels, &self.data)),
        }
    }
}

/// The fields of a test event.
#[derive(Debug, Default)]
pub struct TestEvent {
    /// The event's type. If it is `None`, the type is the endpoint's first subscription, provided that this is one
    /// exact type and not operational; otherwise it is `webhook.test`.
    pub event_type: Option<EventType>,
    /// The payload: the text of a JSON object; `None` for the example of the type, or else `{"test": true}`.
    pub data: Option<String>,
    /// Whether the request has the signed headers `svix-…` as well.
    pub svix_headers: bool,
}

/// The subject of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The type of the subject, such as `member`.
    pub kind: SubjectPart,
    /// The subject's id.
    pub id: SubjectPart,
}

/// A published event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's identifier. It contains the time of publishing.
    pub id: EventId,
    /// The publisher's identifier of the event.
    pub external_id: Option<ExternalId>,
    /// The organization that published the event.
    pub organization: OrganizationId,
    /// The event's type.
    pub event_type: EventType,
    /// The subject; `None` for the organization.
    pub subject: Option<Subject>,
    /// The edition that the event belongs to.
    pub edition: Option<EditionId>,
    /// The channels of the event.
    pub channels: Channels,
    /// The version of its type whose schema the data satisfies; `None` if there was no schema.
    pub schema_version: Option<u32>,
    /// How the data became the body of requests.
    pub format: Format,
    /// What each request carries. The body is rendered once.
    pub payload: Payload,
    /// The endpoints that receive the event since it was published. A delivery's ordinal is its position in this list,
    /// from 1.
    pub endpoints: Vec<EndpointId>,
    /// The endpoints that replays added. The ordinals of their deliveries follow.
    pub appended: Appended,
    /// Whether it is a test of one endpoint. No other endpoint ever receives it.
    pub is_test: bool,
    /// The key that published the event; `None` for the platform and for the service itself.
    pub published_by: Option<KeyId>,
    /// When the event's data was removed; `None` if it was not.
    pub expunged_at: Option<Timestamp>,
}

impl Event {
    /// Creates the event, with a delivery for each endpoint that receives it.
    pub fn plan(
        new: NewEvent,
        id: EventId,
        organization: &OrganizationId,
        published_by: Option<KeyId>,
        receivers: &[&Target],
    ) -> (Self, Vec<Delivery>) {
        let (mut endpoints, mut deliveries) = (Vec::new(), Vec::new());
        for target in receivers {
            let Some(delivery) = id.delivery(endpoints.len()) else { break };
            let initial = Delivery::new(delivery, organization, target.id, &new.event_type, target.parks());
            deliveries.push(Delivery { channels: new.channels.clone(), ..initial });
            endpoints.push(target.id);
        }
        let body = match new.format {
            Format::Envelope => render_body(id, &new.event_type, &new.data),
            Format::Raw => new.data,
        };
        let event = Self {
            id,
            external_id: new.external_id,
            organization: organization.clone(),
            format: new.format,
            payload: Payload { body, content_type: new.content_type, trace: new.trace, svix_headers: new.svix_headers },
            event_type: new.event_type,
            subject: new.subject,
            edition: new.edition,
            channels: new.channels,
            schema_version: new.schema_version,
            endpoints,
            appended: Appended::default(),
            is_test: false,
            published_by,
            expunged_at: None,
        };
        (event, deliveries)
    }

    /// The endpoints that receive the event, each with the id of its delivery, in the order of the fan-out.
    pub fn fan_out(&self) -> impl Iterator<Item = (EndpointId, DeliveryId)> {
        let all = self.endpoints.iter().chain(self.appended.endpoints()).enumerate();
        all.filter_map(|(index, endpoint)| Some((*endpoint, self.id.delivery(index)?)))
    }

    /// The number of endpoints that receive the event.
    pub fn fan_out_size(&self) -> usize {
        self.endpoints.len() + self.appended.endpoints().len()
    }

    /// Whether a replay may add an endpoint.
    pub fn can_be_appended(&self) -> bool {
        self.fan_out_size() < MAX_FAN_OUT
    }

    /// The delivery to this endpoint in its initial state; `None` if the endpoint does not receive the event.
    pub fn delivery_to(&self, endpoint: EndpointId) -> Option<Delivery> {
        let (_, id) = self.fan_out().find(|(receiver, _)| *receiver == endpoint)?;
        Some(self.initial_delivery(endpoint, id))
    }

    /// Whether a replay added this delivery.
    pub fn is_appended(&self, id: DeliveryId) -> bool {
        id.index().is_some_and(|index| index >= self.endpoints.len())
    }

    /// The event's deliveries in their initial state.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.fan_out().map(|(endpoint, id)| self.initial_delivery(endpoint, id))
    }

    /// The delivery with this id in its initial state; `None` if the event has no such delivery.
    pub fn delivery(&self, id: DeliveryId) -> Option<Delivery> {
        let mut all = self.endpoints.iter().chain(self.appended.endpoints());
        let endpoint = all.nth(id.index()?).filter(|_| id.event() == self.id)?;
        Some(self.initial_delivery(*endpoint, id))
    }

    fn initial_delivery(&self, endpoint: EndpointId, id: DeliveryId) -> Delivery {
        let initial = Delivery::new(id, &self.organization, endpoint, &self.event_type, false);
        Delivery { channels: self.channels.clone(), ..initial }
    }

    /// Returns the event without its data: the body has `null` instead.
    #[must_use]
    pub fn expunged(self, now: Timestamp) -> Self {
        let body = match self.format {
            Format::Envelope => render_body(self.id, &self.event_type, "null"),
            Format::Raw => "null".to_owned(),
        };
        Self { payload: Payload::json(body), expunged_at: Some(now), ..self }
    }

    /// The fields with which the event was published, by which endpoints are selected. The trace context and the
    /// external id are left out.
    pub fn as_new(&self) -> NewEvent {
        let (Data::Json(data) | Data::Text(data)) = self.data();
        NewEvent {
            format: self.format,
            content_type: self.payload.content_type.clone(),
            subject: self.subject.clone(),
            edition: self.edition.clone(),
            channels: self.channels.clone(),
            schema_version: self.schema_version,
            svix_headers: self.payload.svix_headers,
            ..NewEvent::new(self.event_type.clone(), data.to_owned())
        }
    }

    /// The published `data`; the JSON text `null` if it was removed.
    pub fn data(&self) -> Data<'_> {
        let body = &self.payload.body;
        match self.format {
            Format::Raw if self.payload.content_type.is_some() => Data::Text(body),
            Format::Raw => Data::Json(body),
            Format::Envelope => {
                // The text before it consists of ids, types and times, none of which contains this string.
                let start = body.find(DATA).map_or(0, |at| at + DATA.len());
                Data::Json(body.get(start..body.len().saturating_sub(1)).unwrap_or_default())
            }
        }
    }
}

const DATA: &str = r#","data":"#;

/// Renders the body that each attempt sends byte for byte, so that signatures of retries and copies are valid.
fn render_body(id: EventId, event_type: &EventType, data: &str) -> String {
    let created = id.created_at();
    format!(
        r#"{{"id":"{id}","object":"webhook_event","type":"{event_type}","created":"{created}","timestamp":"{created}"{DATA}{data}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::tests::{KEY, endpoint};
    use super::super::endpoint::{Endpoint, WantedStatus};
    use super::appended::AppendedList;
    use super::*;
    use crate::domain::endpoint::change::EndpointPatch;
    use crate::domain::endpoint::fan_out::FanOut;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_774_382_400_000);

    fn new_event(data: &str) -> NewEvent {
        NewEvent::new(EventType::parse("member.added").unwrap(), data.to_owned())
    }

    #[test]
    fn the_body_has_the_documented_format_and_contains_the_data() {
        let id = EventId::new(NOW, [0; 8]);
        let data = r#"{ "big": 12345678901234567890.10, "x": ",\"data\":1" }"#;
        let (event, _) = Event::plan(new_event(data), id, &endpoint().organization, None, &[]);
        let expected = format!(
            r#"{{"id":"{id}","object":"webhook_event","type":"member.added","created":"2026-03-24T20:00:00.000Z","timestamp":"2026-03-24T20:00:00.000Z","data":{data}}}"#
        );
        assert_eq!(event.payload, Payload::json(expected));
        assert_eq!(event.data(), Data::Json(data));
    }

    #[test]
    fn a_raw_body_is_the_data() {
        let id = EventId::new(NOW, [0; 8]);
        let text = ContentType::parse("text/plain").ok();
        for (data, content_type, expected) in [
            (r#"{"a": ",\"data\":1"}"#, None, Data::Json(r#"{"a": ",\"data\":1"}"#)),
            ("plain", text.clone(), Data::Text("plain")),
            ("", text, Data::Text("")),
        ] {
            let new = NewEvent { format: Format::Raw, content_type: content_type.clone(), ..new_event(data) };
            let (event, _) = Event::plan(new, id, &endpoint().organization, None, &[]);
            assert_eq!(event.payload, Payload { content_type, ..Payload::json(data.to_owned()) });
            assert_eq!(event.data(), expected);
        }
    }

    #[test]
    fn the_fields_that_select_endpoints_are_read_back_from_the_event() {
        let id = EventId::new(NOW, [0; 8]);
        let text = ContentType::parse("text/plain").ok();
        for (data, format, content_type) in
            [(r#"{"a": 1}"#, Format::Envelope, None), (r#"{"a": 1}"#, Format::Raw, None), ("a", Format::Raw, text)]
        {
            let new = NewEvent {
                format,
                content_type,
                channels: Channels::stored(vec!["web".to_owned()]),
                edition: EditionId::parse("emea").ok(),
                subject: SubjectPart::parse("x").ok().map(|part| Subject { kind: part.clone(), id: part }),
                schema_version: Some(2),
                ..new_event(data)
            };
            let expected = format!("{new:?}");
            let (event, _) = Event::plan(new, id, &endpoint().organization, None, &[]);
            assert_eq!(format!("{:?}", event.as_new()), expected);
        }
    }

    #[test]
    fn the_ordinals_of_appended_endpoints_follow_those_of_the_first_fan_out() {
        let id = EventId::new(NOW, [0; 8]);
        let target = endpoint().target();
        let (event, _) = Event::plan(new_event("{}"), id, &endpoint().organization, None, &[&target]);
        let added = EndpointId::new(NOW, [9; 8]);
        assert_eq!((event.delivery_to(added), event.fan_out_size()), (None, 1));
        let list = AppendedList { event: id, number: 0, endpoints: vec![added] };
        let event = Event { appended: Appended::join([list]), ..event };
        let (first, second) = (id.delivery(0).unwrap(), id.delivery(1).unwrap());
        assert_eq!(event.fan_out().collect::<Vec<_>>(), [(target.id, first), (added, second)]);
        assert_eq!(event.delivery_to(added), event.delivery(second));
        assert_eq!(event.delivery(second).map(|delivery| delivery.endpoint), Some(added));
        assert_eq!([first, second].map(|id| event.is_appended(id)), [false, true]);
        assert_eq!((event.fan_out_size(), event.delivery(id.delivery(2).unwrap())), (2, None));
    }

    #[test]
    fn every_endpoint_that_receives_the_event_gets_one_delivery_in_order() {
        let status = |wanted| EndpointPatch { status: Some(wanted), ..EndpointPatch::default() };
        let mut candidates: Vec<Endpoint> = (0..4_i64)
            .map(|i| Endpoint { id: EndpointId::new(Timestamp::from_unix_seconds(i), [0; 8]), ..endpoint() })
            .collect();
        candidates[1] = candidates[1].clone().patched(status(WantedStatus::Disabled), NOW, KEY);
        candidates[2] = candidates[2].clone().patched(status(WantedStatus::Paused), NOW, KEY);
        let id = EventId::new(NOW, [0; 8]);
        let group = |at: &[usize]| at.iter().map(|at| candidates[*at].target()).collect::<Vec<_>>().into();
        let fan_out = FanOut::new(vec![group(&[1, 3]), group(&[0, 2])]);
        let new = new_event("{}");
        let receivers = fan_out.subscribed(&new);
        let (event, deliveries) = Event::plan(new, id, &endpoint().organization, None, &receivers);
        assert_eq!(event.endpoints, [candidates[0].id, candidates[2].id, candidates[3].id]);
        for (index, delivery) in deliveries.iter().enumerate() {
            assert_eq!(Some(delivery.id), id.delivery(index));
            assert_eq!(delivery.endpoint, event.endpoints[index]);
        }
        let parked: Vec<_> = deliveries.iter().map(|delivery| delivery.mark.is_some()).collect();
        assert_eq!(parked, [false, true, false]);
    }
}
