//! Random sequences of publish requests at the rate limit, by several concurrent processes and by processes that die.
//! The responses are compared with an independent, simple model of the rate. Two organizations have different limits,
//! which the platform sets and removes meanwhile.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use super::{RATE, events, refused_by, set};
use crate::support::{Fuse, Process, Reply, Tenant, World};

/// The number of random sequences. Each run has a different seed.
const RUNS: u64 = 3;
const STEPS: usize = 50;
const PROCESSES: usize = 3;
const BURST: f64 = 100.0;
/// About the number of writes and sends that a publish request makes.
const MOST_CALLS: usize = 6;
/// The maximum time that passes within a step, in seconds: each reading of the test's clock advances it.
const STEP_TIME: f64 = 0.01;

/// A publish request. It is repeated with its idempotency key until it is answered.
#[derive(Debug, Clone)]
struct Request {
    key: Option<String>,
    events: usize,
}

/// The model of an organization.
struct Organization {
    tenant: Tenant,
    /// The limit in events per second; `None` for no limit.
    rate: Option<f64>,
    /// The time until the bucket is full again, in seconds: minimum and maximum. They differ by the tokens that
    /// unanswered requests may have taken.
    debt: [f64; 2],
    /// When the limit was set, and how many events were stored then.
    since: (Timestamp, usize),
    /// How many events are stored.
    stored: usize,
    unanswered: Vec<Request>,
    keys: usize,
}

struct Run {
    world: World,
    processes: Vec<Process>,
    organizations: Vec<Organization>,
    random: Rng,
    model_time: Timestamp,
    /// How many requests were accepted and refused.
    outcome: [usize; 2],
}

impl Run {
    async fn new(world: World, seed: u64) -> Self {
        let mut organizations = Vec::new();
        for _ in 0..2 {
            let (tenant, now) = (world.tenant().await, world.clock.now());
            let since = (now, 0);
            organizations.push(Organization {
                tenant,
                rate: None,
                debt: [0.0; 2],
                since,
                stored: 0,
                unanswered: Vec::new(),
                keys: 0,
            });
        }
        let processes = (0..PROCESSES).map(|_| world.another_process()).collect();
        let model_time = world.clock.now();
        Self { world, processes, organizations, random: Rng::with_seed(seed), model_time, outcome: [0; 2] }
    }

    async fn step(&mut self) {
        let by = self.random.usize(..2);
        match self.random.usize(..20) {
            0 | 1 => self.set_limit(by).await,
            2..5 => self.world.advance(Duration::from_millis(self.random.u64(..30_000))),
            5..7 => self.publish_and_die(by).await,
            7 | 8 => self.repeat(by).await,
            _ => self.publish(by).await,
        }
    }

    /// Sets or removes a limit. Tokens that were taken under the former limit still count.
    async fn set_limit(&mut self, by: usize) {
        let rate = [None, Some(1), Some(5), Some(50)][self.random.usize(..4)];
        let limits = rate.map_or_else(|| json!({}), |rate| json!({"events_per_second": rate, "burst": BURST as u32}));
        let organization = &mut self.organizations[by];
        set(&self.world, &organization.tenant, &limits).await;
        organization.rate = rate.map(f64::from);
        organization.since = (self.world.clock.now(), organization.stored);
    }

    /// Sends some concurrent requests to different processes.
    async fn publish(&mut self, by: usize) {
        let requests: Vec<_> = (0..self.random.usize(1..4)).map(|_| self.next_request(by)).collect();
        let tenant = &self.organizations[by].tenant;
        let first = self.random.usize(..PROCESSES);
        let sent = requests.iter().enumerate().map(async |(index, request)| {
            send(&tenant.at(&self.processes[(first + index) % PROCESSES]), request).await
        });
        let replies = join_all(sent).await;
        let answered = requests.into_iter().zip(replies).collect();
        self.check(by, answered, false).await;
    }

    /// Sends a request to a process that dies between two of its calls.
    async fn publish_and_die(&mut self, by: usize) {
        let request = self.next_request(by);
        let fuse = Fuse::after(self.random.usize(..MOST_CALLS));
        let process = fuse.process(&self.world);
        let tenant = self.organizations[by].tenant.at(&process);
        match fuse.run(send(&tenant, &request)).await {
            Some(reply) => self.check(by, vec![(request, reply)], false).await,
            None => {
                self.pass_time();
                let (before, stored) = (self.organizations[by].stored, self.count_events(by).await);
                let organization = &mut self.organizations[by];
                // Tokens are taken before anything is written.
                organization.take(request.events, [stored > before, true]);
                organization.unanswered.extend(request.key.is_some().then_some(request));
            }
        }
    }

    async fn repeat(&mut self, by: usize) {
        let Some(request) = self.organizations[by].unanswered.pop() else { return };
        let process = &self.processes[self.random.usize(..PROCESSES)];
        let reply = send(&self.organizations[by].tenant.at(process), &request).await;
        if [429, 503].contains(&reply.status) {
            self.organizations[by].unanswered.insert(0, request.clone());
        }
        self.check(by, vec![(request, reply)], true).await;
    }

