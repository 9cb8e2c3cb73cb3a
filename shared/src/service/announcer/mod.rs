//! Operational events: events about endpoints and deliveries that the service itself publishes, to the organization that
//! they are about and to the platform's own organization. Nothing that happens in the latter is announced, so that a failing
//! endpoint of the platform causes no further events.

mod events;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::warn;

use super::ServiceError;
use super::event_writer::{EventWriter, Published, messages};
use super::meter::Meter;
use super::targets::Targets;
use crate::clock::Clock;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::lease::LEASE;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::event::NewEvent;
use crate::domain::ids::OrganizationId;
use crate::queue::Queue;
use crate::store::{Store, StoreError};

pub(super) use events::{
    Occurrence, after_attempt, endpoint_changed, endpoint_deleted, webhook_changed, webhook_created,
};

/// How many deliveries are written at the same time.
const MAX_CONCURRENT_WRITES: usize = 16;

/// Treats a conflict as a success: the ids are new, so an earlier try of the same write stored the item, and its
/// response was lost.
fn written(put: Result<(), StoreError>) -> Result<(), StoreError> {
    match put {
        Err(StoreError::Conflict) => Ok(()),
        other => other,
    }
}

/// Events with their deliveries, and the targets from which they were planned.
type Planned = (Vec<Published>, FanOut);

/// How the deliveries of an operational event reach the queue.
#[derive(Debug, Clone, Copy)]
enum Sending {
    /// At once.
    Now,
    /// By the next sweep. The consumer must not send to the queue that feeds it.
    BySweep,
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
    /// Publishes what happened in an organization, if an endpoint subscribes to it.
    ///
    /// # Errors
    /// [`ServiceError`] if the event was not published to the organization or to the platform.
    pub(super) async fn publish_operational(
        &self,
        organization: &OrganizationId,
        occurrence: Occurrence,
    ) -> Result<(), ServiceError> {
        if organization.is_platform() {
            return Ok(());
        }
        let own = match occurrence.own.clone() {
            Some(event) => self.publish_own(organization, event, Sending::Now).await,
            None => Ok(()),
        };
        let of_platform = self.publish_to_platform(organization, &occurrence, Sending::Now).await;
        own.and(of_platform)
    }

    /// As [`publish_operational`](Self::publish_operational). The deliveries are parked as due now, and the sweep sends them.
    /// An error is logged only, since the change that the event announces has already happened. If this process knows
    /// from the last 30 s that no endpoint subscribes, nothing is read.
    pub(super) async fn announce(&self, organization: &OrganizationId, occurrence: Occurrence) {
        if organization.is_platform() {
            return;
        }
        let is_wanted = |event: &NewEvent| {
            let recent = self.targets.recent(organization);
            recent.is_none_or(|fan_out| fan_out.wants(event))
        };
        let own = match occurrence.own.clone().filter(is_wanted) {
            Some(event) => self.publish_own(organization, event, Sending::BySweep).await,
            None => Ok(()),
        };
        let of_platform = self.publish_to_platform(organization, &occurrence, Sending::BySweep).await;
        for error in [own.err(), of_platform.err()].into_iter().flatten() {
            warn!(%organization, %error, "an operational event was not published");
        }
    }

    async fn publish_own(
        &self,
        organization: &OrganizationId,
        event: NewEvent,
        sending: Sending,
    ) -> Result<(), ServiceError> {
        let current = self.targets.current_state(organization).await?;
        if current.is_deleting() {
            return Ok(());
        }
        let fan_out = self.targets.fan_out(&current).await?;
        let planned = self.plan(organization, vec![event], fan_out).await;
        self.store(organization, planned, sending).await
    }

    /// Publishes to the platform's own organization. If none of its endpoints subscribes, this reads its state at most every
    /// 30 s.
    async fn publish_to_platform(
        &self,
        organization: &OrganizationId,
        occurrence: &Occurrence,
        sending: Sending,
    ) -> Result<(), ServiceError> {
        let fan_out = self.targets.of_platform().await?;
        let own = occurrence.own.iter().filter(|event| fan_out.wants(event)).cloned();
        let mut events: Vec<_> = own.collect();
        if let Some(event) = &occurrence.of_platform
            && event.about(None).is_some_and(|event| fan_out.wants(&event))
        {
            let uid = match self.targets.current_state(organization).await {
                Ok(state) => state.external_id().cloned(),
                Err(ServiceError::NotFound(_)) => None,
                Err(error) => return Err(error),
            };
            events.extend(event.about(uid.as_ref()));
        }
        let platform = OrganizationId::platform();
        let planned = self.plan(&platform, events, fan_out).await;
        self.store(&platform, planned, sending).await
    }

    async fn plan(&self, organization: &OrganizationId, events: Vec<NewEvent>, fan_out: FanOut) -> Planned {
        let mut planned = Vec::new();
        for event in events {
            if fan_out.wants(&event) {
                planned.extend(self.writer.plan(organization, None, event, &fan_out).await);
            }
        }
        // The filters of all subscribed endpoints may exclude it.
        planned.retain(|published| !published.deliveries.is_empty());
        (planned, fan_out)
    }

    async fn store(
        &self,
        organization: &OrganizationId,
        (planned, fan_out): Planned,
        sending: Sending,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        match sending {
            Sending::BySweep => self.store_marked(organization, &planned, |delivery| delivery.due_at(now)).await,
            Sending::Now => {
                // The deliveries are leased before they are sent, because no request is repeated if the process ends in
                // between.
                let until = now.plus(LEASE);
                self.store_marked(organization, &planned, |delivery| delivery.leased_to_publisher(until)).await?;
                Ok(self.queue.send(messages(&planned, &fan_out)).await?)
            }
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
}
