//! The stage of a scene: everything before and after the function's run succeeds. During the run, a test controls the
//! function's network.

mod end;
mod preparation;
mod steps;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::scene::{BATCH, Function, LARGE_BATCH, Outcome, Receiving, Scene};
use super::wire::Wire;
use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Process, Receiver, Reply, Tenant, World, delivery_ids, over_network,
    over_network_by_call, text, without_lists,
};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// Longer than the wait before a half-open probe.
const A_MINUTE: Duration = Duration::from_secs(61);

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
        let process = match scene {
            Scene::Reencryption => world.process_with_parameter(&network),
            _ => world.process_on(&network),
        };
        let wire = wire.clone();
        Self { scene, wire, world, tenant, endpoint, receiver, listener, process, accepted: Vec::new() }
    }

    /// Runs the function over its network. Returns the outcome and whether it sent all messages of the scene.
    pub(super) async fn act(&mut self) -> (Outcome, bool) {
        let acted = match self.scene.function() {
            Function::Publish => return (self.publish_until_accepted().await, true),
            Function::Deliver => self.wire.armed(self.process.try_poll(self.scene.lane())).await.is_ok(),
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
            self.accepted = self.deliveries_of(first).await;
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
            self.is_unavailable(&first);
        }
        let healthy = self.world.another_process();
        let again = self.publish_over(&healthy).await;
        let outcome = if again.status == 202 {
            self.accepted = self.deliveries_of(again).await;
            Outcome::Failed
        } else {
            self.is_unavailable(&again);
            self.world.advance(A_MINUTE);
            self.accepted = self.deliveries_of(self.publish_over(&healthy).await).await;
            Outcome::Late
        };
        healthy.meter.write_all_usage().await;
        outcome
    }

    /// Asserts that the response asks the client to repeat the request later.
    fn is_unavailable(&self, reply: &Reply) {
        assert!(reply.headers.contains_key("retry-after"), "{}", reply.body);
        match self.scene.is_svix() {
            true => assert_eq!((reply.status, &reply.body["code"]), (503, &json!("unavailable")), "{}", reply.body),
            false => reply.is_error(503, "unavailable"),
        }
    }

    async fn deliveries_of(&self, reply: Reply) -> Vec<String> {
        if self.scene.is_svix() {
            // The response has no deliveries, only the event.
            assert_eq!(reply.status, 202, "{}", reply.body);
            let event = text(&reply.body["id"]).replace("msg_", "wevt_");
            return delivery_ids(&self.tenant.get(&format!("/events/{event}")).await.data(200));
        }
        match reply.data(202) {
            Value::Array(results) => {
                let accepted = results.iter().filter(|result| result["status"] == "accepted");
                accepted.flat_map(|result| delivery_ids(&result["event"])).collect()
            }
            event => delivery_ids(&event),
        }
    }

    async fn publish_over(&self, process: &Process) -> Reply {
        let messages = format!("/api/v1/app/{}/msg", self.tenant.id.replace("org_", "app_"));
        let (path, body) = match self.scene {
            Scene::Message | Scene::MessageAgain => {
                (&*messages, json!({"eventType": EVENT_TYPE, "eventId": "order-17", "payload": {"text": "x"}}))
            }
            Scene::Batch => ("/events/batch", json!({"events": vec![event(10); BATCH]})),
            Scene::LargeBatch => ("/events/batch", json!({"events": vec![event(10); LARGE_BATCH]})),
            Scene::PartlyRefused => ("/events/batch", json!({"events": [event(10), {"type": EVENT_TYPE, "data": {}}]})),
            Scene::Named => ("/v1/organizations/ext:acme/events", named(event(10))),
            Scene::Replacing => ("/events", named(event(10))),
            _ => ("/events", event(10)),
        };
        let key = [("idempotency-key", "order-17")];
        let headers = if self.scene == Scene::Keyless { &key[1..] } else { &key[..] };
        self.tenant.at(process).call(Method::POST, path, headers, Some(body.to_string())).await
    }

    async fn set_status(&self, status: &str) {
        self.tenant.set_status(&self.endpoint, status).await;
    }

    /// A process that cannot list events and deliveries.
    fn without_lists(&self) -> Process {
        self.world.process_on(&over_network_by_call(&self.world.sdk(), without_lists))
    }

    /// A process on whose network these operations have another fate than to pass.
    fn spoiled(&self, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Process {
        self.world.process_on(&over_network(&self.world.sdk(), fate))
    }
}

/// The event with an external id.
fn named(mut event: Value) -> Value {
    event["external_id"] = json!("order-17");
    event
}

fn event(bytes: usize) -> Value {
    json!({"type": EVENT_TYPE, "data": {"text": "x".repeat(bytes)}})
}
