//! Recovering: everything that an endpoint missed, asked for again, over any number of deliveries.

use tracing::error;

use super::endpoints::require_enabled;
use super::organizations::require_active;
use super::releasing::{STRIDE, new_ticket, task_without_body};
use super::{Core, ServiceError};
use crate::clock;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, RecoveryId};
use crate::domain::lane::Route;
use crate::domain::organization::{Organization, OrganizationStatus};
use crate::domain::recovery::{NewRecovery, Recovery};
use crate::domain::time::Timestamp;
use crate::queue::Outgoing;
use crate::store::RecoveryPut;
use crate::telemetry::audit;

/// How many deliveries a request goes through at once; the rest is the sweep's.
const AT_ONCE: usize = 500;
/// How many deliveries are gone through before it is noted how far the recovery came.
const PAGE: usize = 100;

/// How far a recovery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many deliveries were asked for again in this step.
    pub recovered: usize,
    /// Whether the recovery is finished, by whatever process.
    pub finished: bool,
}

/// A recovery that somebody asked for.
#[derive(Debug)]
pub struct Recovering {
    /// The recovery.
    pub recovery: Recovery,
    /// Whether it was under way before.
    pub joined: bool,
    /// What this request did for it.
    pub progress: Progress,
}

impl Core {
    /// Asks for an endpoint's failed and exhausted deliveries again. The first are asked for at once,
    /// the others by the sweep, whatever happens to this process. The same request joins the recovery that is under way.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::NotFound`] if it has no such endpoint,
    /// [`ServiceError::Conflict`] if the endpoint is disabled and could not take them.
    pub async fn recover(
        &self,
        organization: &Organization,
        endpoint: EndpointId,
        new: NewRecovery,
    ) -> Result<Recovering, ServiceError> {
        let organization = require_active(organization)?;
        let target = self.endpoint(organization, endpoint).await?;
        require_enabled(&target)?;
        let now = self.clock.now();
        let id = RecoveryId::new(now, clock::id_bytes());
        let new = Recovery::new(id, organization, endpoint, new, now);
        let (mut recovery, joined) = match self.store.put_recovery(&new).await? {
            RecoveryPut::UnderWay(recovery) => (recovery, true),
            RecoveryPut::Written | RecoveryPut::Gone => (new, false),
        };
        audit("endpoint.recover", organization, endpoint);
        let progress = self.advance(&mut recovery, target.route()).await?;
        Ok(Recovering { recovery, joined, progress })
    }

    /// Goes on with the recoveries that are under way. Returns how many deliveries were asked for. One that fails
    /// is gone on with next time, and holds up none of the others.
    pub(super) async fn continue_recoveries(&self, deadline: Timestamp) -> Result<usize, ServiceError> {
        let (mut recovered, mut failure) = (0, None);
        let mut under_way = Vec::new();
        for recovery in self.store.recoveries().await? {
            match recovery {
                Ok(recovery) => under_way.push(recovery),
                Err(error) => error!(%error, "a recovery cannot be read"),
            }
        }
        // In turns, so that a large one does not hold up the others.
        while !under_way.is_empty() {
            let mut unfinished = Vec::new();
            for mut recovery in under_way {
                if self.clock.now() >= deadline {
                    return failure.map_or(Ok(recovered), Err);
                }
                match self.advance_or_end(&mut recovery).await {
                    Ok(progress) => {
                        recovered += progress.recovered;
                        unfinished.extend((!progress.finished).then_some(recovery));
                    }
                    Err(error) => failure = Some(error),
                }
            }
            under_way = unfinished;
        }
        failure.map_or(Ok(recovered), Err)
    }

    /// Goes on with a recovery. It ends if its endpoint is disabled or deleted, or its organization suspended: what it
    /// asked for would fail at once, and lose the cause of its failure.
    async fn advance_or_end(&self, recovery: &mut Recovery) -> Result<Progress, ServiceError> {
        let (organization, endpoint) = tokio::try_join!(self.known_organization(&recovery.organization), async {
            Ok(self.store.endpoint(&recovery.organization, recovery.endpoint).await?)
        },)?;
        let is_active = organization.is_none_or(|organization| organization.status == OrganizationStatus::Active);
        if let Some(endpoint) = endpoint.filter(|endpoint: &Endpoint| is_active && !endpoint.is_disabled()) {
            return self.advance(recovery, endpoint.route()).await;
        }
        self.store.delete_recovery(recovery).await?;
        Ok(Progress { recovered: 0, finished: true })
    }

    /// Goes through the next deliveries, sends them on this route, and notes after each page how far it came.
    async fn advance(&self, recovery: &mut Recovery, route: Route) -> Result<Progress, ServiceError> {
        let mut progress = Progress { recovered: 0, finished: false };
        let mut seen = 0;
        while seen < AT_ONCE {
            let Recovery { endpoint, from, before, .. } = *recovery;
            let found = self.store.failed_deliveries(endpoint, from, before, PAGE).await?;
            for chunk in found.chunks(STRIDE) {
                let now = self.clock.now();
                let wanted = recovery.clone();
                let again = move |delivery| wanted.ask_again(delivery, now, new_ticket());
                let (moved, failure) = self.try_each(chunk, again).await?;
                progress.recovered += moved.len();
                let message = |delivery| Outgoing::new(task_without_body(delivery, route), route.lane);
                let messages = moved.into_iter().map(message);
                self.queue.send(messages.collect()).await?;
                // What it has passed it does not find again.
                failure.map_or(Ok(()), Err)?;
            }
            seen += found.len();
            let Some(last) = found.last().filter(|_| found.len() == PAGE) else {
                self.store.delete_recovery(recovery).await?;
                progress.finished = true;
                break;
            };
            recovery.pass(last.delivery);
            match self.store.advance_recovery(recovery).await? {
                RecoveryPut::Written => {}
                // Another process came at least as far: this one goes on from there.
                RecoveryPut::UnderWay(current) if current.id == recovery.id => *recovery = current,
                // Another process finished it.
                RecoveryPut::UnderWay(_) | RecoveryPut::Gone => {
                    progress.finished = true;
                    break;
                }
            }
        }
        Ok(progress)
    }
}
