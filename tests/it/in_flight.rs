//! A small deterministic model of how many messages are in flight, with the product's own schedule and circuit breaker,
//! against the obvious design that parks every wait in the queue. The table in docs/reliability.md is its output.
//!
//! 1,000 events a second for 1,000 endpoints, a second a step. Some of the endpoints are down for an hour. An endpoint
//! that works answers at once and has nothing in flight. The consumer is always fast enough. Jitter is at its mean.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use shared::domain::health::Health;
use shared::domain::schedule::{MAX_DELAYED_SECONDS, MAX_HIDDEN_SECONDS, RetrySchedule};
use shared::domain::time::Timestamp;

use crate::support::{grouped, update_table};

/// What SQS allows a standard queue to have in flight.
const LIMIT: u64 = 120_000;
const ENDPOINTS: u64 = 1_000;
const HOUR: u64 = 3_600;
/// The longest that SQS hides a message, in seconds.
const LONGEST_HIDE: u64 = 43_200;

#[derive(Clone, Copy, PartialEq)]
enum Design {
    /// Short waits hidden, longer ones delayed, the longest parked in the table, and a circuit breaker.
    Ours,
    /// Every wait hidden in the queue, every endpoint tried for ever.
    Naive,
}

/// One endpoint that is down, with an event a second.
struct Down<'a> {
    design: Design,
    schedule: &'a RetrySchedule,
    /// How long an attempt takes to fail, in seconds.
    failing_takes: u64,
    health: Health,
    /// When attempts that are under way end, by the retry that each is.
    under_way: BTreeMap<u64, Vec<usize>>,
    /// When hidden messages come back, by the retry that each will be.
    hidden: BTreeMap<u64, Vec<usize>>,
    /// When delayed messages come, by the retry that each will be. They are not in flight.
    delayed: BTreeMap<u64, Vec<usize>>,
}

impl<'a> Down<'a> {
    fn new(design: Design, schedule: &'a RetrySchedule, failing_takes: u64) -> Self {
        let (under_way, hidden, delayed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { design, schedule, failing_takes, health: Health::default(), under_way, hidden, delayed }
    }

    /// Lets a second pass and says how much is in flight after it.
    fn step(&mut self, second: u64) -> u64 {
        self.attempt(0, second);
        let mut come = Vec::new();
        for waiting in [&mut self.hidden, &mut self.delayed] {
            while let Some(entry) = waiting.first_entry().filter(|entry| *entry.key() <= second) {
                come.extend(entry.remove());
            }
        }
        come.into_iter().for_each(|retry| self.attempt(retry, second));
        if self.is_suspended() {
            self.probe(second);
        }
        while let Some(entry) = self.under_way.first_entry().filter(|entry| *entry.key() <= second) {
            for retry in entry.remove() {
                self.fail(retry, second);
            }
        }
        let count = |times: &BTreeMap<u64, Vec<usize>>| times.values().map(|all| all.len() as u64).sum::<u64>();
        count(&self.under_way) + count(&self.hidden)
    }

    /// A delivery comes up: it is attempted, or parked outside the queue.
    fn attempt(&mut self, retry: usize, second: u64) {
        if !self.is_suspended() {
            self.under_way.entry(second + self.failing_takes).or_default().push(retry);
        }
    }

    fn probe(&mut self, second: u64) {
        let suspension = self.health.suspension.unwrap();
        if suspension.probe_at <= at(second) {
            self.health.suspension = Some(suspension.probed(at(second)));
            self.under_way.entry(second + self.failing_takes).or_default().push(usize::MAX);
        }
    }

    fn fail(&mut self, retry: usize, second: u64) {
        if retry == usize::MAX {
            return; // A probe goes back to where it was parked.
        }
        if self.design == Design::Ours {
            self.health.failures += 1;
            self.health.timeouts += u32::from(self.failing_takes > 0);
            self.health.failing_since.get_or_insert(at(second));
            if self.health.calls_for_suspension(at(second)) {
                self.health = self.health.suspended(at(second));
            }
        }
        let Some(delay) = self.schedule.delay(retry, 0.5, None) else { return };
        let seconds = delay.as_secs();
        let (waiting, seconds) = match self.design {
            Design::Naive => (&mut self.hidden, seconds.min(LONGEST_HIDE)),
            Design::Ours if seconds <= u64::from(MAX_HIDDEN_SECONDS) => (&mut self.hidden, seconds),
            Design::Ours if seconds <= u64::from(MAX_DELAYED_SECONDS) => (&mut self.delayed, seconds),
            Design::Ours => return, // Parked.
        };
        waiting.entry(second + seconds).or_default().push(retry + 1);
    }

    fn is_suspended(&self) -> bool {
        self.design == Design::Ours && self.health.suspension.is_some()
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_774_382_400).plus(Duration::from_secs(second))
}

/// How much is in flight in each second of the hour, for all endpoints that are down.
fn hour(design: Design, schedule: &RetrySchedule, failing_takes: u64, down: u64) -> Vec<u64> {
    let mut one = Down::new(design, schedule, failing_takes);
    (0..HOUR).map(|second| one.step(second) * down).collect()
}

/// The highest count, its second, and the second in which the limit is passed.
fn peak(counts: &[u64]) -> (u64, usize, Option<usize>) {
    let highest = counts.iter().copied().max().unwrap();
    let position = |of: &dyn Fn(&u64) -> bool| counts.iter().position(of);
    (highest, position(&|count| *count == highest).unwrap(), position(&|count| *count > LIMIT))
}

fn table() -> String {
    let schedules = [
        ("1, 5, 30 s (default)", RetrySchedule::default()),
        (
            "5 s to 24 h (Standard Webhooks)",
            RetrySchedule::parse("5,300,1800,7200,18000,36000,50400,72000,86400").unwrap(),
        ),
    ];
    let mut table = String::from(
        "| schedule | they | down | Pigeonpost: most in flight | every wait in the queue: most in flight | passes 120,000 |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, schedule) in &schedules {
        for (they, failing_takes) in [("fail at once", 0), ("hang for 10 s", 10)] {
            for (share, down) in [("1 %", ENDPOINTS / 100), ("10 %", ENDPOINTS / 10), ("all", ENDPOINTS)] {
                let ours = peak(&hour(Design::Ours, schedule, failing_takes, down));
                let naive = peak(&hour(Design::Naive, schedule, failing_takes, down));
                assert_eq!(ours.2, None, "{name}, {they}, {share}: the limit is passed");
                let passes = naive.2.map_or("not in this hour".to_owned(), |second| format!("after {second} s"));
                writeln!(
                    table,
                    "| {name} | {they} | {share} | {}, after {} s | {} | {passes} |",
                    grouped(ours.0),
                    ours.1,
                    grouped(naive.0)
                )
                .unwrap();
            }
        }
    }
    table
}

/// After a change: `UPDATE_RELIABILITY=1 cargo test --test it in_flight`.
#[test]
fn the_table_of_what_is_in_flight_is_current_and_never_passes_the_limit() {
    update_table("the in-flight model", &table());
}
