//! Jobs: work over any number of deliveries, which the sweep does page by page.
//!
//! A job is written in the transaction of the change that requires it, so that it exists if the change does. Each page is
//! noted under a condition, and every delivery is moved under a condition of its own, so two processes may work on one job.

mod pace;
mod position;
mod recovery;
mod turns;

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::delivery::attempt::Cause;
use super::endpoint::Endpoint;
use super::endpoint::lane::Route;
use super::ids::{DeliveryId, EndpointId, JobId, OrganizationId};
use super::tenancy::organization::OrganizationStatus;
use super::time::Timestamp;

pub use pace::{Pace, STEP};
pub use position::JobPosition;
pub use recovery::Recovery;
pub use turns::Turns;

/// A pass that begins so long after the change or request finds everything. A publisher may use an endpoint's former status
/// for 30 s, begin its write up to 60 s after it read the organization's revision, and take 30 s for it. A consumer that had
/// read the former state has parked what it parks, and the index names what failed before.
pub const SETTLED: Duration = Duration::from_secs(120);
/// How long a job waits between two passes.
pub const BETWEEN_PASSES: Duration = Duration::from_secs(30);
/// How long a job is kept after it ended.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Work over any number of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identifier: the same for the same work, so that it is written at most once.
    pub id: JobId,
    /// The organization whose deliveries it is about.
    pub organization: OrganizationId,
    /// What is done.
    pub work: Work,
    /// When it was required or requested, to the millisecond. It tells a job from an earlier one with its id.
    pub since: Timestamp,
    /// Whether it goes on.
    pub state: JobState,
    /// How far it is.
    pub pass: Pass,
    /// How fast it goes on.
    pub pace: Pace,
    /// How many deliveries were moved. A page that two processes worked on at once may be missing.
    pub moved: u64,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Sends what is held for an endpoint that accepts deliveries again.
    Release(EndpointId),
    /// Fails what is held for an endpoint that was disabled or deleted.
    FailHeld(EndpointId),
    /// Retries deliveries of an endpoint that failed.
    Recover(EndpointId, Recovery),
    /// Sends what should be in the queue for an endpoint again: its messages may be lost.
    SendAll(EndpointId),
}

/// The kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// [`Work::Release`].
    Release,
    /// [`Work::FailHeld`].
    FailHeld,
    /// [`Work::Recover`].
    Recover,
    /// [`Work::SendAll`].
    SendAll,
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// The next page is due then.
    Open(Timestamp),
    /// It ended then: nothing is left, or a later change made it pointless.
    Done(Timestamp),
    /// It was cancelled then.
    Cancelled(Timestamp),
}

/// One creation of a job. A delivery names the recovery that retried it, so that the same one does not retry it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobRun {
    /// The job.
    pub job: JobId,
    /// Its [`Job::since`].
    pub since: Timestamp,
}

/// What a job does with the deliveries that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Lease them and send them on this route.
    Send(Route),
    /// Fail them.
    Fail(Cause),
    /// Retry them on this route.
    Retry(Route),
    /// Lease them once more, whether parked or not, and send them on this route.
    SendAgain(Route),
    /// Nothing: the endpoint or its organization has changed, and the job ends.
    Nothing,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Release, Self::FailHeld, Self::Recover, Self::SendAll];

    /// The kind's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::FailHeld => "fail_held",
            Self::Recover => "recover",
            Self::SendAll => "send_all",
        }
    }

    /// The kind with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether its owner may cancel it. Without a release or failure of what is held, deliveries would be held for good.
    pub const fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Recover | Self::SendAll)
    }
}

impl JobState {
    /// Every state's name.
    pub const NAMES: [&'static str; 3] = ["open", "done", "cancelled"];

    /// The state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open(_) => Self::NAMES[0],
            Self::Done(_) => Self::NAMES[1],
            Self::Cancelled(_) => Self::NAMES[2],
        }
    }

    /// When it ended; `None` if it goes on.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Open(_) => None,
            Self::Done(at) | Self::Cancelled(at) => Some(at),
        }
    }
}

