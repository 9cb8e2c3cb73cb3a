//! Random sequences of operations in both lanes, with processes that die between any two of their calls, are compared
//! with a model of the allowed states. After each step, every delivery that is not final must have a message in the
//! queue or a mark in the index. At the end every delivery must be final.
//!
//! There are two organizations. The operations affect the endpoints of the first one. The second one publishes through
//! the same processes, and none of the operations may change anything of it.

mod catalogue;
mod isolation;
mod operations;
mod processes;
mod removals;
mod requests;
mod seen;
mod states;
mod transitions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::json;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Endpoint, Fuse, Process, Receiver, World};
use catalogue::Catalogue;
use isolation::{ORGANIZATIONS, Organization, QUIET_ENDPOINTS, TROUBLED, owner};
use operations::{ENDPOINTS, Operation, Reaction, operation};
use removals::Removal;
use seen::Seen;
use states::Delivery;

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
    replaying: bool,
    sending_again: bool,
    /// The events whose data was removed, or may have been.
    removed: BTreeMap<String, Removal>,
    /// When the deletion of the troubled organization was first seen.
    deleted_since: Option<Timestamp>,
    /// The number of requests that the receivers of the troubled organization had got before the step.
    received: usize,
    /// When the step began.
    checked_at: Timestamp,
    catalogue: Catalogue,
    /// The deliveries whose resend was requested.
    resent: BTreeSet<String>,
}

/// A publish request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Publishing {
    by: usize,
    /// The idempotency key. Both organizations use the same keys.
    key: String,
    content: Content,
}

/// What a request publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// A batch of this many events.
    Events(usize),
    /// A message of the `svix` dialect.
    Message,
}

/// The effects that a step may have in addition to the normal ones.
#[derive(Debug, Default, Clone, Copy)]
struct Allowed {
    /// Failed and exhausted deliveries may be retried manually.
    retries: bool,
    /// Final deliveries, also successful ones, may be sent again.
    replays: bool,
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
            replaying: false,
            sending_again: false,
            removed: BTreeMap::new(),
            deleted_since: None,
            received: 0,
            checked_at: world.clock.now(),
            catalogue: Catalogue::default(),
            resent: BTreeSet::new(),
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
        if self.is_deleted(TROUBLED) && operation.manages_the_troubled_organization() {
            return allowed;
        }
        match operation {
            Operation::Publish { by, events, cut } => drop(self.publish(*by, Content::Events(*events), *cut).await),
            Operation::PublishMessage { by, twice, cut } => self.publish_message(*by, *twice, *cut).await,
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
            Operation::WearOut => self.world.wear_out(),
            Operation::Redrive => drop(self.world.redrive().await),
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
            Operation::Resend { delivery, cut } => self.resend(*delivery, *cut).await,
            Operation::Recover { endpoint, cut } => {
                let path = format!("{}/recover", self.endpoints[*endpoint].path());
                let reply = self.call(Method::POST, &path, &json!({"since": "2020-01-01T00:00:00Z"}), *cut).await;
                self.check_that_it_is_accepted(*endpoint, reply);
                allowed.retries = true;
            }
            Operation::Expunge { delivery, cut } => self.expunge(*delivery, *cut).await,
            Operation::DeleteOrganization { cut } => self.delete_organization(*cut).await,
            Operation::SetType { accepts, cut } => self.set_type(*accepts, *cut).await,
            Operation::Replay { endpoint, what, cut } => {
                self.replay(*endpoint, what, *cut).await;
                (allowed.retries, allowed.replays) = (*what != "missed", *what == "all");
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

    /// Moves dead letters back to the queue, those that the next receive makes included, and runs the system until nothing
    /// is left.
    async fn run_to_the_end(&self) {
        self.world.another_process().drain().await;
        self.world.redrive().await;
        self.world.run_to_the_end().await;
    }

    /// Ends the sequence: receivers accept everything, unanswered requests are repeated, paused endpoints are resumed,
    /// and the system runs until nothing is left. Then checks the final state.
    async fn end(mut self) {
        self.receivers.iter().for_each(Receiver::forget_script);
        if !self.is_deleted(TROUBLED) {
            self.set_organization(false).await;
        }
        self.world.advance(FIRST_REQUEST_ENDS);
        while !self.unanswered.is_empty() {
            let left = self.unanswered.len();
            self.repeat().await;
            assert!(self.unanswered.len() < left, "a publish request cannot be completed");
            self.check_step(Allowed::default()).await;
        }
        assert!(self.unpromised.is_empty(), "no response listed {:?}", self.unpromised);
        let own = if self.is_deleted(TROUBLED) { 0 } else { ENDPOINTS };
        for endpoint in 0..own {
            self.move_to(endpoint, true).await;
            if self.possible[endpoint] == [PAUSED] {
                self.set_status(endpoint, ACTIVE, None).await;
            }
        }
        self.check_step(Allowed::default()).await;
        self.run_to_the_end().await;
        self.check_step(Allowed { retries: self.recovering, replays: self.replaying, ..Allowed::default() }).await;
        // A request within a minute would join a replay that has ended.
        self.world.advance(Duration::from_secs(60));
        for endpoint in (0..own).filter(|endpoint| self.possible[*endpoint] == [ACTIVE]).collect::<Vec<_>>() {
            // It makes what earlier replays have added and not recorded.
            self.replay(endpoint, "missed", None).await;
            self.check_step(Allowed::default()).await;
        }
        self.run_to_the_end().await;
        self.check_step(Allowed::default()).await;
        for (id, delivery) in &self.model {
            assert!(delivery.status.is_final(), "{id} is not final: {delivery:?}");
        }
        if self.is_deleted(TROUBLED) {
            self.check_that_nothing_is_left(&Seen::of(&self.world, &self.receivers).await);
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

/// The id of a delivery's event.
fn event_of(delivery: &str) -> String {
    format!("wevt_{}0000", &delivery["wdlv_".len()..delivery.len() - 4])
}

/// Lets the receivers ignore the requests of dead processes, which may still arrive.
fn ignore_failed_deliveries(receivers: &[Receiver], now: Timestamp) {
    for receiver in receivers {
        receiver.behind(&Fuse::after(0));
        receiver.outlives_it(now);
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
