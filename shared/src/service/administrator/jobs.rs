//! Recoveries, removing the data of events, and reading and cancelling jobs. The sweeper works on jobs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tracing::error;

use super::Administrator;
use super::endpoints::require_enabled;
use super::expunging::require_owner;
use super::lists::examine;
use super::organizations::require_active;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, EventId, JobId, OrganizationId};
use crate::domain::job::{Job, JobKind, JobPosition, MAX_OPEN_RESTARTS, Recovery, Work};
use crate::domain::tenancy::organization::Organization;
use crate::domain::tenancy::rights::Binding;
use crate::domain::walk::{Walk, Walked};
use crate::service::{Caller, ServiceError};
use crate::store::{JobEntry, JobPut, Order, StoreError};
use crate::telemetry::audit;

/// Most pages that a request does; the rest is the sweep's.
const MAX_PAGES: usize = 5;

/// A new job may be due a moment after its request: one that replaces another is requested later than that one.
const AHEAD: Duration = Duration::from_secs(1);
/// How often a recovery or replay is added to the open ones of its organization.
const COUNTING_TRIES: usize = 2;
/// How often a page of jobs reads the list, if it finds entries that lead to no job.
const MOST_READS: usize = 4;

/// Which jobs a list contains.
#[derive(Debug, Clone, Copy)]
pub struct JobSelection<'a> {
    /// Only jobs for endpoints of this binding.
    pub binding: &'a Binding,
    /// Only jobs for this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only recoveries and replays.
    pub only_restarts: bool,
}

impl JobSelection<'_> {
    fn admits(&self, entry: &JobEntry) -> bool {
        self.binding.includes(entry.endpoint)
            && self.endpoint.is_none_or(|endpoint| entry.endpoint == Some(endpoint))
            && (!self.only_restarts || entry.kind.is_some_and(JobKind::restarts))
    }
}

/// A recovery that was requested.
#[derive(Debug)]
pub struct Recovering {
    /// Its job, with its progress.
    pub job: Job,
    /// Which deliveries it is about.
    pub recovery: Recovery,
    /// Whether it was under way before.
    pub joined: bool,
    /// How many deliveries this request retried.
    pub recovered: usize,
}

impl Administrator {
    /// Retries an endpoint's failed and exhausted deliveries. The first are retried at once, the others by the sweep,
    /// whatever happens to this process. The same request joins the recovery that is in its first pass.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::NotFound`] if it has no such endpoint,
    /// [`ServiceError::Conflict`] if the endpoint is disabled and could not take them, or if the organization has too many
    /// open recoveries and replays.
    pub async fn recover(
        &self,
        organization: &Organization,
        endpoint: EndpointId,
        recovery: Recovery,
    ) -> Result<Recovering, ServiceError> {
        let organization = require_active(organization)?;
        require_enabled(&self.endpoint(organization, endpoint).await?)?;
        let new = Job::new(organization, Work::Recover(endpoint, recovery.clone()), self.clock.now());
        let new = self.admit(new).await?;
        let (job, joined) = match self.store.request_job(&new).await? {
            JobPut::Found(job) => (*job, true),
            JobPut::Written | JobPut::Gone => (new, false),
        };
        audit("endpoint.recover", organization, endpoint);
        let (job, recovered) = self.advance(job).await?;
        Ok(Recovering { job, recovery, joined, recovered })
    }

    /// The job of a requested recovery or replay, with the initial deliveries that an earlier one with its id left. Refuses
    /// it if its organization has [`MAX_OPEN_RESTARTS`] open ones, unless one with its id is among them. Concurrent
    /// requests may exceed the limit.
    pub(super) async fn admit(&self, new: Job) -> Result<Job, ServiceError> {
        let earlier = self.store.job(&new.organization, new.id).await?;
        if !earlier.as_ref().is_some_and(is_open) {
            self.count_as_open(&new).await?;
        }
        Ok(match earlier {
            Some(earlier) => new.sharing(&earlier),
            None => new,
        })
    }

    /// Adds a recovery or replay to those of its organization that are open. If these are too many, those that have ended are
    /// removed first.
    async fn count_as_open(&self, new: &Job) -> Result<(), ServiceError> {
        let organization = &new.organization;
        for _ in 0..COUNTING_TRIES {
            let Some(counted) = self.store.add_open_restart(organization, new.id, MAX_OPEN_RESTARTS).await? else {
                return Ok(());
            };
            let stored = self.store.jobs_by_id(organization, counted.iter().copied()).await?;
            // The id of a job that cannot be read is not known, so all others are kept.
            if stored.iter().any(Result::is_err) {
                break;
            }
            let open: HashSet<_> = stored.iter().flatten().filter(|job| is_open(job)).map(|job| job.id).collect();
            let ended: Vec<_> = counted.into_iter().filter(|id| !open.contains(id)).collect();
            if ended.is_empty() {
                break;
            }
            self.store.remove_ended_restarts(organization, &ended).await?;
        }
        Err(ServiceError::Conflict(format!(
            "the organization has {MAX_OPEN_RESTARTS} open recoveries and replays; GET …/jobs lists them; wait until one has \
             ended, or cancel one with POST …/jobs/{{job}}/cancel"
        )))
    }

