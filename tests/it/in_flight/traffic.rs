//! A deterministic model of one tenant's deliveries in steps of one second. It uses the production code for the state
//! machine of a delivery, the counters of an endpoint and its suspension.
//!
//! The tenant publishes a thousand events a second, each for one of its endpoints, which all behave the same. Where the
//! model is not exact, it assumes the worst: a batch attempts all its messages concurrently, other processes learn of a
//! suspension five seconds late, every probe succeeds, and all parked deliveries are sent at the same time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use shared::domain::delivery::attempt::{Answer, Cause, Failure, Outcome};
use shared::domain::delivery::outcome::{Consequence, OnFailure};
use shared::domain::delivery::response::Response;
use shared::domain::delivery::schedule::RetrySchedule;
use shared::domain::delivery::{Delivery, Mark};
use shared::domain::endpoint::circuit_breaker::{Counters, Outcomes, Suspension};
use shared::domain::event::event_type::EventType;
use shared::domain::ids::{EndpointId, EventId, OrganizationId};
use shared::domain::time::Timestamp;

/// Events per second.
pub(super) const RATE: u64 = 1_000;
/// The time for which a process may use the former status of a suspended endpoint, in seconds.
const REMEMBERED: u64 = 5;
/// The number of messages in a batch.
const BATCH: u64 = 10;
/// SQS's limit on the time for which a message can be hidden, in seconds.
const LONGEST_HIDE: u64 = 43_200;

/// A design of waiting and of handling failing endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Design {
    /// The production code's decisions.
    Ours,
    /// Every wait is a hidden message, and endpoints are never suspended.
    Naive,
}

/// The behavior of a tenant's receivers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receivers {
    /// The number of attempts of which `fail` fail.
    pub(super) of: u64,
    /// The number of failing attempts among `of`, evenly distributed.
    pub(super) fail: u64,
    /// The duration of a failing attempt in seconds. From ten seconds on, it is a timeout.
    pub(super) failing_takes: u64,
    /// The duration of a successful attempt in seconds.
    pub(super) success_takes: u64,
    /// The `Retry-After` of a failure in seconds.
    pub(super) retry_after: Option<u64>,
}

/// The traffic of one tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic<'a> {
    pub(super) design: Design,
    pub(super) schedule: &'a RetrySchedule,
    pub(super) receivers: Receivers,
    /// The number of endpoints over which the events are distributed.
    pub(super) endpoints: u64,
    /// The maximum number of concurrent batches.
    pub(super) concurrency: u64,
}

/// Deliveries that were published in the same second and have used the same number of retries.
#[derive(Debug, Clone, Copy)]
struct Cohort {
    published: u64,
    retry: usize,
    count: u64,
}

/// The state of a delivery after a failed attempt.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// In flight for this many seconds.
    Hidden(u64),
    /// Not in flight for this many seconds.
    Elsewhere(u64),
    None,
}

/// Deliveries by the second of their next change.
#[derive(Default)]
struct Timeline {
    by_second: BTreeMap<u64, Vec<Cohort>>,
    count: u64,
}

impl Timeline {
    fn add(&mut self, second: u64, cohort: Cohort) {
        self.count += cohort.count;
        self.by_second.entry(second).or_default().push(cohort);
    }

    /// Removes and returns the deliveries that change until this second.
    fn until(&mut self, second: u64) -> Vec<Cohort> {
        let mut found = Vec::new();
        while let Some(entry) = self.by_second.first_entry().filter(|entry| *entry.key() <= second) {
            found.extend(entry.remove());
        }
        self.count -= found.iter().map(|cohort| cohort.count).sum::<u64>();
        found
    }
}

