//! One task: the step that its delivery takes, and the attempt.

use bytes::Bytes;
use tracing::{error, warn};

use super::Deliverer;
use super::batch::Batch;
use super::load::Work;
use super::message::Verdict;
use super::observed::Observations;
use super::record::{Attempted, Remembered, after_conflict, stays, unrecorded};
use crate::domain::delivery::attempt::Outcome;
use crate::domain::delivery::decision::Decision;
use crate::domain::delivery::isolation::{is_suspicious, is_suspicious_resend};
use crate::domain::delivery::ticket::OnReceipt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::confidential::Fields;
use crate::domain::endpoint::lane::Lane;
use crate::domain::event::payload::Payload;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::queue::{DeliverTask, Outgoing};
use crate::sender::Attempt;
use crate::service::encryption::DecryptError;
use crate::store::Replaced;
use crate::telemetry::metrics;

/// Whether an earlier receive of the task's message left no result, so that the task may crash the process.
pub(super) fn may_crash(work: &Work) -> bool {
    match work.task.trigger {
        Trigger::Resend => is_suspicious_resend(work.receipt),
        _ => is_suspicious(work.receipt, work.delivery.as_ref(), work.read_at),
    }
}

impl Deliverer {
    /// Takes the step of a task. Returns the verdict on its messages.
    pub(super) async fn decide(&self, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        if work.task.trigger == Trigger::Resend {
            return Box::pin(self.resend(work, batch)).await;
        }
        match work.receipt.on_receipt(work.delivery.as_ref(), work.read_at) {
            OnReceipt::Process => {}
            OnReceipt::Done => return Verdict::Acknowledge,
            OnReceipt::WaitUntil(until) => return Verdict::HideUntil(until),
        }
        let now = self.clock.now();
        let delivery = work.delivery.clone().unwrap_or_else(|| unrecorded(&work.task));
        // An organization that does not exist was deleted.
        let status = work.organization.unwrap_or(OrganizationStatus::Deleting);
        let is_probe = work.task.trigger == Trigger::HalfOpen;
        let moved = match delivery.decide(work.endpoint.as_ref(), status, is_probe, now) {
            // Cached items may be out of date. They suffice for an attempt, but not for parking or failing a
            // delivery.
            Decision::Park | Decision::Fail(_) if work.remembered => {
                return match self.loader.refresh(work).await {
                    Ok(work) => Box::pin(self.decide(work, observations, batch)).await,
                    Err(error) => stays(&error),
                };
            }
            Decision::Attempt if work.is_expunged => delivery.expunged(now).unwrap_or(delivery),
            Decision::Attempt => return self.attempt(delivery, work, observations, batch).await,
            Decision::WaitUntil(due) => return Verdict::Postpone(due),
            Decision::Discard => return Verdict::Acknowledge,
            Decision::Park => delivery.parked(now),
            Decision::Fail(cause) => delivery.failed(cause, now),
        };
        match self.store.replace_delivery(work.delivery.as_ref(), &moved).await {
            Ok(Replaced::Written) => {
                if moved.status == DeliveryStatus::Failed {
                    moved.error.inspect(|cause| metrics::failed(*cause, 1));
                    self.meter.count_end(work.delivery.as_ref(), &moved);
                }
                Verdict::Acknowledge
            }
            Ok(Replaced::Found(found)) => after_conflict(work.receipt, found.as_deref(), now),
            Err(error) => stays(&error),
        }
    }

    async fn attempt(&self, delivery: Delivery, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        let (Some(endpoint), Some(payload)) = (work.endpoint, work.payload) else {
            // An event and its deliveries expire at about the same time.
            if self.deployment.is_expired(delivery.id.created_at(), self.clock.now()) {
                return Verdict::Acknowledge;
            }
            error!(delivery = %delivery.id, "the delivery's event does not exist");
            metrics::unreadable();
            return Verdict::Stay;
        };
        let now = self.clock.now();
        let Work { delivery: seen, task, receipt, .. } = work;
        let endpoint = &endpoint;
        let attempted = Attempted { seen, task, receipt, endpoint, observations, was_refused: false };
        match self.remembered(&delivery, receipt, now) {
            Some(Remembered::Outcome(outcome)) => {
                return self.record(Attempted { was_refused: true, ..attempted }, outcome).await;
            }
            Some(Remembered::Copy) => return Verdict::Acknowledge,
            None => {}
        }
        if batch.lane.forwards_to(endpoint.lane) {
            let suspect = is_suspicious(receipt, attempted.seen.as_ref(), work.read_at);
            return self.forward(DeliverTask { suspect, ..attempted.task }, endpoint.lane).await;
        }
        match self.post(&delivery, endpoint, &payload, batch).await {
            Ok(outcome) => self.record(attempted, outcome).await,
            Err(verdict) => verdict,
        }
    }

    /// Sends one request for a delivery. Returns what happens with the message if it was not sent: this process has no
    /// keys or could not read them, or too little time is left.
    pub(super) async fn post(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
        payload: &Payload,
        batch: Batch,
    ) -> Result<Outcome, Verdict> {
        // This may read the keys, so the time is looked at afterwards.
        let decrypted = match self.encryption.decrypt(endpoint, Fields::Attempt(self.clock.now())).await {
            Ok(decrypted) => decrypted,
            Err(cause) => {
                metrics::undecryptable();
                match cause {
                    DecryptError::Unavailable(_) => return Err(Verdict::Stay),
                    // The sender does not send what is encrypted. The failed attempt shows the owner that something is wrong.
                    DecryptError::Undecryptable(_) => None,
                }
            }
        };
        let (now, settings) = (self.clock.now(), &endpoint.settings);
        if !settings.timeout.fits(batch.deadline.since(now)) {
            return Err(Verdict::Postpone(now));
        }
        let (secrets, headers) = match &decrypted {
            Some((secrets, headers)) => (secrets, headers),
            None => (&endpoint.secrets, &settings.headers),
        };
        let attempt = Attempt {
            destination: &settings.destination,
            headers,
            secrets: secrets.signing_at(now),
            delivery: delivery.id,
            event_type: &delivery.event_type,
            number: delivery.attempts + 1,
            body: Bytes::copy_from_slice(payload.body.as_bytes()),
            content_type: payload.content_type.as_ref(),
            svix_headers: payload.svix_headers,
            trace: payload.trace.as_ref(),
            timeout: settings.timeout.duration(),
        };
        Ok(self.sender.post(&attempt).await)
    }

    /// Forwards a task to another lane. The new message has the same ticket, so it owns the delivery.
    pub(super) async fn forward(&self, task: DeliverTask, lane: Lane) -> Verdict {
        match self.queue.send(vec![Outgoing::new(task, lane)]).await {
            Ok(()) => Verdict::Forwarded,
            Err(error) => {
                warn!(%error, lane = lane.as_str(), "a message could not be forwarded");
                Verdict::Stay
            }
        }
    }
}
