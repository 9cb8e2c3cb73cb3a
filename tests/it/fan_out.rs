//! Publishing from remembered targets: what an owner changes holds for everything that is published or asked for
//! afterwards, in every process.

mod limits;
mod model;
mod transactions;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Call, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, over_network_by_call, text,
};

/// Longer than targets are used without being read again.
const REMEMBERED: Duration = Duration::from_secs(31);

/// A world with an endpoint, and a second process that has published to it and delivered a moment ago.
struct Warm {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    process: Process,
}

impl Warm {
    async fn new() -> Self {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let process = world.another_process();
        assert_eq!(tenant.at(&process).publish().await.len(), 1);
        assert_eq!(process.drain().await, 1);
        Self { world, tenant, endpoint, receiver, process }
    }

    /// Publishes through the second process.
    async fn publish(&self) -> Vec<String> {
        self.tenant.at(&self.process).publish().await
    }

    async fn change(&self, fields: Value) {
        self.tenant.patch(&self.endpoint.path(), &fields).await.data(200);
    }
}

#[tokio::test]
async fn an_endpoint_made_a_moment_ago_gets_the_next_event_of_every_process() {
    let warm = Warm::new().await;
    for endpoints in 2..5 {
        warm.tenant.endpoint(&warm.receiver).await;
        assert_eq!(warm.publish().await.len(), endpoints);
        assert_eq!(warm.tenant.publish().await.len(), endpoints);
    }
    warm.tenant.delete(&format!("{}?permanent=true", warm.endpoint.path())).await.data(204);
    assert_eq!(warm.publish().await.len(), 3);
}

#[tokio::test]
async fn an_endpoint_of_a_group_that_had_none_gets_the_next_event_of_every_process() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let process = world.another_process();
    world.make_endpoints(&tenant, 64, &["other.type"]).await;
    assert!(tenant.at(&process).publish().await.is_empty());
    let receiver = Receiver::new().await;
    for endpoints in 1..20 {
        tenant.endpoint(&receiver).await;
        assert_eq!(tenant.at(&process).publish().await.len(), endpoints);
    }
    let groups = world.items("fan_out").await.iter().map(|it| it["pk"].as_s().unwrap().clone()).collect::<Vec<_>>();
    assert_eq!(groups.iter().filter(|pk| pk.ends_with("#0")).count(), groups.len() - others(&groups));
    assert!(others(&groups) > 0, "{groups:?}");
}

/// Most of them are the first of their group.
#[tokio::test]
async fn an_endpoint_whose_creator_ended_before_it_raised_the_revision_is_hidden_for_half_a_minute_at_most() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    world.make_endpoints(&tenant, 64, &["other.type"]).await;
    assert!(tenant.publish().await.is_empty());
    let ends = |call: &Call| call.kind().starts_with("UpdateItem state ADD");
    let network = over_network_by_call(&world.sdk(), move |call| if ends(call) { Fate::Refuse } else { Fate::Pass });
    let process = world.process_over(&network, world.clock.clock());
    let endpoint = json!({"name": "n", "url": receiver.url(), "event_types": ["*"]});
    for number in 1..4 {
        tenant.at(&process).post("/webhooks/endpoints", &endpoint).await.is_error(503, "unavailable");
        world.advance(REMEMBERED);
        assert_eq!(tenant.publish().await.len(), number);
    }
}

fn others(groups: &[String]) -> usize {
    groups.iter().filter(|pk| !pk.ends_with("#0")).count()
}

#[tokio::test]
async fn a_suspended_organization_is_refused_at_once_by_every_process_and_accepted_at_once_afterwards() {
    let warm = Warm::new().await;
    let (platform, path) = (warm.world.platform(), format!("/v1/organizations/{}", warm.tenant.id));
    for (status, accepted) in [("suspended", false), ("active", true), ("suspended", false)] {
        platform.patch(&path, &json!({"status": status})).await.data(200);
        let event = json!({"type": "member.added", "data": {}});
        let reply = warm.tenant.at(&warm.process).post("/events", &event).await;
        if accepted {
            reply.data(202);
        } else {
            reply.is_error(403, "forbidden");
        }
    }
    let copies = warm.world.items("state").await;
    assert_eq!(copies.len(), 4);
    assert!(copies.iter().all(|copy| copy["status"].as_s().unwrap() == "suspended"));
}

#[tokio::test]
async fn an_organization_that_does_not_exist_is_not_found() {
    let world = World::new().await;
    let path = "/v1/organizations/00000000-0000-4000-8000-000000000001/events";
    world.platform().post(path, &json!({"type": "a", "data": {}})).await.is_error(404, "not_found");
}

#[tokio::test]
async fn a_pause_holds_for_every_event_that_is_published_after_it() {
    let warm = Warm::new().await;
    warm.change(json!({"status": "paused"})).await;
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 0, "it is parked, and not queued");
    warm.change(json!({"status": "active"})).await;
    assert_eq!(warm.process.drain().await, 1, "what was parked is sent");
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 1, "it is queued, and not parked");
    assert_eq!(warm.receiver.received().len(), 3);
}