/// The unfinished deliveries of a tenant.
pub(super) struct Tenant<'a> {
    traffic: Traffic<'a>,
    /// In the queue and visible.
    ready: VecDeque<Cohort>,
    /// Failing attempts by the second in which they end.
    failing: Timeline,
    succeeding: Timeline,
    /// Occupied places of batches by the second in which the batch ends.
    busy: Timeline,
    hidden: Timeline,
    elsewhere: Timeline,
    parked: Vec<Cohort>,
    /// The remainders of even distribution: of failures among attempts, and of results among endpoints.
    left: [u64; 3],
    counters: Counters,
    /// The suspension, and the second from which on all processes know it.
    suspension: Option<(Suspension, u64)>,
    waits: HashMap<(usize, u64), Wait>,
}

impl<'a> Tenant<'a> {
    pub(super) fn new(traffic: Traffic<'a>) -> Self {
        Self {
            traffic,
            ready: VecDeque::new(),
            failing: Timeline::default(),
            succeeding: Timeline::default(),
            busy: Timeline::default(),
            hidden: Timeline::default(),
            elsewhere: Timeline::default(),
            parked: Vec::new(),
            left: [0; 3],
            counters: Counters::default(),
            suspension: None,
            waits: HashMap::new(),
        }
    }

    /// Simulates one second, and returns the number of messages in flight after it.
    pub(super) fn step(&mut self, second: u64) -> u64 {
        self.ready.push_back(Cohort { published: second, retry: 0, count: RATE });
        for waiting in [&mut self.hidden, &mut self.elsewhere] {
            self.ready.extend(waiting.until(second));
        }
        self.probe(second);
        self.busy.until(second);
        self.attempt(second);
        let (succeeded, failed) = (self.succeeding.until(second), self.failing.until(second));
        let [successes, failures] = [&succeeded, &failed].map(|all| all.iter().map(|cohort| cohort.count).sum());
        self.count(successes, failures, second);
        failed.into_iter().for_each(|cohort| self.fail(cohort, second));
        self.failing.count + self.succeeding.count + self.hidden.count
    }

    fn probe(&mut self, second: u64) {
        if self.suspension.is_some_and(|(suspension, _)| suspension.probe_at <= at(second)) {
            self.suspension = None;
            self.counters = Counters::default();
            self.ready.extend(self.parked.drain(..));
        }
    }

    /// Receives as many messages as the batches can take, and attempts or parks them.
    fn attempt(&mut self, second: u64) {
        let Receivers { of, fail, failing_takes, success_takes, .. } = self.traffic.receivers;
        let is_known = self.suspension.is_some_and(|(_, known)| known <= second);
        if is_known {
            self.parked.extend(self.ready.drain(..));
            return;
        }
        let longest = if fail == of { failing_takes } else { failing_takes.max(success_takes) };
        while let Some(cohort) = self.ready.pop_front() {
            let capacity = match longest {
                0 => u64::MAX,
                _ => (self.traffic.concurrency * BATCH).saturating_sub(self.busy.count),
            };
            let begun = Cohort { count: cohort.count.min(capacity), ..cohort };
            if begun.count < cohort.count {
                self.ready.push_front(Cohort { count: cohort.count - begun.count, ..cohort });
            }
            if begun.count == 0 {
                return;
            }
            let failing = share(&mut self.left[0], begun.count * fail, of);
            self.busy.add(second + longest, begun);
            // Acknowledged messages stay in flight until their batch ends.
            self.succeeding.add(second + longest, Cohort { count: begun.count - failing, ..begun });
            self.failing.add(second + failing_takes, Cohort { count: failing, ..begun });
        }
    }

