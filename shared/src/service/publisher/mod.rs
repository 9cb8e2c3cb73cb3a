//! Publishing: from a publish request to deliveries that are stored, and queued or parked.

mod external_ids;
mod repeated;

use std::sync::Arc;

use futures_util::future::join;

pub use external_ids::Duplicate;

use super::access::Access;
use super::catalogue::{EventTypes, Validated};
use super::event_writer::{EventWriter, MAX_DELIVERIES, Numbered, Published, messages, plan};
use super::limiter::Limiter;
use super::meter::Meter;
use super::targets::{CurrentState, Targets};
use super::tasks::run_each;
use super::{Parts, ServiceError};
use crate::clock::Clock;
use crate::domain::catalogue::Refusal;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::endpoint::filter::RequestSteps;
use crate::domain::ids::{EventId, KeyId};
use crate::domain::text::IdempotencyKey;
use crate::domain::time::Timestamp;
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

/// Events that are planned and not stored yet.
#[derive(Debug)]
struct Planned {
    /// The events with their deliveries, and their positions in the request.
    events: Vec<(u32, Published)>,
    fan_out: FanOut,
    /// When the state was read that the plan relies on.
    state_read_at: Timestamp,
}

/// The events of a request that its limits and the catalogue allow.
#[derive(Debug)]
struct Admitted {
    planned: Planned,
    /// As in [`Accepted`].
    refused: Vec<(u32, Refusal)>,
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
    limiter: Arc<Limiter>,
    writer: Arc<EventWriter>,
    meter: Arc<Meter>,
}

