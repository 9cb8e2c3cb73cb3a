//! Taking parked deliveries out of their place, by lease, and sending them to the queue.

use futures_util::future::join_all;
use tracing::error;

use super::{Core, ServiceError};
use crate::clock;
use crate::domain::attempt::Cause;
use crate::domain::delivery::{Delivery, Place};
use crate::domain::endpoint::Endpoint;
use crate::domain::lane::Route;
use crate::domain::ticket::Ticket;
use crate::queue::{DeliverTask, Outgoing};
use crate::store::{StoreError, WaitingRef, Wanted};
use crate::telemetry::metrics;

/// How many parked deliveries an endpoint that became active gets at once.
const FIRST_RELEASE: usize = 500;
/// How many deliveries are taken together: one batch of the queue.
pub(super) const STRIDE: usize = 10;

impl Core {
    /// Sends the oldest parked deliveries of an endpoint that became active.
    pub(super) async fn release_first(&self, endpoint: &Endpoint) -> Result<usize, ServiceError> {
        let found = self.store.held_deliveries(endpoint.id, FIRST_RELEASE).await?;
        self.take_and_send(&found, endpoint.route()).await
    }

    /// Leases these deliveries, in order, and sends those that no other process took on this route. Returns how many were moved: one
    /// whose next attempt is too far ahead to wait in the queue is parked until then instead.
    ///
    /// If the process dies in between, the sweep finds a leased delivery again when its lease ends.
    pub(super) async fn take_and_send(&self, found: &[WaitingRef], route: Route) -> Result<usize, ServiceError> {
        let mut sent = 0;
        for chunk in found.chunks(STRIDE) {
            let (now, ticket) = (self.clock.now(), new_ticket());
            let taken = self.move_each(chunk, move |delivery| delivery.taken(now, ticket)).await?;
            sent += taken.len();
            let leased = taken.into_iter().filter(|delivery| delivery.place() == Place::Leased);
            let messages = leased.map(|delivery| {
                let delay_seconds = delivery.message_delay_seconds(now);
                // A renewed lease keeps its ticket. Its former message may have ended the process that received it.
                let suspect = delivery.ticket != Some(ticket);
                let task = DeliverTask { suspect, ..task_without_body(delivery, route) };
                Outgoing { task, lane: route.lane, delay_seconds }
            });
            self.queue.send(messages.collect()).await?;
        }
        Ok(sent)
    }

    /// Leases the oldest delivery that is parked for an endpoint and sends it as a probe. Returns
    /// whether there was one.
    pub(super) async fn send_probe(&self, endpoint: &Endpoint) -> Result<bool, ServiceError> {
        let now = self.clock.now();
        let oldest = self.store.held_deliveries(endpoint.id, 1).await?;
        let leased = self.move_each(&oldest, move |delivery| delivery.taken_as_probe(now, new_ticket())).await?;
        let route = endpoint.route();
        let probe = |delivery| DeliverTask { probe: true, ..task_without_body(delivery, route) };
        let probes: Vec<_> = leased.into_iter().map(|delivery| Outgoing::new(probe(delivery), route.lane)).collect();
        let sent = !probes.is_empty();
        self.queue.send(probes).await?;
        Ok(sent)
    }

    /// Fails these deliveries, whose endpoint is gone or disabled. Returns how many.
    pub(super) async fn fail_each(&self, found: &[WaitingRef], cause: Cause) -> Result<usize, ServiceError> {
        let mut failed = 0;
        for chunk in found.chunks(STRIDE) {
            let now = self.clock.now();
            failed += self
                .move_each(chunk, move |delivery| unfinished(delivery).map(|delivery| delivery.failed(cause, now)))
                .await?
                .len();
        }
        metrics::failed(cause, failed);
        Ok(failed)
    }

    /// Moves those of these deliveries that `change` has another state for, and returns, in order,
    /// those that nobody else moved first. What was moved is gone on with; the rest is found again.
    ///
    /// # Errors
    /// The last [`ServiceError`], if nothing was moved.
    pub(super) async fn move_each(
        &self,
        found: &[WaitingRef],
        change: impl Fn(Delivery) -> Option<Delivery>,
    ) -> Result<Vec<Delivery>, ServiceError> {
        let (moved, failure) = self.try_each(found, change).await?;
        failure.filter(|_| moved.is_empty()).map_or(Ok(moved), Err)
    }

    /// The same for somebody who does not find the rest again: says also why some were not moved. A
    /// mark that is no longer what the index said tells that somebody moved a delivery before it was
    /// read here.
    ///
    /// One that cannot be read or written is left where it is and holds up none of the others.
    pub(super) async fn try_each(
        &self,
        found: &[WaitingRef],
        change: impl Fn(Delivery) -> Option<Delivery>,
    ) -> Result<(Vec<Delivery>, Option<ServiceError>), ServiceError> {
        let deliveries = found.iter().map(|waiting| (waiting.endpoint, waiting.delivery)).collect();
        let loaded = self.store.load(&Wanted { deliveries, ..Wanted::default() }).await?;
        let mut current = Vec::with_capacity(found.len());
        for (id, delivery) in loaded.deliveries {
            match delivery {
                Ok(delivery) => current.push(delivery),
                Err(error) => error!(delivery = %id, %error, "a parked delivery cannot be read"),
            }
        }
        let as_found = |delivery: &Delivery| {
            found.iter().any(|waiting| waiting.delivery == delivery.id && Some(waiting.mark) == delivery.mark)
        };
        current.retain(as_found);
        current.sort_by_key(|delivery| found.iter().position(|waiting| waiting.delivery == delivery.id));
        let moves: Vec<_> = current.into_iter().filter_map(|seen| Some((change(seen.clone())?, seen))).collect();
        let moves: Vec<_> = moves.into_iter().map(|(moved, seen)| self.move_one(seen, moved)).collect();
        let (mut moved, mut failure) = (Vec::new(), None);
        for result in join_all(moves).await {
            match result {
                Ok(one) => moved.extend(one),
                Err(error) => failure = Some(error),
            }
        }
        Ok((moved, failure))
    }

    /// The delivery in its new state, unless somebody else moved it first.
    async fn move_one(&self, seen: Delivery, moved: Delivery) -> Result<Option<Delivery>, ServiceError> {
        match self.store.move_delivery(Some(&seen), &moved).await {
            Ok(()) => Ok(Some(moved)),
            Err(StoreError::Conflict) => Ok(None),
            // No repetition helps it. It holds up none of the others, as one that cannot be read.
            Err(error @ StoreError::Refused(_)) => {
                error!(delivery = %seen.id, %error, "a parked delivery cannot be written");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A ticket that no message has.
pub(super) fn new_ticket() -> Ticket {
    Ticket::new(clock::secret_bytes())
}

fn unfinished(delivery: Delivery) -> Option<Delivery> {
    (!delivery.status.is_finished()).then_some(delivery)
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
