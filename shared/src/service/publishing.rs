//! Publishing: from a publish request to deliveries that are stored, and queued or parked.

use std::collections::HashSet;

use futures_util::future::{join, join_all, try_join_all};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::endpoints::require_enabled;
use super::fan_out::CurrentState;
use super::organizations::require_active;
use super::{Core, ServiceError};
use crate::clock;
use crate::domain::delivery::{Delivery, PUBLISHING_ENDS};
use crate::domain::event::{Event, NewEvent, TestEvent};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::fan_out::{FanOut, Target};
use crate::domain::fields::IdempotencyKey;
use crate::domain::ids::{EndpointId, EventId, KeyId, OrganizationId};
use crate::domain::organization::Organization;
use crate::domain::pending::Pending;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Outgoing, QueueError};
use crate::store::{Claim, Claimed, EarlierClaim, StoreError, WRITE_CHUNK};
use crate::telemetry::{audit, metrics};

/// How many records a repair writes at the same time.
const AT_ONCE: usize = 16;

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

/// Identifies repetitions of a publish request.
#[derive(Debug)]
pub struct Idempotency {
    /// The idempotency key of the request.
    pub key: IdempotencyKey,
    /// A hash of the request.
    pub request_hash: String,
    /// The number of events in the request, including rejected ones.
    pub events: u32,
}

