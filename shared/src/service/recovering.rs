//! Recovering: everything that an endpoint missed, asked for again, over any number of deliveries.

use tracing::error;

use super::releasing::{STRIDE, new_ticket, task_without_body};
use super::{Core, ServiceError};
use crate::clock;
use crate::domain::endpoint::EndpointStatus;
use crate::domain::ids::{EndpointId, OrganizationId, RecoveryId};
use crate::domain::recovery::{NewRecovery, Recovery};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// How many deliveries a request goes through at once; the rest is the sweep's.
const AT_ONCE: usize = 500;
/// How many deliveries are gone through before it is noted how far the recovery came.
const PAGE: usize = 100;

/// How far a recovery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many deliveries were asked for again in this step.
    pub recovered: usize,
    /// Whether all of them were.
    pub finished: bool,
}

impl Core {
    /// Asks for an endpoint's failed and exhausted deliveries again. The first are asked for at once,
    /// the others by the sweep, whatever happens to this process.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no such endpoint,
    /// [`ServiceError::Conflict`] if it is disabled and could not take them.
    pub async fn recover(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        new: NewRecovery,
    ) -> Result<(Recovery, Progress), ServiceError> {
        let found = self.endpoint(organization, endpoint).await?;
        if matches!(found.status, EndpointStatus::Disabled { .. }) {
            return Err(ServiceError::Conflict("the endpoint is disabled".to_owned()));
        }
        let now = self.clock.now();
        let id = RecoveryId::new(now, clock::id_bytes());
        let mut recovery = Recovery::new(id, organization, endpoint, new, now);
        self.store.put_recovery(&recovery).await?;
        let progress = self.advance(&mut recovery).await?;
        Ok((recovery, progress))
    }

    /// Goes on with the recoveries that are under way. Returns how many deliveries were asked for. One that fails
    /// is gone on with next time, and holds up none of the others.
    pub(super) async fn continue_recoveries(&self, deadline: Timestamp) -> Result<usize, ServiceError> {
        let (mut recovered, mut failure) = (0, None);
        let mut under_way = Vec::new();
        for recovery in self.store.recoveries(PAGE).await? {
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
                match self.advance(&mut recovery).await {
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

    /// Goes through the next deliveries, and notes after each page how far it came.
    async fn advance(&self, recovery: &mut Recovery) -> Result<Progress, ServiceError> {
        let mut progress = Progress { recovered: 0, finished: false };
        let mut seen = 0;
        while seen < AT_ONCE {
            let Recovery { endpoint, from, before, .. } = *recovery;
            let found = self.store.dead_deliveries(endpoint, from, before, PAGE).await?;
            for chunk in found.chunks(STRIDE) {
                let now = self.clock.now();
                let wanted = recovery.clone();
                let again =
                    move |delivery| Some(delivery).filter(|d| wanted.admits(d))?.asked_again(now, new_ticket()).ok();
                let (moved, failure) = self.try_each(chunk, again).await?;
                progress.recovered += moved.len();
                self.queue.send(moved.into_iter().map(task_without_body).collect()).await?;
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
            match self.store.advance_recovery(recovery).await {
                Ok(()) => {}
                // Another process goes on with it.
                Err(StoreError::Conflict) => {
                    progress.finished = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(progress)
    }
}
