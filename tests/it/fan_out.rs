//! Publishing with cached targets: an owner's change applies to every event that is published and every delivery that
//! is requested afterwards, in every process.

mod limits;
mod model;
mod requests;
mod transactions;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Call, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, over_network_by_call, text,
};

/// Longer than the lifetime of cached targets.
const TARGETS_EXPIRE: Duration = Duration::from_secs(31);

/// A `World` with an endpoint, and a second process that has cached it: it has published an event and delivered it.
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

    /// Publishes an event with the second process.
    async fn publish(&self) -> Vec<String> {
        self.tenant.at(&self.process).publish().await
    }

    async fn change(&self, fields: Value) {
        self.tenant.patch(&self.endpoint.path(), &fields).await.data(200);
    }
}

#[tokio::test]
async fn a_new_endpoint_gets_the_next_event_of_every_process() {
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
async fn the_first_endpoint_of_a_group_gets_the_next_event_of_every_process() {
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

/// Most of the endpoints are the first of their group.
#[tokio::test]
async fn an_endpoint_whose_revision_was_not_raised_gets_events_after_at_most_half_a_minute() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    world.make_endpoints(&tenant, 64, &["other.type"]).await;
    assert!(tenant.publish().await.is_empty());
    let raises = |call: &Call| call.kind().starts_with("UpdateItem state ADD");
    let network = over_network_by_call(&world.sdk(), move |call| if raises(call) { Fate::Refuse } else { Fate::Pass });
    let process = world.process_on(&network);
    let endpoint = json!({"name": "n", "url": receiver.url(), "event_types": ["*"]});
    for number in 1..4 {
        tenant.at(&process).post("/webhooks/endpoints", &endpoint).await.is_error(503, "unavailable");
        world.advance(TARGETS_EXPIRE);
        assert_eq!(tenant.publish().await.len(), number);
    }
}

fn others(groups: &[String]) -> usize {
    groups.iter().filter(|pk| !pk.ends_with("#0")).count()
}

#[tokio::test]
async fn every_process_refuses_the_next_event_of_a_suspended_organization_and_accepts_it_after_the_suspension() {
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
async fn a_pause_applies_to_every_event_that_is_published_after_it() {
    let warm = Warm::new().await;
    warm.change(json!({"status": "paused"})).await;
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 0, "the delivery is parked, and not queued");
    warm.change(json!({"status": "active"})).await;
    assert_eq!(warm.process.drain().await, 1, "the parked delivery is sent");
    warm.publish().await;
    assert_eq!(warm.process.drain().await, 1, "the delivery is queued, and not parked");
    assert_eq!(warm.receiver.received().len(), 3);
}

/// The consumer has cached the endpoint before the change.
#[tokio::test]
async fn a_new_url_and_secret_apply_to_every_event_that_is_published_after_the_change() {
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

/// The consumer has cached the former URL.
#[tokio::test]
async fn a_new_url_applies_to_every_delivery_that_is_requested_after_the_change() {
    for request in ["retry", "test", "recover", "resume"] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
        let tenant = world.tenant().await;
        let fields = json!({"url": receiver.url(), "retry_schedule": []});
        let endpoint = tenant.endpoint_with(fields).await;
        let failed = tenant.publish_one().await;
        let process = world.another_process();
        assert_eq!(process.drain().await, 1);
        // A failure removes the endpoint from the consumer's cache. A success keeps it.
        tenant.publish().await;
        assert_eq!(process.drain().await, 1);
        world.advance(Duration::from_secs(1));
        if request == "resume" {
            tenant.set_status(&endpoint, "paused").await;
            tenant.publish().await;
        }
        let moved = Receiver::new().await;
        let mut change = json!({"url": moved.url()});
        if request == "resume" {
            change["status"] = json!("active");
        }
        tenant.patch(&endpoint.path(), &change).await.data(200);
        let (path, body) = match request {
            "retry" => (format!("/webhooks/deliveries/{failed}/retry"), json!({})),
            "test" => (format!("{}/test", endpoint.path()), json!({})),
            _ => (format!("{}/recover", endpoint.path()), json!({"since": "2020-01-01T00:00:00Z"})),
        };
        if request != "resume" {
            let reply = tenant.post(&path, &body).await;
            assert!(reply.status < 300, "{request}: {}", reply.body);
        }
        assert!(process.drain().await > 0, "{request}");
        assert_eq!(receiver.received().len(), 2, "{request}: the former URL gets no more requests");
        assert!(!moved.received().is_empty(), "{request}");
    }
}

/// The organization is suspended after the request read its state.
#[tokio::test]
async fn a_request_that_begins_to_write_over_a_minute_after_it_read_the_state_reads_it_again() {
    let warm = Warm::new().await;
    for (seconds, is_accepted) in [(59, true), (61, false)] {
        let (reached, gate, clock) = (Gate::closed(), Gate::closed(), warm.world.clock.clone());
        let (write_reached, write_gate) = (reached.clone(), gate.clone());
        let network = over_network_by_call(&warm.world.sdk(), move |call| {
            if call.kind() != "PutItem idem" {
                return Fate::Pass;
            }
            clock.advance(Duration::from_secs(seconds));
            write_reached.open();
            Fate::Behind(write_gate.clone())
        });
        let process = warm.world.process_on(&network);
        let tenant = warm.tenant.at(&process);
        let event = json!({"type": "member.added", "data": {}}).to_string();
        let key = seconds.to_string();
        let headers = [("idempotency-key", key.as_str())];
        let publish = tenant.call(Method::POST, "/events", &headers, Some(event));
        let suspend = async {
            reached.pass().await;
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

/// A suspension is not a change by the owner. Other publishers use the former status for up to 30 s, and the consumer
/// parks the deliveries of their events.
#[tokio::test]
async fn the_publishers_of_other_processes_use_a_suspension_within_half_a_minute() {
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
    assert_eq!(held().await, 0, "the other process uses its cached target");
    assert_eq!(world.drain().await, 1);
    assert_eq!(held().await, 1, "the consumer parks the delivery");
    world.advance(TARGETS_EXPIRE);
    tenant.at(&process).publish().await;
    assert_eq!((held().await, world.drain().await), (2, 0));
    assert_eq!(receiver.received().len(), 10);
}

#[tokio::test]
async fn an_endpoint_gets_operational_events_half_a_minute_after_its_creation() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let consumer = world.another_process();
    tenant.publish().await;
    consumer.drain().await;
    let listener = Receiver::new().await;
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": ["delivery.exhausted"]})).await;
    world.advance(TARGETS_EXPIRE);
    tenant.publish().await;
    consumer.drain().await;
    world.sweep().await;
    world.drain().await;
    assert_eq!(text(&listener.only().json()["type"]), "delivery.exhausted");
}
