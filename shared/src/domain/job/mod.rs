//! Jobs: work over any number of items, most of them deliveries, which the sweep does page by page.
//!
//! A job that a change requires is written in the transaction of the change, so it exists if and only if the change
//! does. The progress after each page and the new state of each delivery are written under conditions, so two processes
//! may do the same job concurrently.

mod cursor;
mod pace;
mod position;
mod progress;
mod recovery;
mod removal;
mod turns;

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::delivery::attempt::Cause;
use super::endpoint::Endpoint;
use super::endpoint::lane::Route;
use super::ids::{DeliveryId, EndpointId, EventId, JobId, OrganizationId};
use super::tenancy::organization::OrganizationStatus;
use super::time::Timestamp;

pub use cursor::Cursor;
pub use pace::{Pace, STEP};
pub use position::JobPosition;
pub use progress::{JobState, NotCancelled, Page, Pass};
pub use recovery::Recovery;
pub use removal::{BEGINS_AFTER, LAST_PASS_AFTER, Removal, Removed, SECOND_PASS_AFTER};
pub use turns::Turns;

/// A pass that begins this long after the change or request finds all deliveries. A publisher may use an endpoint's
/// former status for 30 s, begin its write up to 60 s after it read the organization's revision, and take 30 s for it.
/// Within this time a consumer that had read the former state has parked its deliveries, and the index lists the
/// earlier failures.
pub const SETTLED: Duration = Duration::from_secs(120);
/// The time between the end of a pass and the next pass.
pub const BETWEEN_PASSES: Duration = Duration::from_secs(30);
/// How long a job is stored after it ended.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A job: its work, its state and its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The identifier. Two jobs with the same work have the same one, so there is at most one open job for it.
    pub id: JobId,
    /// The organization that it is about.
    pub organization: OrganizationId,
    /// The kind of work, and its endpoint.
    pub work: Work,
    /// When it was required or requested, to the millisecond. It distinguishes the job from an earlier one with the
    /// same id.
    pub since: Timestamp,
    /// Open, done or cancelled.
    pub state: JobState,
    /// The present pass, and the position in it.
    pub pass: Pass,
    /// The present step and its rate.
    pub pace: Pace,
    /// How many deliveries were moved, or items were removed. A page that two processes worked on at once may be missing.
    pub moved: u64,
}

/// The work of a job, with its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Sends the deliveries that are held for an endpoint that accepts deliveries again.
    Release(EndpointId),
    /// Fails the deliveries that are held for an endpoint that was disabled or deleted.
    FailHeld(EndpointId),
    /// Retries failed deliveries of an endpoint.
    Recover(EndpointId, Recovery),
    /// Sends messages again for the deliveries of an endpoint that should have one in the queue: messages may be lost.
    SendAll(EndpointId),
    /// Fails what is unfinished of an event whose data was removed, and removes the responses.
    Expunge(EventId),
    /// Removes everything of an organization.
    DeleteOrganization(OrganizationId),
}

/// The kind of a job: [`Work`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// The kind of [`Work::Release`].
    Release,
    /// The kind of [`Work::FailHeld`].
    FailHeld,
    /// The kind of [`Work::Recover`].
    Recover,
    /// The kind of [`Work::SendAll`].
    SendAll,
    /// [`Work::Expunge`].
    Expunge,
    /// [`Work::DeleteOrganization`].
    DeleteOrganization,
}

/// Identifies a job among earlier and later ones with the same id. A delivery stores the run of the recovery that
/// retried it, or of the job that sent it again, so that one run does so at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobRun {
    /// The id of the job.
    pub job: JobId,
    /// The job's [`Job::since`].
    pub since: Timestamp,
}

/// What a job does with the deliveries that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Lease the deliveries and send them on this route.
    Send(Route),
    /// Record the deliveries as failed with this cause.
    Fail(Cause),
    /// Start the retry schedule of the deliveries again and send them on this route.
    Retry(Route),
    /// Lease the deliveries that are neither parked nor final under new tickets, and send them on this route.
    SendAgain(Route),
    /// Move nothing: the endpoint or its organization has changed, and the job ends.
    Nothing,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Release, Self::FailHeld, Self::Recover, Self::SendAll, Self::Expunge, Self::DeleteOrganization];

    /// The name in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::FailHeld => "fail_held",
            Self::Recover => "recover",
            Self::SendAll => "send_all",
            Self::Expunge => "expunge",
            Self::DeleteOrganization => "delete_organization",
        }
    }

    /// The kind with this name; `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the owner may cancel a job of this kind. Without the other kinds, deliveries would be held permanently, or
    /// what was to be removed would stay.
    pub const fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Recover | Self::SendAll)
    }
}