impl Work {
    /// The kind.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Release(_) => JobKind::Release,
            Self::FailHeld(_) => JobKind::FailHeld,
            Self::Recover(..) => JobKind::Recover,
            Self::SendAll(_) => JobKind::SendAll,
        }
    }

    /// The endpoint that it is about.
    pub const fn endpoint(&self) -> EndpointId {
        match self {
            Self::Release(endpoint)
            | Self::FailHeld(endpoint)
            | Self::Recover(endpoint, _)
            | Self::SendAll(endpoint) => *endpoint,
        }
    }

    /// Where a pass begins, of a job that was requested then.
    fn start(&self, since: Timestamp) -> DeliveryId {
        match self {
            Self::Recover(_, recovery) => DeliveryId::first_at(recovery.since),
            Self::Release(_) | Self::FailHeld(_) => DeliveryId::first_at(Timestamp::from_unix_seconds(0)),
            // From the newest to the oldest: that is the order in which they are listed.
            Self::SendAll(_) => DeliveryId::first_at(since),
        }
    }

    /// Where a pass goes on after this delivery.
    fn beyond(&self, last: DeliveryId) -> DeliveryId {
        if matches!(self, Self::SendAll(_)) { last } else { last.next() }
    }

    /// The identifier of the job that does this work.
    pub fn id(&self) -> JobId {
        let mut hash = Sha256::new();
        hash.update(format!("{} {}", self.kind().as_str(), self.endpoint()));
        if let Self::Recover(_, recovery) = self {
            hash.update(format!(" {recovery}"));
        }
        let mut bits = [0; 16];
        bits.copy_from_slice(&hash.finalize()[..16]);
        JobId::from_uuid(Uuid::from_bytes(bits))
    }

    /// What is done with its deliveries, as the endpoint and its organization are now.
    pub fn on(&self, endpoint: Option<&Endpoint>, organization: OrganizationStatus) -> Move {
        match (self, endpoint) {
            (Self::FailHeld(_), None) => Move::Fail(Cause::EndpointDeleted),
            (Self::FailHeld(_), Some(endpoint)) if endpoint.is_disabled() => Move::Fail(Cause::EndpointDisabled),
            (Self::Release(_), Some(endpoint)) if endpoint.accepts() => Move::Send(endpoint.route()),
            // What is retried would fail at once otherwise, and lose the cause of its failure.
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
    /// A job that is due at once.
    pub fn new(organization: &OrganizationId, work: Work, now: Timestamp) -> Self {
        let since = now.to_millis();
        Self {
            id: work.id(),
            organization: organization.clone(),
            since,
            state: JobState::Open(since),
            pass: Pass::new(work.start(since), since),
            pace: Pace::new(work.kind(), since),
            work,
            moved: 0,
        }
    }

    /// The job that a change of an endpoint requires.
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

    /// This creation of the job.
    pub const fn run(&self) -> JobRun {
        JobRun { job: self.id, since: self.since }
    }

    /// Whether [`Job::at`] depends on the failures of the endpoint.
    pub fn asks_for_failures(&self, now: Timestamp) -> bool {
        self.pace.asks_for_failures(self.work.kind(), now)
    }

    /// When its next page is due; `None` if it ended.
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Open(at) => Some(at),
            JobState::Done(_) | JobState::Cancelled(_) => None,
        }
    }

    /// Whether its next page is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// Whether everything that was there when it was requested was gone through once. What remains is to look again.
    pub fn has_passed_once(&self) -> bool {
        self.state.ended_at().is_some() || self.pass.number > 0
    }

    /// Whether it ended so long ago that it counts as gone.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state.ended_at().is_some_and(|ended| ended.plus(RETENTION) <= now)
    }

    /// The first delivery that a recovery leaves out because it is too young; `None` for other work.
    pub fn before(&self) -> Option<DeliveryId> {
        match &self.work {
            Work::Recover(_, recovery) => Some(DeliveryId::first_at(recovery.until.unwrap_or(self.since))),
            Work::Release(_) | Work::FailHeld(_) | Work::SendAll(_) => None,
        }
    }

    /// The job at the beginning of a page. A pass begins with its first page, and a [step](Pace) with the first page after the
    /// step before. `failures` is how many more attempts at the endpoint failed than succeeded.
    #[must_use]
    pub fn at(&self, failures: u32, now: Timestamp) -> Self {
        let is_first = self.pass.from == self.work.start(self.since);
        let pass = if is_first { Pass { began_at: now.to_millis(), ..self.pass } } else { self.pass };
        Self { pass, pace: self.pace.at(self.work.kind(), failures, now), ..self.clone() }
    }

    /// The job after a page that [began](Self::at) with it. The last page of a pass ends the job if the pass began late
    /// enough and nothing was left.
    #[must_use]
    pub fn after(&self, page: &Page, now: Timestamp) -> Self {
        let is_left = self.pass.is_left || page.is_left;
        let pace = self.pace.after(page.paced);
        let (pass, state) = match page.last {
            Some(last) => {
                let state = pace.waits_until().map_or(self.state, JobState::Open);
                (Pass { from: self.work.beyond(last), is_left, ..self.pass }, state)
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

    /// The job, ended because a later change made it pointless.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Self {
        Self { state: JobState::Done(now), ..self.clone() }
    }

    /// The job, cancelled.
    ///
    /// # Errors
    /// [`NotCancelled`] if it ended, or must not be cancelled.
    pub fn cancelled(&self, now: Timestamp) -> Result<Self, NotCancelled> {
        match self.state {
            _ if !self.work.kind().can_be_cancelled() => Err(NotCancelled::Required(self.work.kind())),
            JobState::Open(_) => Ok(Self { state: JobState::Cancelled(now), ..self.clone() }),
            JobState::Done(_) | JobState::Cancelled(_) => Err(NotCancelled::Ended),
        }
    }
}

/// Why a job is not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCancelled {
    /// It ended.
    #[error("the job has ended")]
    Ended,
    /// Deliveries would be held for good without it.
    #[error("a job of the kind {} cannot be cancelled: deliveries would be held for good", .0.as_str())]
    Required(JobKind),
}

