//! External ids of events.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::assert_taken;
use crate::support::{Call, Fate, Receiver, Reply, Tenant, World, over_network_by_call, text};

fn event(external_id: &str, n: u32) -> Value {
    json!({"type": "a", "data": {"n": n}, "external_id": external_id})
}

async fn with_key(tenant: &Tenant, path: &str, body: &Value) -> Reply {
    tenant.call(Method::POST, path, &[("idempotency-key", "k")], Some(body.to_string())).await
}

/// An organization whose only endpoint gets every event.
async fn subscribed() -> (World, Tenant, Receiver) {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    (world, tenant, receiver)
}

/// The tenant at a process for which these calls are refused.
fn without(world: &World, tenant: &Tenant, refused: fn(&Call) -> bool) -> Tenant {
    let network = over_network_by_call(&world.sdk(), move |call| if refused(call) { Fate::Refuse } else { Fate::Pass });
    tenant.at(&world.process_on(&network))
}

#[tokio::test]
async fn an_events_external_id_is_unique_in_its_organization_while_the_event_lives() {
    let (world, tenant, receiver) = subscribed().await;
    let other = world.tenant().await;
    let first = tenant.post("/events", &event("order-1", 1)).await.data(202);
    assert_eq!(first["external_id"], "order-1");
    assert_taken(&tenant.post("/events", &event("order-1", 1)).await, text(&first["id"]));
    other.post("/events", &event("order-1", 1)).await.data(202);
    tenant.post("/events", &event("order-2", 1)).await.data(202);
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
    let listed = tenant.get("/events").await.data(200);
    assert_eq!((&listed[0]["external_id"], &listed[1]["external_id"]), (&json!("order-2"), &json!("order-1")));
    world.advance(Duration::from_secs(30 * 24 * 60 * 60 - 60));
    assert_taken(&tenant.post("/events", &event("order-1", 1)).await, text(&first["id"]));
    world.advance(Duration::from_secs(120));
    let again = tenant.post("/events", &event("order-1", 1)).await.data(202);
    assert_ne!(again["id"], first["id"]);
    assert_eq!(tenant.get("/events/ext:order-1").await.data(200)["id"], again["id"]);
}

#[tokio::test]
async fn a_repetition_with_the_same_key_finds_its_own_external_id() {
    let (world, tenant, receiver) = subscribed().await;
    let first = with_key(&tenant, "/events", &event("order-1", 1)).await.data(202);
    for process in [world.process.clone(), world.another_process()] {
        assert_eq!(with_key(&tenant.at(&process), "/events", &event("order-1", 1)).await.data(202), first);
    }
    world.drain().await;
    receiver.only();
    // A request that was refused for its external id does not use up its key.
    let refused = event("order-1", 2).to_string();
    let refused = tenant.call(Method::POST, "/events", &[("idempotency-key", "other")], Some(refused)).await;
    assert_taken(&refused, text(&first["id"]));
    let fixed = event("order-2", 2).to_string();
    tenant.call(Method::POST, "/events", &[("idempotency-key", "other")], Some(fixed)).await.data(202);
}

#[tokio::test]
async fn each_event_of_a_batch_has_its_own_external_id() {
    let (world, tenant, receiver) = subscribed().await;
    let before = tenant.post("/events", &event("taken", 0)).await.data(202);
    let batch = json!({"events": [
        event("a", 1), {"type": "bad type", "data": {}}, event("taken", 2), event("b", 3), event("a", 4),
        {"type": "a", "data": {"n": 5}}, event("taken", 6),
    ]});
    let first = with_key(&tenant, "/events/batch", &batch).await.data(202);
    let results = first.as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| text(&result["status"])).collect();
    assert_eq!(statuses, ["accepted", "refused", "refused", "accepted", "refused", "accepted", "refused"]);
    for (index, by) in [(2, &before["id"]), (4, &results[0]["event"]["id"]), (6, &before["id"])] {
        let error = &results[index]["error"];
        assert_eq!((text(&error["code"]), &results[index]["index"]), ("conflict", &json!(index)));
        assert!(text(&error["message"]).ends_with(text(by)), "{error}");
    }
    // At once, although some of its events are not stored and never will be.
    assert_eq!(with_key(&tenant, "/events/batch", &batch).await.data(202), first);
    world.drain().await;
    assert_eq!(with_key(&tenant.at(&world.another_process()), "/events/batch", &batch).await.data(202), first);
    world.drain().await;
    let mut numbers: Vec<_> = receiver.received().iter().map(|it| it.json()["data"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 3, 5]);
    let only_taken = json!({"events": [event("a", 7), event("b", 8)]});
    let refused = tenant.post("/events/batch", &only_taken).await.data(202);
    assert!(refused.as_array().unwrap().iter().all(|result| result["status"] == "refused"));
}

#[tokio::test]
async fn the_claim_of_a_failed_request_is_replaced_after_a_minute() {
    let (world, tenant, receiver) = subscribed().await;
    let cut_off = without(&world, &tenant, |call| call.operation == "BatchWriteItem");
    cut_off.post("/events", &event("order-1", 1)).await.is_error(503, "unavailable");
    // The failed request may still be writing its event.
    tenant.post("/events", &event("order-1", 2)).await.is_error(503, "unavailable");
    tenant.get("/events/ext:order-1").await.is_error(404, "not_found");
    world.advance(Duration::from_secs(59));
    tenant.post("/events", &event("order-1", 3)).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(1));
    let accepted = tenant.post("/events", &event("order-1", 4)).await.data(202);
    assert_taken(&tenant.post("/events", &event("order-1", 5)).await, text(&accepted["id"]));
    world.drain().await;
    assert_eq!(receiver.only().json()["data"]["n"], 4);
}

#[tokio::test]
async fn a_repetition_completes_a_failed_request_and_keeps_its_claim() {
    let (world, tenant, receiver) = subscribed().await;
    // A repetition writes the event by PutItem.
    let writes_event = |call: &Call| call.operation == "BatchWriteItem" || call.body["Item"]["entity"]["S"] == "event";
    let cut_off = without(&world, &tenant, writes_event);
    with_key(&cut_off, "/events", &event("order-1", 1)).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(59));
    with_key(&cut_off, "/events", &event("order-1", 1)).await.is_error(503, "unavailable");
    // The repetition renewed the claim.
    world.advance(Duration::from_secs(59));
    tenant.post("/events", &event("order-1", 2)).await.is_error(503, "unavailable");
    let completed = with_key(&tenant, "/events", &event("order-1", 1)).await.data(202);
    assert_eq!(tenant.get("/events/ext:order-1").await.data(200)["id"], completed["id"]);
    // Another request cannot replace the claim of an event that exists.
    world.advance(Duration::from_secs(120));
    assert_taken(&tenant.post("/events", &event("order-1", 2)).await, text(&completed["id"]));
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn a_request_whose_claim_was_replaced_is_refused_when_it_is_repeated() {
    let (world, tenant, receiver) = subscribed().await;
    let cut_off = without(&world, &tenant, |call| call.operation == "BatchWriteItem");
    with_key(&cut_off, "/events", &event("order-1", 1)).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(60));
    let other = tenant.post("/events", &event("order-1", 2)).await.data(202);
    assert_taken(&with_key(&tenant, "/events", &event("order-1", 1)).await, text(&other["id"]));
    world.drain().await;
    assert_eq!(receiver.only().header("webhook-id"), text(&other["id"]));
}
