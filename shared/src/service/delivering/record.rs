//! Recording an attempt, and what becomes of the message then.

use std::time::Duration;

use tracing::{error, info, warn};

use super::Consumer;
use super::message::Verdict;
use crate::domain::attempt::{Cause, Detail};
use crate::domain::delivery::{Consequence, Delivery, DeliveryStatus};
use crate::domain::endpoint::Endpoint;
use crate::domain::ticket::{OnConflict, Receipt};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::queue::DeliverTask;
use crate::service::health::Noted;
use crate::service::releasing::new_ticket;
use crate::store::{Replaced, StoreError};
use crate::telemetry::metrics;

/// After how long such a message comes back. It is a dead letter after 25 receives, so after some four minutes.
const TRY_RECORD_AFTER: Duration = Duration::from_secs(10);
/// How often a success is recorded anew that other processes' records came before.
const LATE_SUCCESS_TRIES: usize = 5;
/// How long after a delayed copy was sent the write that makes it the owner may begin. Until a message is 2 minutes old,
/// another ticket in the record does not tell against it.
const RECORD_AFTER_COPY: Duration = Duration::from_secs(60);

impl Consumer {
    /// Sends the delayed copy of a message that the next attempt waits for, and makes it the owner of the delivery. If it
    /// cannot be sent, the message itself waits. `None` if it took so long that the copy must not become the owner.
    pub(super) async fn send_copy(
        &self,
        task: &DeliverTask,
        delivery: Delivery,
        consequence: Consequence,
    ) -> Option<(Delivery, Consequence)> {
        let Consequence::SendDelayed(due) = consequence else { return Some((delivery, consequence)) };
        let now = self.core.clock.now();
        let copy = DeliverTask { ticket: Some(new_ticket()), probe: false, ..task.clone() };
        let ticket = copy.ticket;
        let sent = self.core.queue.send_delayed(vec![(copy, delivery.message_delay_seconds(now))]).await;
        match sent {
            Ok(()) if self.core.clock.now().since(now) > RECORD_AFTER_COPY => None,
            Ok(()) => Some((Delivery { ticket, ..delivery }, consequence)),
            Err(error) => {
                warn!(%error, "a delayed copy could not be sent, and the message is hidden instead");
                Some((delivery, Consequence::HideUntil(due)))
            }
        }
    }

    /// Records an attempt that was made, and does what follows from it. A success is added to what another process
    /// recorded meanwhile, unless that is final.
    pub(super) async fn record(
        &self,
        mut seen: Option<Delivery>,
        mut delivery: Delivery,
        consequence: Consequence,
        endpoint: Endpoint,
        receipt: Receipt,
    ) -> Verdict {
        let mut tries = 0;
        loop {
            let now = self.core.clock.now();
            tries += 1;
            match self.core.store.record_attempt(seen.as_ref(), &delivery).await {
                Ok(Replaced::Written) => break,
                Ok(Replaced::Found(Some(found)))
                    if delivery.status == DeliveryStatus::Success
                        && !found.status.is_finished()
                        && tries < LATE_SUCCESS_TRIES =>
                {
                    delivery = found.clone().after_late_success(&delivery);
                    seen = Some(*found);
                }
                Ok(Replaced::Found(found)) => return after_conflict(receipt, found.as_deref(), now),
                Err(error @ StoreError::Refused(_)) => return self.unrecordable(delivery, consequence, receipt, &error),
                Err(error) => return stays(&error),
            }
        }
        self.unrecorded.forget(&delivery.id);
        report(&delivery, self.core.clock.now());
        self.core.count(&delivery.organization, Usage::ATTEMPT);
        let changed = self.core.take_note(&endpoint, &delivery, consequence).await;
        let place = (endpoint.organization, endpoint.id);
        match changed {
            Noted::Nothing => {}
            Noted::Counted(counted) => self.endpoints.put(place, *counted, self.core.clock.now()),
            Noted::Changed => self.endpoints.forget(&place),
        }
        match consequence {
            Consequence::Drop | Consequence::SendDelayed(_) | Consequence::Disable(_) => Verdict::Acknowledge,
            Consequence::HideUntil(due) => Verdict::HideUntil(due),
        }
    }

    /// DynamoDB refuses the record of an attempt, so the message goes to the dead-letter queue. Until then this process
    /// tries to write the record, and does not repeat the attempt: the receiver may have taken it.
    ///
    /// A delayed copy does not become the owner by a later record: it may be acknowledged by then.
    fn unrecordable(
        &self,
        mut delivery: Delivery,
        mut consequence: Consequence,
        receipt: Receipt,
        error: &StoreError,
    ) -> Verdict {
        error!(
            delivery = %delivery.id,
            attempt = delivery.attempts,
            status = delivery.status.as_str(),
            %error,
            "an attempt cannot be recorded"
        );
        if let Consequence::SendDelayed(due) = consequence {
            consequence = Consequence::HideUntil(due);
            delivery.ticket = receipt.ticket;
        }
        let now = self.core.clock.now();
        self.unrecorded.put(delivery.id, (delivery, consequence), now);
        Verdict::HideUntil(now.plus(TRY_RECORD_AFTER))
    }
}

/// What becomes of a message whose delivery another process changed first; `found` is its record as it is now.
pub(super) fn after_conflict(receipt: Receipt, found: Option<&Delivery>, written_at: Timestamp) -> Verdict {
    match found.map(|found| receipt.on_conflict(found, written_at)) {
        Some(OnConflict::Acknowledge) => Verdict::Acknowledge,
        Some(OnConflict::HideUntil(until)) => Verdict::HideUntil(until),
        Some(OnConflict::Leave) | None => Verdict::Stay,
    }
}

pub(super) fn stays(error: &StoreError) -> Verdict {
    match error {
        StoreError::Refused(_) | StoreError::Corrupt(_) => error!(%error, "a record was left in the queue"),
        StoreError::Conflict | StoreError::Unavailable(_) => warn!(%error, "a record was left in the queue"),
    }
    Verdict::Stay
}

/// Counts an attempt that was recorded, and logs it if it failed.
fn report(delivery: &Delivery, now: Timestamp) {
    delivery.log.last().inspect(|attempt| metrics::attempted(attempt.duration_ms));
    match delivery.error {
        None => metrics::delivered(now.since(delivery.id.created_at())),
        Some(cause) => {
            metrics::failed(cause, 1);
            log_failure(delivery, cause);
        }
    }
}

fn log_failure(delivery: &Delivery, cause: Cause) {
    info!(
        organization = %delivery.organization,
        endpoint = %delivery.endpoint,
        delivery = %delivery.id,
        attempt = delivery.attempts,
        cause = cause.as_str(),
        detail = delivery.log.last().and_then(|attempt| attempt.detail).map(Detail::as_str),
        response_status = delivery.response_status,
        status = delivery.status.as_str(),
        "attempt failed"
    );
}