/// One walk through the deliveries of a job, in the order of their ids, or against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How many passes ended before.
    pub number: u32,
    /// When its first page began. Before that, when the pass before began.
    pub began_at: Timestamp,
    /// The first delivery that was not gone through. For [`Work::SendAll`], all from this one on were.
    pub from: DeliveryId,
    /// Whether a delivery was passed that could not be read or moved.
    pub is_left: bool,
}

impl Pass {
    const fn new(from: DeliveryId, began_at: Timestamp) -> Self {
        Self { number: 0, began_at, from, is_left: false }
    }
}

/// What a page of a pass came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// The last delivery of the page; `None` if there are no more.
    pub last: Option<DeliveryId>,
    /// How many deliveries count for the pace.
    pub paced: usize,
    /// How many deliveries were moved.
    pub moved: usize,
    /// Whether one could not be read or moved, and is still there.
    pub is_left: bool,
}

#[cfg(test)]
mod tests {
    use super::super::delivery::DeliveryStatus;
    use super::super::endpoint::WantedStatus;
    use super::super::endpoint::tests::endpoint;
    use super::*;
    use crate::domain::endpoint::change::EndpointPatch;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn with(wanted: WantedStatus, endpoint: &Endpoint) -> Endpoint {
        endpoint.clone().patched(EndpointPatch { status: Some(wanted), ..EndpointPatch::default() }, NOW)
    }