    fn next_request(&mut self, by: usize) -> Request {
        let organization = &mut self.organizations[by];
        organization.keys += 1;
        let key = self.random.bool().then(|| organization.keys.to_string());
        Request { key, events: [1, 3, 30, 70, 100][self.random.usize(..5)] }
    }

    /// Checks that the responses are those that the rate allows.
    async fn check(&mut self, by: usize, answered: Vec<(Request, Reply)>, repeated: bool) {
        self.pass_time();
        let before = self.organizations[by].stored;
        let written = self.count_events(by).await - before;
        let organization = &mut self.organizations[by];
        let before = organization.debt;
        let accepted: Vec<_> = answered.iter().filter(|(_, reply)| reply.status == 202).collect();
        let events: usize = accepted.iter().map(|(request, _)| request.events).sum();
        // A repetition takes tokens for the events that it writes.
        assert!(written == events || repeated && written < events, "{written} of {events} are stored");
        organization.take(written, [true; 2]);
        self.outcome[0] += accepted.len();
        for (request, reply) in answered.iter().filter(|(_, reply)| reply.status != 202) {
            if repeated && reply.status == 503 {
                // The first request may still be writing.
                continue;
            }
            let wait = refused_by(reply, RATE);
            self.outcome[1] += 1;
            let rate = organization.rate.expect("only a request with a limit is refused");
            // The concurrent requests may have taken their tokens before.
            let taken = (written + request.events) as f64;
            let missing = before[1] + (taken - BURST) / rate;
            assert!(missing > -STEP_TIME, "{request:?} is refused although the bucket contains enough tokens");
            assert!(wait.as_secs_f64() <= missing.max(0.0) + 1.0 + STEP_TIME, "{wait:?} of {missing}");
        }
    }

    /// Counts the stored events. Only this organization may have more than before. Returns the number of its stored
    /// events.
    async fn count_events(&mut self, by: usize) -> usize {
        let events = self.world.items("event").await;
        for (index, organization) in self.organizations.iter_mut().enumerate() {
            let own = format!("event#{}#", organization.tenant.id);
            let stored = events.iter().filter(|event| event["pk"].as_s().unwrap().starts_with(&own)).count();
            assert!(index == by || stored == organization.stored, "the other organization stored nothing");
            organization.stored = stored;
            let (since, before) = organization.since;
            if let Some(rate) = organization.rate {
                let seconds = self.world.clock.now().since(since).as_secs_f64();
                assert!((stored - before) as f64 <= BURST + rate * seconds, "{stored} after {before} in {seconds} s");
            }
        }
        self.organizations[by].stored
    }

    /// Lets time pass, in which the buckets fill.
    fn pass_time(&mut self) {
        let now = self.world.clock.now();
        let passed = now.since(self.model_time).as_secs_f64();
        self.model_time = now;
        for debt in self.organizations.iter_mut().flat_map(|organization| &mut organization.debt) {
            *debt = (*debt - passed).max(0.0);
        }
    }

    /// Repeats the unanswered requests until they are answered.
    async fn end(&mut self) {
        for by in 0..2 {
            while !self.organizations[by].unanswered.is_empty() {
                self.world.advance(Duration::from_secs(101));
                self.repeat(by).await;
            }
        }
    }
}

impl Organization {
    /// Takes tokens in the model. `taken` says whether they are part of the minimum and of the maximum.
    fn take(&mut self, events: usize, taken: [bool; 2]) {
        let Some(rate) = self.rate else { return };
        let (cost, full, [_, most]) = (events as f64 / rate, BURST / rate, self.debt);
        if taken[0] && cost > 0.0 {
            self.debt[0] += cost;
            assert!(
                self.debt[0] <= full + STEP_TIME,
                "{events} tokens were taken, more than the bucket contained: {:?}",
                self.debt
            );
        }
        if taken[1] {
            // No request takes more tokens than the bucket contains.
            self.debt[1] = (most + cost).min(full).max(most).max(self.debt[0]);
        }
    }
}

async fn send(tenant: &Tenant, request: &Request) -> Reply {
    let key = request.key.as_ref().map(|key| ("idempotency-key", key.as_str()));
    let headers: Vec<_> = key.into_iter().collect();
    let body: Value = events(request.events);
    tenant.call(Method::POST, "/events/batch", &headers, Some(body.to_string())).await
}

#[tokio::test]
async fn no_sequence_of_requests_publishes_more_than_the_rate_or_is_refused_below_it() {
    let world = World::new().await;
    let mut outcome = [0; 2];
    for seed in 0..RUNS {
        let mut run = Run::new(world.new_world().await, seed).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        run.end().await;
        for (all, of_run) in outcome.iter_mut().zip(run.outcome) {
            *all += of_run;
        }
    }
    assert!(outcome.iter().all(|count| *count > 20), "accepted and refused: {outcome:?}");
}
