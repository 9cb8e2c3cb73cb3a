//! Random sequences of operations in both lanes, with processes that die between any two of their calls, are compared
//! with a model of the allowed states. After each step, every delivery that is not final must have a message in the
//! queue or a mark in the index. At the end every delivery must be final.
//!
//! There are two organizations. The operations affect the endpoints of the first one. The second one publishes through
//! the same processes, and none of the operations may change anything of it.

mod isolation;
mod operations;
mod seen;
mod states;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use crate::support::{Answer, EVENT_TYPE, Endpoint, Fuse, Process, Receiver, Reply, World, delivery_ids, text};
use isolation::{ORGANIZATIONS, Organization, QUIET_ENDPOINTS, TROUBLED, owner};
use operations::{ENDPOINTS, Operation, Reaction, Work, operation};
use seen::{Seen, SeenDelivery};
use states::{Delivery, Status};

/// The number of sequences, unless the environment variable `PROPTEST_CASES` has another one.
const CASES: u32 = 24;
const MOST_STEPS: usize = 40;
/// More events than a sequence publishes, including those of interrupted requests.
const MOST_EVENTS: usize = 10 * MOST_STEPS;
/// The statuses of endpoints.
const ACTIVE: &str = "active";
const PAUSED: &str = "paused";
const DISABLED: &str = "disabled";
const DELETED: &str = "deleted";
/// The number of endpoints of both organizations. Those of the troubled one come first.
const ALL_ENDPOINTS: usize = ENDPOINTS + QUIET_ENDPOINTS;
/// The retry schedules of the endpoints.
const SCHEDULES: [&[u32]; ALL_ENDPOINTS] = [&[1, 5, 30], &[], &[1, 3600], &[1, 5, 30], &[]];
/// How long after a change of an endpoint a consumer may use its cached state.
const CACHE_LIFETIME: Duration = Duration::from_secs(6);
/// The minimum number of failures that suspends an endpoint.
const FAILURES_THAT_SUSPEND: usize = 10;
/// The time after which an interrupted publish request no longer prevents a repetition.
const FIRST_REQUEST_ENDS: Duration = Duration::from_secs(61);

#[test]
fn no_sequence_of_operations_breaks_the_promise() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let failures = FileFailurePersistence::Direct("tests/it/model/failures.txt");
    let config = Config { cases: cases(), failure_persistence: Some(Box::new(failures)), ..Config::default() };
    let sequences = prop::collection::vec(operation(), 1..=MOST_STEPS);
    let tried = TestRunner::new(config).run(&sequences, |sequence| {
        runtime.block_on(async { Run::new(world.new_world().await).await.all(sequence).await });
        Ok(())
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a parameter of the test, not a setting of the product")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap())
}

/// The state of a sequence.
struct Run {
    world: World,
    organizations: Vec<Organization>,
    endpoints: Vec<Endpoint>,
    receivers: Vec<Receiver>,
    /// A URL that refuses connections.
    nowhere: String,
    /// A consumer that runs in several steps and keeps its caches.
    consumer: Process,
    /// The models of all deliveries, by id.
    model: BTreeMap<String, Delivery>,
    /// The statuses that each endpoint may have.
    possible: Vec<Vec<&'static str>>,
    /// For each endpoint that is not active, since when.
    stopped: Vec<Option<Timestamp>>,
    suspended: Vec<bool>,
    /// The number of failed attempts at each endpoint since its last suspension.
    failed: Vec<usize>,
    /// The publish requests without a response.
    unanswered: Vec<Publishing>,
    /// The publish request that was interrupted in this step.
    interrupted: Option<Publishing>,
    /// The deliveries of publish requests without a response, to which the promise does not apply.
    unpromised: BTreeMap<String, Publishing>,
    /// The bodies of all messages of the earlier steps.
    messages: Vec<String>,
    /// The number of messages of each delivery before the step.
    queued: HashMap<String, usize>,
    recovering: bool,
    sending_again: bool,
}

/// A publish request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Publishing {
    by: usize,
    /// The idempotency key. Both organizations use the same keys.
    key: String,
    events: usize,
}

/// The effects that a step may have in addition to the normal ones.
#[derive(Debug, Default, Clone, Copy)]
struct Allowed {
    /// Failed and exhausted deliveries may be retried manually.
    retries: bool,
    /// A process died, so the record of an attempt may be missing.
    dies: bool,
    /// The number of concurrent consumers, which may receive messages for the same delivery.
    consumers: usize,
    /// Messages in flight may be delivered a second time.
    redelivers: bool,
    /// The organizations of which nothing may change.
    spares: [bool; ORGANIZATIONS],
}