    fn recovery() -> Recovery {
        Recovery { since: NOW, until: None, statuses: vec![DeliveryStatus::Failed] }
    }

    fn job(work: Work) -> Job {
        Job::new(&endpoint().organization, work, NOW)
    }

    #[test]
    fn a_change_that_lets_an_endpoint_accept_or_stops_it_requires_a_job() {
        let active = endpoint();
        let (paused, disabled) = (with(WantedStatus::Paused, &active), with(WantedStatus::Disabled, &active));
        let suspended = active.clone().suspended(NOW).unwrap();
        for (name, before, after, expected) in [
            ("left active", &active, &active, None),
            ("paused", &active, &paused, None),
            ("suspended", &active, &suspended, None),
            ("suspended and paused", &suspended, &paused, None),
            ("resumed", &paused, &active, Some(JobKind::Release)),
            ("no longer suspended", &suspended, &active, Some(JobKind::Release)),
            ("enabled", &disabled, &active, Some(JobKind::Release)),
            ("disabled", &active, &disabled, Some(JobKind::FailHeld)),
            ("paused and disabled", &paused, &disabled, Some(JobKind::FailHeld)),
            ("disabled again", &disabled, &disabled, None),
            ("disabled and paused", &disabled, &paused, None),
        ] {
            let required = Job::required_by(before, after, NOW);
            assert_eq!(required.map(|job| job.work.kind()), expected, "{name}");
        }
    }

    #[test]
    fn a_job_of_the_same_work_has_the_same_id() {
        let id = endpoint().id;
        let works = [
            Work::Release(id),
            Work::FailHeld(id),
            Work::Recover(id, recovery()),
            Work::Recover(id, Recovery { until: Some(at(1)), ..recovery() }),
            Work::Recover(id, Recovery { statuses: vec![DeliveryStatus::Exhausted], ..recovery() }),
            Work::SendAll(id),
        ];
        for (index, work) in works.iter().enumerate() {
            for (other_index, other) in works.iter().enumerate() {
                assert_eq!(work.id() == other.id(), index == other_index, "{work:?} {other:?}");
            }
        }
        let both = vec![DeliveryStatus::Exhausted, DeliveryStatus::Failed];
        let reversed = both.iter().rev().copied().collect();
        let of = |statuses| Work::Recover(id, Recovery { statuses, ..recovery() }).id();
        assert_eq!(of(both), of(reversed));
    }

    #[test]
    fn a_job_acts_only_while_its_endpoint_is_as_the_job_requires() {
        use OrganizationStatus::{Active, Suspended};
        let active = endpoint();
        let (paused, disabled) = (with(WantedStatus::Paused, &active), with(WantedStatus::Disabled, &active));
        let suspended = active.clone().suspended(NOW).unwrap();
        let (release, fail) = (Work::Release(active.id), Work::FailHeld(active.id));
        let (recover, send_all) = (Work::Recover(active.id, recovery()), Work::SendAll(active.id));
        let again = Move::SendAgain(active.route());
        let (send, retry) = (Move::Send(active.route()), Move::Retry(active.route()));
        for (work, endpoint, organization, expected) in [
            (&release, Some(&active), Active, send),
            (&release, Some(&active), Suspended, send),
            (&release, Some(&paused), Active, Move::Nothing),
            (&release, Some(&suspended), Active, Move::Nothing),
            (&release, Some(&disabled), Active, Move::Nothing),
            (&release, None, Active, Move::Nothing),
            (&fail, Some(&disabled), Active, Move::Fail(Cause::EndpointDisabled)),
            (&fail, None, Active, Move::Fail(Cause::EndpointDeleted)),
            (&fail, Some(&active), Active, Move::Nothing),
            (&fail, Some(&paused), Active, Move::Nothing),
            (&recover, Some(&active), Active, retry),
            (&recover, Some(&paused), Active, retry),
            (&recover, Some(&suspended), Active, retry),
            (&recover, Some(&active), Suspended, Move::Nothing),
            (&recover, Some(&disabled), Active, Move::Nothing),
            (&recover, None, Active, Move::Nothing),
            (&send_all, Some(&active), Active, again),
            (&send_all, Some(&paused), Active, again),
            (&send_all, Some(&disabled), Suspended, again),
            (&send_all, None, Active, Move::Nothing),
        ] {
            assert_eq!(work.on(endpoint, organization), expected, "{work:?} {endpoint:?}");
        }
    }

