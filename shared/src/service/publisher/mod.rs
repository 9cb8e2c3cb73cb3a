//! Publishing: from a publish request to deliveries that are stored, and queued or parked.

mod external_ids;
mod limiter;
mod repeated;

use std::sync::Arc;

use futures_util::future::{join, join_all};

pub use external_ids::Duplicate;
use limiter::Limiter;

use super::access::Access;
use super::catalogue::{EventTypes, Validated};
use super::event_writer::{EventWriter, Numbered, Published, messages, plan};
use super::meter::Meter;
use super::targets::{CurrentState, Targets};
use super::{Parts, ServiceError};
use crate::clock::Clock;
use crate::domain::catalogue::Refusal;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::ids::{EventId, KeyId};
use crate::domain::text::IdempotencyKey;
use crate::queue::Queue;
use crate::store::{Claim, Claimed, Store};

/// Identifies repetitions of a publish request.
#[derive(Debug)]
pub struct Idempotency {
    /// The idempotency key of the request.
    pub key: IdempotencyKey,
    /// A hash of the request.
    pub request_hash: String,
    /// The number of events in the request, including rejected ones.
    pub events: u32,
}

/// A request among several that are published together, by a caller without a key of an organization.
#[derive(Debug)]
pub struct PublishRequest {
    /// The state of the organization that publishes.
    pub organization: CurrentState,
    /// The events.
    pub new: Vec<Numbered>,
    /// Identifies repetitions of the request.
    pub idempotency: Idempotency,
}

/// The result of a publish request.
#[derive(Debug, Default)]
pub struct Accepted {
    /// The published events, in the order of the request.
    pub published: Vec<Published>,
    /// The events that were not published because of their external ids, in the same order.
    pub duplicates: Vec<Duplicate>,
    /// The positions of the events that the catalogue refuses, in ascending order, and why.
    pub refused: Vec<(u32, Refusal)>,
}

impl Accepted {
    /// Whether every event of a request was refused, so that nothing was stored.
    const fn has_only_refused(&self) -> bool {
        self.published.is_empty() && !(self.duplicates.is_empty() && self.refused.is_empty())
    }
}

/// Accepts events for organizations.
#[derive(Debug)]
pub struct Publisher {
    store: Arc<Store>,
    queue: Arc<Queue>,
    clock: Clock,
    deployment: Arc<Deployment>,
    access: Arc<Access>,
    targets: Arc<Targets>,
    event_types: Arc<EventTypes>,
    limiter: Limiter,
    writer: Arc<EventWriter>,
    meter: Arc<Meter>,
}