impl Publisher {
    pub(super) fn new(parts: &Parts) -> Self {
        let parts = parts.clone();
        let Parts { store, queue, clock, deployment, access, targets, limiter, event_types, writer, meter, .. } = parts;
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
    /// [`ServiceError::NotFound`] for the platform's own organization,
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::IdempotencyConflict`] if the key
    /// was used for a different request, [`ServiceError::RateLimited`] if a limit is reached,
    /// [`ServiceError::QuotaExceeded`] if the request has more than 50,000 deliveries, and
    /// [`ServiceError::Unavailable`] if a call failed. In the last case a repetition with the same key completes
    /// the request.
    pub async fn publish(
        &self,
        organization: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Accepted, ServiceError> {
        require_publishing(organization)?;
        let publishing = self.publish_or_complete(organization, by, new, idempotency);
        let (published, ()) = join(publishing, self.meter.write_usage()).await;
        self.meter.write_large_counts().await;
        published
    }

    /// Publishes several requests, each as [`publish`](Self::publish) does and in a task of its own. All keys are claimed before
    /// the first event is stored, so that the requests share the calls that follow. Together they have the filter steps of one
    /// request. The results have the order of the requests; that of a task that panicked is [`ServiceError::Internal`].
    pub async fn publish_each(self: &Arc<Self>, requests: Vec<PublishRequest>) -> Vec<Result<Accepted, ServiceError>> {
        let events: Vec<_> = requests.iter().map(|request| request.new.len()).collect();
        let publishing = async {
            let claims = run_each(requests.into_iter().map(|request| {
                let publisher = Arc::clone(self);
                async move {
                    require_publishing(&request.organization)?;
                    let claimed = publisher.claim(&request.organization, &request.idempotency).await?;
                    Ok::<_, ServiceError>((request, claimed))
                }
            }));
            let claimed = claims.await.into_iter().zip(RequestSteps::divided(&events));
            let published = run_each(claimed.map(|(claimed, steps)| {
                let publisher = Arc::clone(self);
                async move {
                    let (PublishRequest { organization, new, idempotency }, (first, claimed)) =
                        claimed.unwrap_or_else(panicked)?;
                    let claim = idempotency.claim(&organization, first);
                    publisher
                        .publish_claimed(&organization, None, new, steps, idempotency.events, &claim, claimed)
                        .await
                }
            }));
            published.await.into_iter().map(|published| published.unwrap_or_else(panicked)).collect()
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
        let steps = RequestSteps::new(new.len());
        let Some(idempotency) = idempotency else {
            let (organization, first) = (current.organization(), self.writer.next_event_id());
            let Admitted { mut planned, refused } = self.admitted(current, by, new, first, steps).await?;
            let duplicates = self.claim_external_ids(organization, first, &mut planned.events).await?;
            if planned.events.is_empty() {
                return Ok(Accepted { duplicates, refused, ..Accepted::default() });
            }
            let (published, fan_out) = self.ready(planned)?;
            self.writer.store_and_send(&published, &fan_out).await?;
            self.writer.count_accepted(organization, &published);
            return Ok(Accepted { published, duplicates, refused });
        };
        let (first, claimed) = self.claim(current, idempotency).await?;
        let claim = idempotency.claim(current, first);
        self.publish_claimed(current, by, new, steps, idempotency.events, &claim, claimed).await
    }

    /// Claims the idempotency key of a request. Also returns the id of the request's first event.
    async fn claim(
        &self,
        current: &CurrentState,
        idempotency: &Idempotency,
    ) -> Result<(EventId, Claimed), ServiceError> {
        let first = self.writer.next_event_id();
        let claimed = self.store.claim(&idempotency.claim(current, first), self.clock.now()).await?;
        Ok((first, claimed))
    }

    /// Publishes a request that has this result of its claim, or completes an earlier one. `events` is the number of its events,
    /// including rejected ones.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    async fn publish_claimed(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        steps: RequestSteps,
        events: u32,
        claim: &Claim<'_>,
        claimed: Claimed,
    ) -> Result<Accepted, ServiceError> {
        match claimed {
            Claimed::First => {
                let admitted = match self.admitted_with_claim(current, by, new, claim, steps).await {
                    Ok(admitted) => admitted,
                    Err(error) => {
                        // Nothing was stored, so a repetition must be treated as a first request. If the claim cannot
                        // be deleted, the repetition is treated as a repair, with the same result.
                        let _ = self.store.withdraw_claim(claim).await;
                        return Err(error);
                    }
                };
                let accepted = self.publish_repeatable(current, admitted, claim.event).await;
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
                let accepted = self.complete(current, by, new, steps, events, claim, &earlier).await?;
                if earlier.ended && self.store.settle_claim(claim, &earlier).await? {
                    self.writer.count_accepted(current.organization(), &accepted.published);
                }
                Ok(accepted)
            }
            Claimed::ByAnother => Err(ServiceError::IdempotencyConflict),
        }
    }

    /// Checks the rate for all events, validates them, checks the month's limit for those that are accepted, and plans these.
    /// The rate comes first, so that it also bounds the work of validating and planning. Nothing is stored or claimed yet.
    async fn admitted(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
        steps: RequestSteps,
    ) -> Result<Admitted, ServiceError> {
        self.limiter.admit(current, new.len()).await?;
        let Validated { accepted, refused } = self.event_types.validate(new, by.is_none()).await?;
        self.limiter.admit_in_month(current.organization(), current.limits(), accepted.len()).await?;
        // Last, so that the plan is not old when it is written.
        let planned = self.plan_new(current, by, accepted, first, steps, MAX_DELIVERIES).await?;
        Ok(Admitted { planned, refused })
    }

    /// As [`Publisher::admitted`]. If only some of the events are refused, the claim says which, before anything is stored:
    /// a repetition must not publish them, whatever the catalogue is then.
    async fn admitted_with_claim(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        claim: &Claim<'_>,
        steps: RequestSteps,
    ) -> Result<Admitted, ServiceError> {
        let admitted = self.admitted(current, by, new, claim.event, steps).await?;
        if !admitted.planned.events.is_empty() && !admitted.refused.is_empty() {
            let refused: Vec<_> = admitted.refused.iter().map(|(index, _)| *index).collect();
            self.store.record_refused(claim, claim.event, &refused).await?;
        }
        Ok(admitted)
    }

    /// Publishes events so that a repetition can complete the request. The events are written before anything that
    /// names their deliveries. So a repetition that finds an event missing can plan it again.
    async fn publish_repeatable(
        &self,
        current: &CurrentState,
        Admitted { mut planned, refused }: Admitted,
        first: EventId,
    ) -> Result<Accepted, ServiceError> {
        if planned.events.is_empty() && !refused.is_empty() {
            return Ok(Accepted { refused, ..Accepted::default() });
        }
        let duplicates = self.claim_external_ids(current.organization(), first, &mut planned.events).await?;
        let (published, fan_out) = self.ready(planned)?;
        self.writer.store_events_first(&published).await?;
        self.queue.send(messages(&published, &fan_out)).await?;
        self.writer.count_accepted(current.organization(), &published);
        Ok(Accepted { published, duplicates, refused })
    }

    /// Plans events that are written soon afterwards.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`] if they have more than `most` deliveries.
    async fn plan_new(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        first: EventId,
        steps: RequestSteps,
        most: usize,
    ) -> Result<Planned, ServiceError> {
        if new.is_empty() {
            let state_read_at = self.clock.now();
            return Ok(Planned { events: Vec::new(), fan_out: FanOut::default(), state_read_at });
        }
        let (fan_out, state_read_at) = self.targets.fan_out_to_write(current).await?;
        let steps = steps.among(new.len());
        let events = plan(current.organization(), by, new, first, &fan_out, steps, most).await?;
        Ok(Planned { events, fan_out, state_read_at })
    }

    /// The planned events, if they may still be written.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if the state of the organization was read too long ago.
    fn ready(&self, planned: Planned) -> Result<(Vec<Published>, FanOut), ServiceError> {
        self.targets.require_recent(planned.state_read_at)?;
        Ok((planned.events.into_iter().map(|(_, published)| published).collect(), planned.fan_out))
    }
}

impl Idempotency {
    /// The claim of a request of this organization whose first event has this id.
    fn claim<'a>(&'a self, current: &'a CurrentState, first: EventId) -> Claim<'a> {
        let Self { key, request_hash, .. } = self;
        Claim { organization: current.organization(), key, request_hash: request_hash.clone(), event: first }
    }
}

/// Checks that callers may publish events of the organization. The platform's own organization has only the events of the
/// service, so that nobody can forge one.
fn require_publishing(current: &CurrentState) -> Result<(), ServiceError> {
    if current.organization().is_platform() {
        return Err(ServiceError::NotFound("organization"));
    }
    current.require_active()
}

/// The result of a task that panicked.
fn panicked<T>() -> Result<T, ServiceError> {
    Err(ServiceError::Internal("the request's task panicked".to_owned()))
}
