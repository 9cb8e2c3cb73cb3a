use super::super::delivery::DeliveryStatus;
use super::super::endpoint::WantedStatus;
use super::super::endpoint::subscription::Subscription;
use super::super::endpoint::tests::{KEY, endpoint};
use super::*;
use crate::domain::delivery::attempt::Cause;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::ids::EventId;
use crate::domain::tenancy::organization::OrganizationStatus;

pub(super) const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

pub(super) fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(super) fn types(names: &[&str]) -> Vec<Subscription> {
    names.iter().map(|name| Subscription::parse(name).unwrap()).collect()
}

fn with(wanted: WantedStatus, endpoint: &Endpoint) -> Endpoint {
    endpoint.clone().patched(EndpointPatch { status: Some(wanted), ..EndpointPatch::default() }, NOW, KEY)
}

fn recovery() -> Recovery {
    Recovery { since: NOW, until: None, statuses: vec![DeliveryStatus::Failed] }
}

pub(super) fn replay(what: Replayed) -> Replay {
    Replay { since: NOW, until: None, event_types: Vec::new(), what }
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
fn jobs_with_equal_work_have_the_same_id_as_have_all_replays_of_an_endpoint_by_events() {
    let id = endpoint().id;
    let works = [
        Work::Release(id),
        Work::FailHeld(id),
        Work::Recover(id, recovery()),
        Work::Recover(id, Recovery { until: Some(at(1)), ..recovery() }),
        Work::Recover(id, Recovery { statuses: vec![DeliveryStatus::Exhausted], ..recovery() }),
        Work::Replay(id, replay(Replayed::Failed)),
        Work::Replay(id, Replay { until: Some(at(1)), ..replay(Replayed::Failed) }),
        Work::Replay(id, Replay { event_types: vec![Subscription::All], ..replay(Replayed::Failed) }),
        Work::Replay(id, replay(Replayed::Missed)),
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
    let types = ["a", "b"].map(|name| Subscription::parse(name).unwrap());
    let of = |event_types| Work::Replay(id, Replay { event_types, ..replay(Replayed::Failed) }).id();
    assert_eq!(of(types.to_vec()), of(types.iter().rev().cloned().collect()));
    let by_events = |what, until| Work::Replay(id, Replay { until, ..replay(what) }).id();
    assert_eq!(by_events(Replayed::Missed, None), by_events(Replayed::All, Some(at(1))), "an endpoint has one");
}

#[test]
fn a_job_moves_deliveries_only_in_the_states_of_endpoint_and_organization_that_it_requires() {
    use OrganizationStatus::{Active, Suspended};
    let active = endpoint();
    let (paused, disabled) = (with(WantedStatus::Paused, &active), with(WantedStatus::Disabled, &active));
    let suspended = active.clone().suspended(NOW).unwrap();
    let (release, fail) = (Work::Release(active.id), Work::FailHeld(active.id));
    let (recover, send_all) = (Work::Recover(active.id, recovery()), Work::SendAll(active.id));
    let again_all = Work::Replay(active.id, replay(Replayed::All));
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
        (&again_all, Some(&paused), Active, retry),
        (&again_all, Some(&active), Suspended, Move::Nothing),
        (&again_all, Some(&disabled), Active, Move::Nothing),
        (&again_all, None, Active, Move::Nothing),
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
fn a_replay_by_events_ends_with_its_first_pass_at_the_end_of_its_span() {
    let middle = Page { last: Some(DeliveryId::first_at(at(5))), paced: 1, moved: 1, is_left: false };
    for (what, ends) in [(Replayed::Missed, true), (Replayed::All, true), (Replayed::Failed, false)] {
        let replay = Replay { until: Some(at(50)), ..replay(what) };
        let began = Job::new(&endpoint().organization, Work::Replay(endpoint().id, replay), at(200));
        let half = began.at(0, at(200)).after(&middle, at(200));
        assert_eq!((half.position(), half.ended(at(201)).position()), (Some(at(5)), Some(at(5))), "{what:?}");
        let through = half.at(0, at(201)).after(&Page::default(), at(201));
        assert_eq!(through.state.ended_at().is_some(), ends, "{what:?}");
        assert_eq!(through.position(), ends.then_some(at(50)), "{what:?}");
    }
}

#[test]
fn the_next_page_is_due_behind_the_jobs_that_have_waited_longer() {
    let page = Page { last: Some(DeliveryId::first_at(NOW)), paced: 1, moved: 1, is_left: false };
    for work in [Work::Release(endpoint().id), Work::Replay(endpoint().id, replay(Replayed::All))] {
        assert_eq!(job(work).at(0, at(7)).after(&page, at(8)).state, JobState::Open(at(8)));
    }
}

#[test]
fn ten_items_that_are_examined_count_as_one_that_is_moved() {
    for (moved, examined, expected) in
        [(0, 0, 0), (0, 1, 1), (0, 400, 40), (0, 401, 41), (100, 400, 100), (40, 401, 41)]
    {
        assert_eq!(Page::pace_of(moved, examined), expected, "{moved} of {examined}");
    }
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
    assert!(job(Work::Replay(id, replay(Replayed::All))).cancelled(at(1)).is_ok());
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
