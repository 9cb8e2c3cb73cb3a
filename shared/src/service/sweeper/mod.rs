//! The sweep: what is due is sent, suspended endpoints are probed, and jobs go on.

mod backlog;
mod jobs;

use std::collections::HashSet;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::warn;

use jobs::JobsRun;

use super::announcer::{self, Announcer};
use super::endpoints::Endpoints;
use super::job_runner::JobRunner;
use super::meter::Meter;
use super::releaser::Releaser;
use super::{Parts, ServiceError};
use crate::clock::Clock;
use crate::domain::delivery::Mark;
use crate::domain::endpoint::lane::Route;
use crate::domain::job::JobKind;
use crate::domain::time::Timestamp;
use crate::store::{EndpointRef, Store, Waiting, WaitingRef};
use crate::telemetry::metrics;

/// How many references are read from the index at once.
const PAGE: usize = 100;
/// How many partitions of due deliveries are worked on at once. Jobs have places of their own, so due deliveries take at
/// most half of a run while jobs wait.
const MAX_CONCURRENT_DUE_PAGES: usize = 8;
/// How many suspended endpoints are worked on at once.
const MAX_CONCURRENT_PROBES: usize = 8;
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
    /// Deliveries that were retried by recoveries.
    pub recovered: usize,
    /// Deliveries that should be in the queue and were sent again.
    pub leased_to_resend: usize,
    /// Probes that were sent to suspended endpoints.
    pub probes: usize,
    /// Endpoints that were disabled because they were suspended for too long.
    pub disabled: usize,
    /// Deliveries of disabled and deleted endpoints that were failed.
    pub failed: usize,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.due += other.due;
        self.released += other.released;
        self.recovered += other.recovered;
        self.leased_to_resend += other.leased_to_resend;
        self.probes += other.probes;
        self.disabled += other.disabled;
        self.failed += other.failed;
    }
}

/// A run of the sweep.
#[derive(Debug)]
pub struct Sweeping {
    /// Everything but jobs.
    others: Run,
    jobs: JobsRun,
}

impl Sweeping {
    /// When the next page of a job that this run has worked on is due; `None` if no job that it has worked on is open.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.jobs.next_due()
    }

    /// What the run did.
    ///
    /// # Errors
    /// The last [`ServiceError`], if there was one.
    pub fn end(self) -> Result<Swept, ServiceError> {
        let mut run = self.others;
        run.add(self.jobs.run);
        run.failure.map_or(Ok(run.swept), Err)
    }
}

/// Sends what is due, probes suspended endpoints, and works on jobs.
#[derive(Debug)]
pub struct Sweeper {
    store: Arc<Store>,
    clock: Clock,
    endpoints: Arc<Endpoints>,
    announcer: Arc<Announcer>,
    releaser: Arc<Releaser>,
    job_runner: Arc<JobRunner>,
    meter: Arc<Meter>,
}

