//! The number of messages in flight. The tables in docs/reliability.md are the output of the models in `traffic.rs`
//! and `mixtures.rs`.

mod mixtures;
mod slow;
mod traffic;

use std::fmt::Write as _;

use shared::domain::delivery::schedule::RetrySchedule;
use traffic::{Design, RATE, Receivers, Tenant, Traffic};

use crate::support::{grouped, update_table};

/// SQS's limit of messages in flight for a standard queue.
const LIMIT: u64 = 120_000;
/// The share of the limit that one tenant with a thousand events a second may use.
const SHARE: u64 = 45_000;
/// The default and the maximum of `MaximumConcurrency`.
const CONCURRENCY: [u64; 2] = [50, 1_000];
/// The simulated time in seconds: enough for an outage, the suspension, the probe after a minute and its effects.
const SECONDS: u64 = 170;
const HOUR: u64 = 3_600;

/// The maximum number of messages in flight in this many seconds, and the first second that has it.
fn peak(traffic: Traffic<'_>, seconds: u64) -> (u64, u64) {
    let mut tenant = Tenant::new(traffic);
    let counts = (0..seconds).map(|second| (tenant.step(second), second));
    counts.fold((0, 0), |highest, count| if count.0 > highest.0 { count } else { highest })
}

fn schedule(delays: &[u32]) -> RetrySchedule {
    RetrySchedule::new(delays.to_vec()).unwrap()
}

/// Receivers of which `fail` of `of` attempts fail. All attempts take `takes` seconds.
const fn failing(fail: u64, of: u64, takes: u64) -> Receivers {
    Receivers { of, fail, failing_takes: takes, success_takes: takes, retry_after: None }
}

/// The maximum number of messages that one tenant has in flight, over all combinations of schedules, responses, failure
/// rates, durations, numbers of endpoints and settings.
fn worst() -> (u64, String) {
    let schedules: [&[u32]; 5] = [&[1, 5, 30], &[1; 16], &[9; 16], &[30; 16], &[900; 16]];
    let mut worst = (0, String::new());
    for delays in schedules {
        let schedule = schedule(delays);
        for retry_after in [None, Some(30), Some(900)] {
            for (fail, of) in [(1, 1), (51, 100), (1, 2)] {
                for (failing_takes, success_takes) in [(0, 0), (1, 1), (30, 30), (0, 30)] {
                    for (endpoints, concurrency) in [1, 1_000].into_iter().flat_map(|it| CONCURRENCY.map(|to| (it, to)))
                    {
                        let receivers = Receivers { of, fail, failing_takes, success_takes, retry_after };
                        let traffic =
                            Traffic { design: Design::Ours, schedule: &schedule, receivers, endpoints, concurrency };
                        let (most, _) = peak(traffic, SECONDS);
                        if most > worst.0 {
                            worst = (most, format!("{delays:?}, {traffic:?}"));
                        }
                    }
                }
            }
        }
    }
    worst
}

#[test]
fn one_tenant_has_at_most_45_000_messages_in_flight_in_every_combination() {
    let worst = worst();
    assert!(worst.0 <= SHARE, "{worst:?}");
    // The combinations include some that come close to the limit.
    assert!(worst.0 >= SHARE * 3 / 4, "{worst:?}");
}

#[test]
fn retries_over_hours_do_not_increase_the_messages_in_flight() {
    for (delays, receivers) in [([900; 16], failing(1, 2, 5)), ([30; 16], failing(1, 2, 0))] {
        let schedule = schedule(&delays);
        let traffic =
            Traffic { design: Design::Ours, schedule: &schedule, receivers, endpoints: 1, concurrency: 1_000 };
        assert!(peak(traffic, 5 * HOUR).0 <= SHARE);
    }
}

/// The same traffic, with a part of the events going to endpoints that are down for an hour.
fn outages() -> String {
    let schedules = [
        ("1, 5, 30 s (default)", schedule(&[1, 5, 30])),
        ("5 s to 24 h (Standard Webhooks)", schedule(&[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400])),
    ];
    let mut table = String::from(
        "| schedule | they | down | Pigeonpost: most in flight | every wait in the queue: most in flight | passes 120,000 |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, schedule) in &schedules {
        for (they, takes) in [("fail at once", 0), ("hang for 10 s", 10)] {
            for (share, of) in [("1 %", 100), ("10 %", 10), ("all", 1)] {
                let receivers = failing(1, 1, takes);
                let traffic = |design| Traffic { design, schedule, receivers, endpoints: RATE, concurrency: 1_000 };
                let ours = peak(traffic(Design::Ours), HOUR);
                let mut naive = Tenant::new(traffic(Design::Naive));
                let naive: Vec<_> = (0..HOUR).map(|second| naive.step(second) / of).collect();
                let passes = naive.iter().position(|count| *count > LIMIT);
                let passes = passes.map_or("not in this hour".to_owned(), |second| format!("after {second} s"));
                let (most, second) = (grouped(ours.0 / of), ours.1);
                let of_naive = grouped(naive.into_iter().max().unwrap());
                writeln!(table, "| {name} | {they} | {share} | {most}, after {second} s | {of_naive} | {passes} |")
                    .unwrap();
            }
        }
    }
    table
}

/// One tenant in the worst cases.
fn tenants() -> String {
    let mut table = String::from(
        "| one tenant's endpoints | schedule | most in flight: `MaximumConcurrency` 50 | 1,000 |\n\
         | --- | --- | --- | --- |\n",
    );
    let all = |takes| failing(1, 1, takes);
    for (name, schedule_name, delays, endpoints, receivers) in [
        ("one fails half of its attempts, for ever", "16 × 30 s", &[30; 16][..], 1, failing(1, 2, 0)),
        ("one fails half of its attempts, for ever", "1, 5, 30 s", &[1, 5, 30], 1, failing(1, 2, 0)),
        ("one fails half after 30 s, for ever", "16 × 1 s", &[1; 16], 1, failing(1, 2, 30)),
        ("one fails all", "16 × 30 s", &[30; 16], 1, all(0)),
        ("1,000 fail all at once", "1, 5, 30 s", &[1, 5, 30], 1_000, all(0)),
        ("1,000 fail all at once", "16 × 1 s", &[1; 16], 1_000, all(0)),
        ("1,000 fail all after 1 s", "16 × 9 s", &[9; 16], 1_000, all(1)),
        ("1,000 ask for 31 s", "16 × 1 s", &[1; 16], 1_000, Receivers { retry_after: Some(31), ..all(1) }),
        ("1,000 time out after 30 s", "1, 5, 30 s", &[1, 5, 30], 1_000, all(30)),
        ("1,000 succeed after 30 s", "any", &[1], 1_000, failing(0, 1, 30)),
    ] {
        let schedule = schedule(delays);
        let [few, many] = CONCURRENCY.map(|concurrency| {
            let traffic = Traffic { design: Design::Ours, schedule: &schedule, receivers, endpoints, concurrency };
            grouped(peak(traffic, SECONDS).0)
        });
        writeln!(table, "| {name} | {schedule_name} | {few} | {many} |").unwrap();
    }
    table
}

/// To update the tables: run `UPDATE_RELIABILITY=1 cargo test --test it in_flight`.
#[test]
fn the_tables_of_messages_in_flight_are_current() {
    update_table("in flight, outages", &outages());
    update_table("in flight, one tenant", &tenants());
    update_table("in flight, mixtures", &mixtures::table());
}