    #[test]
    fn a_job_ends_with_a_pass_that_began_late_enough_and_left_nothing() {
        let last = Page { last: Some(DeliveryId::first_at(NOW)), paced: 2, moved: 2, is_left: false };
        let end = Page::default();
        let left = Page { is_left: true, ..end };
        let release = job(Work::Release(endpoint().id));
        for (name, pages, ends) in [
            ("one early pass", vec![(0, end)], false),
            ("two early passes", vec![(0, end), (119, end)], false),
            ("a late one", vec![(0, end), (120, end)], true),
            ("one that began early and ended late", vec![(0, last), (130, end)], false),
            ("a late one that left something", vec![(130, left)], false),
            (
                "a late one that left something on its way",
                vec![(130, Page { is_left: true, ..last }), (131, end)],
                false,
            ),
            ("another one after it", vec![(130, left), (190, last), (190, end)], true),
        ] {
            let after = pages.iter().fold(release.clone(), |job, (second, page)| {
                assert!(job.is_due(at(*second)), "{name}");
                job.at(0, at(*second)).after(page, at(*second))
            });
            assert_eq!(after.state.ended_at().is_some(), ends, "{name}");
            assert_eq!(after.moved, pages.iter().map(|(_, page)| page.moved as u64).sum::<u64>(), "{name}");
            assert!(after.has_passed_once(), "{name}");
        }
        let begun = release.at(0, NOW).after(&last, NOW);
        assert_eq!((begun.pass.from, begun.has_passed_once()), (DeliveryId::first_at(NOW).next(), false));
        let again = begun.after(&end, NOW);
        assert_eq!((again.pass.from, again.is_due(at(29)), again.is_due(at(30))), (release.pass.from, false, true));
    }

    #[test]
    fn a_job_whose_step_is_used_up_is_due_when_the_next_step_begins() {
        let page = |paced| Page { last: Some(DeliveryId::first_at(NOW)), paced, moved: paced, is_left: false };
        let begun = job(Work::Release(endpoint().id)).at(0, at(1)).after(&page(10), at(1));
        assert!(begun.is_due(at(1)), "the first step follows what is sent at once");
        let half = begun.at(0, at(2)).after(&page(60), at(2));
        assert!(half.is_due(at(2)));
        let full = half.at(0, at(3)).after(&page(40), at(3));
        assert_eq!(full.state, JobState::Open(at(12)));
        let ended = half.at(0, at(3)).after(&Page { last: None, ..page(40) }, at(3));
        assert_eq!(ended.state, JobState::Open(at(33)), "a pass that has ended waits longer");
    }

    #[test]
    fn only_an_open_job_that_was_requested_can_be_cancelled() {
        let id = endpoint().id;
        assert!(job(Work::SendAll(id)).cancelled(at(1)).is_ok());
        let recover = job(Work::Recover(id, recovery()));
        let cancelled = recover.cancelled(at(1)).unwrap();
        assert_eq!(cancelled.state, JobState::Cancelled(at(1)));
        assert_eq!(cancelled.cancelled(at(2)), Err(NotCancelled::Ended));
        assert_eq!(recover.ended(at(1)).cancelled(at(2)), Err(NotCancelled::Ended));
        for work in [Work::Release(id), Work::FailHeld(id)] {
            let kind = work.kind();
            assert_eq!(job(work).cancelled(at(1)), Err(NotCancelled::Required(kind)));
        }
    }
}
