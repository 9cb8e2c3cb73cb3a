//! Jobs: work over any number of items, most of them deliveries, which the sweep does page by page.
//!
//! A job that a change requires is written in the transaction of the change, so it exists if and only if the change
//! does. The progress after each page and the new state of each delivery are written under conditions, so two processes
//! may do the same job concurrently.

mod cursor;
mod earlier;
mod kind;
mod listing;
mod pace;
mod position;
mod progress;
mod recovery;
mod removal;
mod replay;
mod work;

use std::time::Duration;

use super::endpoint::Endpoint;
use super::ids::{DeliveryId, JobId, OrganizationId};
use super::time::Timestamp;

pub use cursor::Cursor;
pub use earlier::Earlier;
pub use kind::JobKind;
pub use listing::Listing;
pub use pace::{Pace, STEP};
pub use position::JobPosition;
pub use progress::{JobState, NotCancelled, Page, Pass};
pub use recovery::Recovery;
pub use removal::{BEGINS_AFTER, LAST_PASS_AFTER, Removal, Removed, SECOND_PASS_AFTER};
pub use replay::{OfEvent, OfRecord, Replay, ReplayCount, Replayed};
pub use work::{Move, Work};

/// A pass that begins this long after the change or request finds all deliveries. A publisher may use an endpoint's
/// former status for 30 s, begin its write up to 60 s after it read the organization's revision, and take 30 s for it.
/// Within this time a consumer that had read the former state has parked its deliveries, and the index lists the
/// earlier failures.
pub const SETTLED: Duration = Duration::from_secs(120);
/// The time between the end of a pass and the next pass.
pub const BETWEEN_PASSES: Duration = Duration::from_secs(30);
/// How many recoveries and replays of an organization are open at most.
pub const MAX_OPEN_RESTARTS: usize = 100;

/// A job: its work, its state and its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The identifier, from [`Work::id`]. There is at most one open job with it.
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
    /// How many deliveries were moved, or items were removed. A page that two processes worked on at once may be missing; a
    /// replay by events counts each delivery once.
    pub moved: u64,
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

    /// The time of publishing up to which the deliveries of a recovery or replay are processed, which is its upper bound if
    /// it has gone through all of them; `None` if its first pass has ended. A job that [ended early](Self::ended) stays
    /// where it was.
    pub fn position(&self) -> Option<Timestamp> {
        self.pass.from.delivery().map(DeliveryId::created_at).filter(|_| self.pass.number == 0)
    }

    /// Whether the first pass, or the job itself, has ended. Later passes look for deliveries that were written
    /// meanwhile.
    pub fn has_passed_once(&self) -> bool {
        self.state.ended_at().is_some() || self.pass.number > 0
    }

    /// Whether the job ended at least its [retention](JobKind::retention) ago. It then counts as deleted, although DynamoDB
    /// may still store it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state.ended_at().is_some_and(|ended| ended.plus(self.work.kind().retention()) <= now)
    }

    /// The exclusive upper bound of the deliveries of a recovery or replay; `None` for other work.
    pub fn before(&self) -> Option<DeliveryId> {
        match &self.work {
            Work::Recover(_, recovery) => Some(DeliveryId::first_at(recovery.until.unwrap_or(self.since))),
            Work::Replay(_, replay) => Some(DeliveryId::first_at(replay.before(self.since))),
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
    /// ends the job if the pass left nothing behind and began at least [`SETTLED`] after [`Job::since`]. A replay that
    /// goes through events ends with its first pass. After any other page the next one is due now, behind the jobs that
    /// have waited longer, or when the next step begins.
    #[must_use]
    pub fn after(&self, page: &Page, now: Timestamp) -> Self {
        let is_left = self.pass.is_left || page.is_left;
        let pace = self.pace.after(page.paced);
        let (pass, state) = match page.last {
            Some(last) => {
                let due_at = pace.waits_until().unwrap_or(now);
                (Pass { from: self.work.next_from(last), is_left, ..self.pass }, JobState::Open(due_at))
            }
            None if !is_left && self.pass.began_at.since(self.since) >= self.work.settles_after() => {
                let from = self.before().map_or(self.pass.from, Cursor::Delivery);
                (Pass { from, ..self.pass }, JobState::Done(now))
            }
            None => {
                let next =
                    Pass { number: self.pass.number + 1, ..Pass::new(self.work.start(self.since), self.pass.began_at) };
                (next, JobState::Open(now.plus(BETWEEN_PASSES)))
            }
        };
        Self { pass, pace, state, moved: self.moved + page.moved as u64, ..self.clone() }
    }

    /// The open job where it is, with its next page a step later: other jobs have used up the [quota](Work::quota).
    #[must_use]
    pub fn waiting(&self, now: Timestamp) -> Self {
        Self { state: JobState::Open(now.plus(STEP)), ..self.clone() }
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
