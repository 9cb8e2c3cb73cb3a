//! The sweep: what is due is sent, what is parked is released or failed.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{Core, ServiceError, operational};
use crate::domain::delivery::Cause;
use crate::domain::endpoint::{DisabledReason, EndpointStatus};
use crate::domain::time::Timestamp;
use crate::store::{EndpointRef, Waiting};

/// How many references are read from the index at once.
const PAGE: usize = 100;
/// Most deliveries that one run releases for one endpoint: about 50 a second, so that an endpoint
/// which just came back is not run over.
const RELEASE_PER_RUN: usize = 3_000;
/// A release is finished only by a run that starts this long after it began: whoever read the
/// endpoint's former status a moment earlier may still be parking deliveries.
const LAST_LOOK: Duration = Duration::from_secs(60);

/// What one run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Deliveries that were due and sent.
    pub due: usize,
    /// Deliveries that were released.
    pub released: usize,
    /// Deliveries that were asked for again.
    pub recovered: usize,
    /// Probes that were sent to suspended endpoints.
    pub probes: usize,
    /// Endpoints that were disabled because they were suspended for too long.
    pub disabled: usize,
    /// Deliveries of disabled and deleted endpoints that were failed.
    pub failed: usize,
}

impl Core {
    /// Does what is to be done, until nothing is left or `deadline` comes; the next run goes on.
    ///
    /// # Errors
    /// [`ServiceError`] if DynamoDB or SQS failed; what was done until then is done.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<Swept, ServiceError> {
        let started_at = self.clock.now();
        let shards: Vec<_> = Waiting::due_shards().map(|shard| self.send_due(shard, deadline)).collect();
        let due = try_join_all(shards).await?;
        let mut swept = Swept { due: due.into_iter().sum(), ..Swept::default() };
        for (endpoint, since) in self.store.endpoints_to_release(PAGE).await? {
            if self.clock.now() >= deadline {
                break;
            }
            self.release(&endpoint, since, started_at, deadline, &mut swept).await?;
        }
        swept.recovered = self.continue_recoveries(deadline).await?;
        for place in self.store.endpoints_to_probe(started_at, PAGE).await? {
            if self.clock.now() >= deadline {
                break;
            }
            self.probe_or_disable(&place, &mut swept).await?;
        }
        Ok(swept)
    }

    async fn send_due(&self, shard: Waiting, deadline: Timestamp) -> Result<usize, ServiceError> {
        let mut sent = 0;
        while self.clock.now() < deadline {
            let found = self.store.waiting_deliveries(shard, self.clock.now(), PAGE).await?;
            let taken = self.take_and_send(&found).await?;
            sent += taken;
            // A full page of which nothing could be taken is what the index has not caught up with.
            if found.len() < PAGE || taken == 0 {
                break;
            }
        }
        Ok(sent)
    }

    /// Releases or fails, page by page, what is parked for one endpoint.
    async fn release(
        &self,
        place: &EndpointRef,
        since: Timestamp,
        started_at: Timestamp,
        deadline: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), ServiceError> {
        let endpoint = self.store.endpoint(&place.organization, place.endpoint).await?;
        let cause = match endpoint {
            // What was parked stays parked; whoever changed the endpoint also changed its mark.
            Some(endpoint) if endpoint.parks() => return Ok(()),
            Some(endpoint) => {
                matches!(endpoint.status, EndpointStatus::Disabled { .. }).then_some(Cause::EndpointDisabled)
            }
            None => Some(Cause::EndpointDeleted),
        };
        let mut moved_in_all = 0;
        while self.clock.now() < deadline && moved_in_all < RELEASE_PER_RUN {
            let parked = Waiting::Held(place.endpoint);
            let found = self.store.waiting_deliveries(parked, self.clock.now(), PAGE).await?;
            if found.is_empty() && started_at.since(since) >= LAST_LOOK {
                self.store.finish_release(place, since).await?;
            }
            let moved = match cause {
                None => self.take_and_send(&found).await.inspect(|moved| swept.released += moved)?,
                Some(cause) => self.fail_each(&found, cause).await.inspect(|moved| swept.failed += moved)?,
            };
            moved_in_all += moved;
            if found.len() < PAGE || moved == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Sends a suspended endpoint's probe, or gives the endpoint up. Of two sweeps at once, one does.
    async fn probe_or_disable(&self, place: &EndpointRef, swept: &mut Swept) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let (organization, id) = (&place.organization, place.endpoint);
        let Some(endpoint) = self.store.endpoint(organization, id).await? else { return Ok(()) };
        let Some(suspension) = endpoint.health.suspension else { return Ok(()) };
        if suspension.is_hopeless(now) {
            let disabled = self.disable_endpoint(organization, id, DisabledReason::Failing).await?;
            self.announce(organization, operational::webhook_changed(&disabled, "webhook.disabled")).await;
            swept.disabled += 1;
            return Ok(());
        }
        // Nothing is parked, so there is nothing to try; the probe stays due.
        if self.store.waiting_deliveries(Waiting::Held(id), now, 1).await?.is_empty() {
            return Ok(());
        }
        let claimed = self.change_if(organization, id, |endpoint| endpoint.probed(now)).await?;
        if let Some((_, endpoint)) = claimed
            && self.send_probe(&endpoint).await?
        {
            swept.probes += 1;
        }
        Ok(())
    }
}
