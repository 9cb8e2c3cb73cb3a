//! The part of a sweep run that does jobs. The open jobs take turns, a page each.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::error;

use super::{Run, Sweeper};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, STEP};
use crate::domain::tenancy::turns::Turns;
use crate::domain::time::Timestamp;

/// How many pages of jobs are done concurrently.
const MAX_CONCURRENT_JOBS: usize = 8;

/// The state of a run's work on jobs.
#[derive(Debug, Default)]
pub(super) struct JobsRun {
    pub(super) run: Run,
    /// The jobs that failed in this run. The next run repeats them.
    failed: HashSet<JobId>,
    /// The open jobs of which this run has done a page and whose next page is due later, each with that time.
    waiting: HashMap<JobId, Timestamp>,
}

impl JobsRun {
    /// The earliest time at which a job of which this run has done a page is due again.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.values().min().copied()
    }
}

impl Sweeper {
    /// Does the jobs whose next page is due, in turns of a page, and those that become due meanwhile, until `deadline`.
    pub(super) async fn do_jobs(&self, jobs: &mut JobsRun, deadline: Timestamp) {
        // The eventually consistent index may not contain the jobs that are due now. Then the next run does them.
        let started_at = self.clock.now();
        jobs.waiting.retain(|_, due_at| *due_at > started_at);
        let mut left = Turns::default();
        while self.clock.now() < deadline
            && let Some(turns) = self.turns(jobs, left).await
        {
            left = self.take_turns(jobs, turns, deadline).await;
        }
    }

    /// The jobs whose next page is due, without those that failed in this run; `None` if there are none. Those that are
    /// `left` follow the ones that the index lists.
    async fn turns(&self, jobs: &mut JobsRun, left: Turns<Job>) -> Option<Turns<Job>> {
        let listed = self.store.due_jobs(self.clock.now(), &jobs.failed).await;
        let (mut turns, mut known) = (Turns::default(), HashSet::new());
        let listed = jobs.run.record("jobs", listed).unwrap_or_default();
        jobs.run.record("some of the jobs", listed.failure.map_or(Ok(()), Err));
        for job in listed.jobs {
            match job {
                Ok(job) => {
                    known.insert(job.id);
                    turns.push(&job.organization.clone(), job);
                }
                Err(error) => error!(%error, "a job cannot be read"),
            }
        }
        left.filter(|job| known.insert(job.id)).for_each(|job| turns.push(&job.organization.clone(), job));
        (!known.is_empty()).then_some(turns)
    }

    /// Does pages until no job is due, or until a step has passed. Then the jobs are listed again, since others have become
    /// due. Returns those that are left.
    async fn take_turns(&self, jobs: &mut JobsRun, mut turns: Turns<Job>, deadline: Timestamp) -> Turns<Job> {
        let until = deadline.min(self.clock.now().plus(STEP));
        let mut pages = FuturesUnordered::new();
        loop {
            while pages.len() < MAX_CONCURRENT_JOBS
                && self.clock.now() < until
                && let Some(job) = turns.next()
            {
                pages.push(async move { (self.job_runner.do_page(&job).await, job.id, job.work.kind()) });
            }
            let Some((done, id, kind)) = pages.next().await else { return turns };
            jobs.waiting.remove(&id);
            let Some(done) = jobs.run.record("a job", done) else {
                jobs.failed.insert(id);
                continue;
            };
            *jobs.run.swept.moved_by(kind) += done.moved.count;
            jobs.run.record("a job", done.moved.failure.map_or(Ok(()), Err));
            jobs.schedule(done.job, &mut turns, self.clock.now());
        }
    }
}

impl JobsRun {
    /// Adds a job that is due to the turns, and records the time of a job that is due later.
    fn schedule(&mut self, job: Job, turns: &mut Turns<Job>, now: Timestamp) {
        match job.due_at() {
            Some(due_at) if due_at > now => drop(self.waiting.insert(job.id, due_at)),
            Some(_) => turns.push(&job.organization.clone(), job),
            None => {}
        }
    }
}
