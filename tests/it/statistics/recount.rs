//! Random sequences of operations, after each of which the deliveries are compared with their states before. The counts of
//! what happened must be those of the statistics, whichever processes counted and wrote them, and whenever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use shared::domain::statistics::Hour;
use shared::domain::time::Timestamp;

use super::read;
use crate::support::{Answer, Endpoint, Process, Receiver, Tenant, World, text};

/// The number of random sequences. Each has a different seed.
const RUNS: u64 = 4;
const STEPS: usize = 40;
const PROCESSES: usize = 3;

/// The numbers of an endpoint in an hour by name, and the durations of its attempts.
#[derive(Debug, Default)]
struct Counts {
    numbers: BTreeMap<String, u64>,
    durations: Vec<u64>,
}

impl Counts {
    fn add(&mut self, name: String) {
        *self.numbers.entry(name).or_default() += 1;
    }
}

struct Run {
    world: World,
    tenant: Tenant,
    receiver: Receiver,
    endpoints: Vec<Endpoint>,
    processes: Vec<Process>,
    random: Rng,
    /// The last seen status of each delivery.
    seen: BTreeMap<String, String>,
    /// The ids of the attempts that were counted, resends included.
    attempts: BTreeSet<String>,
    counts: BTreeMap<(String, Hour), Counts>,
}

fn is_final(status: &str) -> bool {
    !["pending", "retrying"].contains(&status)
}

impl Run {
    async fn new(world: World, seed: u64) -> Self {
        let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
        let mut endpoints = Vec::new();
        for retry_schedule in [json!([]), json!([1, 1_200]), json!([60])] {
            let fields = json!({"url": receiver.url(), "retry_schedule": retry_schedule});
            endpoints.push(tenant.endpoint_with(fields).await);
        }
        let processes = (0..PROCESSES).map(|_| world.another_process()).collect();
        let (seen, attempts, counts) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { world, tenant, receiver, endpoints, processes, random: Rng::with_seed(seed), seen, attempts, counts }
    }

    async fn step(&mut self) {
        self.leave_the_end_of_the_hour();
        let (endpoint, process) = (self.random.usize(..self.endpoints.len()), self.random.usize(..PROCESSES));
        let (endpoint, process) = (self.endpoints[endpoint].clone(), self.processes[process].clone());
        match self.random.u32(..24) {
            0..4 => {
                let events = vec![json!({"type": "a.b", "data": {}}); self.random.usize(1..6)];
                self.tenant.post("/events/batch", &json!({"events": events})).await.data(202);
            }
            4..12 => {
                let answers = (0..10).map(|_| {
                    let status = [200, 200, 204, 500, 503, 404, 410][self.random.usize(..7)];
                    // An endpoint that answers 410 is disabled.
                    let status = if status == 410 && self.random.u32(..4) > 0 { 200 } else { status };
                    Answer::status(status).after(Duration::from_millis([0, 0, 3, 12, 40][self.random.usize(..5)]))
                });
                let answers: Vec<_> = answers.collect();
                self.receiver.forget_script();
                self.receiver.then(answers);
                process.poll().await;
                process.poll_resends().await;
            }
            12..15 => self.world.advance(Duration::from_secs([1, 61, 700, 4_000][self.random.usize(..4)])),
            15 => process.sweep().await,
            16 => {
                let status = ["active", "active", "paused", "disabled"][self.random.usize(..4)];
                self.tenant.set_status(&endpoint, status).await;
            }
            17 => {
                let events = self.tenant.get("/events?limit=1").await.data(200);
                if let Some(event) = events.as_array().unwrap().first() {
                    let path = format!("/events/{}/data", text(&event["id"]));
                    self.tenant.at(&process).delete(&path).await.data(202);
                }
            }
            18 => {
                let failed = self.deliveries(&endpoint).await;
                if let Some(failed) = failed.iter().find(|it| ["failed", "exhausted"].contains(&text(&it["status"]))) {
                    let path = format!("/webhooks/deliveries/{}/retry", text(&failed["id"]));
                    // A conflict if the endpoint is disabled or the event has no data.
                    self.tenant.at(&process).post(&path, &json!({})).await;
                }
            }
            19 | 20 => {
                let deliveries = self.deliveries(&endpoint).await;
                if !deliveries.is_empty() {
                    let chosen = &deliveries[self.random.usize(..deliveries.len())];
                    let path = format!("/webhooks/deliveries/{}/resend", text(&chosen["id"]));
                    // A conflict if the event has no data.
                    self.tenant.at(&process).post(&path, &json!({})).await;
                }
            }
            21 => {
                let body = json!({"since": "2020-01-01T00:00:00Z"});
                // A conflict if the endpoint is disabled, here and below.
                self.tenant.at(&process).post(&format!("{}/recover", endpoint.path()), &body).await;
            }
            22 => {
                let what = ["failed", "missed", "all"][self.random.usize(..3)];
                let body = json!({"since": "2020-01-01T00:00:00Z", "what": what});
                self.tenant.at(&process).post(&format!("{}/replay", endpoint.path()), &body).await;
            }
            _ => process.meter.write_usage().await,
        }
        self.recount().await;
    }

    /// No step takes a minute, so all that a step does is in the same hour.
    fn leave_the_end_of_the_hour(&self) {
        let next = Hour::of(self.world.clock.now().plus(Duration::from_secs(60)));
        if next != Hour::of(self.world.clock.now()) {
            self.world.advance(Duration::from_secs(120));
        }
    }

