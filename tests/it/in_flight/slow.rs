//! A model of slow endpoints with the production code's counters. It measures how soon they move to the slow lane and
//! back.

use std::time::Duration;

use shared::domain::delivery::attempt::AttemptEntry;
use shared::domain::endpoint::circuit_breaker::{Counters, Outcomes};
use shared::domain::endpoint::lane::Lane;
use shared::domain::time::Timestamp;

const ENDPOINTS: u64 = 1_000;
const MINUTE: u64 = 60;
const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

/// Endpoints that get one event a minute each, in different seconds of the minute.
struct Endpoints(Vec<Counters>);

impl Endpoints {
    /// Simulates one second, in which attempts of this duration end.
    fn step(&mut self, second: u64, takes: Duration) {
        let now = START.plus(Duration::from_secs(second));
        for (number, counters) in (0..).zip(&mut self.0) {
            let began = second.checked_sub(takes.as_secs());
            if began.is_some_and(|began| began % MINUTE == number % MINUTE) {
                *counters = counters.after(&Outcomes::of(&success(takes), now), now);
            }
        }
    }

    /// The number of minutes after which all endpoints are in this lane.
    fn minutes_to(&mut self, lane: Lane, from: u64, takes: Duration) -> u64 {
        let is_over = |all: &Self| all.0.iter().all(|counters| counters.slow_time.lane == lane);
        let passed = (0..).find(|second| {
            self.step(from + second, takes);
            is_over(self)
        });
        passed.unwrap().div_ceil(MINUTE)
    }
}

fn success(takes: Duration) -> AttemptEntry {
    AttemptEntry { duration_ms: u32::try_from(takes.as_millis()).unwrap(), ..AttemptEntry::at(START) }
}

#[test]
fn a_thousand_endpoints_move_to_the_slow_lane_within_three_minutes_and_back_when_they_respond_quickly() {
    for minutes_slow in [0, 60] {
        let mut endpoints = Endpoints(vec![Counters::default(); ENDPOINTS as usize]);
        let to_slow = endpoints.minutes_to(Lane::Slow, 0, Duration::from_secs(29));
        assert!(to_slow <= 3, "{to_slow} minutes");
        let from = (to_slow + minutes_slow) * MINUTE;
        (to_slow * MINUTE..from).for_each(|second| endpoints.step(second, Duration::from_secs(29)));
        let to_fast = endpoints.minutes_to(Lane::Fast, from, Duration::from_millis(50));
        // The full bucket is empty after 20 minutes.
        assert!(to_fast <= 21, "{to_fast} minutes");
    }
}

#[test]
fn endpoints_that_respond_within_two_seconds_stay_in_the_fast_lane() {
    let mut endpoints = Endpoints(vec![Counters::default(); ENDPOINTS as usize]);
    for second in 0..60 * MINUTE {
        endpoints.step(second, Duration::from_millis(1_900));
    }
    assert!(endpoints.0.iter().all(|counters| counters.slow_time.lane == Lane::Fast));
}
