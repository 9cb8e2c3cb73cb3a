//! A model of endpoints that answer some requests slowly and others quickly, in steps of one second, with the production
//! code's counters. It measures how long such endpoints hold invocations of the fast lane.
//!
//! Where the model is not exact, it assumes the worst: each slow attempt holds an invocation of its own, there is no limit
//! of invocations that would slow the endpoint down, and processes learn of a move five seconds late.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use shared::domain::delivery::attempt::AttemptEntry;
use shared::domain::endpoint::circuit_breaker::{Counters, Outcomes};
use shared::domain::endpoint::lane::Lane;
use shared::domain::time::Timestamp;

use crate::support::grouped;

const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);
/// The time for which a process may use the former lane of an endpoint, in seconds.
const REMEMBERED: u64 = 5;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The percentages of fast answers.
const FAST: [u64; 4] = [0, 50, 80, 95];
/// The durations of slow answers, in seconds.
const TAKES: [u64; 3] = [3, 9, 29];
/// Events a minute for each endpoint.
const RATES: [u64; 4] = [MINUTE, 10 * MINUTE, 30 * MINUTE, 100 * MINUTE];
/// At most this share of an invocation is held by each endpoint that stays in the fast lane.
const SHARE: f64 = 1.0 / 20.0;
/// An endpoint moves when its slow attempts have taken this many seconds more than its share.
const BUCKET: f64 = 45.0;

/// The traffic and the answers of an endpoint.
#[derive(Debug, Clone, Copy)]
struct Mixture {
    fast_percent: u64,
    takes: u64,
    per_minute: u64,
}

impl Mixture {
    /// The invocations that the slow attempts would hold if the endpoint never moved.
    fn occupies(self) -> f64 {
        (self.per_minute * (100 - self.fast_percent) * self.takes) as f64 / (100 * MINUTE) as f64
    }
}

/// Slow attempts that began in the same second.
struct Cohort {
    ends: u64,
    count: u64,
    lane: Lane,
}

struct Endpoint {
    mixture: Mixture,
    counters: Counters,
    /// The lane that all processes know, and one that they learn of in a later second.
    known: Lane,
    learned: Option<(u64, Lane)>,
    slow: VecDeque<Cohort>,
    /// The remainders of even distribution: of events among seconds, and of slow answers among events.
    left: [u64; 2],
}

impl Endpoint {
    /// The n-th of several endpoints, whose events are not in step.
    fn nth(mixture: Mixture, n: u64) -> Self {
        let left = [n * 7 % MINUTE, n * 13 % 100];
        Self { mixture, counters: Counters::default(), known: Lane::Fast, learned: None, slow: VecDeque::new(), left }
    }

    /// Simulates a second, and returns the slow attempts that begin in it, with their lane.
    fn step(&mut self, second: u64) -> (u64, Lane) {
        let now = START.plus(Duration::from_secs(second));
        let Mixture { fast_percent, takes, per_minute } = self.mixture;
        if let Some((_, lane)) = self.learned.take_if(|(at, _)| *at <= second) {
            self.known = lane;
        }
        let events = share(&mut self.left[0], per_minute, MINUTE);
        let begun = share(&mut self.left[1], events * (100 - fast_percent), 100);
        let mut outcomes = Outcomes::default();
        while let Some(cohort) = self.slow.pop_front_if(|cohort| cohort.ends <= second) {
            (0..cohort.count).for_each(|_| outcomes += attempt(Duration::from_secs(takes), now));
        }
        // The outcomes of a second are counted in one write.
        let before = self.counters.slow_time.lane;
        if events > begun || outcomes != Outcomes::default() {
            self.counters = self.counters.after(&outcomes, now);
        }
        let lane = self.counters.slow_time.lane;
        if lane != before {
            self.learned = Some((second + REMEMBERED, lane));
        }
        self.slow.push_back(Cohort { ends: second + takes, count: begun, lane: self.known });
        (begun, self.known)
    }

    /// The invocations of the fast lane that the endpoint holds.
    fn held(&self) -> u64 {
        self.slow.iter().filter(|cohort| cohort.lane == Lane::Fast).map(|cohort| cohort.count).sum()
    }
}

fn attempt(takes: Duration, now: Timestamp) -> Outcomes {
    let duration_ms = u32::try_from(takes.as_millis()).unwrap();
    Outcomes::of(&AttemptEntry { duration_ms, ..AttemptEntry::at(START) }, now)
}

/// The share of `amount` for one of `of`. The remainder is kept for the next call.
fn share(left: &mut u64, amount: u64, of: u64) -> u64 {
    *left += amount;
    let share = *left / of;
    *left %= of;
    share
}