impl Publisher {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { store, queue, clock, deployment, access, targets, event_types, writer, meter, .. } = parts.clone();
        let limiter = Limiter::new(Arc::clone(&store), clock.clone(), Arc::clone(&meter));
        Self { store, queue, clock, deployment, access, targets, event_types, limiter, writer, meter }
    }

    /// Authenticates the callers.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The settings of the deployment.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Publishes events. When this returns, every published event and its deliveries are stored, and each delivery is
    /// queued or parked. An event that the catalogue refuses, or whose external id another one has, is not published.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::IdempotencyConflict`] if the key
    /// was used for a different request, [`ServiceError::RateLimited`] if a limit is reached, and
    /// [`ServiceError::Unavailable`] if a call failed. In the last case a repetition with the same key completes
    /// the request.
    pub async fn publish(
        &self,
        organization: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Accepted, ServiceError> {
        organization.require_active()?;
        let publishing = self.publish_or_complete(organization, by, new, idempotency);
        let (published, ()) = join(publishing, self.meter.write_usage()).await;
        self.meter.write_large_counts().await;
        published
    }

    /// Publishes several requests, each as [`publish`](Self::publish) does. All keys are claimed before the first event is stored,
    /// so that the requests share the calls that follow. The results have the order of the requests.
    pub async fn publish_each(&self, mut requests: Vec<PublishRequest>) -> Vec<Result<Accepted, ServiceError>> {
        let new: Vec<_> = requests.iter_mut().map(|request| std::mem::take(&mut request.new)).collect();
        let publishing = async {
            let claims = requests.iter().map(async |PublishRequest { organization, idempotency, .. }| {
                organization.require_active()?;
                self.claim(organization, idempotency).await
            });
            let claims = join_all(claims).await;
            let published = requests.iter().zip(new).zip(claims).map(async |((request, new), claimed)| {
                let (claim, claimed) = claimed?;
                let (organization, events) = (&request.organization, request.idempotency.events);
                self.publish_claimed(organization, None, new, events, &claim, claimed).await
            });
            join_all(published).await
        };
        let (published, ()) = join(publishing, self.meter.write_usage()).await;
        self.meter.write_large_counts().await;
        published
    }

    async fn publish_or_complete(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Accepted, ServiceError> {
        let Some(idempotency) = idempotency else {
            let (organization, first) = (current.organization(), self.writer.next_event_id());
            let Validated { accepted, refused } = self.admitted(current, by, new).await?;
            if accepted.is_empty() && !refused.is_empty() {
                return Ok(Accepted { refused, ..Accepted::default() });
            }
            let (new, duplicates) = self.claim_external_ids(organization, first, accepted).await?;
            if new.is_empty() {
                return Ok(Accepted { duplicates, refused, ..Accepted::default() });
            }
            let (published, fan_out) = self.plan_new(current, by, new, first).await?;
            self.writer.store_and_send(&published, &fan_out).await?;
            self.writer.count_accepted(organization, &published);
            return Ok(Accepted { published, duplicates, refused });
        };
        let (claim, claimed) = self.claim(current, idempotency).await?;
        self.publish_claimed(current, by, new, idempotency.events, &claim, claimed).await
    }

    /// Claims the idempotency key of a request.
    async fn claim<'a>(
        &self,
        current: &'a CurrentState,
        Idempotency { key, request_hash, .. }: &'a Idempotency,
    ) -> Result<(Claim<'a>, Claimed), ServiceError> {
        let event = self.writer.next_event_id();
        let claim = Claim { organization: current.organization(), key, request_hash: request_hash.clone(), event };
        let claimed = self.store.claim(&claim, self.clock.now()).await?;
        Ok((claim, claimed))
    }

    /// Publishes a request that has this result of its claim, or completes an earlier one. `events` is the number of its events,
    /// including rejected ones.
    async fn publish_claimed(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        events: u32,
        claim: &Claim<'_>,
        claimed: Claimed,
    ) -> Result<Accepted, ServiceError> {
        match claimed {
            Claimed::First => {
                let validated = match self.admitted_with_claim(current, by, new, claim).await {
                    Ok(validated) => validated,
                    Err(error) => {
                        // Nothing was stored, so a repetition must be treated as a first request. If the claim cannot
                        // be deleted, the repetition is treated as a repair, with the same result.
                        let _ = self.store.withdraw_claim(claim).await;
                        return Err(error);
                    }
                };
                let accepted = self.publish_repeatable(current, by, validated, claim.event).await;
                match &accepted {
                    // Nothing was stored, as above.
                    Ok(accepted) if accepted.has_only_refused() => drop(self.store.withdraw_claim(claim).await),
                    Ok(_) => {}
                    // This lets a repetition complete the request immediately. If it fails, a repetition is answered
                    // with 503 until this request must have ended.
                    Err(_) => drop(self.store.end_claim(claim).await),
                }
                accepted
            }
            Claimed::Before(earlier) => {
                let accepted = self.complete(current, by, new, events, claim, &earlier).await?;
                if earlier.ended && self.store.settle_claim(claim, &earlier).await? {
                    self.writer.count_accepted(current.organization(), &accepted.published);
                }
                Ok(accepted)
            }
            Claimed::ByAnother => Err(ServiceError::IdempotencyConflict),
        }
    }

    /// Checks the rate for all events, validates them, and checks the month's limit for those that are accepted. The rate
    /// comes first, so that it also bounds the work of validating.
    async fn admitted(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
    ) -> Result<Validated, ServiceError> {
        self.limiter.admit(current, new.len()).await?;
        let validated = self.event_types.validate(new, by.is_none()).await?;
        self.limiter.admit_in_month(current, validated.accepted.len()).await?;
        Ok(validated)
    }

    /// As [`Publisher::admitted`]. If only some of the events are refused, the claim says which, before anything is stored:
    /// a repetition must not publish them, whatever the catalogue is then.
    async fn admitted_with_claim(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        claim: &Claim<'_>,
    ) -> Result<Validated, ServiceError> {
        let validated = self.admitted(current, by, new).await?;
        if !validated.accepted.is_empty() && !validated.refused.is_empty() {
            let refused: Vec<_> = validated.refused.iter().map(|(index, _)| *index).collect();
            self.store.record_refused(claim, claim.event, &refused).await?;
        }
        Ok(validated)
    }

    /// Publishes events so that a repetition can complete the request. The events are written before anything that
    /// names their deliveries. So a repetition that finds an event missing can plan it again.
    async fn publish_repeatable(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        Validated { accepted, refused }: Validated,
        first: EventId,
    ) -> Result<Accepted, ServiceError> {
        if accepted.is_empty() && !refused.is_empty() {
            return Ok(Accepted { refused, ..Accepted::default() });
        }
        let (new, duplicates) = self.claim_external_ids(current.organization(), first, accepted).await?;
        let (published, fan_out) = self.plan_new(current, by, new, first).await?;
        self.writer.store_events_first(&published).await?;
        self.queue.send(messages(&published, &fan_out)).await?;
        self.writer.count_accepted(current.organization(), &published);
        Ok(Accepted { published, duplicates, refused })
    }

    /// Plans events that are written immediately afterwards.
    async fn plan_new(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
    ) -> Result<(Vec<Published>, FanOut), ServiceError> {
        let fan_out = self.targets.fan_out_to_write(current).await?;
        let planned = plan(current.organization(), by, new, first, &fan_out).await;
        Ok((planned, fan_out))
    }
}
