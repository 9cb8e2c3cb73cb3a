//! The sweep: what is due is sent, what is parked is released or failed.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::warn;

use super::{Core, ServiceError, operational};
use crate::domain::attempt::Cause;
use crate::domain::delivery::Mark;
use crate::domain::endpoint::Endpoint;
use crate::domain::lane::Route;
use crate::domain::time::Timestamp;
use crate::store::{EndpointRef, Waiting, WaitingRef};
use crate::telemetry::metrics;

/// How many references are read from the index at once.
const PAGE: usize = 100;
/// How many partitions of due deliveries are worked on at once.
const DUE_AT_ONCE: usize = 8;
/// Most deliveries that one run releases for one endpoint: about 50 a second, so that an endpoint
/// which just came back is not run over.
const RELEASE_PER_RUN: usize = 3_000;
/// A release is finished only by a run that starts this long after it began. A publisher may use an endpoint's former
/// status for 30 s, begin its write up to 60 s after it read the organization's revision, and take 30 s for it.
const LAST_LOOK: Duration = Duration::from_secs(120);
/// How far ahead of its time a parked delivery is sent, in a message that is delayed until then: a run comes every minute
/// and may be late.
const LOOK_AHEAD: Duration = Duration::from_secs(180);

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
    /// Does what is to be done, until nothing is left or `deadline` comes; the next run goes on. What
    /// fails holds up nothing else.
    ///
    /// # Errors
    /// The last [`ServiceError`], if there was one, after everything was tried.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<Swept, ServiceError> {
        let started_at = self.clock.now();
        let mut run = Run { started_at, deadline, swept: Swept::default(), failure: None };
        Box::pin(self.send_all_due(&mut run)).await;
        // Boxed: the types of these futures nest deeper than the compiler looks.
        Box::pin(self.probe_all(&mut run)).await;
        Box::pin(self.release_all(&mut run)).await;
        let recovered = Box::pin(self.continue_recoveries(deadline)).await;
        run.swept.recovered = run.note("recoveries", recovered).unwrap_or(0);
        if self.clock.now() < deadline {
            let stock = Box::pin(self.take_stock(started_at)).await;
            run.note("taking stock", stock);
        }
        run.failure.map_or(Ok(run.swept), Err)
    }

    /// Sends what is due. The partitions take turns, a page each, so that none waits for the whole backlog of another.
    async fn send_all_due(&self, run: &mut Run) {
        let mut begun: Vec<_> = Waiting::due_shards().map(|partition| DueShard { partition, last: None }).collect();
        let partitions = begun.len();
        let mut lateness = Vec::with_capacity(partitions);
        while !begun.is_empty() {
            let pages = begun.drain(..).map(|shard| self.send_due(shard, run.deadline)).collect::<Vec<_>>();
            let mut pages = stream::iter(pages).buffer_unordered(DUE_AT_ONCE);
            while let Some(page) = pages.next().await {
                let Some(Some(page)) = run.note("due deliveries", page) else { continue };
                run.swept.due += page.count;
                lateness.extend(page.lateness);
                begun.extend(page.rest);
            }
        }
        // A run that did not look everywhere reports nothing, and the alarm treats silence as a fault.
        if lateness.len() == partitions {
            metrics::overdue(lateness.into_iter().max().unwrap_or_default());
        }
    }

    /// Sends the next page of a partition; `None` if there is no time left.
    async fn send_due(&self, shard: DueShard, deadline: Timestamp) -> Result<Option<DuePage>, ServiceError> {
        let now = self.clock.now();
        if now >= deadline {
            return Ok(None);
        }
        let DueShard { partition, last } = shard;
        let found = self.store.due_deliveries(partition, now.plus(LOOK_AHEAD), last.as_ref(), PAGE).await?;
        let oldest = found.first().map_or(Duration::ZERO, |oldest| lateness(oldest.mark, now));
        // Among them are leases that have not ended. They are not taken, and hide nothing that comes after them.
        // Of several endpoints, which are not read.
        let count = self.take_and_send(&found, Route::default()).await?;
        let rest = found.last().filter(|_| found.len() == PAGE);
        Ok(Some(DuePage {
            count,
            lateness: last.is_none().then_some(oldest),
            rest: rest.map(|last| DueShard { partition, last: Some(*last) }),
        }))
    }

    async fn release_all(&self, run: &mut Run) {
        let mut after = None;
        while self.clock.now() < run.deadline {
            let page = self.store.endpoints_to_release(after.as_ref(), PAGE).await;
            let Some(page) = run.note("endpoints to release", page) else { return };
            for (place, since) in &page {
                let released = self.release(place, *since, run).await;
                run.note("a release", released);
            }
            after = page.last().cloned();
            if page.len() < PAGE {
                return;
            }
        }
    }

    /// Releases or fails, page by page, what is parked for one endpoint.
    async fn release(&self, place: &EndpointRef, since: Timestamp, run: &mut Run) -> Result<(), ServiceError> {
        let endpoint = self.store.endpoint(&place.organization, place.endpoint).await?;
        let route = endpoint.as_ref().map(Endpoint::route).unwrap_or_default();
        let cause = match endpoint {
            // What was parked stays parked; whoever changed the endpoint also changed its mark.
            Some(endpoint) if endpoint.parks() => return Ok(()),
            Some(endpoint) => endpoint.is_disabled().then_some(Cause::EndpointDisabled),
            None => Some(Cause::EndpointDeleted),
        };
        let mut moved_in_all = 0;
        while self.clock.now() < run.deadline && moved_in_all < RELEASE_PER_RUN {
            let found = self.store.held_deliveries(place.endpoint, PAGE).await?;
            if found.is_empty() && run.started_at.since(since) >= LAST_LOOK {
                self.store.finish_release(place, since).await?;
            }
            let moved = match cause {
                None => self.take_and_send(&found, route).await.inspect(|moved| run.swept.released += moved)?,
                Some(cause) => self.fail_each(&found, cause).await.inspect(|moved| run.swept.failed += moved)?,
            };
            moved_in_all += moved;
            if found.len() < PAGE || moved == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn probe_all(&self, run: &mut Run) {
        let mut seen = HashSet::new();
        while self.clock.now() < run.deadline {
            let page = self.store.endpoints_to_probe(run.started_at, PAGE).await;
            let Some(mut page) = run.note("probes", page) else { return };
            let full = page.len() == PAGE;
            // The index may still name what was moved on a moment ago.
            page.retain(|place| seen.insert(place.endpoint));
            for place in &page {
                let probed = self.probe_or_give_up(place, run).await;
                run.note("a probe", probed);
            }
            if !full || page.is_empty() {
                return;
            }
        }
    }

    /// Sends a suspended endpoint's probe, or gives the endpoint up. Of two sweeps at once, one does.
    async fn probe_or_give_up(&self, place: &EndpointRef, run: &mut Run) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let (organization, id) = (&place.organization, place.endpoint);
        if let Some((_, disabled)) = self.change_if(organization, id, |endpoint| endpoint.given_up(now)).await? {
            self.announce(organization, operational::webhook_changed(&disabled, "webhook.disabled")).await;
            run.swept.disabled += 1;
            return Ok(());
        }
        let parked = self.store.held_deliveries(id, 1).await?;
        let claimed = self.change_if(organization, id, |endpoint| endpoint.probed(!parked.is_empty(), now)).await?;
        if let Some((_, endpoint)) = claimed
            && self.send_probe(&endpoint).await?
        {
            run.swept.probes += 1;
        }
        Ok(())
    }
}