impl Run {
    async fn new(world: World) -> Self {
        let tenants = [world.tenant().await, world.tenant().await];
        let (mut endpoints, mut receivers) = (Vec::new(), Vec::new());
        for (endpoint, schedule) in SCHEDULES.into_iter().enumerate() {
            let receiver = Receiver::new().await;
            let fields = json!({"url": receiver.url(), "retry_schedule": schedule});
            endpoints.push(tenants[owner(endpoint)].endpoint_with(fields).await);
            receivers.push(receiver);
        }
        let mut organizations = Vec::new();
        for (index, tenant) in tenants.into_iter().enumerate() {
            organizations.push(Organization::new(index, tenant, &endpoints).await);
        }
        ignore_failed_deliveries(&receivers, world.clock.now());
        let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self {
            organizations,
            endpoints,
            receivers,
            nowhere: format!("http://{unused}/"),
            consumer: world.another_process(),
            model: BTreeMap::new(),
            possible: vec![vec![ACTIVE]; ALL_ENDPOINTS],
            stopped: vec![None; ALL_ENDPOINTS],
            suspended: vec![false; ALL_ENDPOINTS],
            failed: vec![0; ALL_ENDPOINTS],
            unanswered: Vec::new(),
            interrupted: None,
            unpromised: BTreeMap::new(),
            messages: Vec::new(),
            queued: HashMap::new(),
            recovering: false,
            sending_again: false,
            world,
        }
    }

    async fn all(mut self, sequence: Vec<Operation>) {
        for operation in sequence {
            let allowed = self.perform(&operation).await;
            self.check_step(Allowed { spares: operation.spares(), ..allowed }).await;
        }
        self.end().await;
    }

    async fn perform(&mut self, operation: &Operation) -> Allowed {
        let mut allowed = Allowed::default();
        match operation {
            Operation::Publish { by, events, cut } => self.publish(*by, *events, *cut).await,
            Operation::Repeat => self.repeat().await,
            Operation::Script { endpoint, reactions } => {
                self.receivers[*endpoint].then(reactions.iter().map(|reaction| reaction.answer()));
            }
            Operation::Run { processes, cut } => allowed = self.run(processes, *cut).await,
            Operation::Duplicate { message } => {
                // One of the present messages, or of the earlier ones.
                let candidates: Vec<_> =
                    self.world.messages().into_iter().chain(self.messages.iter().cloned()).collect();
                if let Some(body) = candidates.get(message % candidates.len().max(1)) {
                    self.world.send(body).await;
                }
            }
            Operation::Pass(time) => self.world.advance(*time),
            Operation::SetStatus { endpoint, status, cut } => {
                self.set_status(*endpoint, status, *cut).await;
            }
            Operation::Delete { endpoint, cut } => self.delete(*endpoint, *cut).await,
            Operation::SetLane { endpoint, lane } => {
                let tenant = &self.organizations[owner(*endpoint)].tenant;
                self.world.set_lane(tenant, &self.endpoints[*endpoint], *lane).await;
            }
            Operation::Move { endpoint, reachable } => self.move_to(*endpoint, *reachable).await,
            Operation::Retry { delivery, cut } => {
                self.retry(*delivery, *cut).await;
                allowed.retries = true;
            }
            Operation::Recover { endpoint, cut } => {
                let path = format!("{}/recover", self.endpoints[*endpoint].path());
                let reply = self.call(Method::POST, &path, &json!({"since": "2020-01-01T00:00:00Z"}), *cut).await;
                self.check_that_it_is_accepted(*endpoint, reply);
                allowed.retries = true;
            }
            Operation::CancelJob { job, cut } => self.cancel_job(*job, *cut).await,
            Operation::SendAll => {
                let (sdk, clock) = (self.world.sdk(), self.world.clock.clock());
                pigeonpost::send_all(&sdk, self.world.table(), &clock).await.unwrap();
            }
            Operation::SetOrganization { suspended } => self.set_organization(*suspended).await,
            Operation::SetLimit { of, limited } => {
                let limits = if *limited { json!({"events_per_second": MOST_EVENTS}) } else { json!({}) };
                let path = format!("/v1/organizations/{}/limits", self.organizations[*of].tenant.id);
                self.world.platform().call(Method::PUT, &path, &[], Some(limits.to_string())).await.data(200);
            }
            Operation::Trespass { by, route } => self.trespass(*by, *route).await,
            Operation::Restart => self.consumer = self.world.another_process(),
            Operation::FormerReceipts { act } => self.world.let_former_receipts_act(*act),
        }
        allowed
    }

