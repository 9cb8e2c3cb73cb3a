//! Refused events, repeated requests and rates.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::publishing::{LIFETIME, observed, order, publish_with_key};
use super::{create, put, schema};
use crate::support::{Fate, Process, Receiver, World, over_network_by_call, text};

/// Longer than a publish request can take.
const A_MINUTE: Duration = Duration::from_secs(61);

/// A process that claims an idempotency key and can write nothing else, as if it had died then or were still busy.
fn stuck(world: &World) -> Process {
    let network = over_network_by_call(&world.sdk(), |call| match call.kind().as_str() {
        "UpdateItem idem SET ended" => Fate::Refuse,
        kind if kind.starts_with("BatchWriteItem") => Fate::Refuse,
        _ => Fate::Pass,
    });
    world.process_on(&network)
}

fn statuses(results: &Value) -> Vec<&str> {
    results.as_array().unwrap().iter().map(|result| text(&result["status"])).collect()
}

#[tokio::test]
async fn a_repetition_is_not_refused_while_the_first_request_may_be_in_progress() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let (one, batch) = (order(json!({"order": "a"})), json!({"events": [order(json!({"order": "a"}))]}));
    let first = tenant.at(&stuck(&world));
    for (key, path, body) in [("one", "/events", &one), ("all", "/events/batch", &batch)] {
        publish_with_key(&first, key, path, body).await.is_error(503, "unavailable");
    }
    put(&world.platform(), "order.paid", &json!({"schema": {"required": ["id"]}})).await.data(200);
    // This process knows the new schema. The first request may have accepted the event by the former one.
    let other = tenant.at(&world.another_process());
    for (key, path, body) in [("one", "/events", &one), ("all", "/events/batch", &batch)] {
        publish_with_key(&other, key, path, body).await.is_error(503, "unavailable");
    }
    world.advance(A_MINUTE);
    publish_with_key(&other, "one", "/events", &one).await.is_error(400, "validation_failed");
    let refused = publish_with_key(&other, "all", "/events/batch", &batch).await.data(202);
    assert_eq!(statuses(&refused), ["refused"]);
}

#[tokio::test]
async fn an_entry_that_was_refused_is_not_published_by_a_repetition() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let batch =
        json!({"events": [order(json!({"order": "a"})), order(json!({"order": 1})), order(json!({"order": "b"}))]});
    let publish = async |key: &str| publish_with_key(&tenant, key, "/events/batch", &batch).await;
    let first = publish("answered").await.data(202);
    assert_eq!(statuses(&first), ["accepted", "refused", "accepted"]);
    let interrupted = tenant.at(&stuck(&world));
    publish_with_key(&interrupted, "interrupted", "/events/batch", &batch).await.is_error(503, "unavailable");
    put(&world.platform(), "order.paid", &json!({})).await.data(200);
    for pause in [LIFETIME, A_MINUTE] {
        world.advance(pause);
        let again = publish("answered").await.data(202);
        assert_eq!(statuses(&again), ["accepted", "refused", "accepted"]);
        assert_eq!(again[0]["event"]["id"], first[0]["event"]["id"]);
        let fields = &again[1]["error"]["details"]["fields"];
        assert!(text(&fields[0]["message"]).starts_with("was refused when"), "{fields}");
    }
    for _ in 0..2 {
        assert_eq!(statuses(&publish("interrupted").await.data(202)), ["accepted", "refused", "accepted"]);
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn an_entry_that_a_repetition_refuses_stays_refused() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let batch = json!({"events": [order(json!({"order": "a", "id": 1})), order(json!({"order": "b"}))]});
    let publish = async || publish_with_key(&tenant, "k", "/events/batch", &batch).await;
    publish_with_key(&tenant.at(&stuck(&world)), "k", "/events/batch", &batch).await.is_error(503, "unavailable");
    put(&world.platform(), "order.paid", &json!({"schema": {"required": ["id"]}})).await.data(200);
    world.advance(A_MINUTE);
    assert_eq!(statuses(&publish().await.data(202)), ["accepted", "refused"]);
    put(&world.platform(), "order.paid", &json!({})).await.data(200);
    world.advance(LIFETIME);
    assert_eq!(statuses(&publish().await.data(202)), ["accepted", "refused"]);
    world.drain().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn the_rate_bounds_also_the_events_that_are_refused() {
    let world = World::with(&[("CATALOGUE_MODE", "closed")]).await;
    let (process, reads, _) = observed(&world);
    let tenant = world.tenant().await;
    let limits = json!({"events_per_second": 10, "burst": 100, "events_per_month": 5}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    create(&world, &json!({"name": "order.paid"})).await;
    let tenant = tenant.at(&process);
    let unknown: Vec<_> = (0..100).map(|number| json!({"type": format!("n{number}"), "data": {}})).collect();
    let refused = tenant.post("/events/batch", &json!({"events": unknown})).await.data(202);
    assert!(statuses(&refused).iter().all(|status| *status == "refused"));
    assert_eq!(reads.swap(0, std::sync::atomic::Ordering::SeqCst), 101, "the revision and the types");
    for key in [None, Some("k")] {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let body = json!({"events": unknown}).to_string();
        let limited = tenant.call(Method::POST, "/events/batch", &headers, Some(body)).await;
        limited.is_error(429, "rate_limited");
        assert_eq!(limited.body["error"]["details"]["limit"], "events_per_second");
    }
    assert_eq!(reads.swap(0, std::sync::atomic::Ordering::SeqCst), 0);
    // Only accepted events count in the month.
    world.advance(Duration::from_secs(10));
    let mut events = unknown[..50].to_vec();
    events.extend(vec![order(json!({})); 5]);
    let published = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    assert_eq!(statuses(&published).iter().filter(|status| **status == "accepted").count(), 5);
    let limited = tenant.post("/events", &order(json!({}))).await;
    limited.is_error(429, "rate_limited");
    assert_eq!(limited.body["error"]["details"]["limit"], "events_per_month");
}

#[tokio::test]
async fn a_repetition_takes_tokens_for_the_entries_that_are_refused_again() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let mut events = vec![order(json!({})); 49];
    events.push(order(json!({"order": "a"})));
    let batch = json!({"events": events});
    // 50 tokens, and then 49.
    for expected in [202, 202, 429] {
        let reply = publish_with_key(&tenant, "k", "/events/batch", &batch).await;
        assert_eq!(reply.status, expected, "{}", reply.body);
    }
}
