//! A small deterministic model of 100,000 messages during and after a day without the table, with the product's own rule
//! for isolation. The table in docs/reliability.md is its output.
//!
//! `MaximumConcurrency` processes take ten messages at a time. During the outage a run fails and its messages come back
//! six minutes after they were received. Afterwards a run takes as long as its attempts and the reading before them. What
//! the model leaves out makes it slower or safer: endpoints that hang are not suspended, no process is replaced, and
//! nothing is published.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use shared::domain::isolation::{Finished, Order};
use shared::domain::time::Timestamp;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS, MAX_RECEIVES, VISIBILITY_SECONDS};

use crate::support::{grouped, update_table};

const MESSAGES: usize = 100_000;
/// The default of `MaximumConcurrency`.
const PROCESSES: usize = 50;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const OUTAGE: u64 = 24 * HOUR;
const VISIBILITY: u64 = VISIBILITY_SECONDS as u64 * SECOND;
/// What an attempt must have left of a run: the default timeout of an endpoint, and a second.
const ROOM: u64 = 11 * SECOND;
/// How long reading takes before the attempts, in milliseconds.
const READING: u64 = 50;

/// How a batch is processed.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// The product's.
    Ours,
    /// Every suspicious task alone, always.
    OneByOne,
}

/// The queue and the processes. Times are in milliseconds.
#[derive(Clone)]
struct Model {
    visible: VecDeque<usize>,
    /// Batches that come back at these times, the next one first.
    hidden: VecDeque<(u64, Vec<usize>)>,
    receives: Vec<u32>,
    /// When each process is free, by its number.
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

    /// The next batch, the time when it is received and the process that receives it. `None` if the queue is empty.
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

    /// The outage: runs that take so long fail.
    fn fail(&mut self, fails_in: u64) {
        while let Some((now, process, batch)) = self.receive() {
            self.hidden.push_back((now + VISIBILITY, batch));
            self.free.push(Reverse((now + fails_in, process)));
            if now >= OUTAGE {
                return;
            }
        }
    }

    /// The time after the outage: attempts take so long. Returns when the last message was delivered.
    fn deliver(mut self, rule: Rule, takes: impl Fn(usize) -> u64) -> u64 {
        let mut finished: Vec<_> = (0..PROCESSES).map(|_| Finished::default()).collect();
        let mut last = 0;
        while let Some((began, process, batch)) = self.receive() {
            let finished = &mut finished[process];
            let are_many = rule == Rule::Ours && finished.are_many(at(began));
            let tasks: Vec<_> = (0..).zip(&batch).map(|(place, it)| (self.receives[*it] - 1, place)).collect();
            let Order { together, alone } = Order::of(&tasks, are_many);
            let mut now = began + READING;
            now += together.iter().map(|task| takes(batch[*task])).max().unwrap_or(0);
            together.iter().filter(|task| tasks[**task].0 > 0).for_each(|_| finished.note(at(now)));
            for task in alone {
                if now + ROOM > began + u64::from(CONSUMER_TIMEOUT_SECONDS) * SECOND {
                    self.visible.push_back(batch[task]);
                    continue;
                }
                now += READING + takes(batch[task]);
                finished.note(at(now));
            }
            last = last.max(now);
            self.free.push(Reverse((now, process)));
        }
        last
    }
}

fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_774_382_400).plus(Duration::from_millis(milliseconds))
}

fn table() -> String {
    let mut table = String::from(
        "| runs during the outage | receivers answer in | most receives of a message | all delivered after | one by one |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for (fails, fails_in) in [("fail at once", 50), ("fail after 10 s", 10 * SECOND)] {
        let mut model = Model::new();
        model.fail(fails_in);
        let receives = model.receives.iter().copied().max().unwrap();
        for (receivers, usual, hanging) in [
            ("0.1 s", 100, 100),
            ("0.1 s, and 1 % in 10 s", 100, 10 * SECOND),
            ("1 s", SECOND, SECOND),
            ("5 s", 5 * SECOND, 5 * SECOND),
        ] {
            let takes = |message: usize| if message.is_multiple_of(100) { hanging } else { usual };
            let ours = model.clone().deliver(Rule::Ours, takes) - OUTAGE;
            let one_by_one = model.clone().deliver(Rule::OneByOne, takes) - OUTAGE;
            assert!(ours <= HOUR, "{fails}, {receivers}: {ours} ms");
            assert!(receives < MAX_RECEIVES, "{fails}: {receives} receives");
            let minutes = |time: u64| grouped(time.div_ceil(60 * SECOND));
            writeln!(
                table,
                "| {fails} | {receivers} | {receives} | {} min | {} min |",
                minutes(ours),
                minutes(one_by_one)
            )
            .unwrap();
        }
    }
    table
}

/// After a change: `UPDATE_RELIABILITY=1 cargo test --test it outage_model`.
#[test]
fn the_table_of_what_is_delivered_after_a_day_without_the_table_is_current_and_takes_less_than_an_hour() {
    update_table("the outage model", &table());
}
