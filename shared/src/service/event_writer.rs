//! Planning, storing and sending new events with their deliveries.

use std::borrow::Borrow;
use std::sync::Arc;

use super::ServiceError;
use super::meter::Meter;
use super::receivers::receivers;
use crate::clock::{self, Clock};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::endpoint::filter::RequestSteps;
use crate::domain::event::payload::Payload;
use crate::domain::event::{Event, NewEvent};
use crate::domain::ids::{EventId, KeyId, OrganizationId};
use crate::queue::{DeliverTask, Outgoing, Queue, QueueError};
use crate::store::{Store, WRITE_CHUNK};
use crate::telemetry::metrics;

/// A published event with its deliveries in their initial state.
#[derive(Debug)]
pub struct Published {
    /// The published event.
    pub event: Event,
    /// The event's deliveries, in the order of the fan-out.
    pub deliveries: Vec<Delivery>,
}

/// An event of a publish request, with its position among the request's events. The event's id is derived from the
/// position. So a repeated request results in the same ids even if the validation rules have changed in between.
pub type Numbered = (u32, NewEvent);

/// Most deliveries of one publish request. They take some 35 MB and 6 s in a function of 512 MB, twice as long if all are
/// parked. The function has 29 s.
pub(super) const MAX_DELIVERIES: usize = 50_000;
/// Most bytes of the bodies that the messages of one request carry together. Beyond it, the messages carry none, and the
/// consumer reads the body from the event: encoding and sending 512 MB takes a function of 512 MB some 10 s.
const MAX_INLINE_BYTES: usize = 512 * 1024 * 1024;

/// Plans, stores and sends events.
#[derive(Debug)]
pub(super) struct EventWriter {
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) meter: Arc<Meter>,
}

impl EventWriter {
    /// The id of an event that is published now.
    pub(super) fn next_event_id(&self) -> EventId {
        EventId::new(self.clock.now(), clock::id_bytes())
    }

    /// A new event with its deliveries to the matching targets.
    pub(super) async fn plan(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: NewEvent,
        fan_out: &FanOut,
    ) -> Vec<Published> {
        vec![plan_one(organization, by, new, self.next_event_id(), fan_out, &mut RequestSteps::new(1)).await]
    }

    /// Stores events and their deliveries, and sends messages for the deliveries. If all items fit, one call writes
    /// them. Otherwise the events are written first, so that no list names a delivery of a missing event.
    pub(super) async fn store_and_send(&self, planned: &[Published], fan_out: &FanOut) -> Result<(), ServiceError> {
        let deliveries = planned.iter().flat_map(|published| &published.deliveries);
        if planned.len() + deliveries.clone().count() <= WRITE_CHUNK {
            self.store.write_events(planned.iter().map(|published| &published.event), deliveries).await?;
        } else {
            self.store_events_first(planned).await?;
        }
        self.queue.send(messages(planned, fan_out)).await.map_err(|error| match error {
            // Without an idempotency key a repetition would be a new request, which SQS would reject as well.
            QueueError::Refused(_) => ServiceError::Internal(error.to_string()),
            passing => passing.into(),
        })
    }

    /// Stores the events, and then what names their deliveries.
    pub(super) async fn store_events_first(&self, planned: &[Published]) -> Result<(), ServiceError> {
        self.store.write_events(planned.iter().map(|it| &it.event), std::iter::empty()).await?;
        let deliveries = planned.iter().flat_map(|published| &published.deliveries);
        Ok(self.store.write_events(std::iter::empty(), deliveries).await?)
    }

    /// Counts accepted events in the metrics and the usage.
    pub(super) fn count_accepted(&self, organization: &OrganizationId, published: &[Published]) {
        metrics::accepted(published.len());
        self.meter.count_published(organization, published);
    }
}

/// Events with their deliveries to the matching targets, and their positions in the request. Their ids follow
/// `first`, by these positions. The filters take the `steps` of the request.
///
/// # Errors
/// [`ServiceError::QuotaExceeded`] if there are more than `most` deliveries.
pub(super) async fn plan(
    organization: &OrganizationId,
    by: Option<KeyId>,
    new: Vec<Numbered>,
    first: EventId,
    fan_out: &FanOut,
    mut steps: RequestSteps,
    most: usize,
) -> Result<Vec<(u32, Published)>, ServiceError> {
    let (mut planned, mut deliveries) = (Vec::with_capacity(new.len()), 0);
    for (index, new) in new {
        let published = plan_one(organization, by, new, first.nth(index), fan_out, &mut steps).await;
        deliveries += published.deliveries.len();
        if deliveries > most {
            return Err(ServiceError::QuotaExceeded(format!(
                "the events of one request may have at most {most} deliveries in all; publish fewer events at once"
            )));
        }
        planned.push((index, published));
    }
    Ok(planned)
}

