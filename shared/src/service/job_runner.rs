//! Does the pages of jobs: moves or removes what a page is about, and stores the progress.

use std::sync::Arc;

use tracing::error;

use super::ServiceError;
use super::access::Access;
use super::quotas::Quotas;
use super::releaser::{Moved, Releaser};
use super::replayer::Replayer;
use crate::clock::Clock;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::lane::Route;
use crate::domain::ids::{DeliveryId, EndpointId, EventId};
use crate::domain::job::{Cursor, Job, Move, Page, Removal, Work};
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
    pub(super) replayer: Arc<Replayer>,
    pub(super) quotas: Arc<Quotas>,
}

impl JobRunner {
    /// Does the next page of an open job and stores the progress. If another process has changed the job meanwhile, the
    /// returned job is that process's. Two processes may do the same page; each delivery is moved once.
    ///
    /// # Errors
    /// [`ServiceError`] if the page cannot be read or sent, or the progress cannot be stored. The next run of the sweep
    /// repeats the page.
    pub(super) async fn do_page(&self, seen: &Job) -> Result<DonePage, ServiceError> {
        let done = self.do_page_by_kind(seen).await;
        // A page counts at most this many endpoints, so this limits what the process keeps in memory.
        self.releaser.meter.write_due(MAX_PAGE).await;
        done
    }

    async fn do_page_by_kind(&self, seen: &Job) -> Result<DonePage, ServiceError> {
        match (&seen.work, seen.pass.from) {
            (Work::DeleteOrganization(_), Cursor::Removal(removal)) => self.remove_page(seen, removal).await,
            (Work::Expunge(event), Cursor::Delivery(from)) => self.expunge_page(seen, *event, from).await,
            (work, Cursor::Delivery(from)) if let Some(endpoint) = work.endpoint() => {
                self.do_page_of_endpoint(seen, endpoint, from).await
            }
            _ => Err(ServiceError::Internal(format!("the job {} has a cursor of another kind", seen.id))),
        }
    }

