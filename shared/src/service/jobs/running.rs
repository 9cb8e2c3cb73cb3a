//! Working on a job: a page of its deliveries, and a note of how far it is.

use tracing::error;

use crate::domain::job::{Job, Move, Page, Work};
use crate::domain::lane::Route;
use crate::domain::organization::OrganizationStatus;
use crate::service::releasing::Moved;
use crate::service::{Core, ServiceError};
use crate::store::{JobPut, WaitingRef};

/// How many deliveries a page holds.
const PAGE: usize = 100;

/// A page that was done.
pub(in crate::service) struct Done {
    /// The job after it.
    pub(in crate::service) job: Job,
    /// What became of the page's deliveries.
    pub(in crate::service) moved: Moved,
}

impl Core {
    /// Does the next page of an open job and notes it. If another process has changed the job meanwhile, the job is
    /// returned as that process left it: two processes may go through the same deliveries, and each of those is moved once.
    ///
    /// # Errors
    /// [`ServiceError`] if the page cannot be read, sent or noted. The next run of the sweep does it again.
    pub(in crate::service) async fn do_page(&self, seen: &Job) -> Result<Done, ServiceError> {
        let now = self.clock.now();
        let job = seen.at(now);
        let endpoint = self.store.endpoint(&job.organization, job.work.endpoint()).await?;
        let status = match job.work {
            Work::Recover(..) => self.known_organization(&job.organization).await?.map(|it| it.status),
            Work::Release(_) | Work::FailHeld(_) | Work::SendAll(_) => None,
        };
        let to_do = job.work.on(endpoint.as_ref(), status.unwrap_or(OrganizationStatus::Active));
        if to_do == Move::Nothing {
            return self.note(seen, job.ended(now), Moved::default()).await;
        }
        if let Move::SendAgain(route) = to_do {
            return self.send_page_again(seen, &job, route).await;
        }
        let found = self.page_of(&job).await?;
        let moved = match (to_do, &job.work) {
            (Move::Send(route), _) => self.take_and_send(&found, route).await?,
            (Move::Fail(cause), _) => self.fail_each(&found, cause).await,
            (Move::Retry(route), Work::Recover(_, recovery)) => {
                let (run, before) = (job.run(), job.before());
                let again = |delivery, now, ticket| recovery.retried(delivery, run, before, now, ticket);
                self.retry_each(&found, route, again).await?
            }
            (Move::Retry(_) | Move::SendAgain(_) | Move::Nothing, _) => Moved::default(),
        };
        // What a release leaves would be held for good. A recovery has done what it can.
        let is_stuck = moved.is_stuck && !matches!(to_do, Move::Retry(_));
        let page = Page {
            last: found.last().filter(|_| found.len() == PAGE).map(|last| last.delivery),
            moved: moved.count,
            is_left: is_stuck || moved.failure.is_some(),
        };
        self.note(seen, job.after(&page, self.clock.now()), moved).await
    }

    async fn send_page_again(&self, seen: &Job, job: &Job, route: Route) -> Result<Done, ServiceError> {
        let stored = self.store.stored_before(job.work.endpoint(), job.pass.from, PAGE).await?;
        for error in &stored.unreadable {
            error!(%error, "a delivery cannot be read");
        }
        let moved = self.send_again(stored.deliveries, route, job.run()).await?;
        let page = Page { last: stored.last, moved: moved.count, is_left: moved.failure.is_some() };
        self.note(seen, job.after(&page, self.clock.now()), moved).await
    }

    async fn page_of(&self, job: &Job) -> Result<Vec<WaitingRef>, ServiceError> {
        let (endpoint, from) = (job.work.endpoint(), job.pass.from);
        Ok(match job.before() {
            Some(before) => self.store.failed_deliveries(endpoint, from, before, PAGE).await?,
            None => self.store.held_deliveries(endpoint, Some(from), PAGE).await?,
        })
    }

    async fn note(&self, seen: &Job, after: Job, moved: Moved) -> Result<Done, ServiceError> {
        let job = match self.store.change_job(seen, &after).await? {
            JobPut::Written => after,
            JobPut::Found(found) => *found,
            JobPut::Gone => seen.ended(self.clock.now()),
        };
        Ok(Done { job, moved })
    }
}