impl Core {
    /// Publishes events. When this returns, every event and every delivery is stored, and each delivery is queued
    /// or parked.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::IdempotencyConflict`] if the key
    /// was used for a different request, [`ServiceError::RateLimited`] if a limit is reached, and
    /// [`ServiceError::Unavailable`] if a call failed. In the last case a repetition with the same key completes
    /// the request.
    pub async fn publish(
        &self,
        organization: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Vec<Published>, ServiceError> {
        Self::require_active_state(organization)?;
        let publishing = self.publish_or_complete(organization, by, new, idempotency);
        let (published, ()) = join(publishing, self.write_usage()).await;
        self.write_great_usage().await;
        published
    }

    async fn publish_or_complete(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Vec<Published>, ServiceError> {
        let (organization, first) = (current.organization(), self.next_event_id());
        let Some(Idempotency { key, request_hash, events }) = idempotency else {
            self.admit(current, new.len()).await?;
            let (planned, fan_out) = self.plan_new(current, by, new, first).await?;
            self.store_and_send(&planned, &fan_out).await?;
            self.note_accepted(organization, &planned);
            return Ok(planned);
        };
        let claim = Claim { organization, key, request_hash: request_hash.clone(), event: first };
        match self.store.claim(&claim, self.clock.now()).await? {
            Claimed::First => {
                if let Err(refused) = self.admit(current, new.len()).await {
                    // Nothing was stored, so a repetition must be treated as a first request. If the claim cannot
                    // be deleted, the repetition is treated as a repair, with the same result.
                    let _ = self.store.withdraw_claim(&claim).await;
                    return Err(refused);
                }
                let published = self.publish_repeatable(current, by, new, first).await;
                if published.is_err() {
                    // This lets a repetition complete the request immediately. If it fails, a repetition is
                    // answered with 503 until this request must have ended.
                    let _ = self.store.end_claim(&claim).await;
                }
                published
            }
            Claimed::Before(earlier) => {
                let published = self.complete(current, by, new, *events, &earlier).await?;
                if earlier.ended && self.store.settle_claim(&claim, &earlier).await? {
                    self.note_accepted(organization, &published);
                }
                Ok(published)
            }
            Claimed::ByAnother => Err(ServiceError::IdempotencyConflict),
        }
    }

    /// Publishes events so that a repetition can complete the request. The events are written before anything that
    /// names their deliveries. So a repetition that finds an event missing can plan it again.
    async fn publish_repeatable(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
    ) -> Result<Vec<Published>, ServiceError> {
        let (planned, fan_out) = self.plan_new(current, by, new, first).await?;
        self.store_events_first(&planned).await?;
        self.queue.send(messages(&planned, &fan_out)).await?;
        self.note_accepted(current.organization(), &planned);
        Ok(planned)
    }

    async fn store_events_first(&self, planned: &[Published]) -> Result<(), ServiceError> {
        self.store.write_events(planned.iter().map(|it| &it.event), std::iter::empty()).await?;
        let deliveries = planned.iter().flat_map(|published| &published.deliveries);
        Ok(self.store.write_events(std::iter::empty(), deliveries).await?)
    }

    /// Plans events that are written immediately afterwards.
    async fn plan_new(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
    ) -> Result<(Vec<Published>, FanOut), ServiceError> {
        let fan_out = self.fan_out_to_write(current).await?;
        Ok((plan(current.organization(), by, new, first, &fan_out), fan_out))
    }

    fn note_accepted(&self, organization: &OrganizationId, published: &[Published]) {
        metrics::accepted(published.len());
        self.count_published(organization, published);
    }

    /// Sends a test event to one endpoint, whatever it subscribes to.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::Conflict`] if the
    /// endpoint is disabled.
    pub async fn send_test(
        &self,
        organization: &Organization,
        by: Option<KeyId>,
        id: EndpointId,
        test: TestEvent,
    ) -> Result<Published, ServiceError> {
        let organization = require_active(organization)?;
        let endpoint = self.endpoint(organization, id).await?;
        require_enabled(&endpoint)?;
        let subscribed = endpoint.settings.subscriptions.first().cloned();
        let event_type = match (test.event_type, subscribed) {
            (Some(wanted), _) => wanted,
            // A test must not look like an operational event.
            (None, Some(Subscription::Exact(first))) if !first.is_operational() => first,
            _ => EventType::parse("webhook.test").map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        let data = test.data.unwrap_or_else(|| json!({"test": true}).to_string());
        let subscriptions = vec![Subscription::Exact(event_type.clone())];
        let fan_out = FanOut::from_iter([Target { subscriptions, ..endpoint.target() }]);
        let new = NewEvent { event_type, data, subject: None, edition: endpoint.settings.edition };
        let planned = self.plan(organization, by, new, &fan_out);
        self.store_and_send(&planned, &fan_out).await?;
        audit("endpoint.test", organization, id);
        self.note_accepted(organization, &planned);
        self.write_usage().await;
        planned.into_iter().next().ok_or_else(|| ServiceError::Internal("nothing was published".to_owned()))
    }

    fn next_event_id(&self) -> EventId {
        EventId::new(self.clock.now(), clock::id_bytes())
    }

    /// A new event with its deliveries to the matching targets.
    pub(super) fn plan(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: NewEvent,
        fan_out: &FanOut,
    ) -> Vec<Published> {
        plan(organization, by, vec![(0, new)], self.next_event_id(), fan_out)
    }

    /// Stores events and their deliveries, and sends messages for the deliveries. If all items fit, one call writes
    /// them. Otherwise the events are written first, so that no list names a delivery of a missing event.
    async fn store_and_send(&self, planned: &[Published], fan_out: &FanOut) -> Result<(), ServiceError> {
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

    /// Answers a repeated request like the first one, after completing what the first request left undone.
    async fn complete(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        events: u32,
        earlier: &EarlierClaim,
    ) -> Result<Vec<Published>, ServiceError> {
        let began_at = earlier.event.created_at();
        let first_has_ended = earlier.ended || self.has_ended(began_at);
        let ids: Vec<_> = new.iter().map(|(index, _)| earlier.event.nth(*index)).collect();
        // This includes events that would be rejected now: the first request may have accepted them, and listed
        // their deliveries with the others.
        let possible: Vec<_> = (0..events).map(|index| earlier.event.nth(index)).collect();
        let stored = self.store.events_by_id(current.organization(), &possible).await?;
        let (stored, refused_now): (Vec<_>, Vec<_>) = stored.into_iter().partition(|event| ids.contains(&event.id));
        let published = if stored.len() == ids.len() {
            in_order(&ids, stored)
        } else if first_has_ended {
            self.admit(current, ids.len() - stored.len()).await?;
            self.complete_events(current, by, new, earlier.event, stored).await?
        } else {
            return Err(unfinished());
        };
        let refused_now: Vec<_> = refused_now.into_iter().map(as_first_published).collect();
        let all: Vec<_> = published.iter().chain(&refused_now).collect();
        self.complete_deliveries(&all, began_at, first_has_ended).await?;
        Ok(published)
    }

    /// Whether a publish request that began at this time must have ended.
    fn has_ended(&self, began_at: Timestamp) -> bool {
        let is_of_earlier_process = self.deployment.only_process_since.is_some_and(|since| began_at < since);
        is_of_earlier_process || self.clock.now().since(began_at) >= PUBLISHING_ENDS
    }

    /// Writes the missing events, planned for the current endpoints. No item names deliveries of these events.
    async fn complete_events(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
        stored: Vec<Event>,
    ) -> Result<Vec<Published>, ServiceError> {
        let (planned, _) = self.plan_new(current, by, new, first).await?;
        let published = planned.into_iter().map(|planned| match stored.iter().find(|e| e.id == planned.event.id) {
            Some(event) => as_first_published(event.clone()),
            None => planned,
        });
        let published: Vec<_> = published.collect();
        let missing = published.iter().map(|p| &p.event).filter(|event| !stored.contains(event));
        try_join_all(missing.map(|event| self.store.put_event_if_absent(event))).await.map_err(
            |error| match error {
                // Another repetition wrote the event first.
                StoreError::Conflict => unfinished(),
                other => other.into(),
            },
        )?;
        Ok(published)
    }

    /// Ensures that each delivery is queued or in the index. A delivery that is neither recorded nor listed was not
    /// sent, because messages are sent after that write: it is listed and sent now. A delivery that is listed and
    /// not recorded may have been sent: it is leased to the first request until that must have ended. A message of
    /// the first request owns the delivery. If there is none, the sweep sends one.
    async fn complete_deliveries(
        &self,
        published: &[&Published],
        began_at: Timestamp,
        first_has_ended: bool,
    ) -> Result<(), ServiceError> {
        let deliveries: Vec<_> = published.iter().flat_map(|it| it.deliveries.iter().cloned()).collect();
        let stored = self.store.stored_deliveries(&deliveries).await?;
        let missing: Vec<_> = deliveries.iter().filter(|delivery| !stored.contains_key(&delivery.id)).collect();
        if !missing.is_empty() && !first_has_ended {
            return Err(unfinished());
        }
        let (held, queued): (Vec<_>, Vec<_>) = missing.into_iter().cloned().partition(|it| it.mark.is_some());
        let lists = Pending::of(&deliveries).into_iter().filter(|list| list.contains_any(&queued));
        let lists: Vec<_> = lists.collect();
        let listed_here = join_all(lists.iter().map(|list| self.store.put_list_if_absent(list))).await;
        let mut sendable = HashSet::new();
        for (list, written) in lists.iter().zip(listed_here) {
            match written {
                Ok(()) => sendable.extend(list.deliveries.iter().copied()),
                // Another repetition lists and sends these deliveries, unless its process ends. They are leased
                // below.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let sends = |delivery: &Delivery| !stored.contains_key(&delivery.id) && sendable.contains(&delivery.id);
        // The lease is long enough for another repetition that listed the deliveries to send them.
        let from = if first_has_ended { self.clock.now() } else { began_at };
        let until = from.plus(PUBLISHING_ENDS);
        let is_unsent = |delivery: &&Delivery| match stored.get(&delivery.id) {
            Some(is_recorded) => !is_recorded,
            None => delivery.mark.is_none() && !sendable.contains(&delivery.id),
        };
        let unsent = deliveries.iter().filter(is_unsent).map(|delivery| delivery.clone().leased_to_publisher(until));
        self.record_missing(held.into_iter().chain(unsent).collect()).await?;
        // The endpoints of a stored event are not read, so its messages have the default route.
        let unknown = FanOut::default();
        let messages = published.iter().flat_map(|published| messages_of(published, &unknown, sends));
        Ok(self.queue.send(messages.collect()).await?)
    }

    /// Writes the records of marked deliveries that have none.
    async fn record_missing(&self, marked: Vec<Delivery>) -> Result<(), ServiceError> {
        let writes: Vec<_> = marked.iter().map(|delivery| self.store.move_delivery(None, delivery)).collect();
        let mut writes = stream::iter(writes).buffer_unordered(AT_ONCE);
        while let Some(written) = writes.next().await {
            match written {
                // A consumer wrote the record first.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn unfinished() -> ServiceError {
    ServiceError::Unavailable("the first request with this key may still be in progress".to_owned())
}

/// The stored events in the order of `ids`.
fn in_order(ids: &[EventId], mut stored: Vec<Event>) -> Vec<Published> {
    stored.sort_by_key(|event| ids.iter().position(|id| *id == event.id));
    stored.into_iter().map(as_first_published).collect()
}

fn plan(
    organization: &OrganizationId,
    by: Option<KeyId>,
    new: Vec<Numbered>,
    first: EventId,
    fan_out: &FanOut,
) -> Vec<Published> {
    let planned = new.into_iter().map(|(index, new)| {
        let (event, deliveries) = Event::plan(new, first.nth(index), organization, by, fan_out);
        Published { event, deliveries }
    });
    planned.collect()
}

/// A stored event with its deliveries in their initial state.
fn as_first_published(event: Event) -> Published {
    Published { deliveries: event.deliveries().collect(), event }
}

/// The messages for all deliveries that are not parked.
pub(super) fn messages(published: &[Published], fan_out: &FanOut) -> Vec<Outgoing> {
    let is_queued = |delivery: &Delivery| delivery.mark.is_none();
    published.iter().flat_map(|published| messages_of(published, fan_out, is_queued)).collect()
}

fn messages_of<'a>(
    published: &'a Published,
    fan_out: &'a FanOut,
    is_sent: impl Fn(&Delivery) -> bool + 'a,
) -> impl Iterator<Item = Outgoing> + 'a {
    let Published { event, deliveries } = published;
    let body = DeliverTask::inline(&event.body);
    deliveries.iter().filter(move |delivery| is_sent(delivery)).map(move |delivery| {
        let route = fan_out.route_of(delivery.endpoint);
        let task = DeliverTask {
            organization: event.organization.clone(),
            endpoint: delivery.endpoint,
            delivery: delivery.id,
            endpoint_version: route.endpoint_version,
            event_type: event.event_type.clone(),
            ticket: None,
            probe: false,
            suspect: false,
            body: body.clone(),
        };
        Outgoing::new(task, route.lane)
    })
}
