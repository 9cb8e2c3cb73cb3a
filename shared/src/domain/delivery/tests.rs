use std::time::Duration;

use super::super::endpoint::WantedStatus;
use super::super::endpoint::tests::{KEY, endpoint};
use super::super::ids::{EventId, JobId};
use super::attempt::{Answer, Cause, Detail, Failure, Outcome};
use super::decision::{Decision, EARLY};
use super::lease::{LEASE, NotRecoverable};
use super::outcome::{Consequence, OnFailure};
use super::response::Response;
use super::schedule::RetrySchedule;
use super::ticket::{Receipt, Ticket};
use super::trigger::Trigger;
use super::*;
use crate::domain::endpoint::DisabledReason;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::event::event_type::EventType;
use crate::domain::job::JobRun;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;

const OWN: Ticket = Ticket::new([1; 8]);
const OTHER: Ticket = Ticket::new([2; 8]);
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

pub(crate) fn delivery() -> Delivery {
    let endpoint = endpoint();
    let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
    Delivery::new(id, &endpoint.organization, endpoint.id, &EventType::parse("a.b").unwrap(), false)
}

fn outcome(answer: Answer) -> Outcome {
    Outcome { started_at: NOW, duration: Duration::from_millis(12), signature: Some("ab".into()), answer }
}

fn response(status: u16, retry_after: Option<u64>) -> Outcome {
    let retry_after = retry_after.map(Duration::from_secs);
    let (kept, failure) = (Response::new([], "hello"), Failure::of_status(status));
    outcome(Answer::Response { status, kept, body_cut: false, retry_after, failure })
}

fn after(delivery: Delivery, outcome: Outcome) -> (Delivery, Consequence) {
    delivery.after_attempt(&outcome, OnFailure::Follow(&RetrySchedule::default(), 0.0), NOW)
}

