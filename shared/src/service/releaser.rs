//! Taking parked deliveries out of their place, by lease, and sending them to the queue.

use std::sync::Arc;

use futures_util::future::join_all;
use tracing::error;

use super::ServiceError;
use crate::clock::{self, Clock};
use crate::domain::delivery::attempt::Cause;
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Route;
use crate::domain::ids::DeliveryId;
use crate::domain::job::{Job, Pace};
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Outgoing, Queue};
use crate::store::{Store, StoreError, WaitingRef, Wanted};
use crate::telemetry::metrics;

/// How many deliveries are taken together: one batch of the queue.
const STRIDE: usize = 10;

/// What became of deliveries that were to be moved.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// How many were moved.
    pub(super) count: usize,
    /// Whether some cannot be read or written at all, and are where they were.
    pub(super) is_stuck: bool,
    /// The last failure of a read or a write, which may succeed later. The deliveries behind it were gone on with.
    pub(super) failure: Option<ServiceError>,
}

/// What a chunk of them came to.
struct Chunk {
    moved: Vec<Delivery>,
    is_stuck: bool,
    failure: Option<ServiceError>,
}

/// Moves parked deliveries on.
#[derive(Debug)]
pub(super) struct Releaser {
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
}

impl Releaser {
    /// Leases these deliveries, in order, and sends those that no other process took on this route, spread over the step of
    /// the job that they are moved by. One whose next attempt is too far ahead to wait in the queue is parked until then instead.
    ///
    /// If the process dies in between, the sweep finds a leased delivery again when its lease ends.
    ///
    /// # Errors
    /// [`ServiceError`] if deliveries were leased and could not be sent. No further ones are leased then.
    pub(super) async fn lease_and_send(
        &self,
        found: &[WaitingRef],
        route: Route,
        pace: Option<Pace>,
    ) -> Result<Moved, ServiceError> {
        let mut all = Moved::default();
        for chunk in found.chunks(STRIDE) {
            let (now, ticket) = (self.clock.now(), new_ticket());
            let leased = self.move_each(chunk, move |delivery| delivery.leased_for_release(now, ticket)).await;
            let indexes = all.count..;
            let leased = indexes.zip(all.add(leased));
            let leased = leased.filter(|(_, delivery)| delivery.state() == DeliveryState::Leased);
            let messages = leased.map(|(index, delivery)| {
                let own_delay = delivery.message_delay_seconds(now);
                let delay_seconds = pace.map_or(own_delay, |pace| pace.delay_seconds(index, now).max(own_delay));
                // A renewed lease keeps its ticket. Its former message may have ended the process that received it.
                let suspect = delivery.ticket != Some(ticket);
                let task = DeliverTask { suspect, ..task_without_body(delivery, route) };
                Outgoing { task, lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
        Ok(all)
    }

    /// Retries these deliveries, in order, as `again` says: leases them and sends those that no other process took on this
    /// route, spread over the step.
    ///
    /// # Errors
    /// As [`Releaser::lease_and_send`].
    pub(super) async fn retry_each(
        &self,
        found: &[WaitingRef],
        route: Route,
        pace: Pace,
        again: impl Fn(Delivery, Timestamp, Ticket) -> Option<Delivery>,
    ) -> Result<Moved, ServiceError> {
        let mut all = Moved::default();
        for chunk in found.chunks(STRIDE) {
            let now = self.clock.now();
            let leased = self.move_each(chunk, |delivery| again(delivery, now, new_ticket())).await;
            let indexes = all.count..;
            let messages = indexes.zip(all.add(leased)).map(|(index, delivery)| {
                let delay_seconds = pace.delay_seconds(index, now);
                Outgoing { task: task_without_body(delivery, route), lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
        Ok(all)
    }

    /// Leases these deliveries, each with whether it has a record, under new tickets for this job, and sends them on this
    /// route, spread over the step. Those that are parked or final are left out.
    ///
    /// # Errors
    /// As [`Releaser::lease_and_send`].
    pub(super) async fn send_again(
        &self,
        stored: Vec<(bool, Delivery)>,
        route: Route,
        job: &Job,
    ) -> Result<Moved, ServiceError> {
        let mut all = Moved::default();
        let is_expired = |id: DeliveryId| self.deployment.is_expired(id.created_at(), self.clock.now());
        let mut stored = stored.into_iter().filter(|(_, delivery)| !is_expired(delivery.id));
        loop {
            let now = self.clock.now();
            let chunk: Vec<_> = stored.by_ref().take(STRIDE).collect();
            if chunk.is_empty() {
                return Ok(all);
            }
            let moves = chunk.into_iter().filter_map(|(is_recorded, seen)| {
                let again = seen.clone().leased_to_resend(job.run(), now, new_ticket())?;
                Some((again, is_recorded.then_some(seen)))
            });
            let sent = self.move_all(moves.collect()).await;
            let indexes = all.count..;
            let messages = indexes.zip(all.add(sent)).map(|(index, delivery)| {
                let delay_seconds = job.pace.delay_seconds(index, now).max(delivery.message_delay_seconds(now));
                Outgoing { task: task_without_body(delivery, route), lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
    }

    /// Fails these deliveries, whose endpoint is deleted or disabled.
    pub(super) async fn fail_each(&self, found: &[WaitingRef], cause: Cause) -> Moved {
        let mut all = Moved::default();
        for chunk in found.chunks(STRIDE) {
            let now = self.clock.now();
            let fail = move |delivery| unfinished(delivery).map(|delivery| delivery.failed(cause, now));
            let failed = self.move_each(chunk, fail).await;
            all.add(failed);
        }
        metrics::failed(cause, all.count);
        all
    }

    /// Leases the oldest delivery that is parked for an endpoint and sends it as a probe. Returns
    /// whether there was one.
    pub(super) async fn send_probe(&self, endpoint: &Endpoint) -> Result<bool, ServiceError> {
        let now = self.clock.now();
        let oldest = self.store.held_deliveries(endpoint.id, None, 1).await?;
        let Chunk { moved: leased, failure, .. } =
            self.move_each(&oldest, move |delivery| delivery.leased_as_probe(now, new_ticket())).await;
        failure.map_or(Ok(()), Err)?;
        let route = endpoint.route();
        let probe = |delivery| DeliverTask { probe: true, ..task_without_body(delivery, route) };
        let probes: Vec<_> = leased.into_iter().map(|delivery| Outgoing::new(probe(delivery), route.lane)).collect();
        let sent = !probes.is_empty();
        self.queue.send(probes).await?;
        Ok(sent)
    }

    /// Moves those of these deliveries that `change` has another state for, and returns, in order, those that no other
    /// process moved first: a mark that differs from the index's tells that one did. A delivery that cannot be read or
    /// written is left where it is and holds up none of the others.
    async fn move_each(&self, found: &[WaitingRef], change: impl Fn(Delivery) -> Option<Delivery>) -> Chunk {
        let deliveries = found.iter().map(|waiting| (waiting.endpoint, waiting.delivery)).collect();
        let loaded = match self.store.load(&Wanted { deliveries, ..Wanted::default() }).await {
            Ok(loaded) => loaded,
            Err(error) => return Chunk { moved: Vec::new(), is_stuck: false, failure: Some(error.into()) },
        };
        let mut is_stuck = false;
        let mut current = Vec::with_capacity(found.len());
        for (id, delivery) in loaded.deliveries {
            match delivery {
                Ok(delivery) => current.push(delivery),
                Err(error) => {
                    is_stuck = true;
                    error!(delivery = %id, %error, "a parked delivery cannot be read");
                }
            }
        }
        let as_found = |delivery: &Delivery| {
            found.iter().any(|waiting| waiting.delivery == delivery.id && Some(waiting.mark) == delivery.mark)
        };
        current.retain(as_found);
        current.sort_by_key(|delivery| found.iter().position(|waiting| waiting.delivery == delivery.id));
        let moves = current.into_iter().filter_map(|seen| Some((change(seen.clone())?, Some(seen)))).collect();
        let chunk = self.move_all(moves).await;
        Chunk { is_stuck: is_stuck || chunk.is_stuck, ..chunk }
    }

    /// Writes these deliveries as they are to be, each over what was seen of it, and returns, in order, those that no other
    /// process moved first.
    async fn move_all(&self, moves: Vec<(Delivery, Option<Delivery>)>) -> Chunk {
        let moves: Vec<_> = moves.into_iter().map(|(moved, seen)| self.move_one(seen, moved)).collect();
        let (mut moved, mut is_stuck, mut failure) = (Vec::new(), false, None);
        for result in join_all(moves).await {
            match result {
                Ok(Some(one)) => moved.push(one),
                Ok(None) => {}
                // No repetition helps it.
                Err((id, error @ (StoreError::Refused(_) | StoreError::Corrupt(_)))) => {
                    is_stuck = true;
                    error!(delivery = %id, %error, "a delivery cannot be moved");
                }
                Err((_, error)) => failure = Some(error.into()),
            }
        }
        Chunk { moved, is_stuck, failure }
    }

    /// The delivery in its new state, unless another process moved it first.
    async fn move_one(
        &self,
        seen: Option<Delivery>,
        moved: Delivery,
    ) -> Result<Option<Delivery>, (DeliveryId, StoreError)> {
        match self.store.move_delivery(seen.as_ref(), &moved).await {
            Ok(()) => Ok(Some(moved)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err((moved.id, error)),
        }
    }
}

impl Moved {
    /// Adds a chunk, and returns what was moved of it.
    fn add(&mut self, chunk: Chunk) -> Vec<Delivery> {
        self.count += chunk.moved.len();
        self.is_stuck |= chunk.is_stuck;
        self.failure = chunk.failure.or(self.failure.take());
        chunk.moved
    }
}

/// A ticket that no message has.
pub(super) fn new_ticket() -> Ticket {
    Ticket::new(clock::secret_bytes())
}

fn unfinished(delivery: Delivery) -> Option<Delivery> {
    (!delivery.status.is_final()).then_some(delivery)
}

/// A task whose body is read from the event.
pub(super) fn task_without_body(delivery: Delivery, route: Route) -> DeliverTask {
    DeliverTask {
        organization: delivery.organization,
        endpoint: delivery.endpoint,
        delivery: delivery.id,
        endpoint_version: route.endpoint_version,
        event_type: delivery.event_type,
        ticket: delivery.ticket,
        probe: false,
        suspect: false,
        body: None,
    }
}
