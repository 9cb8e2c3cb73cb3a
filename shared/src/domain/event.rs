//! Events: what a publisher sent, and which endpoints it goes to.

use super::delivery::Delivery;
use super::event_type::EventType;
use super::fan_out::FanOut;
use super::fields::{EditionId, SubjectPart};
use super::ids::{DeliveryId, EndpointId, EventId, KeyId, OrganizationId};

/// Most bytes that an event's `data` may have.
pub const MAX_DATA_BYTES: usize = 256 * 1024;
/// Most levels of objects and arrays that an event's `data` may have, itself included. Many JSON libraries read no more
/// than 100, and a list of events is as deep as the deepest of them.
pub const MAX_DATA_LEVELS: usize = 64;

/// What a publisher sends.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its type.
    pub event_type: EventType,
    /// A JSON object, as text.
    pub data: String,
    /// What the event is about; the organization if not said.
    pub subject: Option<Subject>,
    /// The edition it belongs to.
    pub edition: Option<EditionId>,
}

/// Which events a list is to hold.
#[derive(Debug, Default)]
pub struct EventFilter {
    /// Only events of this type.
    pub event_type: Option<EventType>,
    /// Only events that went to this endpoint.
    pub endpoint: Option<EndpointId>,
}

/// What a test event is made from.
#[derive(Debug, Default)]
pub struct TestEvent {
    /// Its type; if not said, the first that the endpoint subscribes to.
    pub event_type: Option<EventType>,
    /// A JSON object, as text.
    pub data: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The kind of thing, such as `member`.
    pub kind: SubjectPart,
    /// Which one.
    pub id: SubjectPart,
}

/// A published event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its identifier, which also tells when it was published.
    pub id: EventId,
    /// The organization it was published in.
    pub organization: OrganizationId,
    /// Its type.
    pub event_type: EventType,
    /// What it is about, if that is not the organization.
    pub subject: Option<Subject>,
    /// The edition it belongs to.
    pub edition: Option<EditionId>,
    /// The exact body of every request, rendered once.
    pub body: String,
    /// The endpoints it goes to; a delivery's ordinal counts along this list.
    pub endpoints: Vec<EndpointId>,
    /// The key that published it; `None` for the platform and for the service itself.
    pub published_by: Option<KeyId>,
}

impl Event {
    /// Plans an event: the endpoints that want it and a delivery for each.
    pub fn plan(
        new: NewEvent,
        id: EventId,
        organization: &OrganizationId,
        published_by: Option<KeyId>,
        candidates: &FanOut,
    ) -> (Self, Vec<Delivery>) {
        let wanting = candidates.targets().filter(|target| target.wants(&new.event_type, new.edition.as_ref()));
        // Whatever group each is in, the oldest endpoint comes first.
        let mut wanting: Vec<_> = wanting.collect();
        wanting.sort_unstable_by_key(|target| target.id);
        let (mut endpoints, mut deliveries) = (Vec::new(), Vec::new());
        for target in wanting {
            let Some(delivery) = id.delivery(endpoints.len()) else { break };
            deliveries.push(Delivery::new(delivery, organization, target.id, &new.event_type, target.parks()));
            endpoints.push(target.id);
        }
        let event = Self {
            id,
            organization: organization.clone(),
            body: render_body(id, &new.event_type, &new.data),
            event_type: new.event_type,
            subject: new.subject,
            edition: new.edition,
            endpoints,
            published_by,
        };
        (event, deliveries)
    }

    /// The endpoints it goes to, each with its delivery, in the order of the fan-out.
    pub fn fan_out(&self) -> impl Iterator<Item = (EndpointId, DeliveryId)> {
        self.endpoints.iter().enumerate().filter_map(|(index, endpoint)| Some((*endpoint, self.id.delivery(index)?)))
    }

    /// Its deliveries, as nobody has attempted them.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.fan_out().map(|(endpoint, id)| self.made(endpoint, id))
    }

    /// One of them; `None` if it has none with this id.
    pub fn delivery(&self, id: DeliveryId) -> Option<Delivery> {
        let endpoint = self.endpoints.get(id.index()?).filter(|_| id.event() == self.id)?;
        Some(self.made(*endpoint, id))
    }

    fn made(&self, endpoint: EndpointId, id: DeliveryId) -> Delivery {
        Delivery::new(id, &self.organization, endpoint, &self.event_type, false)
    }

    /// The `data` that was published, as JSON text.
    pub fn data(&self) -> &str {
        // What precedes it holds only characters of ids, types and times.
        let start = self.body.find(DATA).map_or(0, |at| at + DATA.len());
        self.body.get(start..self.body.len().saturating_sub(1)).unwrap_or_default()
    }
}

const DATA: &str = r#","data":"#;

/// The body that every attempt sends byte for byte, so that signatures and replays agree.
fn render_body(id: EventId, event_type: &EventType, data: &str) -> String {
    let created = id.created_at();
    format!(
        r#"{{"id":"{id}","object":"webhook_event","type":"{event_type}","created":"{created}","timestamp":"{created}"{DATA}{data}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::tests::endpoint;
    use super::super::endpoint::{Endpoint, EndpointPatch, WantedStatus};
    use super::super::time::Timestamp;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_774_382_400_000);

    fn new_event(data: &str) -> NewEvent {
        let event_type = EventType::parse("member.added").unwrap();
        NewEvent { event_type, data: data.to_owned(), subject: None, edition: None }
    }

    #[test]
    fn the_body_is_rendered_to_the_letter_and_the_data_found_in_it() {
        let id = EventId::new(NOW, [0; 8]);
        let data = r#"{ "big": 12345678901234567890.10, "x": ",\"data\":1" }"#;
        let (event, _) = Event::plan(new_event(data), id, &endpoint().organization, None, &FanOut::default());
        let expected = format!(
            r#"{{"id":"{id}","object":"webhook_event","type":"member.added","created":"2026-03-24T20:00:00.000Z","timestamp":"2026-03-24T20:00:00.000Z","data":{data}}}"#
        );
        assert_eq!(event.body, expected);
        assert_eq!(event.data(), data);
    }

    #[test]
    fn every_endpoint_that_wants_the_event_gets_one_delivery_in_order() {
        let status = |wanted| EndpointPatch { status: Some(wanted), ..EndpointPatch::default() };
        let mut candidates: Vec<Endpoint> = (0..4_i64)
            .map(|i| Endpoint { id: EndpointId::new(Timestamp::from_unix_seconds(i), [0; 8]), ..endpoint() })
            .collect();
        candidates[1] = candidates[1].clone().patched(status(WantedStatus::Disabled), NOW);
        candidates[2] = candidates[2].clone().patched(status(WantedStatus::Paused), NOW);
        let id = EventId::new(NOW, [0; 8]);
        let group = |at: &[usize]| at.iter().map(|at| candidates[*at].target()).collect::<Vec<_>>().into();
        let fan_out = FanOut::new(vec![group(&[1, 3]), group(&[0, 2])]);
        let (event, deliveries) = Event::plan(new_event("{}"), id, &endpoint().organization, None, &fan_out);
        assert_eq!(event.endpoints, [candidates[0].id, candidates[2].id, candidates[3].id]);
        for (index, delivery) in deliveries.iter().enumerate() {
            assert_eq!(Some(delivery.id), id.delivery(index));
            assert_eq!(delivery.endpoint, event.endpoints[index]);
        }
        let parked: Vec<_> = deliveries.iter().map(|delivery| delivery.mark.is_some()).collect();
        assert_eq!(parked, [false, true, false]);
    }
}
