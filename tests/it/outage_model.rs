//! A deterministic model of 100,000 messages during and after a day without the table, with the production code for
//! isolation. Its output is a table in docs/reliability.md.
//!
//! `MaximumConcurrency` processes receive ten messages at a time. During the outage a run fails, and its messages
//! become visible six minutes after they were received. Afterwards a run takes as long as its attempts and the reading
//! before them. An endpoint has the default timeout, or one of 30 s if its receiver takes longer. The model does not
//! suspend endpoints, does not replace processes and publishes nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use shared::domain::delivery::isolation::{CompletedTasks, Order};
use shared::domain::endpoint::timeout::TimeoutSeconds;
use shared::domain::time::Timestamp;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, MAX_RECEIVES, VISIBILITY_SECONDS};

use crate::support::{grouped, update_table};

const MESSAGES: usize = 100_000;
/// The default value of `MaximumConcurrency`.
const PROCESSES: usize = 50;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const OUTAGE: u64 = 24 * HOUR;
const VISIBILITY: u64 = VISIBILITY_SECONDS as u64 * SECOND;
/// The time limit of a run.
const RUN: u64 = CONSUMER_TIMEOUT_SECONDS as u64 * SECOND;
/// The time for reading before the attempts, in milliseconds.
const READING: u64 = 50;

/// The rule by which a batch is processed.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// The production code's rule.
    Ours,
    /// All tasks of a batch run concurrently.
    Together,
    /// Every suspicious task runs alone.
    OneByOne,
}

/// The queue and the processes. Times are in milliseconds.
#[derive(Clone)]
struct Model {
    visible: VecDeque<usize>,
    /// Batches by the time at which they become visible, the earliest first.
    hidden: VecDeque<(u64, Vec<usize>)>,
    receives: Vec<u32>,
    /// The time at which each process is free, and its number.
    free: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Model {
    fn new() -> Self {
        Self {
            visible: (0..MESSAGES).collect(),
            hidden: VecDeque::new(),
            receives: vec![0; MESSAGES],
            free: (0..PROCESSES).map(|process| Reverse((0, process))).collect(),
        }
    }

    /// Returns the next batch, the time at which it is received and the process that receives it. Returns `None` if the
    /// queue is empty.
    fn receive(&mut self) -> Option<(u64, usize, Vec<usize>)> {
        let Reverse((mut now, process)) = self.free.pop()?;
        if self.visible.is_empty() {
            now = now.max(self.hidden.front()?.0);
        }
        while let Some((_, batch)) = self.hidden.pop_front_if(|(at, _)| *at <= now) {
            self.visible.extend(batch);
        }
        let batch: Vec<_> = self.visible.drain(..self.visible.len().min(CONSUMER_BATCH as usize)).collect();
        batch.iter().for_each(|message| self.receives[*message] += 1);
        Some((now, process, batch))
    }

    /// Simulates the outage. Each run fails after this time.
    fn fail(&mut self, fails_in: u64) {
        while let Some((now, process, batch)) = self.receive() {
            self.hidden.push_back((now + VISIBILITY, batch));
            self.free.push(Reverse((now + fails_in, process)));
            if now >= OUTAGE {
                return;
            }
        }
    }

    /// Simulates the time after the outage. `takes` is the duration of an attempt. Returns the time of the last
    /// delivery and the highest receive count of a message.
    fn deliver(mut self, rule: Rule, takes: impl Fn(usize) -> u64) -> (u64, u32) {
        let (usual, longest) = (TimeoutSeconds::default(), TimeoutSeconds::new(30).unwrap());
        let timeout = |message: usize| if takes(message) > 10 * SECOND { longest } else { usual };
        let mut completed: Vec<_> = (0..PROCESSES).map(|_| CompletedTasks::default()).collect();
        let mut random = 0;
        let mut last = 0;
        while let Some((began, process, batch)) = self.receive() {
            let completed = &mut completed[process];
            let are_many = match rule {
                Rule::Ours => completed.are_many(at(began)),
                Rule::Together => true,
                Rule::OneByOne => false,
            };
            let is_suspicious = |message: usize| self.receives[message] > 1;
            let tasks: Vec<_> = batch.iter().map(|it| is_suspicious(*it).then(|| next(&mut random))).collect();
            let Order { together, alone } = Order::of(&tasks, are_many);
            let mut now = began + READING;
            now += together.iter().map(|task| takes(batch[*task])).max().unwrap_or(0);
            together.iter().filter(|task| tasks[**task].is_some()).for_each(|_| completed.record(at(now)));
            let fits = |timeout: TimeoutSeconds, now: u64| {
                timeout.fits(Duration::from_millis((began + RUN).saturating_sub(now)))
            };
            for task in alone {
                let message = batch[task];
                now += if fits(TimeoutSeconds::SHORTEST, now) { READING } else { 0 };
                if fits(timeout(message), now) {
                    now += takes(message);
                    completed.record(at(now));
                } else {
                    self.visible.push_back(message);
                }
            }
            last = last.max(now);
            self.free.push(Reverse((now, process)));
        }
        (last, self.receives.into_iter().max().unwrap())
    }
}

/// The next number of a fixed pseudorandom sequence (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_774_382_400).plus(Duration::from_millis(milliseconds))
}

fn table() -> String {
    let mut table = String::from(
        "| runs during the outage | receivers answer in | most receives of a message | all delivered after | ten at a time | one by one |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (fails, fails_in) in [("fail at once", 50), ("fail after 10 s", 10 * SECOND)] {
        let mut model = Model::new();
        model.fail(fails_in);
        for (receivers, usual, hanging) in [
            ("0.1 s", 100, 100),
            ("0.1 s, and 1 % in 10 s", 100, 10 * SECOND),
            ("1 s", SECOND, SECOND),
            ("5 s", 5 * SECOND, 5 * SECOND),
            ("10 s", 10 * SECOND, 10 * SECOND),
            ("30 s", 30 * SECOND, 30 * SECOND),
        ] {
            let takes = |message: usize| if message.is_multiple_of(100) { hanging } else { usual };
            let ended = |rule: Rule| {
                let (last, receives) = model.clone().deliver(rule, takes);
                (last - OUTAGE, receives)
            };
            let (ours, receives) = ended(Rule::Ours);
            let [together, one_by_one] = [Rule::Together, Rule::OneByOne].map(|rule| ended(rule).0);
            assert!(ours <= together + HOUR / 2, "{fails}, {receivers}: {ours} ms and {together} ms");
            assert!(receives < MAX_RECEIVES, "{fails}, {receivers}: {receives} receives");
            let [ours, together, one_by_one] =
                [ours, together, one_by_one].map(|time| grouped(time.div_ceil(60 * SECOND)));
            writeln!(table, "| {fails} | {receivers} | {receives} | {ours} min | {together} min | {one_by_one} min |")
                .unwrap();
        }
    }
    table
}

/// To update the table: run `UPDATE_RELIABILITY=1 cargo test --test it outage_model`.
#[test]
fn isolation_after_an_outage_costs_at_most_half_an_hour_and_the_table_is_current() {
    update_table("the outage model", &table());
}
