//! The limits of organizations: events per second and per month, number of endpoints, size of events.

mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Fate, Process, Receiver, Reply, Tenant, World, counted, over_network_by_call, text};

const RATE: &str = "events_per_second";
/// More requests than the limits of these tests admit, so that each publisher is refused.
const MOST_REQUESTS: usize = 200;

fn events(count: usize) -> Value {
    json!({"events": vec![json!({"type": "a", "data": {}}); count]})
}

async fn publish(tenant: &Tenant, count: usize) -> Reply {
    tenant.post("/events/batch", &events(count)).await
}

/// Sets an organization's limits.
async fn set(world: &World, tenant: &Tenant, limits: &Value) -> Value {
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(Method::PUT, &path, &[], Some(limits.to_string())).await.data(200)
}

/// Checks that the reply refuses the request because of this limit. Returns `Retry-After`.
#[track_caller]
fn refused_by(reply: &Reply, limit: &str) -> Duration {
    reply.is_error(429, "rate_limited");
    assert_eq!(reply.body["error"]["details"], json!({"limit": limit}));
    Duration::from_secs(reply.headers["retry-after"].to_str().unwrap().parse().unwrap())
}

/// Another process, and the number of its writes of a rate.
fn process_with_counted_writes(world: &World) -> (Process, Arc<AtomicUsize>) {
    let (network, writes) = counted(&world.sdk(), |call| call.kind().starts_with("UpdateItem limit"));
    (world.process_on(&network), writes)
}

#[tokio::test]
async fn the_deployments_limits_apply_until_the_platform_sets_others() {
    let world =
        World::with(&[("EVENTS_PER_SECOND", "7"), ("EVENTS_PER_MONTH", "1000"), ("MAX_EVENT_BYTES", "99")]).await;
    let tenant = world.tenant().await;
    let limits = |per_second: Value, burst: Value, month: Value, endpoints: u32, bytes: u32| {
        json!({
            "object": "limits", "events_per_second": per_second, "burst": burst, "events_per_month": month,
            "max_endpoints": endpoints, "max_event_bytes": bytes,
        })
    };
    assert_eq!(tenant.get("/limits").await.data(200), limits(json!(7), json!(100), json!(1000), 100, 99));
    let own = json!({"events_per_second": 300, "burst": 400, "events_per_month": null, "max_event_bytes": null});
    let expected = limits(json!(300), json!(400), Value::Null, 100, 262_144);
    assert_eq!(set(&world, &tenant, &own).await, expected);
    assert_eq!(tenant.get("/limits").await.data(200), expected);
    // A change of another field keeps the limits.
    tenant.patch("", &json!({"name": "n"})).await.data(200);
    assert_eq!(tenant.get("/limits").await.data(200), expected);
    let none = json!({"events_per_second": null, "max_endpoints": null, "max_event_bytes": 5});
    assert_eq!(set(&world, &tenant, &none).await, limits(Value::Null, Value::Null, json!(1000), 8_000, 5));
    assert_eq!(set(&world, &tenant, &json!({})).await, limits(json!(7), json!(100), json!(1000), 100, 99));
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    for (body, names) in [
        (json!({"events_per_second": 0, "burst": 99, "events_per_month": 0, "max_endpoints": 8_001}), 4),
        (json!({"burst": 100}), 1),
        (json!({"burst": 100, "events_per_second": null}), 1),
        (json!({"max_event_bytes": 262_145, "events_per_second": 100_001, "more": 1}), 3),
        (json!({"max_event_bytes": 262_145, "events_per_second": 100_001}), 2),
        (json!({"max_event_bytes": "1"}), 1),
    ] {
        let refused = world.platform().call(Method::PUT, &path, &[], Some(body.to_string())).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"].as_array().unwrap().len(), names, "{body}");
    }
}