pub(crate) fn in_seconds(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn any_2xx_is_a_success_and_nothing_else() {
    for status in [200, 201, 204, 299] {
        let (delivery, consequence) = after(delivery(), response(status, None));
        assert_eq!((delivery.status, delivery.error, delivery.mark), (DeliveryStatus::Success, None, None));
        assert_eq!(consequence, Consequence::Done);
    }
    for status in [100, 199, 300, 301, 400, 404, 500, 599] {
        let (delivery, _) = after(delivery(), response(status, None));
        assert_eq!((delivery.status, delivery.error), (DeliveryStatus::Retrying, Some(Cause::HttpStatus)));
    }
}

#[test]
fn a_delivery_follows_its_schedule_and_is_then_exhausted() {
    let mut current = delivery();
    for (attempt, delay) in [(1, 1), (2, 5), (3, 30)] {
        let (next, consequence) = after(current, response(500, None));
        assert_eq!((next.status, next.attempts), (DeliveryStatus::Retrying, attempt));
        assert_eq!(consequence, Consequence::WaitUntil(in_seconds(delay)));
        assert_eq!((next.next_attempt_at, next.mark), (Some(in_seconds(delay)), None));
        current = next;
    }
    let (exhausted, consequence) = after(current, outcome(Answer::None(Cause::Connect.into())));
    assert_eq!(
        (exhausted.status, exhausted.attempts, exhausted.mark),
        (DeliveryStatus::Exhausted, 4, Some(Mark::Failed))
    );
    assert_eq!((exhausted.error, exhausted.response_status()), (Some(Cause::Connect), None));
    assert_eq!(consequence, Consequence::Done);
    assert_eq!(exhausted.log.iter().filter_map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_delivery_has_the_detail_of_its_last_attempt_unless_it_failed_for_another_reason() {
    let refused = Failure { cause: Cause::Connect, detail: Some(Detail::ConnectionRefused) };
    let (once, _) = after(delivery(), outcome(Answer::None(refused)));
    assert_eq!((once.failure(), once.log[0].failure()), (Some(refused), Some(refused)));
    let exhausted = Delivery { status: DeliveryStatus::Exhausted, ..once.clone() };
    for (later, expected) in [
        (after(once.clone(), response(500, None)).0, Some(Cause::HttpStatus.into())),
        (after(once.clone(), response(200, None)).0, None),
        (once.clone().failed(Cause::EndpointDisabled, NOW), Some(Cause::EndpointDisabled.into())),
        (once.expunged(NOW).unwrap(), Some(Cause::Expunged.into())),
        (exhausted.expunged(NOW).unwrap(), Some(Cause::Expunged.into())),
        (exhausted.manually_retried(NOW, OWN).unwrap(), Some(refused)),
    ] {
        assert_eq!(later.failure(), expected);
    }
}

#[test]
fn the_documentation_of_a_failure_is_that_of_its_detail_or_else_of_its_cause() {
    for (cause, detail, expected) in [
        (Cause::Timeout, None, "/docs#timeout"),
        (Cause::Dns, None, "/docs#dns"),
        (Cause::Dns, Some(Detail::NoAddress), "/docs#no_address"),
    ] {
        assert_eq!(Failure { cause, detail }.docs_url(), expected);
    }
}

#[test]
fn a_wait_is_hidden_only_if_it_ends_within_30_s_of_the_publishing() {
    for (age, delay, is_hidden) in
        [(0, 30, true), (1, 29, true), (1, 30, false), (29, 1, true), (30, 1, false), (7_200, 1, false)]
    {
        let schedule = RetrySchedule::new(vec![delay]).unwrap();
        let follow = OnFailure::Follow(&schedule, 0.0);
        let (_, consequence) = delivery().after_attempt(&response(500, None), follow, in_seconds(age));
        let due = in_seconds(age + u64::from(delay));
        let expected = if is_hidden { Consequence::WaitUntil(due) } else { Consequence::WaitLongUntil(due) };
        assert_eq!(consequence, expected, "{delay} s after {age} s");
    }
}

#[test]
fn waits_are_hidden_up_to_30_s_delayed_up_to_15_min_and_parked_beyond() {
    for retry_after in [1, 30, 31, 900, 901, 1_000_000] {
        let (delivery, consequence) = after(delivery(), response(503, Some(retry_after)));
        let due = in_seconds(retry_after.min(86_400));
        assert_eq!(delivery.next_attempt_at, Some(due));
        let (mark, expected) = match retry_after {
            ..=30 => (None, Consequence::WaitUntil(due)),
            31..=900 => (None, Consequence::WaitLongUntil(due)),
            _ => (Some(Mark::Due(due)), Consequence::Done),
        };
        assert_eq!((delivery.mark, consequence), (mark, expected), "{retry_after}");
    }
}

#[test]
fn a_message_is_delayed_by_whole_seconds_rounded_up_to_the_next_attempt() {
    for (millis, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (900_000, 900), (2_000_000, 900)] {
        let delivery = Delivery { next_attempt_at: Some(NOW.plus(Duration::from_millis(millis))), ..delivery() };
        assert_eq!(delivery.message_delay_seconds(NOW), expected, "{millis}");
    }
    assert_eq!(delivery().message_delay_seconds(NOW), 0);
}

#[test]
fn an_aws_service_that_refuses_is_tried_again_whatever_its_status() {
    let failure = Some(Failure { cause: Cause::AwsService, detail: Some(Detail::FunctionError) });
    for status in [200, 400, 403, 404, 410, 413, 503] {
        let kept = Response::new([], "");
        let answer = Answer::Response { status, kept, body_cut: false, retry_after: None, failure };
        let (delivery, consequence) = after(delivery(), outcome(answer));
        assert_eq!(delivery.status, DeliveryStatus::Retrying, "{status}");
        assert_eq!((delivery.failure(), delivery.response_status()), (failure, Some(status)));
        assert!(!matches!(consequence, Consequence::Disable(_)), "{status}");
    }
}

#[test]
fn a_410_disables_the_endpoint_and_a_refused_address_fails_without_a_retry() {
    let (gone, consequence) = after(delivery(), response(410, None));
    assert_eq!((gone.status, gone.mark), (DeliveryStatus::Failed, Some(Mark::Failed)));
    assert_eq!(consequence, Consequence::Disable(DisabledReason::Gone));
    let (refused, consequence) = after(delivery(), outcome(Answer::None(Cause::RefusedAddress.into())));
    assert_eq!((refused.status, refused.error), (DeliveryStatus::Failed, Some(Cause::RefusedAddress)));
    assert_eq!(consequence, Consequence::Done);
}

#[test]
fn a_failed_probe_is_parked_again_and_uses_up_no_retry() {
    let held = Delivery { retries_used: 3, ..delivery() }.parked(NOW);
    let (failed, consequence) = held.clone().after_attempt(&response(500, None), OnFailure::Hold, NOW);
    assert_eq!((failed.status, failed.mark), (DeliveryStatus::Retrying, Some(Mark::Held)));
    assert_eq!((failed.attempts, failed.retries_used, consequence), (1, 3, Consequence::Done));
    let (done, _) = held.clone().after_attempt(&response(200, None), OnFailure::Hold, NOW);
    assert_eq!((done.status, done.mark), (DeliveryStatus::Success, None));
    let (gone, consequence) = held.after_attempt(&response(410, None), OnFailure::Hold, NOW);
    assert_eq!((gone.status, consequence), (DeliveryStatus::Failed, Consequence::Disable(DisabledReason::Gone)));
}

#[test]
fn the_step_follows_from_the_endpoint_the_organization_and_the_time() {
    let active = endpoint();
    let suspended = endpoint().suspended(NOW).unwrap();
    let with_status =
        |wanted| endpoint().patched(EndpointPatch { status: Some(wanted), ..Default::default() }, NOW, KEY);
    let (paused, disabled) = (with_status(WantedStatus::Paused), with_status(WantedStatus::Disabled));
    let fresh = delivery();
    let waiting = Delivery { next_attempt_at: Some(in_seconds(5)), ..delivery() };
    let due = Delivery { next_attempt_at: Some(NOW), ..delivery() };
    let early = Delivery { next_attempt_at: Some(NOW.plus(EARLY)), ..delivery() };
    let leased = due.clone().leased(NOW, OWN);
    let released_early = waiting.clone().leased(NOW, OWN);
    let (on, off) = (OrganizationStatus::Active, OrganizationStatus::Suspended);
    let table = [
        (&fresh, Some(&active), on, Decision::Attempt),
        (&due, Some(&active), on, Decision::Attempt),
        (&leased, Some(&active), on, Decision::Attempt),
        (&early, Some(&active), on, Decision::Attempt),
        (&waiting, Some(&active), on, Decision::WaitUntil(in_seconds(7))),
        (&released_early, Some(&active), on, Decision::WaitUntil(in_seconds(7))),
        (&fresh, Some(&paused), on, Decision::Park),
        (&fresh, Some(&suspended), on, Decision::Park),
        (&waiting, Some(&paused), on, Decision::Park),
        (&fresh, Some(&disabled), on, Decision::Fail(Cause::EndpointDisabled)),
        (&fresh, None, on, Decision::Fail(Cause::EndpointDeleted)),
        (&fresh, Some(&active), off, Decision::Fail(Cause::OrganizationSuspended)),
        (&fresh, Some(&active), OrganizationStatus::Deleting, Decision::Discard),
        (&waiting, None, OrganizationStatus::Deleting, Decision::Discard),
    ];
    for (row, (delivery, endpoint, organization, expected)) in table.into_iter().enumerate() {
        assert_eq!(delivery.decide(endpoint, organization, false, NOW), expected, "row {row}");
    }
    assert_eq!(waiting.decide(Some(&suspended), on, true, NOW), Decision::Attempt);
    assert_eq!(fresh.decide(Some(&paused), on, true, NOW), Decision::Park);
}

#[test]
fn only_failed_and_exhausted_deliveries_are_retried_and_start_a_new_schedule() {
    for status in [DeliveryStatus::Pending, DeliveryStatus::Retrying, DeliveryStatus::Success] {
        assert_eq!(Delivery { status, ..delivery() }.manually_retried(NOW, OWN), Err(NotRecoverable::Status(status)));
    }
    let exhausted = Delivery { attempts: 4, retries_used: 3, status: DeliveryStatus::Exhausted, ..delivery() };
    let again = exhausted.manually_retried(NOW, OWN).unwrap();
    assert_eq!((again.status, again.attempts, again.retries_used), (DeliveryStatus::Retrying, 4, 0));
    assert_eq!((again.ticket, again.state()), (Some(OWN), DeliveryState::Leased));
    assert_eq!(again.mark, Some(Mark::Due(NOW.plus(LEASE))));
    assert_eq!(again.decide(Some(&endpoint()), OrganizationStatus::Active, false, NOW), Decision::Attempt);
    let never_tried = delivery().failed(Cause::EndpointDisabled, NOW).manually_retried(NOW, OWN).unwrap();
    assert_eq!(never_tried.status, DeliveryStatus::Pending);
}

#[test]
fn a_replay_begins_the_schedule_of_final_deliveries_again_also_of_successful_ones() {
    use DeliveryStatus::{Exhausted, Failed, Pending, Retrying, Success};
    for (status, is_replayed) in
        [(Pending, false), (Retrying, false), (Success, true), (Exhausted, true), (Failed, true)]
    {
        let before = Delivery { status, attempts: 4, retries_used: 3, ..delivery() };
        let replayed = before.clone().replayed(NOW, OWN);
        assert_eq!(replayed.is_some(), is_replayed, "{status:?}");
        let retried = Delivery { status: Failed, ..before.clone() }.manually_retried(NOW, OWN);
        assert!(replayed.is_none_or(|replayed| Ok(replayed) == retried), "{status:?}");
        let response = Some(Response::new([], "ok"));
        let signed = Delivery { first_response: response, signature: Some("ab".to_owned()), ..before.clone() };
        if let Some(replayed) = signed.replayed(NOW, OWN) {
            let kept = (replayed.first_response.is_some(), replayed.signature.is_some());
            assert_eq!(kept, (status != Success, status != Success), "{status:?}");
        }
        assert_eq!(Delivery { error: Some(Cause::Expunged), ..before }.replayed(NOW, OWN), None);
    }
    let added = delivery().added(in_seconds(90), OWN);
    assert_eq!((added.status, added.ticket, added.state()), (Pending, Some(OWN), DeliveryState::Leased));
    assert_eq!((added.mark, added.updated_at), (Some(Mark::Due(in_seconds(90).plus(LEASE))), in_seconds(90)));
}

#[test]
fn a_pending_delivery_can_be_retried_once_its_publish_request_must_have_ended() {
    let later = NOW.plus(PUBLISHING_ENDS);
    let sent = delivery().manually_retried(later, OWN).unwrap();
    assert_eq!((sent.status, sent.ticket, sent.state()), (DeliveryStatus::Pending, Some(OWN), DeliveryState::Leased));
    let pending = Err(NotRecoverable::Status(DeliveryStatus::Pending));
    assert_eq!(delivery().manually_retried(NOW.plus(Duration::from_millis(29_999)), OWN), pending);
    let leased_for_release =
        [sent, delivery().parked(NOW), delivery().due_at(later), delivery().leased_to_publisher(later)];
    for leased_for_release in leased_for_release {
        assert_eq!(leased_for_release.manually_retried(later, OTHER), pending);
    }
}

#[test]
fn a_lease_after_parking_has_a_new_ticket_and_a_renewed_lease_the_same() {
    let held = Delivery { ticket: Some(OWN), ..delivery() }.parked(NOW);
    let due = Delivery { ticket: Some(OWN), ..delivery() }.due_at(NOW);
    for parked in [held.clone(), due] {
        let leased = parked.leased_for_release(NOW, OTHER).unwrap();
        assert_eq!((leased.ticket, leased.state()), (Some(OTHER), DeliveryState::Leased));
        assert_eq!(leased.mark, Some(Mark::Due(NOW.plus(LEASE))));
        let end = NOW.plus(LEASE);
        assert_eq!(
            leased.clone().leased_for_release(end.minus(Duration::from_secs(1)), OWN),
            None,
            "its lease has not ended"
        );
        let renewed = leased.leased_for_release(end, OWN).unwrap();
        assert_eq!((renewed.ticket, renewed.mark), (Some(OTHER), Some(Mark::Due(in_seconds(900 + 1_800)))));
    }
    let published = delivery().leased_to_publisher(NOW).leased_for_release(NOW, OWN).unwrap();
    assert_eq!(published.ticket, None, "the message of its publishing may be in the queue");
    let done = Delivery { status: DeliveryStatus::Success, ..delivery() };
    for nothing in [done, delivery()] {
        assert_eq!(nothing.leased_for_release(NOW, OWN), None);
    }
    // This delivery was parked as held while it waited for a retry.
    for (seconds, state, mark) in [(900, DeliveryState::Leased, 1800), (901, DeliveryState::Parked, 901)] {
        let leased_for_release = Delivery { next_attempt_at: Some(in_seconds(seconds)), ..held.clone() }
            .leased_for_release(NOW, OTHER)
            .unwrap();
        assert_eq!((leased_for_release.state(), leased_for_release.mark), (state, Some(Mark::Due(in_seconds(mark)))));
    }
    let probe = Delivery { next_attempt_at: Some(in_seconds(5000)), ..held }.leased_as_probe(NOW, OTHER).unwrap();
    assert_eq!((probe.state(), probe.ticket, probe.next_attempt_at), (DeliveryState::Leased, Some(OTHER), None));
    assert_eq!(probe.leased_as_probe(NOW, OWN), None);
}

#[test]
fn a_job_sends_each_delivery_that_should_be_queued_once() {
    let job = JobRun { job: JobId::from_uuid(uuid::Uuid::from_u128(1)), since: NOW };
    let later = JobRun { since: in_seconds(1), ..job };
    let waiting = Delivery { next_attempt_at: Some(in_seconds(600)), ticket: Some(OWN), ..delivery() };
    let leased = delivery().parked(NOW).leased_for_release(NOW, OWN).unwrap();
    for it in [delivery(), waiting.clone(), leased] {
        let sent = it.clone().leased_to_resend(job, NOW, OTHER).unwrap();
        assert_eq!(
            (sent.ticket, sent.state(), sent.next_attempt_at),
            (Some(OTHER), DeliveryState::Leased, it.next_attempt_at)
        );
        assert_eq!(sent.clone().leased_to_resend(job, in_seconds(2), OWN), None);
        assert!(sent.leased_to_resend(later, in_seconds(2), OWN).is_some());
    }
    let done = Delivery { status: DeliveryStatus::Success, ..delivery() };
    for nothing in [done, delivery().parked(NOW), delivery().due_at(NOW), delivery().failed(Cause::Dns, NOW)] {
        assert_eq!(nothing.leased_to_resend(job, NOW, OTHER), None);
    }
    assert_eq!(waiting.leased_to_resend(job, NOW, OTHER).unwrap().message_delay_seconds(NOW), 600);
}

#[test]
fn leases_get_longer_with_each_renewal_until_an_attempt_is_recorded() {
    let mut leased = delivery().parked(NOW).leased_for_release(NOW, OWN).unwrap();
    let mut end = 900;
    for minutes in [30, 60, 60] {
        leased = leased.leased_for_release(in_seconds(end), OTHER).unwrap();
        end += 60 * minutes;
        assert_eq!(leased.mark, Some(Mark::Due(in_seconds(end))));
    }
    assert_eq!(leased.leases, 3);
    let again = leased.clone().parked(NOW).leased_for_release(NOW, OWN).unwrap();
    assert_eq!((again.leases, again.mark), (0, Some(Mark::Due(NOW.plus(LEASE)))), "another message");
    assert_eq!(after(leased, response(500, None)).0.leases, 0);
}

#[test]
fn an_outcome_is_added_to_a_record_that_another_process_changed() {
    let (ok, failure) = (response(204, None), response(500, None));
    let own = Receipt { ticket: Some(OWN), sent_at: Some(NOW), receives: 1 };
    let queued = Delivery { ticket: Some(OWN), ..delivery() };
    let leased = queued.clone().renewed(NOW);
    let (retried, _) = after(queued.clone(), failure.clone());
    let done = Delivery { status: DeliveryStatus::Success, ..queued.clone() };
    let lost = Delivery { ticket: Some(OTHER), ..leased.clone() };
    let table = [(leased, true, true), (retried.clone(), true, false), (queued.parked(NOW), true, false)];
    let table = table.into_iter().chain([(lost, true, false), (done, false, false)]);
    for (row, (found, takes_success, takes_failure)) in table.enumerate() {
        assert_eq!(found.takes(&ok, 0, own, NOW), takes_success, "row {row}");
        assert_eq!(found.takes(&failure, 0, own, NOW), takes_failure, "row {row}");
    }
    let (added, _) = after(retried.parked(NOW), ok);
    assert_eq!((added.status, added.attempts, added.mark), (DeliveryStatus::Success, 2, None));
    let log: Vec<_> = added.log.iter().map(|entry| (entry.number, entry.response_status)).collect();
    assert_eq!(log, [(Some(1), Some(500)), (Some(2), Some(204))]);
    let reduced = added.reduced();
    assert_eq!((reduced.log.len(), reduced.first_response, reduced.attempts), (1, None, 2));
}

#[test]
fn the_log_drops_the_oldest_attempts() {
    let mut current = delivery();
    for _ in 0..120 {
        current = Delivery { retries_used: 0, ..after(current, response(500, None)).0 };
    }
    assert_eq!((current.attempts, current.log.len(), current.log[0].number), (120, MAX_LOG, Some(21)));
}

#[test]
fn a_record_tells_which_attempts_a_later_record_drops() {
    let numbered = |numbers: std::ops::RangeInclusive<u32>| Delivery {
        log: numbers.map(|number| AttemptEntry { number: Some(number), ..AttemptEntry::at(NOW) }).collect(),
        ..delivery()
    };
    for (before, later, dropped) in [
        (delivery(), numbered(1..=1), 0..0),
        (numbered(1..=1), numbered(1..=2), 0..0),
        (numbered(1..=100), numbered(2..=101), 0..1),
        (numbered(1..=100), numbered(4..=103), 0..3),
        (numbered(1..=100), numbered(101..=101), 0..100),
        (numbered(1..=100), numbered(1..=100), 0..0),
        (numbered(1..=2), delivery(), 0..2),
    ] {
        assert_eq!(before.dropped_by(&later), &before.log[dropped]);
    }
}

#[test]
fn an_expunged_delivery_keeps_status_and_times_and_nothing_retries_it() {
    let first_response = Some(Response::new([], "x"));
    let answered = Delivery { first_response, signature: Some("s".to_owned()), ..delivery() };
    let of = |status, mark| Delivery { status, mark, ..answered.clone() };
    let table = [
        (of(DeliveryStatus::Pending, None), DeliveryStatus::Failed),
        (of(DeliveryStatus::Pending, Some(Mark::Held)), DeliveryStatus::Failed),
        (of(DeliveryStatus::Retrying, Some(Mark::Due(in_seconds(5)))), DeliveryStatus::Failed),
        (of(DeliveryStatus::Failed, Some(Mark::Failed)), DeliveryStatus::Failed),
        (of(DeliveryStatus::Exhausted, Some(Mark::Failed)), DeliveryStatus::Exhausted),
        (of(DeliveryStatus::Success, None), DeliveryStatus::Success),
    ];
    for (before, status) in table {
        let after = before.expunged(in_seconds(1)).unwrap();
        assert_eq!((after.status, after.mark, after.state()), (status, None, DeliveryState::Final));
        assert_eq!((&after.first_response, &after.signature, after.updated_at), (&None, &None, in_seconds(1)));
        assert_eq!(after.expunged(in_seconds(2)), None);
        let expected = if status == DeliveryStatus::Success { None } else { Some(Cause::Expunged) };
        assert_eq!(after.error, expected);
        assert!(after.manually_retried(in_seconds(2), OWN).is_err());
    }
}

#[test]
fn only_status_and_time_of_an_attempt_are_added_to_an_expunged_delivery() {
    let expunged = delivery().expunged(NOW).unwrap();
    for (status, expected) in
        [(200, (DeliveryStatus::Success, None)), (500, (DeliveryStatus::Failed, Some(Cause::Expunged)))]
    {
        let (after, consequence) = after(expunged.clone(), response(status, None));
        assert_eq!(((after.status, after.error), consequence), (expected, Consequence::Done));
        assert_eq!((after.attempts, after.log.len(), after.response_status()), (1, 1, Some(status)));
        assert_eq!((after.first_response, after.signature, after.mark), (None, None, None));
    }
}

#[test]
fn an_attempt_has_an_item_unless_it_is_the_first_and_begins_within_a_minute_of_publishing() {
    let at = |seconds| Outcome { started_at: in_seconds(seconds), ..response(500, None) };
    for (seconds, has_item) in [(0, false), (60, false), (61, true)] {
        let (first, _) = after(delivery(), at(seconds));
        assert_eq!((first.log[0].has_item, first.first_response.is_none()), (has_item, has_item), "{seconds}");
        assert_eq!(first.response().is_some(), !has_item, "{seconds}");
        let (second, _) = after(first.clone(), at(seconds));
        assert!(second.log[1].has_item);
        assert_eq!((second.first_response == first.first_response, second.response()), (true, None));
    }
}

#[test]
fn a_trigger_applies_to_one_attempt() {
    let failed = after(delivery(), response(410, None)).0;
    let retried = failed.manually_retried(NOW, OWN).unwrap();
    assert_eq!(retried.next_trigger, Trigger::Manual);
    let again = after(after(retried, response(500, None)).0, response(500, None)).0;
    let triggers: Vec<_> = again.log.iter().map(|entry| entry.trigger).collect();
    assert_eq!(triggers, [Trigger::Schedule, Trigger::Manual, Trigger::Schedule]);
}

/// The states of a delivery, each with the outcome of a resend.
#[test]
fn a_resend_that_succeeds_makes_a_delivery_successful_and_one_that_fails_changes_nothing() {
    let of = |status, mark| Delivery { status, mark, ticket: Some(OWN), retries_used: 2, attempts: 3, ..delivery() };
    let due = in_seconds(600);
    let states = [
        of(DeliveryStatus::Pending, None),
        of(DeliveryStatus::Pending, Some(Mark::Held)),
        of(DeliveryStatus::Pending, Some(Mark::Due(in_seconds(900)))),
        Delivery { next_attempt_at: Some(due), ..of(DeliveryStatus::Retrying, None) },
        Delivery { next_attempt_at: Some(due), ..of(DeliveryStatus::Retrying, Some(Mark::Due(due))) },
        of(DeliveryStatus::Retrying, Some(Mark::Held)),
        Delivery { error: Some(Cause::HttpStatus), ..of(DeliveryStatus::Exhausted, Some(Mark::Failed)) },
        Delivery { error: Some(Cause::EndpointDisabled), ..of(DeliveryStatus::Failed, Some(Mark::Failed)) },
        Delivery { error: Some(Cause::Expunged), ..of(DeliveryStatus::Failed, None) },
    ];
    for before in states {
        for status in [301, 410, 429, 500] {
            assert_eq!(before.clone().after_resend(&response(status, None), NOW), None, "{before:?}");
        }
        assert_eq!(before.clone().after_resend(&outcome(Answer::None(Cause::Timeout.into())), NOW), None);
        let after = before.clone().after_resend(&response(200, None), NOW).unwrap();
        assert_eq!((after.status, after.error, after.state()), (DeliveryStatus::Success, None, DeliveryState::Final));
        assert_eq!((after.mark, after.next_attempt_at, after.updated_at), (None, None, NOW));
        assert_eq!((after.attempts, after.retries_used, after.ticket), (3, 2, Some(OWN)));
        let last = after.log.last().unwrap();
        assert_eq!((last.number, last.trigger, last.has_item), (None, Trigger::Resend, true));
        assert_eq!(after.signature.is_none(), before.is_expunged());
        assert_eq!(after.after_resend(&response(200, None), NOW), None, "it is successful already");
    }
}
