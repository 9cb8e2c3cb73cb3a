//! What an attempt means for its endpoint: counting failures, suspending, taking up again, disabling.
//! A healthy endpoint costs no write.

use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::domain::attempt::Cause;
use crate::domain::delivery::{Consequence, Delivery, DeliveryStatus};
use crate::domain::endpoint::{DisabledReason, Endpoint};

/// What became of an endpoint after an attempt.
#[derive(Debug)]
pub(super) enum Noted {
    /// Nothing.
    Nothing,
    /// Its failures were counted.
    Counted(Box<Endpoint>),
    /// It was changed.
    Changed,
}

impl Core {
    /// Notes what an attempt, recorded already, means for its endpoint. Nothing is lost if that does
    /// not succeed: the next attempt means the same.
    pub(super) async fn take_note(&self, endpoint: &Endpoint, delivery: &Delivery, consequence: Consequence) -> Noted {
        let noted = match (consequence, delivery.error) {
            (Consequence::Disable(reason), _) => self.give_up(endpoint, delivery, reason).await,
            (_, None) => self.note_success(endpoint, delivery).await,
            (_, Some(cause)) => self.note_failure(endpoint, delivery, cause).await,
        };
        if delivery.status == DeliveryStatus::Exhausted && !delivery.event_type.is_operational() {
            self.announce(&endpoint.organization, operational::delivery_exhausted(endpoint, delivery)).await;
        }
        noted.unwrap_or_else(|error| {
            warn!(endpoint = %endpoint.id, %error, "an endpoint's health was not noted");
            Noted::Nothing
        })
    }

    async fn note_success(&self, endpoint: &Endpoint, delivery: &Delivery) -> Result<Noted, ServiceError> {
        let now = self.clock.now();
        if endpoint.health.suspension.is_some() {
            let recovered = self.change_if(&endpoint.organization, endpoint.id, |e| e.recovered(now)).await?;
            if let Some((_, recovered)) = recovered {
                self.announce_about(&recovered, delivery, "webhook.resumed").await;
            }
            return Ok(Noted::Changed);
        }
        if endpoint.health.failures == 0 {
            return Ok(Noted::Nothing);
        }
        self.store.forget_failures(endpoint).await?;
        Ok(Noted::Changed)
    }

    async fn note_failure(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        cause: Cause,
    ) -> Result<Noted, ServiceError> {
        if endpoint.health.suspension.is_some() {
            return Ok(Noted::Nothing);
        }
        let now = self.clock.now();
        let Some(counted) = self.store.count_failure(endpoint, cause, now).await? else { return Ok(Noted::Changed) };
        if !counted.health.calls_for_suspension(now) {
            return Ok(Noted::Counted(Box::new(counted)));
        }
        let attempted = &endpoint.settings.url;
        let suspend = |e: Endpoint| Some(e).filter(|e| e.settings.url == *attempted)?.suspended(now);
        let suspended = self.change_if(&endpoint.organization, endpoint.id, suspend).await?;
        if let Some((_, suspended)) = suspended {
            self.announce_about(&suspended, delivery, "webhook.suspended").await;
        }
        Ok(Noted::Changed)
    }

    async fn give_up(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        reason: DisabledReason,
    ) -> Result<Noted, ServiceError> {
        let now = self.clock.now();
        // Its owner may have moved it away from what is gone.
        let attempted = &endpoint.settings.url;
        let disable = |e: Endpoint| Some(e).filter(|e| e.settings.url == *attempted).map(|e| e.disabled(reason, now));
        if let Some((_, disabled)) = self.change_if(&endpoint.organization, endpoint.id, disable).await? {
            self.announce_about(&disabled, delivery, "webhook.disabled").await;
        }
        Ok(Noted::Changed)
    }

    /// An operational event never causes another one about the same endpoint.
    async fn announce_about(&self, endpoint: &Endpoint, cause: &Delivery, event_type: &'static str) {
        if !cause.event_type.is_operational() {
            self.announce(&endpoint.organization, operational::webhook_changed(endpoint, event_type)).await;
        }
    }
}
