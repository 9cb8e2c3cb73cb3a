//! Publishing: from a publisher's request to deliveries that are stored and in the queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, try_join_all};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::endpoints::require_enabled;
use super::organizations::require_active;
use super::{Core, ServiceError};
use crate::clock;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, NewEvent, TestEvent};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::fields::IdempotencyKey;
use crate::domain::ids::{EndpointId, EventId, KeyId, OrganizationId};
use crate::domain::organization::Organization;
use crate::queue::DeliverTask;
use crate::store::{Claim, Claimed, EarlierClaim, StoreError};
use crate::telemetry::metrics;

/// A request that publishes has surely ended after this time, however it went: Lambda and API Gateway
/// cut it off earlier.
const FIRST_REQUEST_ENDS: Duration = Duration::from_secs(60);

/// How many records are repaired at once.
const AT_ONCE: usize = 16;

/// A published event, and its deliveries as they were made.
#[derive(Debug)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// Its deliveries, in the order of the fan-out.
    pub deliveries: Vec<Delivery>,
}

/// How a repeated request is recognised.
#[derive(Debug)]
pub struct Idempotency {
    /// The key that the publisher sent.
    pub key: IdempotencyKey,
    /// A hash of the request.
    pub request_hash: String,
}

impl Core {
    /// Publishes events. When this returns, every event and every delivery is stored, and each
    /// delivery is in the queue or parked.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization,
    /// [`ServiceError::IdempotencyConflict`] if the key was used for another request, and
    /// [`ServiceError::Unavailable`] if it could not be finished: the same request with the same key
    /// then completes it.
    pub async fn publish(
        &self,
        organization: &Organization,
        by: Option<KeyId>,
        new: Vec<NewEvent>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Vec<Published>, ServiceError> {
        let organization = require_active(organization)?;
        let publishing = self.publish_or_complete(organization, by, new, idempotency);
        let (published, ()) = join(publishing, self.write_usage()).await;
        self.write_great_usage().await;
        published
    }

    async fn publish_or_complete(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: Vec<NewEvent>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Vec<Published>, ServiceError> {
        let first = self.next_event_id();
        let Some(Idempotency { key, request_hash }) = idempotency else {
            return self.publish_new(organization, by, new, first).await;
        };
        let claim = Claim { organization, key, request_hash: request_hash.clone(), event: first };
        match self.store.claim(&claim, self.clock.now()).await? {
            Claimed::First => {
                let published = self.publish_new(organization, by, new, first).await;
                if published.is_err() {
                    // A repetition need not wait until this request must have ended. If that cannot be
                    // noted, it waits.
                    let _ = self.store.end_claim(&claim).await;
                }
                published
            }
            Claimed::Before(earlier) => {
                let published = self.complete(organization, by, new, &earlier).await?;
                if earlier.ended && self.store.settle_claim(&claim, &earlier).await? {
                    self.note_accepted(organization, &published);
                }
                Ok(published)
            }
            Claimed::ByAnother => Err(ServiceError::IdempotencyConflict),
        }
    }

    async fn publish_new(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: Vec<NewEvent>,
        first: EventId,
    ) -> Result<Vec<Published>, ServiceError> {
        let endpoints = self.store.endpoints(organization).await?;
        let planned = plan(organization, by, new, first, &endpoints);
        self.store_and_send(&planned).await?;
        self.note_accepted(organization, &planned);
        Ok(planned)
    }

    fn note_accepted(&self, organization: &OrganizationId, published: &[Published]) {
        metrics::accepted(published.len());
        self.count_published(organization, published);
    }

    /// Sends a test event to one endpoint alone, whatever it subscribes to.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::Conflict`] if the
    /// endpoint is disabled.
    pub async fn send_test(
        &self,
        organization: &Organization,
        by: Option<KeyId>,
        endpoint: EndpointId,
        test: TestEvent,
    ) -> Result<Published, ServiceError> {
        let organization = require_active(organization)?;
        let mut endpoint = self.endpoint(organization, endpoint).await?;
        require_enabled(&endpoint)?;
        let subscribed = endpoint.settings.subscriptions.first().cloned();
        let event_type = match (test.event_type, subscribed) {
            (Some(wanted), _) => wanted,
            (None, Some(Subscription::Exact(first))) => first,
            _ => EventType::parse("webhook.test").map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        let data = test.data.unwrap_or_else(|| json!({"test": true}).to_string());
        endpoint.settings.subscriptions = vec![Subscription::Exact(event_type.clone())];
        let new = NewEvent { event_type, data, subject: None, edition: endpoint.settings.edition.clone() };
        let planned = self.plan(organization, by, vec![new], &[endpoint]);
        self.store_and_send(&planned).await?;
        self.note_accepted(organization, &planned);
        self.write_usage().await;
        planned.into_iter().next().ok_or_else(|| ServiceError::Internal("nothing was published".to_owned()))
    }

    fn next_event_id(&self) -> EventId {
        EventId::new(self.clock.now(), clock::id_bytes())
    }

    /// New events, and their deliveries to those of these endpoints that want them.
    pub(super) fn plan(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: Vec<NewEvent>,
        endpoints: &[Endpoint],
    ) -> Vec<Published> {
        plan(organization, by, new, self.next_event_id(), endpoints)
    }

    pub(super) async fn store_and_send(&self, planned: &[Published]) -> Result<(), ServiceError> {
        let events = planned.iter().map(|published| &published.event);
        let deliveries = planned.iter().flat_map(|published| &published.deliveries);
        self.store.write_events(events, deliveries).await?;
        Ok(self.queue.send(planned.iter().flat_map(tasks).collect()).await?)
    }

    /// Answers a repeated request as the first time, after doing what the first time left undone:
    /// missing events are written, and deliveries without a record, which may not be in the queue, are left to the sweep.
    async fn complete(
        &self,
        organization: &OrganizationId,
        by: Option<KeyId>,
        new: Vec<NewEvent>,
        earlier: &EarlierClaim,
    ) -> Result<Vec<Published>, ServiceError> {
        let first = earlier.event;
        let ids: Vec<_> = (0..).map(|index| first.nth(index)).take(new.len()).collect();
        let stored = self.store.events_by_id(organization, &ids).await?;
        let ended = earlier.ended || self.clock.now().since(first.created_at()) >= FIRST_REQUEST_ENDS;
        if !ended && !self.is_all_stored(&stored, new.len()).await? {
            // It is still writing, and would overwrite what is written here.
            return Err(ServiceError::Unavailable("the first request with this key is not finished".to_owned()));
        }
        let endpoints =
            if stored.len() < new.len() { self.store.endpoints(organization).await? } else { Arc::default() };
        let planned = plan(organization, by, new, first, &endpoints);
        let published = planned.into_iter().map(|planned| match stored.iter().find(|e| e.id == planned.event.id) {
            Some(event) => as_first_published(event.clone()),
            None => planned,
        });
        let published: Vec<_> = published.collect();
        let missing = published.iter().map(|p| &p.event).filter(|event| !stored.contains(event));
        try_join_all(missing.map(|event| self.store.put_event_if_absent(event))).await.map_err(
            |error| match error {
                // The first request is still at work: the next repetition finds what it wrote.
                StoreError::Conflict => ServiceError::Unavailable("the first request is not finished".to_owned()),
                other => other.into(),
            },
        )?;
        for published in &published {
            self.restore_deliveries(published).await?;
        }
        Ok(published)
    }

    /// Whether all events are there, with all their deliveries.
    async fn is_all_stored(&self, stored: &[Event], wanted: usize) -> Result<bool, ServiceError> {
        let deliveries: Vec<_> = stored.iter().flat_map(Event::deliveries).collect();
        Ok(stored.len() == wanted && self.store.are_stored(&deliveries).await?)
    }

    /// Parks what has no record until the first request must have ended. If that one sent it, the attempt's record takes
    /// it out again; if not, the sweep sends it. So a repetition sends nothing twice, even while the first is still at
    /// work.
    async fn restore_deliveries(&self, published: &Published) -> Result<(), ServiceError> {
        let until = self.clock.now().plus(FIRST_REQUEST_ENDS);
        let keys: Vec<_> = published.deliveries.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
        let stored = self.store.deliveries_by_id(&keys).await?;
        let missing = published.deliveries.iter().filter(|planned| stored.iter().all(|stored| stored.id != planned.id));
        let parked: Vec<_> = missing.map(|planned| planned.clone().due_at(until)).collect();
        let writes: Vec<_> = parked.iter().map(|delivery| self.store.move_delivery(None, delivery)).collect();
        let mut writes = stream::iter(writes).buffer_unordered(AT_ONCE);
        while let Some(written) = writes.next().await {
            match written {
                // A consumer was faster.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn plan(
    organization: &OrganizationId,
    by: Option<KeyId>,
    new: Vec<NewEvent>,
    first: EventId,
    endpoints: &[Endpoint],
) -> Vec<Published> {
    let planned = (0..).zip(new).map(|(index, new)| {
        let (event, deliveries) = Event::plan(new, first.nth(index), organization, by, endpoints);
        Published { event, deliveries }
    });
    planned.collect()
}

/// An event that was stored before, with its deliveries as they were made then.
fn as_first_published(event: Event) -> Published {
    Published { deliveries: event.deliveries().collect(), event }
}

/// What goes into the queue: a task for each delivery that is not parked.
pub(super) fn tasks(published: &Published) -> impl Iterator<Item = DeliverTask> {
    let Published { event, deliveries } = published;
    let body = DeliverTask::inline(&event.body);
    deliveries.iter().filter(|delivery| delivery.mark.is_none()).map(move |delivery| DeliverTask {
        organization: event.organization.clone(),
        endpoint: delivery.endpoint,
        delivery: delivery.id,
        event_type: event.event_type.clone(),
        probe: false,
        body: body.clone(),
    })
}
