//! Recoveries, removing the data of events, and reading and cancelling jobs. The sweeper works on jobs.

use tracing::error;

use super::Administrator;
use super::endpoints::require_enabled;
use super::organizations::require_active;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::{EndpointId, EventId, JobId, OrganizationId};
use crate::domain::job::{Job, JobPosition, MAX_OPEN_RESTARTS, Recovery, Work};
use crate::domain::tenancy::organization::Organization;
use crate::domain::tenancy::rights::Binding;
use crate::service::ServiceError;
use crate::store::{JobPut, StoreError};
use crate::telemetry::audit;

/// Most pages that a request does; the rest is the sweep's.
const MAX_PAGES: usize = 5;

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
        let is_open = earlier.as_ref().is_some_and(|job| job.state.ended_at().is_none());
        if !is_open && self.store.count_open_restarts(&new.organization).await? >= MAX_OPEN_RESTARTS {
            return Err(ServiceError::Conflict(format!(
                "the organization has {MAX_OPEN_RESTARTS} open recoveries and replays; GET …/jobs lists them; wait until \
                 one has ended, or cancel one with POST …/jobs/{{job}}/cancel"
            )));
        }
        Ok(match earlier {
            Some(earlier) => new.sharing(&earlier),
            None => new,
        })
    }

    /// Removes the data of an event and the responses to its deliveries, and fails those that are not final. The first 500
    /// deliveries are done when this returns, the others within seconds by the sweep. After two minutes the job does it
    /// once more, for what a late write of the publish request may have restored. The same request joins a job that
    /// is in its first pass.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no event with this id.
    pub async fn expunge_event(&self, organization: &OrganizationId, id: EventId) -> Result<Job, ServiceError> {
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
            Some(job) if job.state.ended_at().is_none() => self.advance(job).await.map(drop),
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
            if job.has_passed_once() || !job.pace.is_before_steps() {
                break;
            }
            let done = self.job_runner.do_page(&job).await?;
            moved += done.moved.count;
            done.moved.failure.map_or(Ok(()), Err)?;
            job = done.job;
        }
        Ok((job, moved))
    }

    /// An organization's jobs for endpoints of the binding: the open ones, and those that ended in the last 30 days. The latest
    /// first. A job that cannot be read is left out and logged.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn list_jobs(&self, organization: &OrganizationId, binding: &Binding) -> Result<Vec<Job>, ServiceError> {
        let mut jobs = Vec::new();
        for job in self.store.jobs(organization).await? {
            match job {
                Ok(job) if job.is_expired(self.clock.now()) || !binding.includes(job.work.endpoint()) => {}
                Ok(job) => jobs.push(job),
                Err(error) => error!(%organization, %error, "a job cannot be read"),
            }
        }
        jobs.sort_by_key(JobPosition::of);
        Ok(jobs)
    }

    /// One of an organization's jobs. As in the list, one that cannot be read, for example of a later version, is left out and
    /// logged.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has none with this id, or if it is not for an endpoint of the binding.
    pub async fn job(&self, organization: &OrganizationId, binding: &Binding, id: JobId) -> Result<Job, ServiceError> {
        let is_visible = |job: &Job| !job.is_expired(self.clock.now()) && binding.includes(job.work.endpoint());
        let job = match self.store.job(organization, id).await {
            Err(error @ StoreError::Corrupt(_)) => {
                error!(%organization, %error, "a job cannot be read");
                None
            }
            job => job?,
        };
        job.filter(is_visible).ok_or(ServiceError::NotFound("job"))
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