impl Work {
    /// The kind of this work.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Release(_) => JobKind::Release,
            Self::FailHeld(_) => JobKind::FailHeld,
            Self::Recover(..) => JobKind::Recover,
            Self::SendAll(_) => JobKind::SendAll,
            Self::Expunge(_) => JobKind::Expunge,
            Self::DeleteOrganization(_) => JobKind::DeleteOrganization,
        }
    }

    /// The endpoint that it is about; `None` for other work.
    pub const fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::Release(endpoint)
            | Self::FailHeld(endpoint)
            | Self::Recover(endpoint, _)
            | Self::SendAll(endpoint) => Some(*endpoint),
            Self::Expunge(_) | Self::DeleteOrganization(_) => None,
        }
    }

    /// The event that it is about; `None` for other work.
    pub const fn event(&self) -> Option<EventId> {
        if let Self::Expunge(event) = self { Some(*event) } else { None }
    }

    /// How long after its request or change the work begins.
    const fn begins_after(&self) -> Duration {
        if matches!(self, Self::DeleteOrganization(_)) { BEGINS_AFTER } else { Duration::ZERO }
    }

    /// Where a pass begins, of a job that was requested then.
    fn start(&self, since: Timestamp) -> Cursor {
        Cursor::Delivery(match self {
            Self::Recover(_, recovery) => DeliveryId::first_at(recovery.since),
            Self::Release(_) | Self::FailHeld(_) => DeliveryId::first_at(Timestamp::from_unix_seconds(0)),
            // This work goes from the newest to the oldest delivery, which is the order of the lists.
            Self::SendAll(_) => DeliveryId::first_at(since),
            // The ids of its deliveries follow that of the event.
            Self::Expunge(event) => DeliveryId::from_uuid(event.uuid()),
            Self::DeleteOrganization(_) => return Cursor::Removal(Removal::FIRST),
        })
    }

    /// Where a pass continues after a page whose last delivery is `last`.
    fn next_from(&self, last: DeliveryId) -> Cursor {
        Cursor::Delivery(if matches!(self, Self::SendAll(_)) { last } else { last.next() })
    }

    /// The id of the job that does this work. Equal work has the same id.
    pub fn id(&self) -> JobId {
        let kind = self.kind().as_str();
        let work = match self {
            Self::Release(endpoint) | Self::FailHeld(endpoint) | Self::SendAll(endpoint) => {
                format!("{kind} {endpoint}")
            }
            Self::Recover(endpoint, recovery) => format!("{kind} {endpoint} {recovery}"),
            Self::Expunge(event) => format!("{kind} {event}"),
            Self::DeleteOrganization(organization) => format!("{kind} {organization}"),
        };
        let mut bits = [0; 16];
        bits.copy_from_slice(&Sha256::digest(work)[..16]);
        JobId::from_uuid(Uuid::from_bytes(bits))
    }

    /// What the job does with its deliveries, by the present state of the endpoint and its organization. `None` is a
    /// deleted endpoint.
    pub fn on(&self, endpoint: Option<&Endpoint>, organization: OrganizationStatus) -> Move {
        match (self, endpoint) {
            (Self::FailHeld(_), None) => Move::Fail(Cause::EndpointDeleted),
            (Self::FailHeld(_), Some(endpoint)) if endpoint.is_disabled() => Move::Fail(Cause::EndpointDisabled),
            (Self::Release(_), Some(endpoint)) if endpoint.accepts() => Move::Send(endpoint.route()),
            // Otherwise the retried deliveries would fail immediately, and their earlier cause would be overwritten.
            (Self::Recover(..), Some(endpoint))
                if !endpoint.is_disabled() && organization == OrganizationStatus::Active =>
            {
                Move::Retry(endpoint.route())
            }
            (Self::SendAll(_), Some(endpoint)) => Move::SendAgain(endpoint.route()),
            _ => Move::Nothing,
        }
    }
}

impl Job {
    /// A new job.
    pub fn new(organization: &OrganizationId, work: Work, now: Timestamp) -> Self {
        let since = now.to_millis();
        Self {
            id: work.id(),
            organization: organization.clone(),
            since,
            state: JobState::Open(since.plus(work.begins_after())),
            pass: Pass::new(work.start(since), since),
            pace: Pace::new(work.kind(), since),
            work,
            moved: 0,
        }
    }