async fn plan_one(
    organization: &OrganizationId,
    by: Option<KeyId>,
    new: NewEvent,
    id: EventId,
    fan_out: &FanOut,
    steps: &mut RequestSteps,
) -> Published {
    let receivers = receivers(fan_out, organization, &new, steps).await;
    let (event, deliveries) = Event::plan(new, id, organization, by, &receivers);
    Published { event, deliveries }
}

/// A stored event with its deliveries in their initial state.
pub(super) fn as_first_published(event: Event) -> Published {
    Published { deliveries: event.deliveries().collect(), event }
}

/// The messages for all deliveries that are not parked.
pub(super) fn messages(published: &[Published], fan_out: &FanOut) -> Vec<Outgoing> {
    messages_of(published, fan_out, |delivery| delivery.mark.is_none())
}

/// The messages for those deliveries that `is_sent` selects.
pub(super) fn messages_of<P: Borrow<Published>>(
    published: &[P],
    fan_out: &FanOut,
    is_sent: impl Fn(&Delivery) -> bool,
) -> Vec<Outgoing> {
    let published = published.iter().map(Borrow::borrow);
    let mut all: Vec<_> = published.map(|it| (it, DeliverTask::inline(&it.event.payload))).collect();
    let bytes = all.iter().map(|(it, payload)| payload.as_ref().map_or(0, |it| it.body.len()) * it.deliveries.len());
    if bytes.sum::<usize>() > MAX_INLINE_BYTES {
        all.iter_mut().for_each(|(_, payload)| *payload = None);
    }
    all.into_iter().flat_map(|(it, payload)| messages_of_one(it, payload, fan_out, &is_sent)).collect()
}

fn messages_of_one<'a>(
    Published { event, deliveries }: &'a Published,
    payload: Option<Arc<Payload>>,
    fan_out: &'a FanOut,
    is_sent: &'a impl Fn(&Delivery) -> bool,
) -> impl Iterator<Item = Outgoing> + 'a {
    deliveries.iter().filter(move |delivery| is_sent(delivery)).map(move |delivery| {
        let route = fan_out.route_of(delivery.endpoint);
        let task = DeliverTask {
            organization: event.organization.clone(),
            endpoint: delivery.endpoint,
            delivery: delivery.id,
            endpoint_version: route.endpoint_version,
            event_type: event.event_type.clone(),
            channels: event.channels.clone(),
            ticket: None,
            trigger: delivery.next_trigger,
            suspect: false,
            payload: payload.clone(),
        };
        Outgoing::new(task, route.lane)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::fan_out::{Target, TargetStatus};
    use crate::domain::endpoint::lane::Lane;
    use crate::domain::endpoint::subscription::Subscription;
    use crate::domain::event::channel::Channels;
    use crate::domain::event::event_type::EventType;
    use crate::domain::ids::EndpointId;
    use crate::domain::time::Timestamp;

    #[tokio::test]
    async fn the_messages_of_a_request_carry_bodies_up_to_a_limit_for_all_of_them() {
        let target = |number: i64| Target {
            id: EndpointId::new(Timestamp::from_unix_seconds(number), [1; 8]),
            status: TargetStatus::Active,
            is_suspended: false,
            subscriptions: vec![Subscription::All],
            edition: None,
            channels: Channels::default(),
            filter: None,
            lane: Lane::Fast,
            version: 1,
        };
        let organization = OrganizationId::new(Timestamp::from_unix_seconds(0), [1; 8]);
        let first = EventId::new(Timestamp::from_unix_seconds(0), [1; 8]);
        let event = |bytes: usize| {
            let data = format!(r#"{{"a":"{}"}}"#, "a".repeat(bytes));
            NewEvent::new(EventType::parse("a").unwrap(), data)
        };
        for (endpoints, sizes, expected) in [
            (8_000, &[48_000][..], &[true][..]),
            (8_000, &[48_000, 100], &[true, true]),
            (8_000, &[48_000, 48_000], &[false, false]),
            (8_000, &[48_000, 60_000], &[true, false]),
        ] {
            let fan_out: FanOut = (0..endpoints).map(target).collect();
            let new: Vec<_> = (0..).zip(sizes).map(|(index, size)| (index, event(*size))).collect();
            let steps = RequestSteps::new(new.len());
            let planned = plan(&organization, None, new, first, &fan_out, steps, MAX_DELIVERIES).await.unwrap();
            let planned: Vec<_> = planned.into_iter().map(|(_, published)| published).collect();
            let messages = messages(&planned, &fan_out);
            let per_event = messages.chunks(8_000).map(|chunk| chunk.iter().all(|it| it.task.payload.is_some()));
            assert_eq!(per_event.collect::<Vec<_>>(), expected, "{sizes:?}");
            assert_eq!(messages.len(), 8_000 * sizes.len());
        }
    }
}
