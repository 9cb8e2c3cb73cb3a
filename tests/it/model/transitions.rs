//! The changes that a step made, compared with those that the model allows.

use super::isolation::{TROUBLED, owner};
use super::operations::ENDPOINTS;
use super::removals::Removal;
use super::seen::{Seen, SeenDelivery};
use super::states::Status;
use super::{ACTIVE, ALL_ENDPOINTS, Allowed, CACHE_LIFETIME, DELETED, DISABLED, Run, SCHEDULES, event_of};

/// The minimum number of failures that suspends an endpoint.
const FAILURES_THAT_SUSPEND: usize = 10;

impl Allowed {
    /// Whether a delivery of this final status may begin its schedule again.
    const fn begins_again(self, before: Status) -> bool {
        if before.is_recoverable() { self.retries } else { self.replays }
    }
}

impl Run {
    /// Reads the table, the queue and the receivers, and checks them against the model and the effects that are
    /// allowed.
    pub(super) async fn check_step(&mut self, allowed: Allowed) {
        let mut seen = Seen::of(&self.world, &self.receivers).await;
        self.check_isolation(&seen, allowed.spares);
        self.follow_deletion(&mut seen);
        let new: Vec<_> = seen.deliveries.keys().filter(|id| !self.model.contains_key(*id)).cloned().collect();
        if let Some(key) = self.interrupted.take() {
            self.unpromised.extend(new.into_iter().map(|id| (id, key.clone())));
        }
        for (id, delivery) in &seen.deliveries {
            self.follow(id, delivery, &seen, allowed);
            self.check_promise(id, delivery, &seen);
        }
        assert!(self.model.keys().all(|id| seen.deliveries.contains_key(id)), "a record has disappeared");
        assert!(
            seen.requests.deliveries().all(|id| seen.deliveries.contains_key(id)),
            "a receiver got a request for a delivery without a record"
        );
        let first = if self.is_deleted(TROUBLED) { ENDPOINTS } else { 0 };
        for endpoint in first..ALL_ENDPOINTS {
            self.follow_endpoint(endpoint, &seen);
        }
        self.queued = seen.messages.iter().map(|(id, bodies)| (id.clone(), bodies.len())).collect();
        self.messages.extend(seen.messages.into_values().flatten().map(|message| message.body));
        self.messages.sort();
        self.messages.dedup();
        self.recovering = seen.recovering;
        self.replaying = seen.replaying;
        self.sending_again = seen.sending_again;
        self.checked_at = self.world.clock.now();
    }

