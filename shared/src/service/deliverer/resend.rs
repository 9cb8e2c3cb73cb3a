//! Resends: one attempt at once, in any state of the delivery. A resend has no part in the delivery's schedule, ticket and
//! number of attempts, nor in the counters of its endpoint.

use tracing::{info, warn};

use super::Deliverer;
use super::batch::Batch;
use super::load::Work;
use super::message::Verdict;
use super::record::{stays, unrecorded};
use super::task::may_crash;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::{AttemptEntry, Outcome};
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::lane::Lane;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::queue::DeliverTask;
use crate::store::{Replaced, StoreError};
use crate::telemetry::metrics;

/// How often the success of a resend is tried to be recorded if other processes change the record first.
const TRIES: usize = 5;

impl Deliverer {
    /// Makes the attempt of a resend, in the slow lane: the circuit breaker does not count resends, so nothing else keeps a
    /// receiver that hangs from occupying the fast lane. A resend whose endpoint was deleted, whose event's data was removed
    /// or whose organization is not active is dropped.
    pub(super) async fn resend(&self, work: Work, batch: Batch) -> Verdict {
        let is_active = work.endpoint.is_some() && work.organization == Some(OrganizationStatus::Active);
        // Cached items suffice for an attempt, but not for dropping a resend that was accepted.
        if !is_active && work.remembered {
            return match self.loader.refresh(work).await {
                Ok(work) => Box::pin(self.resend(work, batch)).await,
                Err(error) => stays(&error),
            };
        }
        let suspect = may_crash(&work);
        let Work { task, delivery: seen, endpoint, payload, is_expunged, .. } = work;
        let (Some(endpoint), Some(payload), true) = (endpoint, payload, is_active) else {
            return Verdict::Acknowledge;
        };
        let delivery = seen.clone().unwrap_or_else(|| unrecorded(&task));
        if is_expunged || delivery.is_expunged() {
            return Verdict::Acknowledge;
        }
        if batch.lane.forwards_to(Lane::OF_RESENDS) {
            return self.forward(DeliverTask { suspect, ..task }, Lane::OF_RESENDS).await;
        }
        match self.post(&delivery, &endpoint, &payload, batch).await {
            Ok(outcome) => self.record_resend(seen, delivery, &outcome).await,
            Err(verdict) => verdict,
        }
    }

    /// Records a resend. A success is first added to the delivery's record, unless that is successful already. If this
    /// fails, the message stays in the queue, and the resend is repeated.
    async fn record_resend(&self, seen: Option<Delivery>, initial: Delivery, outcome: &Outcome) -> Verdict {
        let delivery = match self.record_success(seen, initial, outcome).await {
            Ok(delivery) => delivery,
            Err(verdict) => return verdict,
        };
        if let Err(error) = self.put_resend(&delivery, outcome).await {
            warn!(delivery = %delivery.id, %error, "a resend is not listed");
        }
        let entry = outcome.entry(None, Trigger::Resend);
        metrics::attempted(entry.duration_ms);
        info!(
            organization = %delivery.organization,
            endpoint = %delivery.endpoint,
            delivery = %delivery.id,
            cause = entry.error.map(|cause| cause.as_str()),
            response_status = entry.response_status,
            "resent"
        );
        Verdict::Acknowledge
    }

    /// Adds the success of a resend to the delivery's record, unless that is successful already. A failed resend changes
    /// nothing. Returns the record as it is then, or the verdict on the message if the success was not added.
    async fn record_success(
        &self,
        mut seen: Option<Delivery>,
        initial: Delivery,
        outcome: &Outcome,
    ) -> Result<Delivery, Verdict> {
        let now = self.clock.now();
        for _ in 0..TRIES {
            let current = seen.clone().unwrap_or_else(|| initial.clone());
            let Some(successful) = current.clone().after_resend(outcome, now) else { return Ok(current) };
            match self.store.replace_delivery(seen.as_ref(), &successful).await {
                Ok(Replaced::Written) => {
                    self.meter.count_end(seen.as_ref(), &successful);
                    return Ok(successful);
                }
                Ok(Replaced::Found(Some(found))) => seen = Some(*found),
                // The delivery has expired.
                Ok(Replaced::Found(None)) => return Err(Verdict::Acknowledge),
                Err(error) => return Err(stays(&error)),
            }
        }
        Err(Verdict::Stay)
    }

    /// Adds a resend to the lists of attempts. Its time is stored before its response, so that removing the data of the event
    /// finds the response. If the data was removed since the request was sent, no response is stored.
    async fn put_resend(&self, delivery: &Delivery, outcome: &Outcome) -> Result<(), StoreError> {
        self.store.add_resend(delivery.endpoint, delivery.id, outcome.started_at).await?;
        let entry = AttemptEntry { has_item: true, ..outcome.entry(None, Trigger::Resend) };
        self.meter.count_attempt(delivery, &entry);
        // The record of a successful delivery does not say whether the data was removed, so the event is read.
        let response = match outcome.response() {
            Some(response) if self.may_keep_response(delivery).await => Some(response.clone()),
            _ => None,
        };
        let attempt = RecordedAttempt { response, ..RecordedAttempt::new(delivery, entry) };
        self.store.put_attempt(delivery, &attempt).await
    }

    /// Whether the data of the delivery's event is still stored. `false` if that cannot be read.
    async fn may_keep_response(&self, delivery: &Delivery) -> bool {
        match self.store.is_expunged(&delivery.organization, delivery.id.event()).await {
            Ok(is_expunged) => !is_expunged,
            Err(error) => {
                warn!(delivery = %delivery.id, %error, "the response to a resend is not stored");
                false
            }
        }
    }
}