/// Every publish request reads the state, so no process uses cached limits.
#[tokio::test]
async fn limits_apply_to_every_request_that_begins_after_they_were_set() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let publishers: Vec<_> = (0..8).map(|_| tenant.at(&world.another_process())).collect();
    let limited = async || world.items("state").await.iter().filter(|copy| copy.contains_key("limits")).count();
    assert_eq!(limited().await, 0);
    for (limits, copies, status) in [
        (json!({}), 0, 202),
        (json!({"max_event_bytes": 1}), 4, 413),
        (json!({"max_event_bytes": null}), 4, 202),
        (json!({"max_event_bytes": 1}), 4, 413),
        (json!({}), 0, 202),
    ] {
        set(&world, &tenant, &limits).await;
        assert_eq!(limited().await, copies, "{limits}");
        for publisher in &publishers {
            let reply = publisher.post("/events", &json!({"type": "a", "data": {}})).await;
            assert_eq!(reply.status, status, "{limits}: {}", reply.body);
        }
    }
}

/// Each process publishes until it is refused. At every step, the accepted events are as many as the limit allows.
#[tokio::test]
async fn eight_processes_together_publish_the_burst_and_then_the_rate() {
    let (world, rate, burst) = (World::new().await, 10.0, 100.0);
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_second": 10})).await;
    let publishers: Vec<_> = (0..8).map(|_| tenant.at(&world.another_process())).collect();
    let (began, mut accepted) = (world.clock.now(), 0);
    for step in 0..12 {
        let rounds = publishers.iter().enumerate().map(async |(number, publisher)| {
            let (size, mut accepted) = (1 + number % 3, 0);
            for _ in 0..MOST_REQUESTS {
                let reply = publish(publisher, size).await;
                if reply.status != 202 {
                    refused_by(&reply, RATE);
                    break;
                }
                accepted += size;
            }
            accepted
        });
        let before = world.clock.now().since(began).as_secs_f64();
        accepted += join_all(rounds).await.into_iter().sum::<usize>();
        let after = world.clock.now().since(began).as_secs_f64();
        let most = burst + rate * after;
        assert!(accepted as f64 <= most, "{accepted} of {most}, step {step}");
        // A refused request of one event shows that less than one token was left.
        assert!(accepted as f64 > burst + rate * before - 1.0, "{accepted} of {most}, step {step}");
        world.advance(Duration::from_millis(370));
    }
    assert_eq!(world.items("event").await.len(), accepted);
}

#[tokio::test]
async fn a_batch_takes_as_many_tokens_as_it_has_events_or_none() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_second": 5})).await;
    publish(&tenant, 60).await.data(202);
    let wait = refused_by(&publish(&tenant, 50).await, RATE);
    assert_eq!(wait, Duration::from_secs(2));
    // The tokens that are too few for the batch are enough for another request, also to the process that refused the
    // batch.
    publish(&tenant, 39).await.data(202);
    assert_eq!(world.items("event").await.len(), 99);
    // An invalid event of a batch takes no token.
    let mut mixed = events(1);
    mixed["events"].as_array_mut().unwrap().extend(vec![json!({"type": "a"}); 30]);
    tenant.post("/events/batch", &mixed).await.data(202);
    let wait = refused_by(&publish(&tenant, 10).await, RATE);
    assert_eq!(wait, Duration::from_secs(2));
    world.advance(wait - Duration::from_millis(100));
    refused_by(&publish(&tenant, 10).await, RATE);
    world.advance(Duration::from_millis(100));
    publish(&tenant, 10).await.data(202);
}

#[tokio::test]
async fn a_process_refuses_without_writes_until_the_cached_bucket_contains_tokens() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_second": 1})).await;
    let (process, writes) = process_with_counted_writes(&world);
    let (first, second) = (tenant.at(&process), tenant.clone());
    publish(&second, 100).await.data(202);
    refused_by(&publish(&first, 1).await, RATE);
    let after_refusal = writes.load(Ordering::SeqCst);
    assert!((1..=2).contains(&after_refusal), "a write of each form: {after_refusal}");
    for _ in 0..10 {
        refused_by(&publish(&first, 1).await, RATE);
    }
    assert_eq!(writes.load(Ordering::SeqCst), after_refusal);
    world.advance(Duration::from_secs(1));
    publish(&first, 1).await.data(202);
    assert_eq!(writes.load(Ordering::SeqCst), after_refusal + 1);
}