    async fn do_page_of_endpoint(
        &self,
        seen: &Job,
        id: EndpointId,
        from: DeliveryId,
    ) -> Result<DonePage, ServiceError> {
        let now = self.clock.now();
        let endpoint = self.store.endpoint(&seen.organization, id).await?;
        let failures = match &endpoint {
            Some(endpoint) if seen.needs_failures(now) => self.failures(endpoint, now).await?,
            _ => 0,
        };
        let job = seen.at(failures, now);
        let status = match job.work {
            Work::Recover(..) | Work::Replay(..) => {
                self.access.cached_organization(&job.organization).await?.map(|it| it.status)
            }
            _ => None,
        };
        let action = job.work.on(endpoint.as_ref(), status.unwrap_or(OrganizationStatus::Active));
        if action == Move::Nothing {
            return self.store_progress(seen, job.ended(now), Moved::default()).await;
        }
        if let Move::SendAgain(route) = action {
            return self.send_page_again(seen, &job, (id, from), route).await;
        }
        let limit = page_size(&job);
        if !self.take_quota(&job, limit).await? {
            return self.store_progress(seen, seen.waiting(now), Moved::default()).await;
        }
        let (page, moved) = match (&endpoint, &job.work) {
            (Some(endpoint), Work::Replay(_, replay)) if replay.goes_by_events() => {
                self.replayer.do_page(endpoint, (&job, replay), from, limit).await?
            }
            _ => self.move_page(&job, action, (id, from), limit).await?,
        };
        if let Some(quota) = job.work.quota() {
            let unused = limit.saturating_sub(moved.count);
            self.quotas.give_back(&job.organization, quota, u32::try_from(unused).unwrap_or(0)).await;
        }
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    /// Takes what a page of this size may send from the job's quota. Returns whether that was left. What a page that fails
    /// has taken is lost.
    async fn take_quota(&self, job: &Job, limit: usize) -> Result<bool, ServiceError> {
        let Some(quota) = job.work.quota() else { return Ok(true) };
        match self.quotas.take(&job.organization, quota, u32::try_from(limit).unwrap_or(u32::MAX)).await {
            Ok(()) => Ok(true),
            Err(ServiceError::RateLimited { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves a page of the held or failed deliveries of an endpoint.
    async fn move_page(
        &self,
        job: &Job,
        action: Move,
        (id, from): (EndpointId, DeliveryId),
        limit: usize,
    ) -> Result<(Page, Moved), ServiceError> {
        let found = self.read_page(job, (id, from), limit).await?;
        let moved = match (action, &job.work) {
            (Move::Send(route), _) => self.releaser.lease_and_send(&found, route, Some(job.pace)).await?,
            (Move::Fail(cause), _) => self.releaser.fail_each(&found, cause).await,
            (Move::Retry(route), Work::Recover(_, recovery)) => {
                let (run, before) = (job.run(), job.before());
                let retried = |delivery, now, ticket| recovery.retried(delivery, run, before, now, ticket);
                self.releaser.retry_each(&found, route, job.pace, retried).await?
            }
            (Move::Retry(route), Work::Replay(_, replay)) => {
                let (run, before) = (job.run(), job.before());
                let retried = |delivery, now, ticket| replay.retried(delivery, run, before, now, ticket);
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
        Ok((page, moved))
    }

    /// Removes a page of an organization.
    async fn remove_page(&self, seen: &Job, removal: Removal) -> Result<DonePage, ServiceError> {
        if removal == Removal::Organization {
            self.store.remove_organization(seen).await?;
            self.access.forget(&seen.organization);
            return Ok(DonePage { job: seen.ended(self.clock.now()), moved: Moved::default() });
        }
        let job = seen.at(0, self.clock.now());
        let removed = self.store.remove_page(&job, removal, self.clock.now()).await?;
        let moved = Moved { count: removed.items, ..Moved::default() };
        self.store_progress(seen, job.after_removal(&removed, self.clock.now()), moved).await
    }

    /// Removes the data of an event, and a page of what is stored of its deliveries. Each page removes the data again, since
    /// a late write of the publish request may have restored it.
    async fn expunge_page(&self, seen: &Job, event: EventId, from: DeliveryId) -> Result<DonePage, ServiceError> {
        let job = seen.at(0, self.clock.now());
        let Some(event) = self.store.event(&job.organization, event).await? else {
            return self.store_progress(seen, job.ended(self.clock.now()), Moved::default()).await;
        };
        if event.expunged_at.is_none() {
            self.store.replace_event(&event.clone().expunged(self.clock.now())).await?;
        }
        let limit = page_size(&job);
        let found: Vec<_> = event.deliveries().filter(|delivery| delivery.id >= from).take(limit).collect();
        let last = found.last().map(|last| last.id).filter(|_| found.len() == limit);
        let paced = found.len();
        let moved = self.releaser.expunge_each(found).await;
        let page = Page { last, paced, moved: moved.count, is_left: moved.failure.is_some() };
        self.store_progress(seen, job.after(&page, self.clock.now()), moved).await
    }

    async fn send_page_again(
        &self,
        seen: &Job,
        job: &Job,
        (endpoint, from): (EndpointId, DeliveryId),
        route: Route,
    ) -> Result<DonePage, ServiceError> {
        let stored = self.store.stored_before(endpoint, from, page_size(job)).await?;
        for error in &stored.unreadable {
            error!(%error, "a delivery cannot be read");
        }
        let examined = stored.deliveries.len();
        let moved = self.releaser.send_again(stored.deliveries, route, job).await?;
        // Most of the stored deliveries are final and are only read.
        let (paced, is_left) = (Page::pace_of(moved.count, examined), moved.failure.is_some());
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

    async fn read_page(
        &self,
        job: &Job,
        (endpoint, from): (EndpointId, DeliveryId),
        limit: usize,
    ) -> Result<Vec<WaitingRef>, ServiceError> {
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
