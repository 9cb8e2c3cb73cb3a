//! Jobs: work over any number of items, most of them deliveries, which the sweep does page by page.
//!
//! A job that a change requires is written in the transaction of the change, so it exists if and only if the change
//! does. The progress after each page and the new state of each delivery are written under conditions, so two processes
//! may do the same job concurrently.

mod cursor;
mod pace;
mod position;
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

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// The job is open, and its next page is due at this time.
    Open(Timestamp),
    /// The job ended at this time: no deliveries are left, or a later change made it pointless.
    Done(Timestamp),
    /// The owner cancelled the job at this time.
    Cancelled(Timestamp),
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

impl JobState {
    /// The names of all states, in the order of the variants.
    pub const NAMES: [&'static str; 3] = ["open", "done", "cancelled"];

    /// The name in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open(_) => Self::NAMES[0],
            Self::Done(_) => Self::NAMES[1],
            Self::Cancelled(_) => Self::NAMES[2],
        }
    }

    /// When the job ended; `None` if it is open.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Open(_) => None,
            Self::Done(at) | Self::Cancelled(at) => Some(at),
        }
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

/// Why a job cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCancelled {
    /// The job has ended.
    #[error("the job has ended")]
    Ended,
    /// Deliveries would be held for good without it, or what was to be removed would stay.
    #[error("a job of the kind {} cannot be cancelled", .0.as_str())]
    Required(JobKind),
}

/// One walk through all that a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How many passes ended before this one.
    pub number: u32,
    /// When the first page of this pass began. Until then, when the previous pass began.
    pub began_at: Timestamp,
    /// How far it is.
    pub from: Cursor,
    /// Whether a delivery was passed that could not be read or moved.
    pub is_left: bool,
}

impl Pass {
    const fn new(from: Cursor, began_at: Timestamp) -> Self {
        Self { number: 0, began_at, from, is_left: false }
    }
}

/// The result of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// The last delivery of the page; `None` if it is the last page of its pass.
    pub last: Option<DeliveryId>,
    /// How many deliveries of the page count towards the step's number.
    pub paced: usize,
    /// How many deliveries were moved.
    pub moved: usize,
    /// Whether a delivery could not be read or moved.
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
    fn resuming_enabling_and_disabling_an_endpoint_requires_a_job() {
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
    fn jobs_with_equal_work_have_the_same_id_and_others_do_not() {
        let id = endpoint().id;
        let works = [
            Work::Release(id),
            Work::FailHeld(id),
            Work::Recover(id, recovery()),
            Work::Recover(id, Recovery { until: Some(at(1)), ..recovery() }),
            Work::Recover(id, Recovery { statuses: vec![DeliveryStatus::Exhausted], ..recovery() }),
            Work::SendAll(id),
            Work::Expunge(EventId::new(NOW, [1; 8])),
            Work::DeleteOrganization(endpoint().organization),
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
    fn a_job_moves_deliveries_only_in_the_states_of_endpoint_and_organization_that_it_requires() {
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
                "a late one that left something in an earlier page",
                vec![(130, Page { is_left: true, ..last }), (131, end)],
                false,
            ),
            ("the pass after it", vec![(130, left), (190, last), (190, end)], true),
        ] {
            let after = pages.iter().fold(release.clone(), |job, (second, page)| {
                assert!(job.is_due(at(*second)), "{name}");
                job.at(0, at(*second)).after(page, at(*second))
            });
            assert_eq!(after.state.ended_at().is_some(), ends, "{name}");
            assert_eq!(after.moved, pages.iter().map(|(_, page)| page.moved as u64).sum::<u64>(), "{name}");
            assert!(after.has_passed_once(), "{name}");
        }
        let in_first_pass = release.at(0, NOW).after(&last, NOW);
        let expected = (Cursor::Delivery(DeliveryId::first_at(NOW).next()), false);
        assert_eq!((in_first_pass.pass.from, in_first_pass.has_passed_once()), expected);
        let passed = in_first_pass.after(&end, NOW);
        assert_eq!((passed.pass.from, passed.is_due(at(29)), passed.is_due(at(30))), (release.pass.from, false, true));
    }

    #[test]
    fn a_job_whose_step_is_used_up_is_due_when_the_next_step_begins() {
        let page = |paced| Page { last: Some(DeliveryId::first_at(NOW)), paced, moved: paced, is_left: false };
        let begins_steps = job(Work::Release(endpoint().id)).at(0, at(1)).after(&page(10), at(1));
        assert!(begins_steps.is_due(at(1)), "the first step follows the initial deliveries immediately");
        let half = begins_steps.at(0, at(2)).after(&page(60), at(2));
        assert!(half.is_due(at(2)));
        let full = half.at(0, at(3)).after(&page(40), at(3));
        assert_eq!(full.state, JobState::Open(at(12)));
        let ended = half.at(0, at(3)).after(&Page { last: None, ..page(40) }, at(3));
        assert_eq!(ended.state, JobState::Open(at(33)), "after the end of a pass, the next page is due later");
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
        let removing = [Work::Expunge(EventId::new(NOW, [1; 8])), Work::DeleteOrganization(endpoint().organization)];
        for work in [Work::Release(id), Work::FailHeld(id)].into_iter().chain(removing) {
            let kind = work.kind();
            assert_eq!(job(work).cancelled(at(1)), Err(NotCancelled::Required(kind)));
        }
    }
}