#[tokio::test]
async fn publishing_without_a_limit_writes_no_rate() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (process, writes) = process_with_counted_writes(&world);
    publish(&tenant.at(&process), 100).await.data(202);
    assert_eq!(writes.load(Ordering::SeqCst), 0);
    assert!(world.items("rate").await.is_empty());
}

#[tokio::test]
async fn a_request_that_is_refused_does_not_use_up_its_idempotency_key() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    set(&world, &tenant, &json!({"events_per_second": 1})).await;
    publish(&tenant, 100).await.data(202);
    let keyed = async |body: &Value| {
        let headers = [("idempotency-key", "once")];
        tenant.call(Method::POST, "/events/batch", &headers, Some(body.to_string())).await
    };
    let wait = refused_by(&keyed(&events(2)).await, RATE);
    assert!(world.items("idempotency").await.is_empty());
    assert_eq!(world.items("event").await.len(), 100);
    world.advance(wait);
    let accepted = keyed(&events(2)).await.data(202);
    // A repetition takes no tokens and gets the same response.
    for _ in 0..3 {
        assert_eq!(keyed(&events(2)).await.data(202), accepted);
    }
    refused_by(&publish(&tenant, 1).await, RATE);
    keyed(&events(1)).await.is_error(409, "idempotency_conflict");
    assert_eq!(world.items("event").await.len(), 102);
}

#[tokio::test]
async fn a_repetition_takes_tokens_for_the_events_that_it_writes() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_second": 1})).await;
    let refuse =
        over_network_by_call(
            &world.sdk(),
            |call| {
                if call.operation == "BatchWriteItem" { Fate::Refuse } else { Fate::Pass }
            },
        );
    let interrupted = tenant.at(&world.process_on(&refuse));
    let keyed = async |tenant: &Tenant| {
        let headers = [("idempotency-key", "once")];
        tenant.call(Method::POST, "/events/batch", &headers, Some(events(40).to_string())).await
    };
    keyed(&interrupted).await.is_error(503, "unavailable");
    let wait = refused_by(&publish(&tenant, 61).await, RATE);
    assert_eq!(wait, Duration::from_secs(1), "the first request took forty tokens");
    publish(&tenant, 30).await.data(202);
    assert_eq!(refused_by(&keyed(&tenant).await, RATE), Duration::from_secs(10));
    world.advance(Duration::from_secs(10));
    keyed(&tenant).await.data(202);
    keyed(&tenant).await.data(202);
    assert_eq!(world.items("event").await.len(), 70);
    refused_by(&publish(&tenant, 1).await, RATE);
}

#[tokio::test]
async fn the_monthly_limit_refuses_further_events_until_the_next_month() {
    let world = World::with(&[("EVENTS_PER_MONTH", "150")]).await;
    let tenant = world.tenant().await;
    let other = tenant.at(&world.another_process());
    publish(&tenant, 100).await.data(202);
    refused_by(&publish(&tenant, 51).await, "events_per_month");
    // A process reads the usage at its first request and again after ten minutes.
    publish(&other, 45).await.data(202);
    refused_by(&publish(&other, 6).await, "events_per_month");
    other.at(&world.process).get("/usage").await.data(200);
    publish(&other, 5).await.data(202);
    let wait = refused_by(&publish(&other, 1).await, "events_per_month");
    let next = world.clock.now().plus(wait).rfc3339();
    assert!(next[8..].starts_with("01T00:00:0"), "{next}");
    tenant.post("/events", &json!({"type": "a", "data": {}})).await.data(202);
    world.advance(Duration::from_secs(11 * 60));
    refused_by(&publish(&other, 1).await, "events_per_month");
    assert_eq!(world.items("event").await.len(), 151, "a process with a cached number admitted one event too many");
    world.advance(wait);
    publish(&other, 1).await.data(202);
}

