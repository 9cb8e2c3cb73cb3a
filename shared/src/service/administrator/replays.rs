//! Replays of an endpoint.

use super::Administrator;
use super::endpoints::require_enabled;
use super::organizations::require_active;
use crate::domain::ids::EndpointId;
use crate::domain::job::{Earlier, Job, Replay, ReplayCount, Work};
use crate::domain::tenancy::access::Scope;
use crate::domain::tenancy::limits::Quota;
use crate::domain::tenancy::organization::Organization;
use crate::service::replayer::MAX_READ_UNITS;
use crate::service::{Caller, ServiceError};
use crate::store::JobPut;
use crate::telemetry::audit;

/// How often a job is written if other requests change the stored one first.
const REQUEST_TRIES: usize = 4;

impl Administrator {
    /// Sends deliveries of an endpoint again, or makes those that it missed. The first are sent at once, the others by
    /// the sweep, whatever happens to this process. The same request joins the replay that is open; one of failed
    /// deliveries only in its first pass, and one by events also if it was requested in the last minute and has ended.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization or for a caller that may not read the events, [`ServiceError::NotFound`] if it has no such endpoint,
    /// [`ServiceError::Conflict`] if the endpoint is disabled or the organization has too many open recoveries and replays,
    /// [`ServiceError::ReplayOpen`] if another replay of the endpoint by events is open.
    pub async fn replay(
        &self,
        organization: &Organization,
        by: &Caller,
        endpoint: EndpointId,
        replay: Replay,
    ) -> Result<Job, ServiceError> {
        require_events(by, &replay)?;
        let organization = require_active(organization)?;
        require_enabled(&self.endpoint(organization, endpoint).await?)?;
        let goes_by_events = replay.goes_by_events();
        let new = Job::new(organization, Work::Replay(endpoint, replay), self.clock.now());
        let new = self.admit(new).await?;
        let job = if goes_by_events {
            self.request_replay(new).await?
        } else {
            match self.store.request_job(&new).await? {
                JobPut::Found(job) => *job,
                JobPut::Written | JobPut::Gone => new,
            }
        };
        audit("endpoint.replay", organization, endpoint);
        Ok(self.advance(job).await?.0)
    }

    /// Writes the job of a replay by events, and returns it or the one that it joins.
    async fn request_replay(&self, mut new: Job) -> Result<Job, ServiceError> {
        let mut ended: Option<Box<Job>> = None;
        for _ in 0..REQUEST_TRIES {
            ended = match self.store.request_replay(&new, ended.as_deref()).await? {
                JobPut::Written => return Ok(new),
                JobPut::Gone => None,
                JobPut::Found(earlier) => match new.after_earlier(&earlier) {
                    Earlier::Joined => return Ok(*earlier),
                    Earlier::InTheWay => return Err(ServiceError::ReplayOpen(earlier.id)),
                    Earlier::Over => {
                        new = new.replacing(&earlier);
                        Some(earlier)
                    }
                },
            };
        }
        Err(ServiceError::Unavailable("other requests are replaying for the endpoint".to_owned()))
    }

    /// Counts what the same request without a dry run would do. Does not look for other replays.
    ///
    /// # Errors
    /// As [`Administrator::replay`], without [`ServiceError::ReplayOpen`], and [`ServiceError::RateLimited`] beyond
    /// [`Quota::DryRuns`].
    pub async fn count_replay(
        &self,
        organization: &Organization,
        by: &Caller,
        endpoint: EndpointId,
        replay: &Replay,
    ) -> Result<ReplayCount, ServiceError> {
        require_events(by, replay)?;
        let organization = require_active(organization)?;
        let endpoint = self.endpoint(organization, endpoint).await?;
        require_enabled(&endpoint)?;
        // Another count must not begin before it is known what this one reads.
        self.quotas.take(organization, Quota::DryRuns, MAX_READ_UNITS).await?;
        let (counted, read_units) = self.replayer.count(&endpoint, replay).await?;
        self.quotas.give_back(organization, Quota::DryRuns, MAX_READ_UNITS.saturating_sub(read_units)).await;
        Ok(counted)
    }
}

/// A replay by events sends the endpoint events that it has no delivery for, also those from before the caller got its rights.
/// Who is bound to endpoints must be allowed to read them.
fn require_events(by: &Caller, replay: &Replay) -> Result<(), ServiceError> {
    if !replay.goes_by_events() || !by.binding().is_bound() || by.may(Scope::EventsRead) {
        return Ok(());
    }
    let (kind, scope, what) = (by.kind(), Scope::EventsRead.as_str(), replay.what.as_str());
    Err(ServiceError::forbidden(format!(
        "this {kind} is bound to endpoints and lacks the scope {scope}, which a replay of {what} needs"
    )))
}
