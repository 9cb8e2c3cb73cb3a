//! Consequences of attempts for their endpoint: counting outcomes, suspending and resuming, disabling, and changing
//! the lane. A success of a healthy endpoint causes no write.

use std::ops::AddAssign;

use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::domain::delivery::{Consequence, Delivery, DeliveryStatus};
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::health::{Counters, Outcomes};
use crate::domain::time::Timestamp;

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

impl Core {
    /// Applies the consequence of a single recorded attempt, and returns whether the endpoint changed. Errors are
    /// logged only: the next attempt has the same consequence.
    pub(super) async fn take_note(&self, endpoint: &Endpoint, delivery: &Delivery, consequence: Consequence) -> bool {
        let changed = match consequence {
            Consequence::Disable(reason) => self.give_up(endpoint, delivery, reason).await.map(|()| true),
            _ if delivery.error.is_none() && endpoint.health.suspension.is_some() => {
                self.take_up_again(endpoint, delivery).await.map(|()| true)
            }
            _ => Ok(false),
        };
        if delivery.status == DeliveryStatus::Exhausted && !delivery.event_type.is_operational() {
            self.announce(&endpoint.organization, operational::delivery_exhausted(endpoint, delivery)).await;
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
        if tally.outcomes.is_trouble() && endpoint.health.watched(now).is_some() {
            self.change_if(&endpoint.organization, endpoint.id, |endpoint| endpoint.watched(now)).await?;
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
            let suspend = |it: Endpoint| Some(it).filter(|it| it.settings.url == settings.url)?.suspended(now);
            let suspended = self.change_if(organization, *id, suspend).await?;
            if let Some((_, suspended)) = suspended.filter(|_| tally.is_announced) {
                self.announce(organization, operational::webhook_changed(&suspended, "webhook.suspended")).await;
            }
        } else if endpoint.lane != counters.lane {
            self.change_if(organization, *id, |endpoint| endpoint.moved_to(counters.lane)).await?;
        } else if counters.are_clear() && endpoint.health.is_overdue(now) {
            self.change_if(organization, *id, |endpoint| endpoint.settled(now)).await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Ends the suspension after a successful probe.
    async fn take_up_again(&self, endpoint: &Endpoint, delivery: &Delivery) -> Result<(), ServiceError> {
        let changed = self.change_if(&endpoint.organization, endpoint.id, Endpoint::recovered).await?;
        if let Some((_, recovered)) = changed {
            self.announce_about(&recovered, delivery, "webhook.resumed").await;
        }
        Ok(())
    }

    async fn give_up(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        reason: DisabledReason,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        // The owner may have replaced the URL that returned 410.
        let attempted = &endpoint.settings.url;
        let disable = |e: Endpoint| Some(e).filter(|e| e.settings.url == *attempted).map(|e| e.disabled(reason, now));
        if let Some((_, disabled)) = self.change_if(&endpoint.organization, endpoint.id, disable).await? {
            self.announce_about(&disabled, delivery, "webhook.disabled").await;
        }
        Ok(())
    }

    /// Announces a change of an endpoint, unless the attempt that caused it was for an operational event.
    async fn announce_about(&self, endpoint: &Endpoint, cause: &Delivery, event_type: &'static str) {
        if !cause.event_type.is_operational() {
            self.announce(&endpoint.organization, operational::webhook_changed(endpoint, event_type)).await;
        }
    }
}
