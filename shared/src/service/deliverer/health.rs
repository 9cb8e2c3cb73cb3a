//! Consequences of attempts for their endpoint: counting outcomes, suspending and resuming, disabling, and changing
//! the lane. A success of a healthy endpoint causes no write.

use std::ops::AddAssign;
use std::sync::Arc;

use tracing::warn;

use crate::clock::Clock;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::outcome::Consequence;
use crate::domain::endpoint::circuit_breaker::{Counters, Outcomes};
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::time::Timestamp;
use crate::service::announcer::{self, Announcer};
use crate::service::endpoints::Endpoints;
use crate::service::{Parts, ServiceError};
use crate::store::Store;

/// Outcomes of attempts to one endpoint that are counted in one write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) outcomes: Outcomes,
    /// Whether a resulting suspension is announced: at least one attempt was not for an operational event.
    pub(super) is_announced: bool,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.outcomes += other.outcomes;
        self.is_announced |= other.is_announced;
    }
}

/// The result of counting a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// The tally was counted.
    Yes,
    /// The tally was counted, and this or another process changed the endpoint.
    AndChanged,
    /// The tally was not counted, because other processes changed the counters first, twice.
    No,
}

/// Changes endpoints as the outcomes of attempts call for.
#[derive(Debug)]
pub(super) struct Health {
    store: Arc<Store>,
    clock: Clock,
    endpoints: Arc<Endpoints>,
    announcer: Arc<Announcer>,
}

impl Health {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { store, clock, endpoints, announcer, .. } = parts.clone();
        Self { store, clock, endpoints, announcer }
    }

    /// Applies the consequence of a single recorded attempt, and returns whether the endpoint changed. Errors are
    /// logged only: the next attempt has the same consequence.
    pub(super) async fn apply_consequence(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        consequence: Consequence,
    ) -> bool {
        let changed = match consequence {
            Consequence::Disable(reason) => self.disable_after_attempt(endpoint, delivery, reason).await.map(|()| true),
            _ if delivery.error.is_none() && endpoint.circuit_breaker.suspension.is_some() => {
                self.resume(endpoint, delivery).await.map(|()| true)
            }
            _ => Ok(false),
        };
        if !delivery.event_type.is_operational()
            && let Some(occurrence) = announcer::after_attempt(endpoint, delivery)
        {
            self.announcer.announce(&endpoint.organization, occurrence).await;
        }
        changed.unwrap_or_else(|error| {
            warn!(endpoint = %endpoint.id, %error, "an endpoint was not changed after an attempt");
            false
        })
    }

    /// Counts outcomes of an endpoint, and changes the endpoint as the counters call for.
    ///
    /// # Errors
    /// [`ServiceError`] if the outcomes may not have been counted, or if the endpoint may not have been changed.
    /// The next outcomes call for the same change.
    pub(super) async fn count_outcomes(&self, endpoint: &Endpoint, tally: &Tally) -> Result<Counted, ServiceError> {
        let now = self.clock.now();
        let mut is_changed = false;
        // This comes first, so that every process that counts failures also counts successes.
        if tally.outcomes.is_trouble() && endpoint.circuit_breaker.watched(now).is_some() {
            self.endpoints.change_if(&endpoint.organization, endpoint.id, |endpoint| endpoint.watched(now)).await?;
            is_changed = true;
        }
        let count = |counters: Counters| counters.after(&tally.outcomes, now);
        let Some(counters) = self.store.change_counters(endpoint.id, now, count).await? else {
            return Ok(Counted::No);
        };
        is_changed |= self.follow(endpoint, &counters, tally, now).await?;
        Ok(if is_changed { Counted::AndChanged } else { Counted::Yes })
    }

    /// Changes an endpoint as its counters call for, unless another process already has. Returns whether they call
    /// for a change.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        counters: &Counters,
        tally: &Tally,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Endpoint { organization, id, settings, .. } = endpoint;
        if tally.outcomes.has_failure() && counters.call_for_suspension(now) {
            // The owner may have replaced the URL that fails.
            let is_same = |it: &Endpoint| it.settings.destination == settings.destination;
            let suspend = |it: Endpoint| Some(it).filter(is_same)?.suspended(now);
            let suspended = self.endpoints.change_if(organization, *id, suspend).await?;
            if let Some((_, suspended)) = suspended.filter(|_| tally.is_announced) {
                self.announcer
                    .announce(organization, announcer::webhook_changed(&suspended, "webhook.suspended"))
                    .await;
            }
        } else if endpoint.lane != counters.slow_time.lane {
            self.endpoints.change_if(organization, *id, |endpoint| endpoint.moved_to(counters.slow_time.lane)).await?;
        } else if counters.are_clear() && endpoint.circuit_breaker.is_overdue(now) {
            self.endpoints.change_if(organization, *id, |endpoint| endpoint.settled(now)).await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Ends the suspension after a successful probe.
    async fn resume(&self, endpoint: &Endpoint, delivery: &Delivery) -> Result<(), ServiceError> {
        let changed = self.endpoints.change_if(&endpoint.organization, endpoint.id, Endpoint::resumed).await?;
        if let Some((_, resumed)) = changed {
            self.announce_for(&resumed, delivery, "webhook.resumed").await;
        }
        Ok(())
    }

    async fn disable_after_attempt(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        reason: DisabledReason,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        // The owner may have replaced the URL that returned 410.
        let attempted = &endpoint.settings.destination;
        let disable =
            |e: Endpoint| Some(e).filter(|e| e.settings.destination == *attempted).map(|e| e.disabled(reason, now));
        if let Some((_, disabled)) = self.endpoints.change_if(&endpoint.organization, endpoint.id, disable).await? {
            self.announce_for(&disabled, delivery, "webhook.disabled").await;
        }
        Ok(())
    }

    /// Announces a change of an endpoint, unless the attempt that caused it was for an operational event.
    async fn announce_for(&self, endpoint: &Endpoint, cause: &Delivery, event_type: &'static str) {
        if !cause.event_type.is_operational() {
            self.announcer.announce(&endpoint.organization, announcer::webhook_changed(endpoint, event_type)).await;
        }
    }
}
