//! The sweep: sends due deliveries, sends half-open probes to suspended endpoints, and does jobs.

mod backlog;
mod due;
mod jobs;
mod reencryption;

use std::collections::HashSet;
use std::ops::AddAssign;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tracing::warn;

use jobs::JobsRun;

use super::announcer::{self, Announcer};
use super::encryption::Encryption;
use super::endpoints::Endpoints;
use super::job_runner::JobRunner;
use super::meter::Meter;
use super::releaser::Releaser;
use super::{Parts, ServiceError};
use crate::clock::Clock;
use crate::domain::job::JobKind;
use crate::domain::time::Timestamp;
use crate::store::{EndpointRef, Store};

/// How many suspended endpoints one query of the index reads.
const PAGE: usize = 100;
/// How many suspended endpoints are processed concurrently.
const MAX_CONCURRENT_PROBES: usize = 8;
/// The counts of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Deliveries that were due and sent.
    pub due: usize,
    /// Deliveries that jobs released.
    pub released: usize,
    /// Deliveries that recoveries retried.
    pub recovered: usize,
    /// Deliveries that replays sent or made.
    pub replayed: usize,
    /// Deliveries that should be in the queue and that jobs sent again.
    pub resent: usize,
    /// Half-open probes that were sent to suspended endpoints.
    pub probes: usize,
    /// Endpoints that were disabled because they were suspended for too long.
    pub disabled: usize,
    /// Deliveries of disabled and deleted endpoints that jobs recorded as failed.
    pub failed: usize,
    /// Deliveries of events whose data was removed.
    pub expunged: usize,
    /// Items of deleted organizations that were removed.
    pub removed: usize,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.due += other.due;
        self.released += other.released;
        self.recovered += other.recovered;
        self.replayed += other.replayed;
        self.resent += other.resent;
        self.probes += other.probes;
        self.disabled += other.disabled;
        self.failed += other.failed;
        self.expunged += other.expunged;
        self.removed += other.removed;
    }
}

/// The state of a run after [`Sweeper::sweep`]. Its jobs can be continued by [`Sweeper::sweep_jobs`].
#[derive(Debug)]
pub struct Sweeping {
    /// Everything except jobs.
    others: Run,
    jobs: JobsRun,
}

impl Sweeping {
    /// The earliest time at which a job of which this run has done a page is due again; `None` if no such job is open.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.jobs.next_due()
    }

    /// Ends the run and returns its counts.
    ///
    /// # Errors
    /// The last [`ServiceError`], if a part of the run failed.
    pub fn end(self) -> Result<Swept, ServiceError> {
        let mut run = self.others;
        run.add(self.jobs.run);
        run.failure.map_or(Ok(run.swept), Err)
    }
}

/// The operations of SweepFunction.
#[derive(Debug)]
pub struct Sweeper {
    store: Arc<Store>,
    clock: Clock,
    encryption: Arc<Encryption>,
    endpoints: Arc<Endpoints>,
    announcer: Arc<Announcer>,
    releaser: Arc<Releaser>,
    job_runner: Arc<JobRunner>,
    meter: Arc<Meter>,
}

impl Sweeper {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { store, clock, encryption, endpoints, announcer, releaser, job_runner, meter, .. } = parts.clone();
        Self { store, clock, encryption, endpoints, announcer, releaser, job_runner, meter }
    }

    /// The clock that the process uses.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Counts the usage of organizations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Processes due deliveries, half-open probes, jobs, the backlog metrics and a change of the encryption key concurrently, until nothing is left or
    /// `deadline` has passed; the next run does the rest. A failure in one part does not stop the others.
    pub async fn sweep(&self, deadline: Timestamp) -> Sweeping {
        let started_at = self.clock.now();
        let mut jobs = JobsRun::default();
        // Boxed, because the nested types of these futures exceed the compiler's recursion limit.
        let (due, probes, (), backlog, reencryption) = tokio::join!(
            Box::pin(self.send_all_due(deadline)),
            Box::pin(self.probe_all(started_at, deadline)),
            Box::pin(self.do_jobs(&mut jobs, deadline)),
            Box::pin(self.record_backlog(started_at)),
            Box::pin(self.reencrypt(started_at, deadline)),
        );
        let mut others = Run::default();
        others.record("backlog metrics", backlog);
        others.record("the encryption under a new key", reencryption);
        [due, probes].into_iter().for_each(|part| others.add(part));
        Sweeping { others, jobs }
    }

    /// Does the jobs that have become due since, in the same run. The next run repeats those that failed in this run.
    pub async fn sweep_jobs(&self, sweeping: &mut Sweeping, deadline: Timestamp) {
        Box::pin(self.do_jobs(&mut sweeping.jobs, deadline)).await;
    }

    async fn probe_all(&self, started_at: Timestamp, deadline: Timestamp) -> Run {
        let mut run = Run::default();
        let mut seen = HashSet::new();
        while self.clock.now() < deadline {
            let page = self.store.endpoints_to_probe(started_at, PAGE).await;
            let Some(mut page) = run.record("probes", page) else { break };
            let full = page.len() == PAGE;
            // The eventually consistent index may still contain endpoints that were processed a moment ago.
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

    /// Sends the half-open probe of a suspended endpoint, or disables the endpoint. If two sweeps run concurrently, one
    /// does.
    async fn probe_or_disable(&self, reference: &EndpointRef) -> Result<Swept, ServiceError> {
        let now = self.clock.now();
        let (organization, id) = (&reference.organization, reference.endpoint);
        if let Some((_, disabled)) =
            self.endpoints.change_if(organization, id, |endpoint| endpoint.disabled_after_timeout(now)).await?
        {
            self.announcer.announce(organization, announcer::webhook_changed(&disabled, "webhook.disabled")).await;
            return Ok(Swept { disabled: 1, ..Swept::default() });
        }
        let held = self.store.held_deliveries(id, None, 1).await?;
        let claimed =
            self.endpoints.change_if(organization, id, |endpoint| endpoint.probed(!held.is_empty(), now)).await?;
        let is_sent = match claimed {
            Some((_, endpoint)) => self.releaser.send_probe(&endpoint).await?,
            None => false,
        };
        Ok(Swept { probes: usize::from(is_sent), ..Swept::default() })
    }
}

impl Swept {
    /// The count of what jobs of this kind move or remove.
    const fn moved_by(&mut self, kind: JobKind) -> &mut usize {
        match kind {
            JobKind::Release => &mut self.released,
            JobKind::FailHeld => &mut self.failed,
            JobKind::Recover => &mut self.recovered,
            JobKind::Replay => &mut self.replayed,
            JobKind::SendAll => &mut self.resent,
            JobKind::Expunge => &mut self.expunged,
            JobKind::DeleteOrganization => &mut self.removed,
        }
    }
}

/// The counts of a part of a run, and its last failure.
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

    /// Returns the result of a step, or logs and stores its failure and returns `None`. `NotFound` is not a failure: an
    /// endpoint that was deleted meanwhile needs no work.
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