/// The consumer remembers the endpoint as it was before.
#[tokio::test]
async fn another_url_and_secret_hold_for_every_event_that_is_published_after_them() {
    let warm = Warm::new().await;
    let moved = Receiver::new().await;
    let secret = format!("whsec_{}", "A".repeat(32));
    warm.change(json!({"url": moved.url(), "secret": secret})).await;
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 1);
    assert_eq!((warm.receiver.received().len(), moved.received().len()), (1, 1));
    let rotated = warm.tenant.post(&format!("{}/rotations", warm.endpoint.path()), &json!({})).await.data(200);
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 1);
    let signatures = moved.received().into_iter().map(|it| it.header("webhook-signature").split(' ').count());
    assert_eq!(signatures.collect::<Vec<_>>(), [1, 2], "both secrets sign: {rotated}");
}

/// Each of them is delivered by a consumer that remembers the former URL.
#[tokio::test]
async fn another_url_holds_for_every_delivery_that_is_asked_for_after_it() {
    for ask in ["retry", "test", "recover", "resume"] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
        let tenant = world.tenant().await;
        let fields = json!({"url": receiver.url(), "retry_schedule": []});
        let endpoint = tenant.endpoint_with(fields).await;
        let failed = tenant.publish_one().await;
        let process = world.another_process();
        assert_eq!(process.drain().await, 1);
        // A failure makes the consumer forget the endpoint, and a success does not.
        tenant.publish().await;
        assert_eq!(process.drain().await, 1);
        world.advance(Duration::from_secs(1));
        if ask == "resume" {
            tenant.set_status(&endpoint, "paused").await;
            tenant.publish().await;
        }
        let moved = Receiver::new().await;
        let mut change = json!({"url": moved.url()});
        if ask == "resume" {
            change["status"] = json!("active");
        }
        tenant.patch(&endpoint.path(), &change).await.data(200);
        let (path, body) = match ask {
            "retry" => (format!("/webhooks/deliveries/{failed}/retry"), json!({})),
            "test" => (format!("{}/test", endpoint.path()), json!({})),
            _ => (format!("{}/recover", endpoint.path()), json!({"since": "2020-01-01T00:00:00Z"})),
        };
        if ask != "resume" {
            let reply = tenant.post(&path, &body).await;
            assert!(reply.status < 300, "{ask}: {}", reply.body);
        }
        assert!(process.drain().await > 0, "{ask}");
        assert_eq!(receiver.received().len(), 2, "{ask}: nothing more comes to the former URL");
        assert!(!moved.received().is_empty(), "{ask}");
    }
}

/// The organization is suspended after the request read its state.
#[tokio::test]
async fn a_request_that_begins_to_write_a_minute_after_its_read_reads_again() {
    let warm = Warm::new().await;
    for (seconds, is_accepted) in [(59, true), (61, false)] {
        let (begun, gate, clock) = (Gate::closed(), Gate::closed(), warm.world.clock.clone());
        let (begins, waits) = (begun.clone(), gate.clone());
        let network = over_network_by_call(&warm.world.sdk(), move |call| {
            if call.kind() != "PutItem idem" {
                return Fate::Pass;
            }
            clock.advance(Duration::from_secs(seconds));
            begins.open();
            Fate::Behind(waits.clone())
        });
        let process = warm.world.process_over(&network, warm.world.clock.clock());
        let tenant = warm.tenant.at(&process);
        let event = json!({"type": "member.added", "data": {}}).to_string();
        let key = seconds.to_string();
        let headers = [("idempotency-key", key.as_str())];
        let publish = tenant.call(Method::POST, "/events", &headers, Some(event));
        let suspend = async {
            begun.pass().await;
            let path = format!("/v1/organizations/{}", warm.tenant.id);
            warm.world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
            gate.open();
            path
        };
        let (reply, path) = tokio::join!(publish, suspend);
        if is_accepted {
            reply.data(202);
        } else {
            reply.is_error(403, "forbidden");
        }
        warm.world.platform().patch(&path, &json!({"status": "active"})).await.data(200);
    }
}

/// A suspension is no change by the owner: other publishers learn of it within 30 s, and the consumer parks until then.
#[tokio::test]
async fn a_suspension_reaches_the_publishers_of_other_processes_within_half_a_minute() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let process = world.another_process();
    world.advance(Duration::from_secs(61));
    for _ in 0..9 {
        tenant.publish().await;
    }
    world.drain().await;
    world.advance(Duration::from_secs(61));
    assert_eq!(tenant.at(&process).publish().await.len(), 1);
    world.drain().await;
    let held = async || world.marks().await.iter().filter(|(partition, _)| partition.starts_with("held#")).count();

    tenant.at(&process).publish().await;
    assert_eq!(held().await, 0, "the other process does not know yet");
    assert_eq!(world.drain().await, 1);
    assert_eq!(held().await, 1, "the consumer parks it");
    world.advance(REMEMBERED);
    tenant.at(&process).publish().await;
    assert_eq!((held().await, world.drain().await), (2, 0));
    assert_eq!(receiver.received().len(), 10);
}

#[tokio::test]
async fn an_operational_event_reaches_an_endpoint_that_was_made_half_a_minute_ago() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let consumer = world.another_process();
    tenant.publish().await;
    consumer.drain().await;
    let listener = Receiver::new().await;
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": ["delivery.exhausted"]})).await;
    world.advance(REMEMBERED);
    tenant.publish().await;
    consumer.drain().await;
    world.sweep().await;
    world.drain().await;
    assert_eq!(text(&listener.only().json()["type"]), "delivery.exhausted");
}
