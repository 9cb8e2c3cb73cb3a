//! Moves deliveries for jobs and the sweep: leases and sends them, retries them, or fails them.

use std::sync::Arc;

use futures_util::future::join_all;
use tracing::error;

use super::ServiceError;
use super::meter::Meter;
use crate::clock::{self, Clock};
use crate::domain::delivery::attempt::Cause;
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::trigger::Trigger;
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

/// How many deliveries are leased before their messages are sent: one batch of SQS.
pub(super) const CHUNK: usize = 10;

/// How often a delivery is expunged if other processes change it first.
const EXPUNGE_TRIES: usize = 4;

/// The counts and failures of moving deliveries.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// How many deliveries were moved.
    pub(super) count: usize,
    /// Whether a repetition cannot move some of the deliveries: an item is unreadable, or DynamoDB refuses its write.
    pub(super) has_permanent_failures: bool,
    /// The last failure that a repetition may not have. The deliveries after it were processed.
    pub(super) failure: Option<ServiceError>,
}

/// The result of a chunk of deliveries.
struct Chunk {
    moved: Vec<Delivery>,
    has_permanent_failures: bool,
    failure: Option<ServiceError>,
}

/// Moves deliveries to the queue or to the state `failed`.
#[derive(Debug)]
pub(super) struct Releaser {
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
    pub(super) meter: Arc<Meter>,
}

