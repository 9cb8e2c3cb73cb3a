//! Operational events: events about endpoints and deliveries that the service itself publishes to an organization.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tracing::warn;

use super::ServiceError;
use super::event_writer::{EventWriter, Published, messages};
use super::meter::Meter;
use super::targets::Targets;
use crate::clock::Clock;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::{Detail, Failure};
use crate::domain::delivery::lease::LEASE;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::{Endpoint, EndpointStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::event::{NewEvent, Subject};
use crate::domain::ids::OrganizationId;
use crate::domain::text::SubjectPart;
use crate::queue::Queue;
use crate::store::{Store, StoreError};

/// How many deliveries are written at the same time.
const MAX_CONCURRENT_WRITES: usize = 16;

/// An endpoint was created. The event contains only the origin of the URL, because path and query may contain a
/// credential.
pub(super) fn webhook_created(endpoint: &Endpoint) -> Option<NewEvent> {
    let settings = &endpoint.settings;
    let data = json!({
        "id": endpoint.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "name": settings.name.as_str(),
        "url": settings.destination.origin(),
        "event_types": settings.subscriptions.iter().map(Subscription::to_string).collect::<Vec<_>>(),
        "created_at": endpoint.created_at.rfc3339(),
    });
    event_about(endpoint, "webhook.created", &data)
}

/// An endpoint was disabled, suspended or resumed. `event_type` says which.
pub(super) fn webhook_changed(endpoint: &Endpoint, event_type: &'static str) -> Option<NewEvent> {
    let disabled_reason = match endpoint.status {
        EndpointStatus::Disabled { reason } => reason.map(|reason| reason.as_str()),
        _ => None,
    };
    let data = json!({
        "id": endpoint.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "name": endpoint.settings.name.as_str(),
        "url": endpoint.settings.destination.origin(),
        "disabled_reason": disabled_reason,
    });
    event_about(endpoint, event_type, &data)
}

/// A delivery has used up its schedule.
pub(super) fn delivery_exhausted(endpoint: &Endpoint, delivery: &Delivery) -> Option<NewEvent> {
    let data = json!({
        "id": delivery.id.to_string(),
        "event_id": delivery.id.event().to_string(),
        "endpoint_id": delivery.endpoint.to_string(),
        "event_type": delivery.event_type.as_str(),
        "attempts": delivery.attempts,
        "response_status": delivery.response_status(),
        "error": delivery.error.map(|cause| cause.as_str()),
        "error_detail": delivery.failure().and_then(|failure| failure.detail).map(Detail::as_str),
        "docs_url": delivery.failure().map(Failure::docs_url),
    });
    event_about(endpoint, "delivery.exhausted", &data)
}

fn event_about(endpoint: &Endpoint, event_type: &str, data: &serde_json::Value) -> Option<NewEvent> {
    let id = endpoint.id.to_string();
    Some(NewEvent {
        subject: Some(Subject {
            kind: SubjectPart::parse("webhook_endpoint").ok()?,
            id: SubjectPart::parse(&id).ok()?,
        }),
        edition: endpoint.settings.edition.clone(),
        ..NewEvent::new(EventType::parse(event_type).ok()?, data.to_string())
    })
}

/// Treats a conflict as a success: the ids are new, so an earlier try of the same write stored the item, and its
/// response was lost.
fn written(put: Result<(), StoreError>) -> Result<(), StoreError> {
    match put {
        Err(StoreError::Conflict) => Ok(()),
        other => other,
    }
}

/// Publishes operational events.
#[derive(Debug)]
pub(super) struct Announcer {
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) targets: Arc<Targets>,
    pub(super) writer: Arc<EventWriter>,
    pub(super) meter: Arc<Meter>,
}

impl Announcer {
    /// Publishes an operational event if an endpoint subscribes to it.
    pub(super) async fn publish_operational(
        &self,
        organization: &OrganizationId,
        event: Option<NewEvent>,
    ) -> Result<(), ServiceError> {
        let Some(event) = event else { return Ok(()) };
        let (planned, fan_out) = self.plan_operational(organization, event).await?;
        // The deliveries are leased before they are sent, because no request is repeated if the process ends in
        // between.
        let until = self.clock.now().plus(LEASE);
        self.store_marked(organization, &planned, |delivery| delivery.leased_to_publisher(until)).await?;
        Ok(self.queue.send(messages(&planned, &fan_out)).await?)
    }

    /// As [`publish_operational`](Self::publish_operational), for the consumer, which must not send to the queue
    /// that feeds it. The deliveries are parked as due now, and the sweep sends them. An error is logged only,
    /// since the change that the event announces has already happened. If this process knows from the last 30 s
    /// that no endpoint subscribes, nothing is read.
    pub(super) async fn announce(&self, organization: &OrganizationId, event: Option<NewEvent>) {
        let now = self.clock.now();
        let is_wanted = |event: &NewEvent| {
            let recent = self.targets.recent(organization);
            recent.is_none_or(|fan_out| fan_out.wants(event))
        };
        let Some(event) = event.filter(is_wanted) else { return };
        let stored = async {
            let (planned, _) = self.plan_operational(organization, event).await?;
            self.store_marked(organization, &planned, |delivery| delivery.due_at(now)).await
        };
        if let Err(error) = stored.await {
            warn!(%organization, %error, "an operational event was not published");
        }
    }

    /// Stores events, and their deliveries with the mark that `mark` sets. The writes are conditional: the sweep
    /// may send a delivery before the response to its write arrives, and a repeated write must not overwrite what
    /// was recorded since.
    async fn store_marked(
        &self,
        organization: &OrganizationId,
        planned: &[Published],
        mark: impl Fn(Delivery) -> Delivery,
    ) -> Result<(), ServiceError> {
        for Published { event, deliveries } in planned {
            written(self.store.put_event_if_absent(event).await)?;
            let marked: Vec<_> = deliveries.iter().cloned().map(&mark).collect();
            let writes: Vec<_> = marked.iter().map(|delivery| self.store.move_delivery(None, delivery)).collect();
            stream::iter(writes).buffer_unordered(MAX_CONCURRENT_WRITES).map(written).try_collect::<()>().await?;
        }
        self.meter.count_published(organization, planned);
        Ok(())
    }

    async fn plan_operational(
        &self,
        organization: &OrganizationId,
        event: NewEvent,
    ) -> Result<(Vec<Published>, FanOut), ServiceError> {
        let current = self.targets.current_state(organization).await?;
        if current.is_deleting() {
            return Ok((Vec::new(), FanOut::default()));
        }
        let fan_out = self.targets.fan_out(&current).await?;
        let mut planned = Vec::new();
        if fan_out.wants(&event) {
            planned = self.writer.plan(organization, None, event, &fan_out).await;
            // The filters of all subscribed endpoints may exclude it.
            planned.retain(|published| !published.deliveries.is_empty());
        }
        Ok((planned, fan_out))
    }
}
