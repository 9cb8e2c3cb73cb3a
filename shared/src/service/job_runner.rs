//! Does the pages of jobs: moves the deliveries of a page and stores the progress.

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

/// Maximum number of deliveries in a page.
const MAX_PAGE: usize = 100;

/// The result of a page.
pub(super) struct DonePage {
    /// The job after the page.
    pub(super) job: Job,
    /// The counts and failures of the page's deliveries.
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
    /// Does the next page of an open job and stores the progress. If another process has changed the job meanwhile, the
    /// returned job is that process's. Two processes may do the same page; each delivery is moved once.
    ///
    /// # Errors
    /// [`ServiceError`] if the page cannot be read or sent, or the progress cannot be stored. The next run of the sweep
    /// repeats the page.
    pub(super) async fn do_page(&self, seen: &Job) -> Result<DonePage, ServiceError> {
        let now = self.clock.now();
        let endpoint = self.store.endpoint(&seen.organization, seen.work.endpoint()).await?;
        let failures = match &endpoint {
            Some(endpoint) if seen.needs_failures(now) => self.failures(endpoint, now).await?,
            _ => 0,
        };
        let job = seen.at(failures, now);
        let status = match job.work {
            Work::Recover(..) => self.access.cached_organization(&job.organization).await?.map(|it| it.status),
            Work::Release(_) | Work::FailHeld(_) | Work::SendAll(_) => None,
        };
        let action = job.work.on(endpoint.as_ref(), status.unwrap_or(OrganizationStatus::Active));
        if action == Move::Nothing {
            return self.store_progress(seen, job.ended(now), Moved::default()).await;
        }
        if let Move::SendAgain(route) = action {
            return self.send_page_again(seen, &job, route).await;
        }
        let limit = page_size(&job);
        let found = self.read_page(&job, limit).await?;
        let moved = match (action, &job.work) {
            (Move::Send(route), _) => self.releaser.lease_and_send(&found, route, Some(job.pace)).await?,
            (Move::Fail(cause), _) => self.releaser.fail_each(&found, cause).await,
            (Move::Retry(route), Work::Recover(_, recovery)) => {
                let (run, before) = (job.run(), job.before());
                let retried = |delivery, now, ticket| recovery.retried(delivery, run, before, now, ticket);
                self.releaser.retry_each(&found, route, job.pace, retried).await?
            }
            (Move::Retry(_) | Move::SendAgain(_) | Move::Nothing, _) => Moved::default(),
        };
        // Deliveries that a release or a failing leaves behind would be held permanently, so the job needs another
        // pass. A recovery does not repeat a delivery that cannot be read or written.
        let has_held = moved.has_permanent_failures && !matches!(action, Move::Retry(_));
        let page = Page {
            last: found.last().filter(|_| found.len() == limit).map(|last| last.delivery),
            paced: found.len(),
            moved: moved.count,
            is_left: has_held || moved.failure.is_some(),
        };
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    async fn send_page_again(&self, seen: &Job, job: &Job, route: Route) -> Result<DonePage, ServiceError> {
        let stored = self.store.stored_before(job.work.endpoint(), job.pass.from, page_size(job)).await?;
        for error in &stored.unreadable {
            error!(%error, "a delivery cannot be read");
        }
        let moved = self.releaser.send_again(stored.deliveries, route, job).await?;
        // Most of the stored deliveries are final and are only read, so they do not count for the pace.
        let (paced, is_left) = (moved.count, moved.failure.is_some());
        let page = Page { last: stored.last, paced, moved: moved.count, is_left };
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    /// The endpoint's bucket of failures: failed minus successful attempts. An endpoint whose attempts are not counted
    /// costs no read.
    async fn failures(&self, endpoint: &Endpoint, now: Timestamp) -> Result<u32, ServiceError> {
        if endpoint.circuit_breaker.failing_until.is_none() {
            return Ok(0);
        }
        Ok(self.store.counters(endpoint.id, now).await?.failures.count)
    }

    async fn read_page(&self, job: &Job, limit: usize) -> Result<Vec<WaitingRef>, ServiceError> {
        let (endpoint, from) = (job.work.endpoint(), job.pass.from);
        Ok(match job.before() {
            Some(before) => self.store.failed_deliveries(endpoint, from, before, limit).await?,
            None => self.store.held_deliveries(endpoint, Some(from), limit).await?,
        })
    }

    async fn store_progress(&self, seen: &Job, after: Job, moved: Moved) -> Result<DonePage, ServiceError> {
        let job = match self.store.change_job(seen, &after).await? {
            JobPut::Written => after,
            JobPut::Found(found) => *found,
            JobPut::Gone => seen.ended(self.clock.now()),
        };
        Ok(DonePage { job, moved })
    }
}

/// The maximum number of deliveries in the next page: at most those that the step has left.
fn page_size(job: &Job) -> usize {
    usize::try_from(job.pace.left).unwrap_or(MAX_PAGE).min(MAX_PAGE)
}