    /// Moves the model of a delivery to the state of its record by allowed transitions.
    fn follow(&mut self, id: &str, record: &SeenDelivery, seen: &Seen, allowed: Allowed) {
        let endpoint = self.endpoints.iter().position(|endpoint| endpoint.id == record.endpoint).unwrap();
        let model = self.model.entry(id.to_owned()).or_default();
        model.endpoint = Some(endpoint);
        let before = model.status;
        let new_attempts = record.attempts.checked_sub(model.attempts).expect("the number of attempts never decreases");
        let removal = self.removed.get(&event_of(id));
        assert!(
            new_attempts == 0 || removal != Some(&Removal::Answered),
            "{id} was attempted without data: {record:?}"
        );
        // If the endpoint is stopped, the delivery may have failed again in the same step.
        let is_resent = record.is_resent && before != Status::Success;
        let has_changed = record.status != before && !is_resent;
        let manually_retried = new_attempts > 0 || has_changed || record.retries_used < model.retries_used;
        if before.is_final() && manually_retried {
            assert!(allowed.begins_again(before), "{id} was retried without a request: {record:?}");
            model.begin_again();
        }
        let organization = &self.organizations[owner(endpoint)];
        for attempt in &record.log[record.log.len() - new_attempts..] {
            let stopped = [self.stopped[endpoint], organization.suspended_since].into_iter().flatten().min();
            assert!(
                stopped.is_none_or(|since| attempt.at < since.plus(CACHE_LIFETIME)),
                "{id} was attempted although its endpoint is stopped: {record:?}"
            );
            let probed = self.suspended[endpoint] || seen.endpoints.get(&record.endpoint).is_some_and(|e| e.suspended);
            let held = probed && record.status == Status::Retrying && record.retries_used == model.retries_used;
            let is_late = record.is_expunged && record.status == Status::Failed;
            if is_late && record.retries_used == model.retries_used {
                model.late_attempt(attempt.answer);
            } else {
                model.attempt(attempt.answer, SCHEDULES[endpoint].len(), held);
            }
            self.failed[endpoint] += usize::from(!attempt.answer.is_some_and(|status| (200..300).contains(&status)));
            if attempt.answer == Some(410) {
                self.possible[endpoint].push(DISABLED);
            }
        }
        if is_resent {
            assert!(self.resent.contains(id), "{id} was resent without a request: {record:?}");
            model.succeed();
        }
        // A sweep in the same step may retry the delivery after its attempt failed.
        if new_attempts > 0 && model.status.is_final() && record.status != model.status {
            assert!(allowed.begins_again(model.status), "{id} was retried without a request: {record:?}");
            model.begin_again();
        }
        if record.status == Status::Failed && !model.status.is_final() {
            let stopped = seen.endpoints.get(&record.endpoint).is_none_or(|endpoint| endpoint.status == DISABLED);
            let suspended = organization.may_be_suspended(self.world.clock.now());
            let expunged = record.is_expunged && removal.is_some();
            assert!(stopped || suspended || expunged, "{id} failed without a reason: {record:?}");
            model.stop();
            // It was retried, and failed again because its endpoint is stopped.
            if record.retries_used < model.retries_used {
                assert!(allowed.retries, "{id} was retried without a request: {record:?}");
                model.begin_again();
                model.stop();
            }
        }
        assert_eq!((record.status, record.retries_used), (model.status, model.retries_used), "{id}: {record:?}");

        let repeats = seen
            .requests
            .count(id)
            .checked_sub(model.answered + seen.resends.get(id).copied().unwrap_or(0))
            .expect("an attempt is recorded with a response, but the receiver got no request");
        let new_repeats = repeats.checked_sub(model.repeats).expect("the number of requests never decreases");
        let has_copies = allowed.redelivers || self.queued.get(id).is_some_and(|messages| *messages > 1);
        let held_twice = allowed.consumers > 1 && has_copies;
        // A process that dies may have made an attempt and a resend. An attempt that is in progress when a resend makes the
        // delivery successful is not recorded.
        let (is_resendable, dies) = (self.resent.contains(id), usize::from(allowed.dies));
        let unrecorded = dies + usize::from(is_resendable) * dies + usize::from(is_resent);
        assert!(new_repeats <= unrecorded + usize::from(held_twice), "{id} is repeated: {record:?}");
        let may_repeat = before != Status::Success || is_resendable || allowed.replays;
        assert!(new_repeats == 0 || may_repeat, "{id} is attempted after its success: {record:?}");
        model.repeats = repeats;
    }

    /// Checks that a delivery that is not final has a message in the queue, or a mark for which the sweep or a job
    /// looks, or that an open job fails it because its event has lost its data.
    fn check_promise(&self, id: &str, record: &SeenDelivery, seen: &Seen) {
        let is_kept = match (record.status, record.mark.as_deref()) {
            (Status::Success, mark) => mark.is_none(),
            (status, None) if status.is_recoverable() && record.is_expunged => true,
            (status, mark) if status.is_recoverable() => mark == Some("failed"),
            (_, None) if seen.expunging.contains(&event_of(id)) => true,
            (_, None) => seen.is_owned(id, record) || self.unpromised.contains_key(id),
            (_, Some("held")) => seen.will_be_released(&record.endpoint),
            (_, mark) => mark == Some("due"),
        };
        assert!(is_kept, "the promise is broken for {id}: {record:?}");
    }

    fn follow_endpoint(&mut self, endpoint: usize, seen: &Seen) {
        let found = seen.endpoints.get(&self.endpoints[endpoint].id);
        let status = found.map_or(DELETED, |endpoint| endpoint.status.as_str());
        let possible = &mut self.possible[endpoint];
        let Some(status) = possible.iter().copied().find(|possible| *possible == status) else {
            panic!("endpoint {endpoint} is {status}, and can only be {possible:?}");
        };
        *possible = vec![status];
        let suspended = found.is_some_and(|endpoint| endpoint.suspended);
        // The counters may miss failures, but never count more than there were.
        let failed = self.failed[endpoint];
        assert!(!suspended || self.suspended[endpoint] || failed >= FAILURES_THAT_SUSPEND, "suspended after {failed}");
        if suspended {
            self.failed[endpoint] = 0;
        }
        self.suspended[endpoint] = suspended;
        let now = self.world.clock.now();
        self.stopped[endpoint] = (status != ACTIVE).then(|| self.stopped[endpoint].unwrap_or(now));
    }
}
