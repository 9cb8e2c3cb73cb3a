//! The stage of a scene: everything before and after the function's run succeeds. During the run, a test controls the
//! function's network.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::domain::job::{LAST_PASS_AFTER, SECOND_PASS_AFTER};
use shared::queue::schema::VISIBILITY_SECONDS;

use super::scene::{BATCH, Function, LARGE_BATCH, MANY, MORE_THAN_AT_ONCE, Outcome, Receiving, Scene};
use super::wire::Wire;
use crate::event_types;
use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, FinalState, Process, Receiver, Reply, Tenant, World, delivery_ids,
    over_network, over_network_by_call, text,
};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// Longer than a process caches an endpoint.
const REMEMBERED: Duration = Duration::from_secs(6);
/// Longer than usage is kept in memory.
const ELEVEN_MINUTES: Duration = Duration::from_secs(11 * 60);
/// Longer than the wait before a half-open probe.
const A_MINUTE: Duration = Duration::from_secs(61);
/// Longer than the minimum duration of a release.
const TWO_MINUTES: Duration = Duration::from_secs(121);

impl Scene {
    /// Prepares the state before the function runs.
    pub(super) async fn set(self, wire: &Wire) -> Stage {
        let mut stage = Stage::new(self, wire).await;
        match self {
            Self::Keyed | Self::Keyless | Self::Batch | Self::LargeBatch | Self::CutOff => {}
            Self::Limited => stage.limit().await,
            Self::LimitReached => {
                stage.limit().await;
                stage.use_up_tokens().await;
            }
            Self::Typed => drop(event_types::create(&stage.world, &json!({"name": EVENT_TYPE, "schema": true})).await),
            Self::ToPaused => stage.set_status("paused").await,
            Self::Named => stage.name_organization().await,
            Self::Replacing => {
                let refuse = |it: &str| if it == "BatchWriteItem" { Fate::Refuse } else { Fate::Pass };
                let tenant = stage.tenant.at(&stage.spoiled(refuse));
                tenant.post("/events", &named(event(10))).await.is_error(503, "unavailable");
                stage.world.advance(A_MINUTE);
            }
            Self::Again => drop(stage.publish_over(&stage.world.process.clone()).await.data(202)),
            Self::Repair => {
                let refuse = |it: &str| if it == "BatchWriteItem" { Fate::Refuse } else { Fate::Pass };
                stage.publish_over(&stage.spoiled(refuse)).await.is_error(503, "unavailable");
            }
            Self::Success
            | Self::Large
            | Self::ShortRetry
            | Self::LongRetry
            | Self::DelayedRetry
            | Self::Exhaustion => {
                stage.publish(2).await;
            }
            Self::SuccessAlone | Self::ShortRetryAlone | Self::LongRetryAlone | Self::ExhaustionAlone => {
                stage.publish(2).await;
            }
            Self::Gone | Self::GoneAlone => stage.publish(1).await,
            Self::Forwarding => {
                stage.publish(2).await;
                stage.world.set_lane(&stage.tenant, &stage.endpoint, Lane::Slow).await;
            }
            Self::Paused => {
                stage.publish(2).await;
                stage.set_status("paused").await;
            }
            Self::StillPaused => {
                stage.publish(2).await;
                stage.set_status("paused").await;
                assert_eq!(stage.process.poll_at_most(1).await, 1);
            }
            Self::LeasedAndPaused => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.world.sweep().await;
                stage.set_status("paused").await;
            }
            Self::RetryingAndPaused => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.set_status("paused").await;
            }
            Self::RetryingAndDeleted => {
                stage.publish(1).await;
                stage.fail_until_due().await;
                stage.delete().await;
            }
            Self::Deleted => {
                stage.publish(2).await;
                stage.delete().await;
            }
            Self::Suspension => stage.fail_nine().await,
            Self::ProbeFails | Self::ProbeSucceeds => {
                stage.suspend_and_park().await;
                stage.world.sweep().await;
            }
            Self::Probe => stage.suspend_and_park().await,
            Self::NothingToProbeWith => {
                stage.fail_nine().await;
                stage.world.drain().await;
                stage.world.advance(A_MINUTE);
            }
            Self::GiveUp => stage.wear_out().await,
            Self::Announced => {
                stage.wear_out().await;
                stage.process.sweep().await;
                stage.world.advance(ELEVEN_MINUTES);
            }
            Self::BacklogMetrics => {
                stage.suspend_and_park().await;
                stage.world.clock.advance_to_backlog_metrics();
            }
            Self::Recovered => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.publish(1).await;
            }
            Self::Counted => {
                stage.publish(1).await;
                assert_eq!(stage.process.poll().await, 1);
                stage.world.advance(ELEVEN_MINUTES);
                stage.publish(1).await;
            }
            Self::Isolated => {
                stage.publish(2).await;
                assert_eq!(stage.world.take_messages().await.len(), 2);
                stage.world.advance(VISIBILITY);
            }
            Self::Due => {
                stage.publish(2).await;
                stage.fail_until_due().await;
            }
            Self::Release => {
                stage.hold(2).await;
                stage.resume_without_release().await;
            }
            Self::ReleaseOfFailing => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.hold(MORE_THAN_AT_ONCE).await;
                stage.resume_without_release().await;
            }
            Self::ReleaseEnds => {
                stage.hold(1).await;
                stage.set_status("active").await;
                stage.world.drain().await;
                stage.world.advance(TWO_MINUTES);
            }
            Self::ReleaseOfDisabled => {
                stage.hold(2).await;
                stage.set_status("disabled").await;
            }
            Self::ReleaseOfDeletedEnds => {
                stage.hold(2).await;
                stage.delete().await;
                stage.world.sweep().await;
                stage.world.advance(TWO_MINUTES);
            }
            Self::Recovery => {
                stage.publish(2).await;
                stage.world.drain().await;
                stage.ask_for_recovery().await;
            }
            Self::SendAll => {
                stage.publish(2).await;
                stage.world.purge().await;
                stage.world.advance(A_MINUTE);
                let (sdk, clock) = (stage.world.sdk(), stage.world.clock.clock());
                pigeonpost::send_all(&sdk, stage.world.table(), &clock).await.unwrap();
            }
            Self::Expunge => {
                stage.publish(1).await;
                stage.world.purge().await;
                stage.ask_to_expunge().await;
            }
            Self::Deletion => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.delete_another_organization().await;
            }
            Self::DeletionEnds => {
                stage.publish(1).await;
                stage.world.drain().await;
                stage.delete_another_organization().await;
                for pause in [SECOND_PASS_AFTER, LAST_PASS_AFTER] {
                    stage.world.sweep().await;
                    stage.world.advance(pause);
                }
            }
            Self::LongRecovery => {
                stage.hold(MANY).await;
                stage.set_status("disabled").await;
                stage.world.sweep().await;
                stage.set_status("active").await;
                stage.ask_for_recovery().await;
            }
        }
        stage
    }
}