    /// Counts the attempts at one endpoint that ended in this second, in one write.
    fn count(&mut self, succeeded: u64, failed: u64, second: u64) {
        if self.traffic.design == Design::Naive || self.suspension.is_some() {
            return;
        }
        let Receivers { failing_takes, success_takes, .. } = self.traffic.receivers;
        let mut outcomes = Outcomes::default();
        let failures = share(&mut self.left[1], failed, self.traffic.endpoints);
        let successes = share(&mut self.left[2], succeeded, self.traffic.endpoints);
        let [failure, success] = [(true, failing_takes), (false, success_takes)].map(|(fails, takes)| {
            let delivery = delivery(0, 0);
            let (delivery, _) = delivery.after_attempt(&outcome(fails, takes, None), OnFailure::Hold, at(second));
            Outcomes::of(&delivery.log[0], at(second))
        });
        (0..failures).for_each(|_| outcomes += failure);
        (0..successes).for_each(|_| outcomes += success);
        self.counters = self.counters.after(&outcomes, at(second));
        if outcomes.has_failure() && self.counters.call_for_suspension(at(second)) {
            self.suspension = Some((Suspension::begun(at(second)), second + REMEMBERED));
        }
    }

    fn fail(&mut self, cohort: Cohort, second: u64) {
        let age = second - cohort.published;
        let wait = *self.waits.entry((cohort.retry, age)).or_insert_with(|| self.traffic.wait(cohort.retry, age));
        let (waiting, seconds) = match wait {
            Wait::Hidden(seconds) => (&mut self.hidden, seconds),
            Wait::Elsewhere(seconds) => (&mut self.elsewhere, seconds),
            Wait::None => return,
        };
        let next = Cohort { retry: cohort.retry + 1, ..cohort };
        waiting.add(second + seconds, next);
    }
}

impl Traffic<'_> {
    /// The wait after another failed attempt of a delivery with this age in seconds and this many used retries. Jitter
    /// has its mean value.
    fn wait(&self, retry: usize, age: u64) -> Wait {
        let Receivers { failing_takes, retry_after, .. } = self.receivers;
        let delivery = delivery(0, retry);
        let outcome = outcome(true, failing_takes, retry_after);
        let (after, consequence) = delivery.after_attempt(&outcome, OnFailure::Follow(self.schedule, 0.5), at(age));
        let seconds = |due: Timestamp| due.since(at(age)).as_millis().div_ceil(1_000) as u64;
        match (self.design, consequence, after.next_attempt_at) {
            (_, _, None) => Wait::None,
            (Design::Naive, _, Some(due)) => Wait::Hidden(seconds(due).min(LONGEST_HIDE)),
            (Design::Ours, Consequence::WaitUntil(due), _) => Wait::Hidden(seconds(due)),
            (Design::Ours, Consequence::WaitLongUntil(due), _) => Wait::Elsewhere(seconds(due)),
            (Design::Ours, Consequence::Done, Some(due)) => {
                assert_eq!(after.mark, Some(Mark::Due(due)));
                Wait::Elsewhere(seconds(due))
            }
            (Design::Ours, other, _) => panic!("{other:?} after a failed attempt"),
        }
    }
}

/// The share of `amount` for one of `of` receivers. The remainder is kept for the next call.
fn share(left: &mut u64, amount: u64, of: u64) -> u64 {
    *left += amount;
    let share = *left / of;
    *left %= of;
    share
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_774_382_400).plus(Duration::from_secs(second))
}

fn delivery(published: u64, retries_used: usize) -> Delivery {
    let id = EventId::new(at(published), [0; 8]).delivery(0).unwrap();
    let (organization, endpoint) = (OrganizationId::new(at(0), [0; 8]), EndpointId::new(at(0), [0; 8]));
    let fresh = Delivery::new(id, &organization, endpoint, &EventType::parse("a.b").unwrap(), false);
    Delivery { retries_used: u32::try_from(retries_used).unwrap(), ..fresh }
}

fn outcome(fails: bool, takes: u64, retry_after: Option<u64>) -> Outcome {
    let status = if fails { 503 } else { 200 };
    let answer = match fails && takes >= 10 && retry_after.is_none() {
        true => Answer::None(Cause::Timeout.into()),
        false => Answer::Response {
            status,
            kept: Response::default(),
            body_cut: false,
            retry_after: retry_after.map(Duration::from_secs),
            failure: Failure::of_status(status),
        },
    };
    let duration = Duration::from_secs(takes);
    Outcome { started_at: at(0), duration, signature: None, answer }
}
