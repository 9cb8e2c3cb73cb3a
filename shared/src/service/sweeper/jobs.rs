//! The jobs' part of a run of the sweep: the open jobs take turns, a page each.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::error;

use super::{Run, Sweeper};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, Turns};
use crate::domain::time::Timestamp;

/// How many jobs are worked on at once.
const MAX_CONCURRENT_JOBS: usize = 8;

/// What a run has done for jobs.
#[derive(Debug, Default)]
pub(super) struct JobsRun {
    pub(super) run: Run,
    /// The jobs that failed. They are left to the next run.
    left: HashSet<JobId>,
    /// The jobs that this run has worked on and that are due later, each with the time.
    waiting: HashMap<JobId, Timestamp>,
}

impl JobsRun {
    /// When the first of the jobs that this run has worked on is due again.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.values().min().copied()
    }
}

impl Sweeper {
    /// Works on the jobs whose next page is due, in turns of a page, and on those that become due meanwhile.
    pub(super) async fn work_on_jobs(&self, jobs: &mut JobsRun, deadline: Timestamp) {
        // The index may not name them yet. Then they are left to the next run.
        let started_at = self.clock.now();
        jobs.waiting.retain(|_, due_at| *due_at > started_at);
        while self.clock.now() < deadline
            && let Some(turns) = self.turns(jobs).await
        {
            self.take_turns(jobs, turns, deadline).await;
        }
    }

    /// The jobs whose next page is due; `None` if there are none.
    async fn turns(&self, jobs: &mut JobsRun) -> Option<Turns> {
        let listed = self.store.due_jobs(self.clock.now()).await;
        let mut turns = None;
        for job in jobs.run.record("jobs", listed)? {
            match job {
                Ok(job) if jobs.left.contains(&job.id) => {}
                Ok(job) => turns.get_or_insert_with(Turns::default).push(job),
                Err(error) => error!(%error, "a job cannot be read"),
            }
        }
        turns
    }

    async fn take_turns(&self, jobs: &mut JobsRun, mut turns: Turns, deadline: Timestamp) {
        let mut working = FuturesUnordered::new();
        loop {
            while working.len() < MAX_CONCURRENT_JOBS
                && self.clock.now() < deadline
                && let Some(job) = turns.take()
            {
                working.push(async move { (self.job_runner.do_page(&job).await, job.id, job.work.kind()) });
            }
            let Some((done, id, kind)) = working.next().await else { break };
            jobs.waiting.remove(&id);
            let Some(done) = jobs.run.record("a job", done) else {
                jobs.left.insert(id);
                continue;
            };
            *jobs.run.swept.moved_by(kind) += done.moved.count;
            jobs.run.record("a job", done.moved.failure.map_or(Ok(()), Err));
            jobs.go_on_with(done.job, &mut turns, self.clock.now());
        }
    }
}

impl JobsRun {
    /// Puts a job that is due behind the others, and remembers one that is due later.
    fn go_on_with(&mut self, job: Job, turns: &mut Turns, now: Timestamp) {
        match job.due_at() {
            Some(due_at) if due_at > now => drop(self.waiting.insert(job.id, due_at)),
            Some(_) => turns.push(job),
            None => {}
        }
    }
}
