//! Working on a job: a page of its deliveries, and a note of how far it is.

use std::sync::Arc;

use tracing::error;

use super::ServiceError;
use super::access::Access;
use super::releaser::{Moved, Releaser};
use crate::clock::Clock;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Route;
use crate::domain::job::{Job, Move, Page, Work};
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;
use crate::store::{JobPut, Store, WaitingRef};

/// Most deliveries of a page.
const PAGE: usize = 100;

/// A page that was done.
pub(super) struct Done {
    /// The job after it.
    pub(super) job: Job,
    /// What became of the page's deliveries.
    pub(super) moved: Moved,
}

/// Does the pages of jobs.
#[derive(Debug)]
pub(super) struct JobRunner {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) access: Arc<Access>,
    pub(super) releaser: Arc<Releaser>,
}

impl JobRunner {
    /// Does the next page of an open job and notes it. If another process has changed the job meanwhile, the job is
    /// returned as that process left it: two processes may go through the same deliveries, and each of those is moved once.
    ///
    /// # Errors
    /// [`ServiceError`] if the page cannot be read, sent or noted. The next run of the sweep does it again.
    pub(super) async fn do_page(&self, seen: &Job) -> Result<Done, ServiceError> {
        let now = self.clock.now();
        let endpoint = self.store.endpoint(&seen.organization, seen.work.endpoint()).await?;
        let failures = match &endpoint {
            Some(endpoint) if seen.asks_for_failures(now) => self.failures_of(endpoint, now).await?,
            _ => 0,
        };
        let job = seen.at(failures, now);
        let status = match job.work {
            Work::Recover(..) => self.access.cached_organization(&job.organization).await?.map(|it| it.status),
            Work::Release(_) | Work::FailHeld(_) | Work::SendAll(_) => None,
        };
        let to_do = job.work.on(endpoint.as_ref(), status.unwrap_or(OrganizationStatus::Active));
        if to_do == Move::Nothing {
            return self.store_progress(seen, job.ended(now), Moved::default()).await;
        }
        if let Move::SendAgain(route) = to_do {
            return self.send_page_again(seen, &job, route).await;
        }
        let limit = page_size(&job);
        let found = self.page_of(&job, limit).await?;
        let moved = match (to_do, &job.work) {
            (Move::Send(route), _) => self.releaser.lease_and_send(&found, route, Some(job.pace)).await?,
            (Move::Fail(cause), _) => self.releaser.fail_each(&found, cause).await,
            (Move::Retry(route), Work::Recover(_, recovery)) => {
                let (run, before) = (job.run(), job.before());
                let again = |delivery, now, ticket| recovery.retried(delivery, run, before, now, ticket);
                self.releaser.retry_each(&found, route, job.pace, again).await?
            }
            (Move::Retry(_) | Move::SendAgain(_) | Move::Nothing, _) => Moved::default(),
        };
        // What a release leaves would be held for good. A recovery has done what it can.
        let is_stuck = moved.is_stuck && !matches!(to_do, Move::Retry(_));
        let page = Page {
            last: found.last().filter(|_| found.len() == limit).map(|last| last.delivery),
            paced: found.len(),
            moved: moved.count,
            is_left: is_stuck || moved.failure.is_some(),
        };
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    async fn send_page_again(&self, seen: &Job, job: &Job, route: Route) -> Result<Done, ServiceError> {
        let stored = self.store.stored_before(job.work.endpoint(), job.pass.from, page_size(job)).await?;
        for error in &stored.unreadable {
            error!(%error, "a delivery cannot be read");
        }
        let moved = self.releaser.send_again(stored.deliveries, route, job).await?;
        // Most of what is stored is final, and is only read.
        let (paced, is_left) = (moved.count, moved.failure.is_some());
        let page = Page { last: stored.last, paced, moved: moved.count, is_left };
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    /// How many more attempts at an endpoint failed than succeeded. Nothing is read if nothing is counted.
    async fn failures_of(&self, endpoint: &Endpoint, now: Timestamp) -> Result<u32, ServiceError> {
        if endpoint.circuit_breaker.failing_until.is_none() {
            return Ok(0);
        }
        Ok(self.store.counters(endpoint.id, now).await?.failures.count)
    }

    async fn page_of(&self, job: &Job, limit: usize) -> Result<Vec<WaitingRef>, ServiceError> {
        let (endpoint, from) = (job.work.endpoint(), job.pass.from);
        Ok(match job.before() {
            Some(before) => self.store.failed_deliveries(endpoint, from, before, limit).await?,
            None => self.store.held_deliveries(endpoint, Some(from), limit).await?,
        })
    }

    async fn store_progress(&self, seen: &Job, after: Job, moved: Moved) -> Result<Done, ServiceError> {
        let job = match self.store.change_job(seen, &after).await? {
            JobPut::Written => after,
            JobPut::Found(found) => *found,
            JobPut::Gone => seen.ended(self.clock.now()),
        };
        Ok(Done { job, moved })
    }
}

/// How many deliveries the next page holds: no more than the step has left.
fn page_size(job: &Job) -> usize {
    usize::try_from(job.pace.left).unwrap_or(PAGE).min(PAGE)
}