    /// Calls the API with the key of the troubled organization. With `cut`, the process dies after this number of
    /// writes and sends. `None` if it died.
    async fn call(&self, method: Method, path: &str, body: &Value, cut: Option<usize>) -> Option<Reply> {
        let body = (!body.is_null()).then(|| body.to_string());
        let tenant = &self.organizations[TROUBLED].tenant;
        self.run_process(cut, async |process| tenant.at(process).call(method, path, &[], body).await).await
    }

    /// Runs `work` in a healthy process, or with `cut` in one that dies after this number of writes and sends. `None`
    /// if it died.
    async fn run_process<T>(&self, cut: Option<usize>, work: impl AsyncFnOnce(&Process) -> T) -> Option<T> {
        let Some(calls) = cut else { return Some(work(&self.world.process).await) };
        let fuse = Fuse::after(calls);
        let process = fuse.process(&self.world);
        fuse.run(work(&process)).await
    }

    async fn publish(&mut self, by: usize, events: usize, cut: Option<usize>) {
        let organization = &mut self.organizations[by];
        organization.keys += 1;
        let publishing = Publishing { by, key: organization.keys.to_string(), events };
        let reply = self.try_to_publish(&publishing, cut).await;
        if reply.as_ref().is_some_and(|reply| self.is_refused(by, reply)) {
            return;
        }
        assert!(reply.as_ref().is_none_or(|reply| reply.status == 202), "{reply:?}");
        self.apply_publishing(publishing, reply);
    }

    async fn repeat(&mut self) {
        let Some(publishing) = self.unanswered.pop() else { return };
        let reply = self.try_to_publish(&publishing, None).await;
        let reply = reply.filter(|reply| reply.status != 503 && !self.is_refused(publishing.by, reply));
        self.apply_publishing(publishing, reply);
    }