    /// Removes the data of an event and the responses to its deliveries, and fails those that are not final. The first 500
    /// deliveries are done when this returns, the others within seconds by the sweep. After two minutes the job does it
    /// once more, for what a late write of the publish request may have restored. The same request joins a job that
    /// is in its first pass.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the caller is no owner, [`ServiceError::NotFound`] if the organization has no event
    /// with this id.
    pub async fn expunge_event(
        &self,
        organization: &OrganizationId,
        by: &Caller,
        id: EventId,
    ) -> Result<Job, ServiceError> {
        require_owner(by)?;
        let found = self.store.event(organization, id).await?.filter(|_| !self.is_expired(id.created_at()));
        found.ok_or(ServiceError::NotFound("event"))?;
        let new = Job::new(organization, Work::Expunge(id), self.clock.now());
        let job = match self.store.request_job(&new).await? {
            JobPut::Found(job) => *job,
            JobPut::Written | JobPut::Gone => new,
        };
        audit("event.expunge", organization, id);
        Ok(self.advance(job).await?.0)
    }

    /// Sends the oldest held deliveries of an endpoint that accepts deliveries again.
    pub(super) async fn begin_release(&self, endpoint: &Endpoint) -> Result<(), ServiceError> {
        let job = self.store.job(&endpoint.organization, Work::Release(endpoint.id).id()).await?;
        match job {
            Some(job) if is_open(&job) => self.advance(job).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Does what a job does before its first step. Returns it with its progress, and how many deliveries were moved. Their
    /// statistics are written, since this process may never get another request.
    pub(super) async fn advance(&self, job: Job) -> Result<(Job, usize), ServiceError> {
        let done = self.do_first_pages(job).await;
        self.meter.write_statistics().await;
        done
    }

    async fn do_first_pages(&self, mut job: Job) -> Result<(Job, usize), ServiceError> {
        let mut moved = 0;
        for _ in 0..MAX_PAGES {
            let is_waiting = !job.is_due(self.clock.now().plus(AHEAD));
            if job.has_passed_once() || !job.pace.is_before_steps() || is_waiting {
                break;
            }
            let done = self.job_runner.do_page(&job).await?;
            moved += done.moved.count;
            done.moved.failure.map_or(Ok(()), Err)?;
            job = done.job;
        }
        Ok((job, moved))
    }

    /// A page of an organization's jobs, the latest first: the open ones, and those that ended within their
    /// [retention](crate::domain::job::JobKind::retention). A job that cannot be read is left out and logged. A page may be
    /// short although the list goes on.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn walk_jobs(
        &self,
        organization: &OrganizationId,
        selection: &JobSelection<'_>,
        walk: Walk<JobPosition>,
        limit: usize,
    ) -> Result<Walked<Job, JobPosition>, ServiceError> {
        let (order, mut start) = match walk {
            Walk::First => (Order::NewestFirst, None),
            Walk::After(position) => (Order::NewestFirst, Some(position)),
            Walk::Before(position) => (Order::OldestFirst, Some(position)),
        };
        let mut items = Vec::new();
        for _ in 0..MOST_READS {
            let wanted = limit - items.len();
            let list = self.store.job_entries(organization, start, order, wanted + 1);
            let position = |entry: &JobEntry| entry.position;
            let page = examine(list, wanted, start, position, |entry| selection.admits(entry)).await?.into_walked();
            items.extend(self.jobs_of(organization, &page.items).await?);
            // Entries of jobs that were replaced or have expired leave the page short.
            start = page.further;
            if start.is_none() || items.len() == limit {
                break;
            }
        }
        Ok(Walked { items, further: start })
    }

    /// The jobs of these entries, in their order.
    async fn jobs_of(&self, organization: &OrganizationId, entries: &[JobEntry]) -> Result<Vec<Job>, ServiceError> {
        let ids: HashSet<_> = entries.iter().map(|entry| entry.position.id()).collect();
        let mut found = HashMap::new();
        for job in self.store.jobs_by_id(organization, ids).await? {
            match job {
                Ok(job) if job.is_expired(self.clock.now()) => {}
                Ok(job) => drop(found.insert(JobPosition::of(&job), job)),
                Err(error) => error!(%organization, %error, "a job cannot be read"),
            }
        }
        Ok(entries.iter().filter_map(|entry| found.remove(&entry.position)).collect())
    }

    /// One of an organization's jobs. As in the list, one that cannot be read, for example of a later version, is left out and
    /// logged.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has none with this id, or if it is not for an endpoint of the binding.
    pub async fn job(&self, organization: &OrganizationId, binding: &Binding, id: JobId) -> Result<Job, ServiceError> {
        let is_visible = |job: &Job| !job.is_expired(self.clock.now()) && binding.includes(job.work.endpoint());
        let job = self.readable_job(organization, id).await?;
        job.filter(is_visible).ok_or(ServiceError::NotFound("job"))
    }

    /// The job with this id; `None` if it is not stored, or cannot be read, which is logged.
    pub(super) async fn readable_job(
        &self,
        organization: &OrganizationId,
        id: JobId,
    ) -> Result<Option<Job>, ServiceError> {
        match self.store.job(organization, id).await {
            Err(error @ StoreError::Corrupt(_)) => {
                error!(%organization, %error, "a job cannot be read");
                Ok(None)
            }
            job => Ok(job?),
        }
    }

    /// Cancels a job. What it has done stays.
    ///
    /// # Errors
    /// As [`Administrator::job`], and [`ServiceError::Conflict`] if it has ended or must not be cancelled.
    pub async fn cancel_job(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: JobId,
    ) -> Result<Job, ServiceError> {
        let mut job = self.job(organization, binding, id).await?;
        loop {
            let cancelled = job.cancelled(self.clock.now()).map_err(|e| ServiceError::Conflict(e.to_string()))?;
            match self.store.change_job(&job, &cancelled).await? {
                JobPut::Written => {
                    audit("job.cancel", organization, id);
                    return Ok(cancelled);
                }
                // It went on meanwhile.
                JobPut::Found(found) => job = *found,
                JobPut::Gone => return Err(ServiceError::NotFound("job")),
            }
        }
    }
}

const fn is_open(job: &Job) -> bool {
    job.state.ended_at().is_none()
}