    /// The job that a change of an endpoint requires; `None` if it requires none.
    pub fn required_by(before: &Endpoint, after: &Endpoint, now: Timestamp) -> Option<Self> {
        let work = match (before.is_disabled(), after.is_disabled()) {
            (false, true) => Work::FailHeld(after.id),
            _ if after.accepts() && !before.accepts() => Work::Release(after.id),
            _ => return None,
        };
        Some(Self::new(&after.organization, work, now))
    }

    /// The job that the deletion of an endpoint requires.
    pub fn of_deletion(endpoint: &Endpoint, now: Timestamp) -> Self {
        Self::new(&endpoint.organization, Work::FailHeld(endpoint.id), now)
    }

    /// Identifies this job among those with the same id.
    pub const fn run(&self) -> JobRun {
        JobRun { job: self.id, since: self.since }
    }

    /// Whether [`Job::at`] needs the endpoint's count of failures. If not, the caller can pass 0.
    pub fn needs_failures(&self, now: Timestamp) -> bool {
        self.pace.needs_failures(self.work.kind(), now)
    }

    /// When the next page is due; `None` if the job ended.
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Open(at) => Some(at),
            JobState::Done(_) | JobState::Cancelled(_) => None,
        }
    }

    /// Whether the next page is due. `false` if the job ended.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// Whether the first pass, or the job itself, has ended. Later passes look for deliveries that were written
    /// meanwhile.
    pub fn has_passed_once(&self) -> bool {
        self.state.ended_at().is_some() || self.pass.number > 0
    }

    /// Whether the job ended at least [`RETENTION`] ago. It then counts as deleted, although DynamoDB may still store
    /// it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state.ended_at().is_some_and(|ended| ended.plus(RETENTION) <= now)
    }

    /// The exclusive upper bound of the deliveries that a recovery retries; `None` for other work.
    pub fn before(&self) -> Option<DeliveryId> {
        match &self.work {
            Work::Recover(_, recovery) => Some(DeliveryId::first_at(recovery.until.unwrap_or(self.since))),
            _ => None,
        }
    }

    /// The job at the beginning of a page. The first page of a pass sets [`Pass::began_at`]. The first page after the
    /// end of a [step](Pace) begins the next one. `failures` is the endpoint's bucket of failures: failed minus
    /// successful attempts.
    #[must_use]
    pub fn at(&self, failures: u32, now: Timestamp) -> Self {
        let is_first = self.pass.from == self.work.start(self.since);
        let pass = if is_first { Pass { began_at: now.to_millis(), ..self.pass } } else { self.pass };
        Self { pass, pace: self.pace.at(self.work.kind(), failures, now), ..self.clone() }
    }

    /// The job after a page. `self` is the job at the beginning of the page, from [`Job::at`]. The last page of a pass
    /// ends the job if the pass began at least [`SETTLED`] after [`Job::since`] and left nothing behind.
    #[must_use]
    pub fn after(&self, page: &Page, now: Timestamp) -> Self {
        let is_left = self.pass.is_left || page.is_left;
        let pace = self.pace.after(page.paced);
        let (pass, state) = match page.last {
            Some(last) => {
                let state = pace.waits_until().map_or(self.state, JobState::Open);
                (Pass { from: self.work.next_from(last), is_left, ..self.pass }, state)
            }
            None if !is_left && self.pass.began_at.since(self.since) >= SETTLED => (self.pass, JobState::Done(now)),
            None => {
                let next =
                    Pass { number: self.pass.number + 1, ..Pass::new(self.work.start(self.since), self.pass.began_at) };
                (next, JobState::Open(now.plus(BETWEEN_PASSES)))
            }
        };
        Self { pass, pace, state, moved: self.moved + page.moved as u64, ..self.clone() }
    }

    /// The job in the state `done`, because a later change made it pointless.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Self {
        Self { state: JobState::Done(now), ..self.clone() }
    }

    /// The job in the state `cancelled`.
    ///
    /// # Errors
    /// [`NotCancelled`] if the job has ended, or if jobs of its kind cannot be cancelled.
    pub fn cancelled(&self, now: Timestamp) -> Result<Self, NotCancelled> {
        match self.state {
            _ if !self.work.kind().can_be_cancelled() => Err(NotCancelled::Required(self.work.kind())),
            JobState::Open(_) => Ok(Self { state: JobState::Cancelled(now), ..self.clone() }),
            JobState::Done(_) | JobState::Cancelled(_) => Err(NotCancelled::Ended),
        }
    }
}

#[cfg(test)]
mod tests;
