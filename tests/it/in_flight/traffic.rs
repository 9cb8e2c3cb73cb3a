//! A deterministic model of one tenant's deliveries, second by second, with the product's own decisions: the state machine
//! of a delivery, the counters of an endpoint, and its suspension.
//!
//! A thousand events a second, each for one of the tenant's endpoints, which all do the same. What is worst is assumed
//! where the model does not follow: every message that a batch has room for is attempted at once, other processes learn of
//! a suspension five seconds late, each probe succeeds, and all that was parked then comes at once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use shared::domain::attempt::{Answer, Cause, Outcome};
use shared::domain::delivery::{Consequence, Delivery, Mark, OnFailure};
use shared::domain::event_type::EventType;
use shared::domain::health::{Counters, Outcomes, Suspension};
use shared::domain::ids::{EndpointId, EventId, OrganizationId};
use shared::domain::schedule::RetrySchedule;
use shared::domain::time::Timestamp;

/// Events a second.
pub(super) const RATE: u64 = 1_000;
/// For so long a process may go on with an endpoint that another one suspended, in seconds.
const REMEMBERED: u64 = 5;
/// How many messages a batch has.
const BATCH: u64 = 10;
/// The longest that SQS hides a message, in seconds.
const LONGEST_HIDE: u64 = 43_200;

/// How deliveries wait, and what becomes of endpoints that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Design {
    /// As the product decides.
    Ours,
    /// Every wait is hidden in the queue, and every endpoint is tried for ever.
    Naive,
}

/// What a tenant's receivers do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receivers {
    /// Of so many attempts …
    pub(super) of: u64,
    /// … so many fail, evenly spread.
    pub(super) fail: u64,
    /// How long an attempt takes to fail, in seconds; from ten seconds on, it times out.
    pub(super) failing_takes: u64,
    /// How long an attempt takes to succeed, in seconds.
    pub(super) success_takes: u64,
    /// What a failure asks for, in seconds.
    pub(super) retry_after: Option<u64>,
}

/// One tenant's traffic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic<'a> {
    pub(super) design: Design,
    pub(super) schedule: &'a RetrySchedule,
    pub(super) receivers: Receivers,
    /// Over how many endpoints the events are spread.
    pub(super) endpoints: u64,
    /// How many batches may be worked at.
    pub(super) concurrency: u64,
}

/// Deliveries that were published in the same second and have used up as many retries.
#[derive(Debug, Clone, Copy)]
struct Cohort {
    published: u64,
    retry: usize,
    count: u64,
}

/// Where a failed attempt leaves a delivery.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// In flight, for so many seconds.
    Hidden(u64),
    /// Not in flight, for so many seconds.
    Elsewhere(u64),
    None,
}

/// Deliveries by the second in which something happens to them.
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

    /// Takes out what happens until this second.
    fn until(&mut self, second: u64) -> Vec<Cohort> {
        let mut found = Vec::new();
        while let Some(entry) = self.by_second.first_entry().filter(|entry| *entry.key() <= second) {
            found.extend(entry.remove());
        }
        self.count -= found.iter().map(|cohort| cohort.count).sum::<u64>();
        found
    }
}

/// A tenant's deliveries under way.
pub(super) struct Tenant<'a> {
    traffic: Traffic<'a>,
    /// In the queue, to be received.
    ready: VecDeque<Cohort>,
    /// Attempts by the second in which they end.
    failing: Timeline,
    succeeding: Timeline,
    /// Places in batches by the second in which the batch ends.
    busy: Timeline,
    hidden: Timeline,
    elsewhere: Timeline,
    parked: Vec<Cohort>,
    /// What is left over of even spreading: of failures among attempts, and of outcomes among endpoints.
    left: [u64; 3],
    counters: Counters,
    /// The suspension, and from when on it is known to all.
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

    /// Lets a second pass, and returns how many messages are in flight after it.
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

    /// Receives what there is room for, and attempts it or parks it.
    fn attempt(&mut self, second: u64) {
        let Receivers { of, fail, failing_takes, success_takes, .. } = self.traffic.receivers;
        let is_known = self.suspension.is_some_and(|(_, known)| known <= second);
        if is_known {
            self.parked.extend(self.ready.drain(..));
            return;
        }
        let longest = if fail == of { failing_takes } else { failing_takes.max(success_takes) };
        while let Some(cohort) = self.ready.pop_front() {
            let room = match longest {
                0 => u64::MAX,
                _ => (self.traffic.concurrency * BATCH).saturating_sub(self.busy.count),
            };
            let begun = Cohort { count: cohort.count.min(room), ..cohort };
            if begun.count < cohort.count {
                self.ready.push_front(Cohort { count: cohort.count - begun.count, ..cohort });
            }
            if begun.count == 0 {
                return;
            }
            let failing = share(&mut self.left[0], begun.count * fail, of);
            self.busy.add(second + longest, begun);
            // What is acknowledged is in flight until its batch ends.
            self.succeeding.add(second + longest, Cohort { count: begun.count - failing, ..begun });
            self.failing.add(second + failing_takes, Cohort { count: failing, ..begun });
        }
    }

    /// Counts what ended in this second at one of the endpoints, in one write.
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
    /// Where a delivery waits that was published so many seconds ago and has used up so many retries, after one more
    /// failed attempt. Jitter is at its mean.
    fn wait(&self, retry: usize, age: u64) -> Wait {
        let Receivers { failing_takes, retry_after, .. } = self.receivers;
        let delivery = delivery(0, retry);
        let outcome = outcome(true, failing_takes, retry_after);
        let (after, consequence) = delivery.after_attempt(&outcome, OnFailure::Follow(self.schedule, 0.5), at(age));
        let seconds = |due: Timestamp| due.since(at(age)).as_millis().div_ceil(1_000) as u64;
        match (self.design, consequence, after.next_attempt_at) {
            (_, _, None) => Wait::None,
            (Design::Naive, _, Some(due)) => Wait::Hidden(seconds(due).min(LONGEST_HIDE)),
            (Design::Ours, Consequence::HideUntil(due), _) => Wait::Hidden(seconds(due)),
            (Design::Ours, Consequence::SendDelayed(due), _) => Wait::Elsewhere(seconds(due)),
            (Design::Ours, Consequence::Drop, Some(due)) => {
                assert_eq!(after.mark, Some(Mark::Due(due)));
                Wait::Elsewhere(seconds(due))
            }
            (Design::Ours, other, _) => panic!("{other:?} after a failed attempt"),
        }
    }
}

/// So much of `amount` as one of `of` gets; the rest is left for the next time.
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
            body: String::new(),
            body_cut: false,
            retry_after: retry_after.map(Duration::from_secs),
        },
    };
    let duration = Duration::from_secs(takes);
    Outcome { started_at: at(0), duration, signature: String::new(), answer }
}