/// A partition of due deliveries, and the last one that was read of it.
#[derive(Debug, Clone, Copy)]
struct DueShard {
    partition: Waiting,
    last: Option<WaitingRef>,
}

/// What a page of a partition came to.
#[derive(Debug)]
struct DuePage {
    /// How many deliveries were sent.
    count: usize,
    /// How late the partition's oldest delivery was; only in its first page.
    lateness: Option<Duration>,
    /// The partition, if it has more.
    rest: Option<DueShard>,
}

fn lateness(mark: Mark, now: Timestamp) -> Duration {
    if let Mark::Due(at) = mark { now.since(at) } else { Duration::ZERO }
}

/// One run of the sweep.
struct Run {
    started_at: Timestamp,
    deadline: Timestamp,
    swept: Swept,
    failure: Option<ServiceError>,
}

impl Run {
    /// What was done, or `None` after noting that it failed. An endpoint that is gone meanwhile has
    /// nothing to be done for.
    fn note<T>(&mut self, what: &str, result: Result<T, impl Into<ServiceError>>) -> Option<T> {
        match result.map_err(Into::into) {
            Ok(done) => Some(done),
            Err(ServiceError::NotFound(_)) => None,
            Err(error) => {
                warn!(what, %error, "a part of the sweep failed");
                self.failure = Some(error);
                None
            }
        }
    }
}