/// The number of held invocations of the fast lane after each second.
fn held(mixture: Mixture, endpoints: u64, seconds: u64) -> Vec<u64> {
    let mut endpoints: Vec<_> = (0..endpoints).map(|n| Endpoint::nth(mixture, n)).collect();
    let step = |second: u64| {
        for endpoint in &mut endpoints {
            endpoint.step(second);
        }
        endpoints.iter().map(Endpoint::held).sum()
    };
    (0..seconds).map(step).collect()
}

fn mixtures(rates: &[u64]) -> Vec<Mixture> {
    let of_rate = |per_minute: u64| {
        let of_share = move |fast_percent| TAKES.map(|takes| Mixture { fast_percent, takes, per_minute });
        FAST.into_iter().flat_map(of_share)
    };
    rates.iter().copied().flat_map(of_rate).collect()
}

/// The endpoints may be of one tenant or of several.
#[test]
fn endpoints_with_an_event_a_second_hold_nothing_after_ten_minutes_whatever_share_of_them_is_fast() {
    for mixture in mixtures(&RATES) {
        for endpoints in [1, 10] {
            let held = held(mixture, endpoints, HOUR);
            // Those that would hold an invocation or more move sooner.
            let settled = if mixture.occupies() >= 1.0 { 2 * MINUTE } else { 10 * MINUTE };
            let later = held.iter().skip(settled as usize).max();
            assert_eq!(later, Some(&0), "{mixture:?}, {endpoints} endpoints");
        }
    }
}

#[test]
fn each_endpoint_with_fewer_events_holds_at_most_a_sixteenth_of_an_invocation() {
    for mixture in mixtures(&[1, 2, 6]) {
        for endpoints in [1, 50] {
            let held = held(mixture, endpoints, 2 * HOUR);
            let of_hour = held[HOUR as usize..].iter().sum::<u64>() as f64;
            let most = endpoints as f64 * (BUCKET + SHARE * HOUR as f64);
            assert!(of_hour <= most, "{mixture:?}, {endpoints} endpoints: {of_hour} s in an hour");
        }
    }
}

#[test]
fn an_endpoint_with_a_slow_answer_an_hour_stays_in_the_fast_lane() {
    for takes in TAKES.into_iter().chain([30]) {
        let mut endpoint = Endpoint::nth(Mixture { fast_percent: 100, takes, per_minute: MINUTE }, 0);
        for second in 0..24 * HOUR {
            endpoint.mixture.fast_percent = if second % HOUR == 0 { 0 } else { 100 };
            assert_eq!(endpoint.step(second).1, Lane::Fast, "{takes} s");
        }
    }
}

/// A tenant may answer quickly until its endpoint is in the fast lane again.
#[test]
fn an_endpoint_that_is_slow_and_fast_by_turns_is_slow_in_the_fast_lane_for_at_most_a_twentieth_of_the_time() {
    for (takes, per_minute) in [(3, MINUTE), (9, MINUTE), (29, MINUTE), (29, 100 * MINUTE)] {
        for slow_for in [5, 15, 30, 60, 600] {
            for fast_for in [60, 300, 900, 1_200, 1_300, 2_000] {
                let mut endpoint = Endpoint::nth(Mixture { fast_percent: 0, takes, per_minute }, 0);
                let is_held = |second: &u64| {
                    let is_slow = second % (slow_for + fast_for) < slow_for;
                    endpoint.mixture.fast_percent = if is_slow { 0 } else { 100 };
                    let (begun, lane) = endpoint.step(*second);
                    begun > 0 && lane == Lane::Fast
                };
                let seconds = (0..6 * HOUR).filter(is_held).count() as f64;
                assert!(
                    seconds <= SHARE * (6 * HOUR) as f64,
                    "{slow_for} s of {takes} s, then {fast_for} s: {seconds} s in six hours"
                );
            }
        }
    }
}

/// The second in which the last slow attempt in the fast lane ends, and the invocations that are held until then.
pub(super) fn table() -> String {
    let mut table = String::from(
        "| fast answers | the others take | 1 event/s | 10 events/s | 100 events/s |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for fast_percent in FAST {
        for takes in TAKES {
            write!(table, "| {fast_percent} % | {takes} s |").unwrap();
            for per_minute in [MINUTE, 10 * MINUTE, 100 * MINUTE] {
                let mixture = Mixture { fast_percent, takes, per_minute };
                let held = held(mixture, 1, HOUR);
                let last = held.iter().rposition(|held| *held > 0).unwrap() + 1;
                let most = held.into_iter().max().unwrap();
                write!(table, " {last} s, at most {} |", grouped(most)).unwrap();
            }
            table.push('\n');
        }
    }
    table
}
