//! Planning, storing and sending new events with their deliveries.

use std::sync::Arc;

use super::ServiceError;
use super::meter::Meter;
use super::receivers::receivers;
use crate::clock::{self, Clock};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::fan_out::FanOut;
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
        plan(organization, by, vec![(0, new)], self.next_event_id(), fan_out).await
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

/// Events with their deliveries to the matching targets. Their ids follow `first`, by their positions in the request.
pub(super) async fn plan(
    organization: &OrganizationId,
    by: Option<KeyId>,
    new: Vec<Numbered>,
    first: EventId,
    fan_out: &FanOut,
) -> Vec<Published> {
    let mut planned = Vec::with_capacity(new.len());
    for (index, new) in new {
        let receivers = receivers(fan_out, organization, &new).await;
        let (event, deliveries) = Event::plan(new, first.nth(index), organization, by, &receivers);
        planned.push(Published { event, deliveries });
    }
    planned
}

/// A stored event with its deliveries in their initial state.
pub(super) fn as_first_published(event: Event) -> Published {
    Published { deliveries: event.deliveries().collect(), event }
}

/// The messages for all deliveries that are not parked.
pub(super) fn messages(published: &[Published], fan_out: &FanOut) -> Vec<Outgoing> {
    let is_queued = |delivery: &Delivery| delivery.mark.is_none();
    published.iter().flat_map(|published| messages_of(published, fan_out, is_queued)).collect()
}

/// The messages for those deliveries of an event that `is_sent` selects.
pub(super) fn messages_of<'a>(
    published: &'a Published,
    fan_out: &'a FanOut,
    is_sent: impl Fn(&Delivery) -> bool + 'a,
) -> impl Iterator<Item = Outgoing> + 'a {
    let Published { event, deliveries } = published;
    let payload = DeliverTask::inline(&event.payload);
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