/// A world with an endpoint, a listener for operational events, and the process that runs the function.
pub(super) struct Stage {
    scene: Scene,
    wire: Wire,
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    listener: Receiver,
    process: Process,
    accepted: Vec<String>,
}

/// The event with an external id.
fn named(mut event: Value) -> Value {
    event["external_id"] = json!("order-17");
    event
}

impl Stage {
    async fn new(scene: Scene, wire: &Wire) -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let receiver = match scene.answers() {
            Receiving::Always(status) => Receiver::always(Answer::status(status)).await,
            Receiving::Then200(first) => Receiver::scripted(first).await,
        };
        let mut fields = scene.settings();
        fields["url"] = json!(receiver.url());
        let endpoint = tenant.endpoint_with(fields).await;
        let listener = Receiver::new().await;
        if let Some(wanted) = scene.ends().announced.first() {
            tenant.endpoint_with(json!({"url": listener.url(), "event_types": [wanted]})).await;
        }
        let seen = wire.clone();
        let network = over_network_by_call(&world.sdk(), move |call| seen.fate(call));
        let process = world.process_over(&network, world.clock.clock());
        let wire = wire.clone();
        Self { scene, wire, world, tenant, endpoint, receiver, listener, process, accepted: Vec::new() }
    }

    /// Runs the function over its network. Returns the outcome and whether it sent all messages of the scene.
    pub(super) async fn act(&mut self) -> (Outcome, bool) {
        let acted = match self.scene.function() {
            Function::Publish => return (self.publish_until_accepted().await, true),
            Function::Deliver => self.wire.armed(self.process.try_poll()).await.is_ok(),
            Function::Sweep => self.wire.armed(self.process.try_sweep()).await.is_ok(),
        };
        let expected = self.scene.queued();
        let queued = self.world.in_the_queue().await;
        let outcome = match (self.scene.function(), acted) {
            (Function::Sweep, true) if queued < expected => Outcome::Late,
            (Function::Sweep, true) => Outcome::Usual,
            (Function::Sweep, false) => Outcome::Failed,
            _ if self.scene == Scene::DelayedRetry => self.how_copies_wait().await,
            _ if self.scene == Scene::Forwarding => self.how_forwarding_ends().await,
            _ => self.how_messages_stay(queued, expected).await,
        };
        (outcome, queued >= expected)
    }

    /// The outcome is usual if the messages are visible after one second. Otherwise they must be visible after their
    /// visibility timeout.
    async fn how_messages_stay(&self, queued: usize, expected: usize) -> Outcome {
        self.world.advance(Duration::from_secs(1));
        if queued == expected && self.world.visible_in_the_queue().await == expected {
            return Outcome::Usual;
        }
        self.world.advance(VISIBILITY);
        assert_eq!(self.world.visible_in_the_queue().await, queued, "each message becomes visible");
        Outcome::Failed
    }

    /// The outcome is usual if a message waits for the retry in ten minutes. A message that was not acknowledged
    /// becomes visible earlier.
    async fn how_copies_wait(&self) -> Outcome {
        self.world.advance(VISIBILITY);
        if self.world.visible_in_the_queue().await == 0 { Outcome::Usual } else { Outcome::Failed }
    }

    /// The outcome is usual if no message is left in the fast lane. Otherwise the messages must be visible after their
    /// visibility timeout.
    async fn how_forwarding_ends(&self) -> Outcome {
        let left = self.world.messages_of(Lane::Fast).len();
        let forwarded = self.world.messages_of(Lane::Slow).len();
        if left == 0 && forwarded >= self.accepted.len() {
            return Outcome::Usual;
        }
        self.world.advance(VISIBILITY);
        assert_eq!(self.world.visible_in_the_queue().await, left + forwarded, "each message becomes visible");
        Outcome::Failed
    }

    async fn publish_until_accepted(&mut self) -> Outcome {
        let first = self.wire.armed(self.publish_over(&self.process)).await;
        if first.status == 202 {
            self.accepted = self.deliveries_of(first);
            return Outcome::Usual;
        }
        if self.scene == Scene::Keyless && first.status == 500 {
            // SQS rejects the message again in a retry.
            first.is_error(500, "internal");
        } else if first.status == 429 {
            assert_eq!(first.headers["retry-after"], "1");
            first.is_error(429, "rate_limited");
            self.world.advance(Duration::from_secs(1));
        } else {
            assert!(first.headers.contains_key("retry-after"), "{}", first.body);
            first.is_error(503, "unavailable");
        }
        let healthy = self.world.another_process();
        let again = self.publish_over(&healthy).await;
        let outcome = if again.status == 202 {
            self.accepted = self.deliveries_of(again);
            Outcome::Failed
        } else {
            again.is_error(503, "unavailable");
            self.world.advance(A_MINUTE);
            self.accepted = self.deliveries_of(self.publish_over(&healthy).await);
            Outcome::Late
        };
        healthy.meter.write_all_usage().await;
        outcome
    }

    /// Sets limits of the organization that the scene does not reach.
    async fn limit(&self) {
        let path = format!("/v1/organizations/{}/limits", self.tenant.id);
        let limits = json!({"events_per_second": 1, "events_per_month": 1_000}).to_string();
        self.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    }

    /// Gives the organization an external id.
    async fn name_organization(&self) {
        let path = format!("/v1/organizations/{}", self.tenant.id);
        self.world.platform().patch(&path, &json!({"external_id": "acme"})).await.data(200);
    }

    /// Uses up the tokens of the next second.
    async fn use_up_tokens(&self) {
        let full_at = self.world.clock.now().plus(Duration::from_secs(100)).unix_micros() * 1_000;
        let item = [
            ("pk", AttributeValue::S(format!("limit#{}", self.tenant.id))),
            ("sk", AttributeValue::S("rate".to_owned())),
            ("tat", AttributeValue::N(full_at.to_string())),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value)).into();
        self.world.dynamodb().put_item().table_name(self.world.table()).set_item(Some(item)).send().await.unwrap();
    }

    fn deliveries_of(&self, reply: Reply) -> Vec<String> {
        match reply.data(202) {
            Value::Array(results) => results.iter().flat_map(|result| delivery_ids(&result["event"])).collect(),
            event => delivery_ids(&event),
        }
    }

    async fn publish_over(&self, process: &Process) -> Reply {
        let (path, body) = match self.scene {
            Scene::Batch => ("/events/batch", json!({"events": vec![event(10); BATCH]})),
            Scene::LargeBatch => ("/events/batch", json!({"events": vec![event(10); LARGE_BATCH]})),
            Scene::Named => ("/v1/organizations/ext:acme/events", named(event(10))),
            Scene::Replacing => ("/events", named(event(10))),
            _ => ("/events", event(10)),
        };
        let key = [("idempotency-key", "order-17")];
        let headers = if self.scene == Scene::Keyless { &key[1..] } else { &key[..] };
        self.tenant.at(process).call(Method::POST, path, headers, Some(body.to_string())).await
    }

    /// Publishes this many events, which the scene needs.
    async fn publish(&mut self, count: usize) {
        let bytes = if self.scene == Scene::Large { 50_000 } else { 10 };
        for _ in 0..count {
            self.accepted.extend(delivery_ids(&self.tenant.post("/events", &event(bytes)).await.data(202)));
        }
    }

    async fn set_status(&self, status: &str) {
        self.tenant.set_status(&self.endpoint, status).await;
    }

    async fn delete(&self) {
        self.tenant.delete(&format!("{}?permanent=true", self.endpoint.path())).await.data(204);
    }

    /// A process on whose network these operations have another fate than to pass.
    fn spoiled(&self, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Process {
        self.world.process_over(&over_network(&self.world.sdk(), fate), self.world.clock.clock())
    }

    /// Publishes this many events for the endpoint, which is paused.
    async fn hold(&mut self, count: usize) {
        self.set_status("paused").await;
        for start in (0..count).step_by(100) {
            let events = vec![event(10); (count - start).min(100)];
            let published = self.tenant.post("/events/batch", &json!({"events": events})).await;
            self.accepted.extend(self.deliveries_of(published));
        }
    }

    /// Resumes the endpoint without releasing a delivery, so the sweep must release them.
    async fn resume_without_release(&self) {
        let hasty = self.spoiled(|operation| if operation == "Query" { Fate::Refuse } else { Fate::Pass });
        self.tenant.at(&hasty).set_status(&self.endpoint, "active").await;
    }

    /// Requests a recovery without retrying a delivery, so the sweep must retry them.
    async fn ask_for_recovery(&self) {
        self.world.advance(REMEMBERED);
        let hasty = self.spoiled(|operation| if operation == "Query" { Fate::Refuse } else { Fate::Pass });
        let path = format!("{}/recover", self.endpoint.path());
        let all = json!({"since": "2020-01-01T00:00:00Z"});
        self.tenant.at(&hasty).post(&path, &all).await.is_error(503, "unavailable");
    }

    /// Requests that the data of the event is removed. The request only writes the job, so the sweep must do it.
    async fn ask_to_expunge(&self) {
        let network = over_network_by_call(&self.world.sdk(), |call| {
            if call.kind() == "PutItem event" { Fate::Refuse } else { Fate::Pass }
        });
        let hasty = self.world.process_over(&network, self.world.clock.clock());
        let events = self.tenant.get("/events").await.data(200);
        let path = format!("/events/{}/data", text(&events[0]["id"]));
        self.tenant.at(&hasty).delete(&path).await.is_error(503, "unavailable");
    }

    /// Makes an organization that has every kind of item, begins its deletion, and waits until the first pass
    /// is due.
    async fn delete_another_organization(&self) {
        let tenant = self.world.tenant().await;
        let limits = json!({"events_per_second": 100}).to_string();
        let path = format!("/v1/organizations/{}", tenant.id);
        self.world.platform().call(Method::PUT, &format!("{path}/limits"), &[], Some(limits)).await.data(200);
        let receiver = Receiver::always(Answer::status(500)).await;
        self.world.platform().patch(&path, &json!({"external_id": "crm-18"})).await.data(200);
        tenant.endpoint_with(json!({"url": receiver.url(), "external_id": "main"})).await;
        let endpoint = tenant.endpoint(&receiver).await;
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        let keyed = [("idempotency-key", "order-18")];
        tenant.call(Method::POST, "/events", &keyed, Some(named(event(10)).to_string())).await.data(202);
        self.world.drain().await;
        tenant.get("/usage").await.data(200);
        self.world.platform().delete(&format!("{path}?force=true")).await.data(202);
        self.world.drain().await;
        self.world.advance(A_MINUTE);
    }

    /// Lets the first attempts fail, and advances the time until the retries are due.
    async fn fail_until_due(&self) {
        self.world.drain().await;
        self.world.advance(Duration::from_secs(1_100));
    }

    /// Stores the counters of nine failed attempts. The attempt of the queued message is the tenth, which suspends the
    /// endpoint.
    async fn fail_nine(&mut self) {
        let now = self.world.clock.now();
        let until = now.plus(Duration::from_secs(600)).rfc3339();
        let update = self.world.dynamodb().update_item().table_name(self.world.table()).set_key(Some(self.key()));
        let update = update.update_expression("SET failing_until = :until");
        update.expression_attribute_values(":until", AttributeValue::S(until)).send().await.unwrap();
        let mut counters = self.health_key();
        let number = |number: i64| AttributeValue::N(number.to_string());
        counters.extend([
            ("entity".to_owned(), AttributeValue::S("health".to_owned())),
            ("v".to_owned(), number(1)),
            ("failures".to_owned(), number(9)),
            ("failing_since".to_owned(), AttributeValue::S(now.rfc3339())),
            ("expires_at".to_owned(), number(now.unix_seconds() + 86_400)),
            ("write_token".to_owned(), AttributeValue::S("0".to_owned())),
        ]);
        let put = self.world.dynamodb().put_item().table_name(self.world.table()).set_item(Some(counters));
        put.send().await.unwrap();
        self.world.advance(A_MINUTE);
        self.publish(1).await;
    }

    /// Suspends the endpoint and parks a delivery that is due as a half-open probe.
    async fn suspend_and_park(&mut self) {
        self.fail_nine().await;
        self.world.drain().await;
        self.publish(1).await;
        self.world.advance(A_MINUTE);
    }

    /// Suspends the endpoint for as long as it takes to disable it.
    async fn wear_out(&mut self) {
        self.suspend_and_park().await;
        self.world.advance(Duration::from_secs(5 * 86_400));
        self.world.sweep().await;
        self.world.drain().await;
        self.world.advance(3 * A_MINUTE);
    }

    /// Resumes a paused endpoint, and advances the world until nothing is left to do. Nothing fails any more.
    pub(super) async fn end(&self) -> Ended {
        if self.endpoint_stands().await == "paused" {
            self.set_status("active").await;
        }
        let final_state = self.world.run_to_the_end().await;
        for process in [&self.world.process, &self.process] {
            process.meter.write_all_usage().await;
        }
        Ended {
            usage: (self.world.usage().await, self.done(&final_state).await),
            statuses: self.accepted.iter().fold(BTreeMap::new(), |mut counts, id| {
                *counts.entry(final_state.record(id).status.clone()).or_insert(0) += 1;
                counts
            }),
            repetitions: final_state.repetitions(&[&self.receiver, &self.listener]),
            announced: self.listener.received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect(),
            endpoint: self.endpoint_stands().await,
            unfinished: self.check(&final_state),
        }
    }

    /// The actual numbers of events, deliveries and attempts, in the order of usage.
    async fn done(&self, final_state: &FinalState) -> [u64; 3] {
        let attempts = final_state.records.values().map(|record| record.attempts).sum();
        [self.world.items("event").await.len(), final_state.records.len(), attempts].map(|count| count as u64)
    }

    /// Checks the promise for the accepted deliveries. Returns the number of records that are not final.
    fn check(&self, final_state: &FinalState) -> usize {
        final_state.keeps_the_promise(&self.accepted, &[&self.receiver]);
        let unfinished = |status: &str| ["pending", "retrying"].contains(&status);
        final_state.records.values().filter(|record| unfinished(&record.status)).count()
    }

    fn key(&self) -> HashMap<String, AttributeValue> {
        self.world.endpoint_key(&self.tenant.id, &self.endpoint.id)
    }

    fn health_key(&self) -> HashMap<String, AttributeValue> {
        let key = [("pk", format!("health#{}", self.endpoint.id)), ("sk", "health".to_owned())];
        key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    async fn item(&self, key: HashMap<String, AttributeValue>) -> Option<HashMap<String, AttributeValue>> {
        let get = self.world.dynamodb().get_item().table_name(self.world.table()).set_key(Some(key));
        get.send().await.unwrap().item
    }

    async fn endpoint_stands(&self) -> String {
        let Some(item) = self.item(self.key()).await else { return String::new() };
        let counters = self.item(self.health_key()).await.unwrap_or_default();
        let status = item["status"].as_s().unwrap();
        match status.as_str() {
            "active" if item.contains_key("suspended_since") => "suspended".to_owned(),
            "active" if counters.contains_key("failures") => "failing".to_owned(),
            status => status.to_owned(),
        }
    }
}

/// The end of a scene.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) statuses: BTreeMap<String, usize>,
    pub(super) repetitions: usize,
    pub(super) announced: Vec<String>,
    pub(super) endpoint: String,
    /// The number of deliveries that are not final. They were not accepted.
    pub(super) unfinished: usize,
    /// The counted and the actual numbers of events, deliveries and attempts.
    pub(super) usage: ([u64; 3], [u64; 3]),
}

fn event(bytes: usize) -> Value {
    json!({"type": EVENT_TYPE, "data": {"text": "x".repeat(bytes)}})
}
