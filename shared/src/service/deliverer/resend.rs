//! Resends: one attempt at once, in any state of the delivery. A resend has no part in the delivery's schedule, ticket and
//! number of attempts, nor in the counters of its endpoint.

use tracing::{info, warn};

use super::message::Verdict;
use super::record::{stays, unrecorded};
use super::{Batch, Deliverer, Work, may_crash};
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::{AttemptEntry, Outcome};
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::queue::DeliverTask;
use crate::store::{Replaced, StoreError};
use crate::telemetry::metrics;

/// How often the success of a resend is tried to be recorded if other processes change the record first.
const TRIES: usize = 5;

impl Deliverer {
    /// Makes the attempt of a resend. A resend whose endpoint was deleted, whose event's data was removed or whose organization
    /// is not active is dropped.
    pub(super) async fn resend(&self, work: Work, batch: Batch) -> Verdict {
        let suspect = may_crash(&work);
        let Work { task, delivery: seen, endpoint, organization, payload, is_expunged, .. } = work;
        let (Some(endpoint), Some(payload), Some(OrganizationStatus::Active)) = (endpoint, payload, organization)
        else {
            return Verdict::Acknowledge;
        };
        let delivery = seen.clone().unwrap_or_else(|| unrecorded(&task));
        if is_expunged || delivery.is_expunged() {
            return Verdict::Acknowledge;
        }
        if batch.lane.forwards_to(endpoint.lane) {
            return self.forward(DeliverTask { suspect, ..task }, endpoint.lane).await;
        }
        match self.post(&delivery, &endpoint, &payload, batch).await {
            Ok(outcome) => self.record_resend(seen, delivery, &outcome).await,
            Err(verdict) => verdict,
        }
    }

    /// Records a resend. A success is first added to the delivery's record, unless that is successful already. If this
    /// fails, the message stays in the queue, and the resend is repeated.
    async fn record_resend(&self, mut seen: Option<Delivery>, initial: Delivery, outcome: &Outcome) -> Verdict {
        let now = self.clock.now();
        for _ in 0..TRIES {
            let current = seen.clone().unwrap_or_else(|| initial.clone());
            let Some(successful) = current.after_resend(outcome, now) else { break };
            match self.store.replace_delivery(seen.as_ref(), &successful).await {
                Ok(Replaced::Written) => {
                    self.meter.count_end(seen.as_ref(), &successful);
                    seen = Some(successful);
                    break;
                }
                Ok(Replaced::Found(Some(found))) => seen = Some(*found),
                // The delivery has expired.
                Ok(Replaced::Found(None)) => return Verdict::Acknowledge,
                Err(error) => return stays(&error),
            }
        }
        let delivery = seen.unwrap_or(initial);
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

    /// Adds a resend to the lists of attempts. Its time is stored before its response, so that removing the data of the event
    /// finds the response.
    async fn put_resend(&self, delivery: &Delivery, outcome: &Outcome) -> Result<(), StoreError> {
        self.store.add_resend(delivery.endpoint, delivery.id, outcome.started_at).await?;
        let entry = AttemptEntry { has_item: true, ..outcome.entry(None, Trigger::Resend) };
        self.meter.count_attempt(delivery, &entry);
        let kept = outcome.response().filter(|_| !delivery.is_expunged()).cloned();
        let attempt = RecordedAttempt { response: kept, ..RecordedAttempt::new(delivery, entry) };
        self.store.put_attempt(delivery, &attempt).await
    }
}