impl Sweeper {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { store, clock, endpoints, announcer, releaser, job_runner, meter, .. } = parts.clone();
        Self { store, clock, endpoints, announcer, releaser, job_runner, meter }
    }

    /// The clock that the process uses.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Counts the usage of organizations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Does what is to be done, until nothing is left or `deadline` comes; the next run goes on. Due deliveries, probes,
    /// jobs and the backlog metrics go on at the same time, and what fails holds up nothing else.
    pub async fn sweep(&self, deadline: Timestamp) -> Sweeping {
        let started_at = self.clock.now();
        let mut jobs = JobsRun::default();
        // Boxed: the types of these futures nest deeper than the compiler looks.
        let (due, probes, (), backlog) = tokio::join!(
            Box::pin(self.send_all_due(deadline)),
            Box::pin(self.probe_all(started_at, deadline)),
            Box::pin(self.work_on_jobs(&mut jobs, deadline)),
            Box::pin(self.record_backlog(started_at)),
        );
        let mut others = Run::default();
        others.record("backlog metrics", backlog);
        [due, probes].into_iter().for_each(|part| others.add(part));
        Sweeping { others, jobs }
    }

    /// Goes on with the jobs that have become due, in the same run. Those that failed in it are left to the next run.
    pub async fn sweep_jobs(&self, sweeping: &mut Sweeping, deadline: Timestamp) {
        Box::pin(self.work_on_jobs(&mut sweeping.jobs, deadline)).await;
    }

    /// Sends what is due. The partitions take turns, a page each, so that none waits for the whole backlog of another.
    async fn send_all_due(&self, deadline: Timestamp) -> Run {
        let mut run = Run::default();
        let mut begun: Vec<_> = Waiting::due_shards().map(|partition| DueShard { partition, last: None }).collect();
        let partitions = begun.len();
        let mut lateness = Vec::with_capacity(partitions);
        while !begun.is_empty() {
            let pages = begun.drain(..).map(|shard| self.send_due(shard, deadline)).collect::<Vec<_>>();
            let mut pages = stream::iter(pages).buffer_unordered(MAX_CONCURRENT_DUE_PAGES);
            while let Some(page) = pages.next().await {
                let Some(Some(page)) = run.record("due deliveries", page) else { continue };
                run.swept.due += page.count;
                lateness.extend(page.lateness);
                begun.extend(page.rest);
                run.record("due deliveries", page.failure.map_or(Ok(()), Err));
            }
        }
        // A run that could not look everywhere reports nothing, and the alarm treats silence as a fault.
        if lateness.len() == partitions {
            metrics::overdue(lateness.into_iter().max().unwrap_or_default());
        }
        run
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
        let lateness = last.is_none().then_some(oldest);
        // Among them are leases that have not ended. They are not taken, and hide nothing that comes after them.
        // Of several endpoints, which are not read.
        let sent = match self.releaser.lease_and_send(&found, Route::default(), None).await {
            Ok(sent) => sent,
            // The partition is left to the next run: what is leased and cannot be sent is late.
            Err(error) => return Ok(Some(DuePage { count: 0, lateness, rest: None, failure: Some(error) })),
        };
        let rest = found.last().filter(|_| found.len() == PAGE);
        let rest = rest.map(|last| DueShard { partition, last: Some(*last) });
        Ok(Some(DuePage { count: sent.count, lateness, rest, failure: sent.failure }))
    }

    async fn probe_all(&self, started_at: Timestamp, deadline: Timestamp) -> Run {
        let mut run = Run::default();
        let mut seen = HashSet::new();
        while self.clock.now() < deadline {
            let page = self.store.endpoints_to_probe(started_at, PAGE).await;
            let Some(mut page) = run.record("probes", page) else { break };
            let full = page.len() == PAGE;
            // The index may still name what was moved on a moment ago.
            page.retain(|reference| seen.insert(reference.endpoint));
            let probes = page.iter().map(|reference| self.probe_or_disable(reference)).collect::<Vec<_>>();
            let mut probes = stream::iter(probes).buffer_unordered(MAX_CONCURRENT_PROBES);
            while let Some(probed) = probes.next().await {
                if let Some(swept) = run.record("a probe", probed) {
                    run.swept += swept;
                }
            }
            if !full || page.is_empty() {
                break;
            }
        }
        run
    }

    /// Sends a suspended endpoint's probe, or gives the endpoint up. Of two sweeps at once, one does.
    async fn probe_or_disable(&self, reference: &EndpointRef) -> Result<Swept, ServiceError> {
        let now = self.clock.now();
        let (organization, id) = (&reference.organization, reference.endpoint);
        if let Some((_, disabled)) =
            self.endpoints.change_if(organization, id, |endpoint| endpoint.disabled_after_timeout(now)).await?
        {
            self.announcer.announce(organization, announcer::webhook_changed(&disabled, "webhook.disabled")).await;
            return Ok(Swept { disabled: 1, ..Swept::default() });
        }
        let parked = self.store.held_deliveries(id, None, 1).await?;
        let claimed =
            self.endpoints.change_if(organization, id, |endpoint| endpoint.probed(!parked.is_empty(), now)).await?;
        let is_sent = match claimed {
            Some((_, endpoint)) => self.releaser.send_probe(&endpoint).await?,
            None => false,
        };
        Ok(Swept { probes: usize::from(is_sent), ..Swept::default() })
    }
}

impl Swept {
    /// The count of what jobs of this kind move.
    const fn moved_by(&mut self, kind: JobKind) -> &mut usize {
        match kind {
            JobKind::Release => &mut self.released,
            JobKind::FailHeld => &mut self.failed,
            JobKind::Recover => &mut self.recovered,
            JobKind::SendAll => &mut self.leased_to_resend,
        }
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
    /// What failed; the deliveries behind it were gone on with.
    failure: Option<ServiceError>,
}

fn lateness(mark: Mark, now: Timestamp) -> Duration {
    if let Mark::Due(at) = mark { now.since(at) } else { Duration::ZERO }
}

/// What a part of a run did.
#[derive(Debug, Default)]
struct Run {
    swept: Swept,
    failure: Option<ServiceError>,
}

impl Run {
    fn add(&mut self, part: Self) {
        self.swept += part.swept;
        self.failure = part.failure.or(self.failure.take());
    }

    /// What was done, or `None` after noting that it failed. An endpoint that is gone meanwhile has
    /// nothing to be done for.
    fn record<T>(&mut self, what: &str, result: Result<T, impl Into<ServiceError>>) -> Option<T> {
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
