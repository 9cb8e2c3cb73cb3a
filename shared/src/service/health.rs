//! What attempts mean for their endpoint: counting failures, suspending, taking up again, disabling, changing lanes. A
//! healthy endpoint costs no write.

use std::ops::AddAssign;

use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::domain::delivery::{Consequence, Delivery, DeliveryStatus};
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::health::{Counters, Outcomes};
use crate::domain::time::Timestamp;

/// Outcomes of attempts at one endpoint that are counted together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) outcomes: Outcomes,
    /// Whether a suspension that they lead to is announced: one of the attempts was not for an operational event.
    pub(super) is_announced: bool,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.outcomes += other.outcomes;
        self.is_announced |= other.is_announced;
    }
}

/// What became of a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It is counted.
    Yes,
    /// It is counted, and the endpoint was changed by this or another process.
    AndChanged,
    /// Other processes changed the counters first, twice.
    No,
}

impl Core {
    /// Does what an attempt, recorded already, means by itself, and says whether the endpoint was changed. Nothing is lost
    /// if that does not succeed: the next attempt means the same.
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

    /// Counts outcomes at an endpoint, and changes it as the counters then call for.
    ///
    /// # Errors
    /// [`ServiceError`] if they may not be counted, or the endpoint may not be changed. The next outcomes call for the same
    /// change.
    pub(super) async fn count_outcomes(&self, endpoint: &Endpoint, tally: &Tally) -> Result<Counted, ServiceError> {
        let now = self.clock.now();
        let mut is_changed = false;
        // First, so that nobody counts failures whose successes are not counted.
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

    /// Changes an endpoint as its counters call for, unless another process has done so. Returns whether they call for
    /// anything.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        counters: &Counters,
        tally: &Tally,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Endpoint { organization, id, settings, .. } = endpoint;
        if tally.outcomes.has_failure() && counters.call_for_suspension(now) {
            // Its owner may have moved it away from what fails.
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

    /// A probe succeeded.
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
        // Its owner may have moved it away from what is gone.
        let attempted = &endpoint.settings.url;
        let disable = |e: Endpoint| Some(e).filter(|e| e.settings.url == *attempted).map(|e| e.disabled(reason, now));
        if let Some((_, disabled)) = self.change_if(&endpoint.organization, endpoint.id, disable).await? {
            self.announce_about(&disabled, delivery, "webhook.disabled").await;
        }
        Ok(())
    }

    /// An operational event never causes another one about the same endpoint.
    async fn announce_about(&self, endpoint: &Endpoint, cause: &Delivery, event_type: &'static str) {
        if !cause.event_type.is_operational() {
            self.announce(&endpoint.organization, operational::webhook_changed(endpoint, event_type)).await;
        }
    }
}