impl Releaser {
    /// Leases these deliveries, in order, and sends those that no other process leased first on this route. With a
    /// `pace`, the messages are spread over the step of the job. A delivery whose next attempt is more than 15 minutes
    /// ahead is parked until then instead.
    ///
    /// If the process dies between lease and send, the sweep finds the delivery again when its lease ends.
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
        for chunk in found.chunks(CHUNK) {
            let (now, ticket) = (self.clock.now(), new_ticket());
            let leased = self.move_each(chunk, move |delivery| delivery.leased_for_release(now, ticket)).await;
            let indexes = all.count..;
            let leased = indexes.zip(all.add(leased));
            let leased = leased.filter(|(_, delivery)| delivery.state() == DeliveryState::Leased);
            let messages = leased.map(|(index, delivery)| {
                let own_delay = delivery.message_delay_seconds(now);
                let delay_seconds = pace.map_or(own_delay, |pace| pace.delay_seconds(index, now).max(own_delay));
                // A renewed lease keeps its ticket. Its former message may have crashed the process that received it.
                let suspect = delivery.ticket != Some(ticket);
                let task = DeliverTask { suspect, ..task_without_payload(delivery, route) };
                Outgoing { task, lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
        Ok(all)
    }

    /// Retries these deliveries, in order, on this route. `retried` returns the leased state of a delivery, or `None`
    /// if it is not to be retried. The messages are spread over the step.
    ///
    /// # Errors
    /// As [`Releaser::lease_and_send`].
    pub(super) async fn retry_each(
        &self,
        found: &[WaitingRef],
        route: Route,
        pace: Pace,
        retried: impl Fn(Delivery, Timestamp, Ticket) -> Option<Delivery>,
    ) -> Result<Moved, ServiceError> {
        let mut all = Moved::default();
        for chunk in found.chunks(CHUNK) {
            let now = self.clock.now();
            let leased = self.move_each(chunk, |delivery| retried(delivery, now, new_ticket())).await;
            let indexes = all.count..;
            let messages = indexes.zip(all.add(leased)).map(|(index, delivery)| {
                let delay_seconds = pace.delay_seconds(index, now);
                Outgoing { task: task_without_payload(delivery, route), lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
        Ok(all)
    }

    /// Leases these deliveries under new tickets for this job and sends them on this route. The messages are spread
    /// over the step. The flag of each delivery says whether it has a record. Parked, final and expired deliveries are
    /// skipped.
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
            let chunk: Vec<_> = stored.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return Ok(all);
            }
            let moves = chunk.into_iter().filter_map(|(is_recorded, seen)| {
                let leased = seen.clone().leased_to_resend(job.run(), now, new_ticket())?;
                Some((leased, is_recorded.then_some(seen)))
            });
            let sent = self.move_all(moves.collect()).await;
            let indexes = all.count..;
            let messages = indexes.zip(all.add(sent)).map(|(index, delivery)| {
                let delay_seconds = job.pace.delay_seconds(index, now).max(delivery.message_delay_seconds(now));
                Outgoing { task: task_without_payload(delivery, route), lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
    }

    /// Records these deliveries, whose endpoint is deleted or disabled, as failed with this cause.
    pub(super) async fn fail_each(&self, found: &[WaitingRef], cause: Cause) -> Moved {
        let mut all = Moved::default();
        for chunk in found.chunks(CHUNK) {
            let now = self.clock.now();
            let fail = move |delivery| unless_final(delivery).map(|delivery| delivery.failed(cause, now));
            let failed = self.move_each(chunk, fail).await;
            all.add(failed).iter().for_each(|delivery| self.meter.count_end(None, delivery));
        }
        metrics::failed(cause, all.count);
        all
    }

    /// Removes what is stored of the responses to these deliveries of an expunged event, and fails those that are not
    /// final. Each is given in its initial state, which holds if it has no record.
    pub(super) async fn expunge_each(&self, initial: Vec<Delivery>) -> Moved {
        let mut all = Moved::default();
        let (mut rest, mut expunged) = (initial, Vec::new());
        for _ in 0..EXPUNGE_TRIES {
            let wanted = rest.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
            let mut loaded = match self.store.load(&Wanted { deliveries: wanted, ..Wanted::default() }).await {
                Ok(loaded) => loaded.deliveries,
                Err(error) => return Moved { failure: Some(error.into()), ..all },
            };
            let now = self.clock.now();
            let mut moves = Vec::with_capacity(rest.len());
            for initial in rest.drain(..) {
                let seen = match loaded.remove(&initial.id).transpose() {
                    Ok(seen) => seen,
                    Err(error) => {
                        error!(delivery = %initial.id, %error, "a delivery of an expunged event cannot be read");
                        continue;
                    }
                };
                let current = seen.clone().unwrap_or_else(|| initial.clone());
                match current.expunged(now) {
                    Some(moved) => moves.push((initial, seen, moved)),
                    None => expunged.push(current),
                }
            }
            let writes: Vec<_> = moves
                .into_iter()
                .map(async |(initial, seen, moved)| {
                    let written = self.store.move_delivery(seen.as_ref(), &moved).await;
                    (initial, written.map(|()| (seen, moved)))
                })
                .collect();
            for (initial, written) in join_all(writes).await {
                match written {
                    Ok((seen, moved)) => {
                        self.meter.count_end(seen.as_ref(), &moved);
                        all.count += 1;
                        expunged.push(moved);
                    }
                    Err(StoreError::Conflict) => rest.push(initial),
                    Err(error) => all.failure = Some(error.into()),
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        if !rest.is_empty() {
            let failure = ServiceError::Unavailable("other processes are changing the deliveries".to_owned());
            all.failure = Some(failure);
        }
        // An attempt is recorded before its item is written. So the log of an expunged record names every item that may have
        // a response, and the second pass of the job finds those that were written since.
        if let Err(error) = self.store.remove_responses(&expunged).await {
            all.failure = Some(error.into());
        }
        all
    }

    /// Leases the oldest delivery that is held for an endpoint and sends it as a half-open probe. Returns whether a
    /// probe was sent.
    ///
    /// # Errors
    /// [`ServiceError`] if the delivery could not be read, leased or sent.
    pub(super) async fn send_probe(&self, endpoint: &Endpoint) -> Result<bool, ServiceError> {
        let now = self.clock.now();
        let oldest = self.store.held_deliveries(endpoint.id, None, 1).await?;
        let Chunk { moved: leased, failure, .. } =
            self.move_each(&oldest, move |delivery| delivery.leased_as_probe(now, new_ticket())).await;
        failure.map_or(Ok(()), Err)?;
        let route = endpoint.route();
        let probe = |delivery| DeliverTask { trigger: Trigger::HalfOpen, ..task_without_payload(delivery, route) };
        let probes: Vec<_> = leased.into_iter().map(|delivery| Outgoing::new(probe(delivery), route.lane)).collect();
        let sent = !probes.is_empty();
        self.queue.send(probes).await?;
        Ok(sent)
    }

    /// Writes the state that `change` returns for each delivery; `None` leaves the delivery as it is. Returns, in
    /// order, the deliveries that no other process moved first. A mark that differs from the index's shows that another
    /// process moved the delivery. A delivery that cannot be read or written stays as it is and does not stop the
    /// others.
    async fn move_each(&self, found: &[WaitingRef], change: impl Fn(Delivery) -> Option<Delivery>) -> Chunk {
        let deliveries = found.iter().map(|waiting| (waiting.endpoint, waiting.delivery)).collect();
        let loaded = match self.store.load(&Wanted { deliveries, ..Wanted::default() }).await {
            Ok(loaded) => loaded,
            Err(error) => {
                return Chunk { moved: Vec::new(), has_permanent_failures: false, failure: Some(error.into()) };
            }
        };
        let mut has_unreadable = false;
        let mut current = Vec::with_capacity(found.len());
        for (id, delivery) in loaded.deliveries {
            match delivery {
                Ok(delivery) => current.push(delivery),
                Err(error) => {
                    has_unreadable = true;
                    error!(delivery = %id, %error, "a parked delivery cannot be read");
                }
            }
        }
        let is_unchanged = |delivery: &Delivery| {
            found.iter().any(|waiting| waiting.delivery == delivery.id && Some(waiting.mark) == delivery.mark)
        };
        current.retain(is_unchanged);
        current.sort_by_key(|delivery| found.iter().position(|waiting| waiting.delivery == delivery.id));
        let moves = current.into_iter().filter_map(|seen| Some((change(seen.clone())?, Some(seen)))).collect();
        let chunk = self.move_all(moves).await;
        Chunk { has_permanent_failures: has_unreadable || chunk.has_permanent_failures, ..chunk }
    }

    /// Writes new states of deliveries. Each pair is the new state and the state that was read, or `None` for a
    /// delivery without a record. Returns, in order, the deliveries that no other process moved first.
    async fn move_all(&self, moves: Vec<(Delivery, Option<Delivery>)>) -> Chunk {
        let moves: Vec<_> = moves.into_iter().map(|(moved, seen)| self.move_one(seen, moved)).collect();
        let (mut moved, mut has_permanent_failures, mut failure) = (Vec::new(), false, None);
        for result in join_all(moves).await {
            match result {
                Ok(Some(one)) => moved.push(one),
                Ok(None) => {}
                // A repetition would fail in the same way.
                Err((id, error @ (StoreError::Refused(_) | StoreError::Corrupt(_)))) => {
                    has_permanent_failures = true;
                    error!(delivery = %id, %error, "a delivery cannot be moved");
                }
                Err((_, error)) => failure = Some(error.into()),
            }
        }
        Chunk { moved, has_permanent_failures, failure }
    }

    /// Writes the new state of a delivery and returns it; `None` if another process moved the delivery first.
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
    /// Adds a chunk, and returns its moved deliveries.
    fn add(&mut self, chunk: Chunk) -> Vec<Delivery> {
        self.count += chunk.moved.len();
        self.has_permanent_failures |= chunk.has_permanent_failures;
        self.failure = chunk.failure.or(self.failure.take());
        chunk.moved
    }
}

/// A new random ticket.
pub(super) fn new_ticket() -> Ticket {
    Ticket::new(clock::secret_bytes())
}

fn unless_final(delivery: Delivery) -> Option<Delivery> {
    (!delivery.status.is_final()).then_some(delivery)
}

/// A task for a delivery. Its message has no payload, so the consumer reads the event.
pub(super) fn task_without_payload(delivery: Delivery, route: Route) -> DeliverTask {
    DeliverTask {
        organization: delivery.organization,
        endpoint: delivery.endpoint,
        delivery: delivery.id,
        endpoint_version: route.endpoint_version,
        event_type: delivery.event_type,
        channels: delivery.channels,
        ticket: delivery.ticket,
        trigger: Trigger::Schedule,
        suspect: false,
        payload: None,
    }
}