#[tokio::test]
async fn limits_of_endpoints_and_event_size_apply_to_one_organization() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    set(&world, &tenant, &json!({"max_endpoints": 1, "max_event_bytes": 20})).await;
    let endpoint = json!({"name": "n", "url": "https://example.com/", "event_types": ["a"]});
    let created = tenant.post("/webhooks/endpoints", &endpoint).await.data(201);
    let refused = tenant.post("/webhooks/endpoints", &endpoint).await;
    refused.is_error(422, "quota_exceeded");
    assert!(text(&refused.body["error"]["message"]).contains(" 1 "), "{}", refused.body);
    other.post("/webhooks/endpoints", &endpoint).await.data(201);
    other.post("/webhooks/endpoints", &endpoint).await.data(201);

    let (small, large) = (json!({"n": "x".repeat(12)}), json!({"n": "x".repeat(13)}));
    let event = |data: &Value| json!({"type": "a", "data": data});
    tenant.post("/events", &event(&small)).await.data(202);
    tenant.post("/events", &event(&large)).await.is_error(413, "payload_too_large");
    let results = tenant.post("/events/batch", &json!({"events": [event(&small), event(&large)]})).await.data(202);
    assert_eq!(results[1]["error"]["code"], "payload_too_large");
    let test = format!("/webhooks/endpoints/{}/test", text(&created["id"]));
    tenant.post(&test, &json!({"data": large})).await.is_error(413, "payload_too_large");
    other.post("/events", &event(&large)).await.data(202);
}

#[tokio::test]
async fn requests_are_refused_if_the_rate_is_throttled_and_admitted_if_it_cannot_be_written() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_second": 1})).await;
    let over = |fate: Fate| {
        let network = over_network_by_call(&world.sdk(), move |call| {
            if call.kind().starts_with("UpdateItem limit") { fate.clone() } else { Fate::Pass }
        });
        tenant.at(&world.process_on(&network))
    };
    let throttled = publish(&over(Fate::Error(400, "ProvisionedThroughputExceededException")), 1).await;
    assert_eq!(refused_by(&throttled, RATE), Duration::from_secs(1));
    publish(&over(Fate::Break), 1).await.data(202);
    // The SDK repeats a write whose response was lost. The tokens are taken once.
    publish(&over(Fate::LoseAnswer), 1).await.data(202);
    publish(&tenant, 99).await.data(202);
    refused_by(&publish(&tenant, 1).await, RATE);
}

/// A text that does not have the format of a key is never read.
#[tokio::test]
async fn an_unknown_key_is_read_at_most_once_in_five_seconds() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (network, reads) = counted(&world.sdk(), |call| call.kind() == "GetItem key by hash");
    let process = world.process_on(&network);
    let unknown = format!("sk_live_{}", "a".repeat(43));
    for (key, seconds, expected) in [
        (&*unknown, 0, 1),
        (&unknown, 0, 1),
        (&unknown, 5, 2),
        ("sk_live_", 0, 2),
        (&unknown[..50], 0, 2),
        (&format!("{unknown}a"), 0, 2),
        (&unknown.replace('a', "-"), 0, 2),
        ("nonsense", 0, 2),
        (&unknown.replace('a', "b"), 0, 3),
    ] {
        world.advance(Duration::from_secs(seconds));
        tenant.with_key(key).at(&process).get("").await.is_error(401, "unauthorized");
        assert_eq!(reads.load(Ordering::SeqCst), expected, "{key}");
    }
    tenant.at(&process).get("").await.data(200);
}

#[tokio::test]
async fn test_events_count_towards_the_limit_of_the_month() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    set(&world, &tenant, &json!({"events_per_month": 3})).await;
    let endpoint = tenant.endpoint_with(json!({"url": "http://127.0.0.1:9/"})).await;
    let test = async || tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await;
    publish(&tenant, 1).await.data(202);
    test().await.data(200);
    test().await.data(200);
    let wait = refused_by(&test().await, "events_per_month");
    assert_eq!(world.items("event").await.len(), 3, "a refused test is not stored");
    world.advance(wait);
    test().await.data(200);
}