    fn apply_publishing(&mut self, publishing: Publishing, reply: Option<Reply>) {
        let Some(reply) = reply else {
            self.interrupted = Some(publishing.clone());
            self.unanswered.push(publishing);
            return;
        };
        let results = reply.data(202);
        for id in results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])) {
            self.unpromised.remove(&id);
        }
        assert!(!self.unpromised.values().any(|of| *of == publishing), "the response does not list all deliveries");
    }

    async fn try_to_publish(&self, publishing: &Publishing, cut: Option<usize>) -> Option<Reply> {
        let tenant = &self.organizations[publishing.by].tenant;
        // The receivers check which organization published the event.
        let external_id = |n: usize| format!("{}.{n}", publishing.key);
        let event = |n| json!({"type": EVENT_TYPE, "data": {"organization": tenant.id}, "external_id": external_id(n)});
        // Every second request has external ids, which both organizations use.
        let is_named = publishing.events.is_multiple_of(2);
        let events = (0..publishing.events).map(event).map(|mut event| {
            event.as_object_mut().unwrap().retain(|name, _| is_named || name != "external_id");
            event
        });
        let body = json!({"events": events.collect::<Vec<_>>()}).to_string();
        let headers = [("idempotency-key", publishing.key.as_str())];
        let publish = async |process: &Process| {
            tenant.at(process).call(Method::POST, "/events/batch", &headers, Some(body)).await
        };
        self.run_process(cut, publish).await
    }

    async fn set_status(&mut self, endpoint: usize, status: &'static str, cut: Option<usize>) {
        let path = self.endpoints[endpoint].path();
        let reply = self.call(Method::PATCH, &path, &json!({"status": status}), cut).await;
        self.apply_change(endpoint, status, reply);
    }

    async fn delete(&mut self, endpoint: usize, cut: Option<usize>) {
        let path = format!("{}?permanent=true", self.endpoints[endpoint].path());
        let reply = self.call(Method::DELETE, &path, &Value::Null, cut).await;
        self.apply_change(endpoint, DELETED, reply);
    }

    fn apply_change(&mut self, endpoint: usize, status: &'static str, reply: Option<Reply>) {
        let possible = &mut self.possible[endpoint];
        match reply.map(|reply| reply.status) {
            Some(404) => assert_eq!(*possible, [DELETED]),
            Some(200 | 204) => *possible = vec![status],
            None if *possible != [DELETED] => possible.push(status),
            None => {}
            Some(other) => panic!("endpoint {endpoint} cannot become {status}: {other}"),
        }
    }

    async fn run(&mut self, processes: &[Work], cut: Option<usize>) -> Allowed {
        let fuse = Fuse::after(cut.unwrap_or(usize::MAX));
        let mut running = Vec::new();
        for (index, work) in processes.iter().enumerate() {
            let process = match (index, cut) {
                (0, Some(_)) => fuse.process(&self.world),
                (0, None) => self.consumer.clone(),
                _ => self.world.another_process(),
            };
            let fuse = (index == 0 && cut.is_some()).then(|| fuse.clone());
            let world = &self.world;
            running.push(async move {
                let work = work.perform(&process, world);
                match fuse {
                    Some(fuse) => fuse.run(work).await.is_some(),
                    None => {
                        work.await;
                        true
                    }
                }
            });
        }
        let alone = processes.len() == 1;
        if cut.is_some() && alone {
            self.receivers.iter().for_each(|receiver| receiver.behind(&fuse));
        }
        let dies = join_all(running).await.contains(&false);
        self.world.advance(Duration::from_secs(1));
        ignore_failed_deliveries(&self.receivers, self.world.clock.now());
        let consumers = processes.iter().filter(|work| matches!(work, Work::Deliver { .. })).count();
        // A job may send a second message for a delivery that a consumer is processing.
        let sends_again = self.sending_again && processes.iter().any(|work| matches!(work, Work::Sweep));
        let redelivers = sends_again || processes.iter().any(|work| matches!(work, Work::Redeliver { .. }));
        Allowed { retries: self.recovering, dies, consumers, redelivers, ..Allowed::default() }
    }

    async fn move_to(&self, endpoint: usize, reachable: bool) {
        let url = if reachable { self.receivers[endpoint].url() } else { self.nowhere.clone() };
        self.call(Method::PATCH, &self.endpoints[endpoint].path(), &json!({"url": url}), None).await;
    }

    async fn retry(&self, choice: usize, cut: Option<usize>) {
        let recoverable: Vec<_> = self.model.iter().filter(|(_, delivery)| delivery.status.is_recoverable()).collect();
        let all: Vec<_> = self.model.iter().collect();
        let candidates = if recoverable.is_empty() { all } else { recoverable };
        let Some((id, _)) = candidates.get(choice % candidates.len().max(1)) else { return };
        let reply = self.call(Method::POST, &format!("/webhooks/deliveries/{id}/retry"), &json!({}), cut).await;
        let of = self.world.records().await.get(*id).map(|record| record.endpoint.clone());
        match self.endpoints.iter().position(|endpoint| Some(&endpoint.id) == of.as_ref()) {
            Some(endpoint) if owner(endpoint) == TROUBLED => self.check_that_it_is_accepted(endpoint, reply),
            Some(_) => self.check_that_it_is_not_found(TROUBLED, reply),
            None => {}
        }
    }

    /// Cancels a job. An open job of the kinds `recover` and `send_all` can be cancelled, other jobs cannot.
    async fn cancel_job(&self, choice: usize, cut: Option<usize>) {
        let tenant = &self.organizations[TROUBLED].tenant;
        let jobs = tenant.get("/jobs").await.data(200);
        let jobs = jobs.as_array().unwrap();
        let Some(job) = jobs.get(choice % jobs.len().max(1)) else { return };
        let path = format!("/jobs/{}/cancel", text(&job["id"]));
        let Some(reply) = self.call(Method::POST, &path, &json!({}), cut).await else { return };
        let can_be_cancelled = ["recover", "send_all"].contains(&text(&job["kind"])) && job["status"] == "open";
        assert!(
            reply.status == if can_be_cancelled { 200 } else { 409 } || self.is_refused(TROUBLED, &reply),
            "{job}: {reply:?}"
        );
    }

    /// Checks the response to a manual retry or recovery. It is refused for an endpoint that is certainly disabled or
    /// deleted.
    fn check_that_it_is_accepted(&self, endpoint: usize, reply: Option<Reply>) {
        let (possible, Some(reply)) = (&self.possible[endpoint], reply) else { return };
        let is_stopped = possible.iter().all(|status| [DISABLED, DELETED].contains(status));
        assert!(!is_stopped || reply.status != 202, "{possible:?}: {reply:?}");
        assert!([202, 404, 409].contains(&reply.status) || self.is_refused(TROUBLED, &reply), "{reply:?}");
    }

    /// Reads the table, the queue and the receivers, and checks them against the model and the effects that are
    /// allowed.
    async fn check_step(&mut self, allowed: Allowed) {
        let seen = Seen::of(&self.world, &self.receivers).await;
        self.check_isolation(&seen, allowed.spares);
        let new: Vec<_> = seen.deliveries.keys().filter(|id| !self.model.contains_key(*id)).cloned().collect();
        if let Some(key) = self.interrupted.take() {
            self.unpromised.extend(new.into_iter().map(|id| (id, key.clone())));
        }
        for (id, delivery) in &seen.deliveries {
            self.follow(id, delivery, &seen, allowed);
            self.check_promise(id, delivery, &seen);
        }
        assert!(self.model.keys().all(|id| seen.deliveries.contains_key(id)), "a record has disappeared");
        assert!(
            seen.requests.deliveries().all(|id| seen.deliveries.contains_key(id)),
            "a receiver got a request for a delivery without a record"
        );
        for endpoint in 0..ALL_ENDPOINTS {
            self.follow_endpoint(endpoint, &seen);
        }
        self.queued = seen.messages.iter().map(|(id, bodies)| (id.clone(), bodies.len())).collect();
        self.messages.extend(seen.messages.into_values().flatten().map(|message| message.body));
        self.messages.sort();
        self.messages.dedup();
        self.recovering = seen.recovering;
        self.sending_again = seen.sending_again;
    }

    /// Moves the model of a delivery to the state of its record by allowed transitions.
    fn follow(&mut self, id: &str, record: &SeenDelivery, seen: &Seen, allowed: Allowed) {
        let endpoint = self.endpoints.iter().position(|endpoint| endpoint.id == record.endpoint).unwrap();
        let model = self.model.entry(id.to_owned()).or_default();
        model.endpoint = Some(endpoint);
        let before = model.status;
        let new_attempts = record.attempts.checked_sub(model.attempts).expect("the number of attempts never decreases");
        // If the endpoint is stopped, the delivery may have failed again in the same step.
        let manually_retried = new_attempts > 0 || record.status != before || record.retries_used < model.retries_used;
        if before.is_recoverable() && manually_retried {
            assert!(allowed.retries, "{id} was retried without a request: {record:?}");
            model.manually_retry();
        }
        let organization = &self.organizations[owner(endpoint)];
        for attempt in &record.log[record.log.len() - new_attempts..] {
            let stopped = [self.stopped[endpoint], organization.suspended_since].into_iter().flatten().min();
            assert!(
                stopped.is_none_or(|since| attempt.at < since.plus(CACHE_LIFETIME)),
                "{id} was attempted although its endpoint is stopped: {record:?}"
            );
            let probed = self.suspended[endpoint] || seen.endpoints.get(&record.endpoint).is_some_and(|e| e.suspended);
            let held = probed && record.status == Status::Retrying && record.retries_used == model.retries_used;
            model.attempt(attempt.answer, SCHEDULES[endpoint].len(), held);
            self.failed[endpoint] += usize::from(!attempt.answer.is_some_and(|status| (200..300).contains(&status)));
            if attempt.answer == Some(410) {
                self.possible[endpoint].push(DISABLED);
            }
        }
        // A sweep in the same step may retry the delivery after its attempt failed.
        if new_attempts > 0 && model.status.is_recoverable() && record.status != model.status {
            assert!(allowed.retries, "{id} was retried without a request: {record:?}");
            model.manually_retry();
        }
        if record.status == Status::Failed && !model.status.is_final() {
            let stopped = seen.endpoints.get(&record.endpoint).is_none_or(|endpoint| endpoint.status == DISABLED);
            let suspended = organization.may_be_suspended(self.world.clock.now());
            assert!(stopped || suspended, "{id} failed without a reason: {record:?}");
            model.stop();
            // It was retried, and failed again because its endpoint is stopped.
            if record.retries_used < model.retries_used {
                assert!(allowed.retries, "{id} was retried without a request: {record:?}");
                model.manually_retry();
                model.stop();
            }
        }
        assert_eq!((record.status, record.retries_used), (model.status, model.retries_used), "{id}: {record:?}");

        let repeats = seen
            .requests
            .count(id)
            .checked_sub(model.answered)
            .expect("an attempt is recorded with a response, but the receiver got no request");
        let new_repeats = repeats.checked_sub(model.repeats).expect("the number of requests never decreases");
        let has_copies = allowed.redelivers || self.queued.get(id).is_some_and(|messages| *messages > 1);
        let held_twice = allowed.consumers > 1 && has_copies;
        assert!(new_repeats <= usize::from(allowed.dies) + usize::from(held_twice), "{id} is repeated: {record:?}");
        assert!(new_repeats == 0 || before != Status::Success, "{id} is attempted after its success: {record:?}");
        model.repeats = repeats;
    }

    /// Checks that a delivery that is not final has a message in the queue, or a mark for which the sweep or a job
    /// looks.
    fn check_promise(&self, id: &str, record: &SeenDelivery, seen: &Seen) {
        let is_kept = match (record.status, record.mark.as_deref()) {
            (Status::Success, mark) => mark.is_none(),
            (status, mark) if status.is_recoverable() => mark == Some("failed"),
            (_, None) => seen.is_owned(id, record) || self.unpromised.contains_key(id),
            (_, Some("held")) => seen.will_be_released(&record.endpoint),
            (_, mark) => mark == Some("due"),
        };
        assert!(is_kept, "the promise is broken for {id}: {record:?}");
    }

    fn follow_endpoint(&mut self, endpoint: usize, seen: &Seen) {
        let found = seen.endpoints.get(&self.endpoints[endpoint].id);
        let status = found.map_or(DELETED, |endpoint| endpoint.status.as_str());
        let possible = &mut self.possible[endpoint];
        let Some(status) = possible.iter().copied().find(|possible| *possible == status) else {
            panic!("endpoint {endpoint} is {status}, and can only be {possible:?}");
        };
        *possible = vec![status];
        let suspended = found.is_some_and(|endpoint| endpoint.suspended);
        // The counters may miss failures, but never count more than there were.
        let failed = self.failed[endpoint];
        assert!(!suspended || self.suspended[endpoint] || failed >= FAILURES_THAT_SUSPEND, "suspended after {failed}");
        if suspended {
            self.failed[endpoint] = 0;
        }
        self.suspended[endpoint] = suspended;
        let now = self.world.clock.now();
        self.stopped[endpoint] = (status != ACTIVE).then(|| self.stopped[endpoint].unwrap_or(now));
    }

    /// Ends the sequence: receivers accept everything, unanswered requests are repeated, paused endpoints are resumed,
    /// and the system runs until nothing is left. Then checks the final state.
    async fn end(mut self) {
        self.receivers.iter().for_each(Receiver::forget_script);
        self.set_organization(false).await;
        self.world.advance(FIRST_REQUEST_ENDS);
        while !self.unanswered.is_empty() {
            let left = self.unanswered.len();
            self.repeat().await;
            assert!(self.unanswered.len() < left, "a publish request cannot be completed");
            self.check_step(Allowed::default()).await;
        }
        assert!(self.unpromised.is_empty(), "no response listed {:?}", self.unpromised);
        for endpoint in 0..ENDPOINTS {
            self.move_to(endpoint, true).await;
            if self.possible[endpoint] == [PAUSED] {
                self.set_status(endpoint, ACTIVE, None).await;
            }
        }
        self.check_step(Allowed::default()).await;
        self.world.run_to_the_end().await;
        self.check_step(Allowed { retries: self.recovering, ..Allowed::default() }).await;
        for (id, delivery) in &self.model {
            assert!(delivery.status.is_final(), "{id} is not final: {delivery:?}");
        }
        self.check_that_the_quiet_organization_is_unaffected();
        self.check_lists().await;
        for (partition, key) in self.world.marks().await {
            assert!(
                ["failed", "half_open"].contains(&partition.split('#').next().unwrap()),
                "{partition} {key} is left"
            );
        }
    }
}

/// Lets the receivers ignore the requests of dead processes, which may still arrive.
fn ignore_failed_deliveries(receivers: &[Receiver], now: Timestamp) {
    for receiver in receivers {
        receiver.behind(&Fuse::after(0));
        receiver.outlives_it(now);
    }
}

impl Work {
    async fn perform(self, process: &Process, world: &World) {
        match self {
            Self::Deliver { lane, most } => drop(process.poll_of(lane, most).await),
            Self::Sweep => process.sweep().await,
            Self::Redeliver { turns } => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                world.redeliver();
            }
        }
    }
}

impl Reaction {
    fn answer(self) -> Answer {
        match self {
            Self::Ok => Answer::status(200),
            Self::Fail => Answer::status(500),
            Self::Later => Answer::status(503).header("retry-after", "3600"),
            Self::Gone => Answer::status(410),
        }
    }
}