    async fn deliveries(&self, endpoint: &Endpoint) -> Vec<Value> {
        self.all(&format!("{}/deliveries", endpoint.path())).await
    }

    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let reply = self.tenant.get(&format!("{path}?limit=100{cursor}")).await;
            all.extend(reply.body["data"].as_array().unwrap().iter().cloned());
            match reply.body["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Counts what has changed since the last time.
    async fn recount(&mut self) {
        let hour = Hour::of(self.world.clock.now());
        for endpoint in self.endpoints.clone() {
            let (deliveries, attempts) =
                (self.deliveries(&endpoint).await, self.all(&format!("{}/attempts", endpoint.path())).await);
            let counts = self.counts.entry((endpoint.id.clone(), hour)).or_default();
            for delivery in deliveries {
                let status = text(&delivery["status"]).to_owned();
                let before = self.seen.insert(text(&delivery["id"]).to_owned(), status.clone());
                if is_final(&status) && !before.is_some_and(|before| is_final(&before)) {
                    counts.add(format!("deliveries {status}"));
                    if let Some(error) = delivery["error"].as_str() {
                        counts.add(format!("deliveries errors {error}"));
                    }
                }
            }
            for attempt in attempts {
                if !self.attempts.insert(text(&attempt["id"]).to_owned()) {
                    continue;
                }
                match attempt["error"].as_str() {
                    None => counts.add("attempts success".to_owned()),
                    Some(error) => {
                        counts.add("attempts failed".to_owned());
                        counts.add(format!("attempts errors {error}"));
                    }
                }
                counts.durations.push(attempt["duration_ms"].as_u64().unwrap());
            }
        }
    }

    /// The numbers of an endpoint in each hour in which there are any, with the percentiles, according to the API.
    async fn shown(
        &self,
        endpoint: &Endpoint,
        since: Timestamp,
    ) -> BTreeMap<Hour, (BTreeMap<String, u64>, Vec<Value>)> {
        let query = format!("?since={}", since.rfc3339());
        let shown = read(&self.tenant, endpoint, &query).await;
        let mut by_hour = BTreeMap::new();
        for interval in shown["intervals"].as_array().unwrap() {
            let mut numbers = BTreeMap::new();
            for of in ["deliveries", "attempts"] {
                for (name, value) in interval[of].as_object().unwrap() {
                    if let Some(number) = value.as_u64() {
                        numbers.insert(format!("{of} {name}"), number);
                    }
                }
                for (name, value) in interval[of]["errors"].as_object().unwrap() {
                    numbers.insert(format!("{of} errors {name}"), value.as_u64().unwrap());
                }
            }
            numbers.retain(|_, number| *number > 0);
            let percentiles = ["p50", "p95", "p99"].map(|name| interval["attempts"]["duration_ms"][name].clone());
            if !numbers.is_empty() {
                let start = Timestamp::parse(text(&interval["start"])).unwrap();
                by_hour.insert(Hour::of(start), (numbers, percentiles.to_vec()));
            }
        }
        by_hour
    }
}

/// Whether an estimate is as exact as documented.
fn is_close(estimate: u64, exact: u64) -> bool {
    let error = estimate.abs_diff(exact);
    if exact <= 10 { error <= 5 } else { 4 * error <= exact }
}

#[tokio::test]
async fn statistics_are_equal_to_a_recount_of_all_deliveries() {
    let world = World::new().await;
    let mut attempts = 0;
    for seed in 0..RUNS {
        let mut run = Run::new(world.new_world().await, seed).await;
        let began_at = run.world.clock.now();
        for _ in 0..STEPS {
            run.step().await;
        }
        for process in run.processes.iter().chain([&run.world.process]) {
            process.meter.write_all_usage().await;
        }
        for endpoint in &run.endpoints {
            let shown = run.shown(endpoint, began_at).await;
            let counted =
                run.counts.iter().filter(|((of, _), counts)| *of == endpoint.id && !counts.numbers.is_empty());
            let expected: BTreeMap<_, _> = counted.map(|((_, hour), counts)| (*hour, counts)).collect();
            let numbers: BTreeMap<_, _> = shown.iter().map(|(hour, (numbers, _))| (*hour, numbers)).collect();
            assert_eq!(
                numbers,
                expected.iter().map(|(hour, counts)| (*hour, &counts.numbers)).collect(),
                "seed {seed}"
            );
            for (hour, counts) in expected {
                attempts += counts.durations.len();
                let mut durations = counts.durations.clone();
                durations.sort_unstable();
                for (percent, shown) in [50, 95, 99].into_iter().zip(&shown[&hour].1) {
                    let rank = (durations.len() * percent).div_ceil(100);
                    match durations.get(rank.wrapping_sub(1)) {
                        Some(exact) => assert!(is_close(shown.as_u64().unwrap(), *exact), "{shown}: {durations:?}"),
                        None => assert!(shown.is_null()),
                    }
                }
            }
        }
    }
    assert!(attempts > 50, "{attempts}");
}

/// What a killed process had not written is missing. Nothing is counted twice.
#[tokio::test]
async fn statistics_are_never_more_than_a_recount_although_processes_are_killed() {
    let world = World::new().await;
    for seed in 100..100 + RUNS {
        let mut run = Run::new(world.new_world().await, seed).await;
        let began_at = run.world.clock.now();
        for _ in 0..STEPS {
            run.step().await;
            if run.random.u32(..8) == 0 {
                let killed = run.random.usize(..PROCESSES);
                run.processes[killed] = run.world.another_process();
            }
        }
        for process in &run.processes {
            process.meter.write_all_usage().await;
        }
        for endpoint in &run.endpoints {
            for (hour, (numbers, _)) in run.shown(endpoint, began_at).await {
                let counts = &run.counts[&(endpoint.id.clone(), hour)];
                for (name, number) in numbers {
                    assert!(number <= counts.numbers[&name], "seed {seed}: {name}");
                }
            }
        }
    }
}
