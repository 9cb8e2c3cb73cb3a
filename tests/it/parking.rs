//! Deliveries that are parked while their endpoint is paused. They are released or failed when the endpoint's status
//! changes.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, delivery_ids, over_network, text,
};

/// After this time no process has a former status of an endpoint in its cache.
const REMEMBERED: Duration = Duration::from_secs(5);
/// A release ends with a sweep that starts this long after the endpoint became active.
const RELEASE_SETTLED: Duration = Duration::from_secs(120);

async fn setup(receiver: &Receiver) -> (World, Tenant, Endpoint) {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(receiver).await;
    (world, tenant, endpoint)
}

/// Publishes this many events and returns the ids of their deliveries, some of which may be parked.
async fn publish(tenant: &Tenant, count: usize) -> Vec<String> {
    let mut deliveries = Vec::new();
    for _ in 0..count.div_ceil(100) {
        let left = (count - deliveries.len()).min(100);
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); left];
        let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        deliveries.extend(results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])));
    }
    deliveries
}

/// Processes the queue one message at a time, so that receivers see the order of sending.
async fn drain_in_order(process: &Process) {
    while process.poll_at_most(1).await > 0 {}
}

fn arrivals(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|request| request.header("x-webhook-delivery").to_owned()).collect()
}

fn attribute<'a>(item: &'a std::collections::HashMap<String, AttributeValue>, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

#[tokio::test]
async fn a_paused_endpoint_gets_its_deliveries_after_it_resumes_in_order_of_age() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    let mut expected = publish(&tenant, 4).await; // these are in the queue
    tenant.set_status(&endpoint, "paused").await;
    expected.extend(publish(&tenant, 4).await); // these are parked immediately
    assert!(tenant.read_endpoint(&endpoint).await["paused_at"].is_string());
    world.drain().await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(3600));
        world.sweep().await;
        world.drain().await;
    }
    assert!(receiver.received().is_empty());
    let delivery = tenant.delivery(&expected[0]).await;
    assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["pending", 0]));

    tenant.set_status(&endpoint, "active").await;
    drain_in_order(&world.another_process()).await;
    assert_eq!(arrivals(&receiver), expected);
    assert!(tenant.read_endpoint(&endpoint).await["paused_at"].is_null());
    world.advance(RELEASE_SETTLED);
    world.sweep().await;
    assert_eq!(world.drain().await, 0, "nothing is sent twice");
}

#[tokio::test]
async fn ten_parked_deliveries_are_released_at_once_and_the_others_by_the_sweep_in_order() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    let mut expected = publish(&tenant, 730).await;
    tenant.set_status(&endpoint, "active").await;
    for (count, next_second) in [(10, 10), (100, 20), (200, 40), (400, 10), (20, 0)] {
        let released = world.take_messages().await;
        let rest = expected.split_off(count);
        assert_eq!(released.len(), count);
        assert!(
            expected.iter().all(|delivery| released.iter().any(|message| message.contains(delivery))),
            "the oldest"
        );
        expected = rest;
        world.sweep().await;
        assert_eq!(world.visible_in_the_queue().await, next_second, "the others are delayed");
        world.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_process_with_a_cached_pause_reads_the_endpoint_again_before_parking() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    let early = tenant.publish_one().await;
    tenant.set_status(&endpoint, "paused").await;
    let stale = world.another_process();
    stale.drain().await; // its cache now has the paused endpoint
    tenant.set_status(&endpoint, "active").await;
    world.drain().await;
    let late = tenant.publish_one().await;
    assert_eq!(stale.drain().await, 1);
    assert_eq!(arrivals(&receiver), [early, late]);
}

#[tokio::test]
async fn a_delivery_parked_with_the_former_status_is_released_by_the_sweep() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (writing, held) = (reached.clone(), gate.clone());
    let network = over_network(&world.sdk(), move |operation| {
        if operation != "BatchWriteItem" {
            return Fate::Pass;
        }
        writing.open();
        Fate::Behind(held.clone())
    });
    let slow = tenant.at(&world.process_on(&network));
    let publishing = tokio::spawn(async move { slow.publish_one().await });
    reached.pass().await;
    tenant.set_status(&endpoint, "active").await;
    gate.open();
    let late = publishing.await.unwrap();
    world.drain().await;
    assert_eq!(tenant.delivery_status(&late).await, "pending", "parked");
    world.advance(Duration::from_secs(60));
    world.sweep().await;
    world.drain().await;
    assert_eq!(arrivals(&receiver), [late]);

    let is_released = async || attribute(&world.items("job").await[0], "status") == "done";
    world.advance(Duration::from_secs(59));
    world.sweep().await;
    assert!(!is_released().await, "another process may still be parking");
    world.advance(Duration::from_secs(31));
    world.sweep().await;
    assert!(is_released().await);
}

#[tokio::test]
async fn pausing_delays_retries_and_resuming_continues_the_schedule() {
    let receiver = Receiver::scripted([Answer::status(500)]).await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    tenant.set_status(&endpoint, "paused").await;
    world.advance(REMEMBERED);
    world.drain().await;
    receiver.only();
    assert_eq!(tenant.delivery_status(&id).await, "retrying");
    tenant.set_status(&endpoint, "active").await;
    world.advance(REMEMBERED);
    world.drain().await;
    assert_eq!(receiver.received()[1].header("x-webhook-attempt"), "2");
    assert_eq!(tenant.delivery_status(&id).await, "success");
}

#[tokio::test]
async fn unfinished_deliveries_fail_when_their_endpoint_is_disabled() {
    let receiver = Receiver::always(Answer::status(500)).await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    let retrying = tenant.publish_one().await;
    world.drain().await;
    tenant.set_status(&endpoint, "paused").await;
    let parked = publish(&tenant, 120).await;
    // A DELETE request without `permanent` disables the endpoint.
    let disabled = tenant.delete(&endpoint.path()).await.data(200);
    assert_eq!(["status", "disabled_reason"].map(|name| text(&disabled[name])), ["disabled", "owner"]);
    world.sweep().await;
    world.advance(REMEMBERED);
    world.drain().await;

    for id in parked.iter().take(3).chain(parked.last()).chain([&retrying]) {
        let delivery = tenant.delivery(id).await;
        let shown = ["status", "error", "next_attempt_at"].map(|name| &delivery[name]);
        assert_eq!(json!(shown), json!(["failed", "endpoint_disabled", null]));
    }
    assert!(world.items("delivery").await.iter().all(|item| attribute(item, "status") == "failed"));
    receiver.only();
}

#[tokio::test]
async fn unfinished_deliveries_fail_and_become_unreadable_when_their_endpoint_is_deleted() {
    let receiver = Receiver::always(Answer::status(500)).await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    let retrying = tenant.publish_one().await;
    world.drain().await;
    tenant.set_status(&endpoint, "paused").await;
    publish(&tenant, 120).await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    world.sweep().await;
    world.advance(REMEMBERED);
    world.drain().await;

    let items = world.items("delivery").await;
    assert_eq!(items.len(), 121);
    for item in items {
        assert_eq!(["status", "error"].map(|name| attribute(&item, name)), ["failed", "endpoint_deleted"]);
    }
    receiver.only();
    for path in [endpoint.path(), format!("{}/deliveries", endpoint.path()), format!("/webhooks/deliveries/{retrying}")]
    {
        tenant.get(&path).await.is_error(404, "not_found");
    }
    let events = tenant.get("/events").await.data(200);
    assert!(events.as_array().unwrap().iter().all(|event| event["webhook_deliveries"] == json!([])));
    world.advance(RELEASE_SETTLED);
    world.sweep().await;
    let left = world.dynamodb().scan().table_name(world.table()).index_name("waiting").send().await.unwrap();
    let is_other = |item| ["failed#", "orgs#"].iter().any(|prefix| attribute(item, "waiting_pk").starts_with(prefix));
    let failed = left.items().iter().all(is_other);
    assert!(failed, "marks of the endpoint are left: {:?}", left.items());
}

#[tokio::test]
async fn an_endpoint_that_is_active_after_being_disabled_gets_later_events() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    tenant.set_status(&endpoint, "disabled").await;
    assert_eq!(tenant.publish().await, [""; 0]);
    tenant.set_status(&endpoint, "active").await;
    let id = tenant.publish_one().await;
    world.advance(RELEASE_SETTLED);
    world.sweep().await;
    world.drain().await;
    assert_eq!(arrivals(&receiver), [id]);
}

#[tokio::test]
async fn a_sweep_ends_before_its_deadline_and_the_next_one_continues() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    publish(&tenant, 40).await;
    tenant.set_status(&endpoint, "active").await;
    assert_eq!(world.take_messages().await.len(), 10);
    world.process.sweep_until(world.clock.now()).await.unwrap();
    assert_eq!(world.take_messages().await, [""; 0], "no time was left");
    world.sweep().await;
    world.advance(Duration::from_secs(10));
    assert_eq!(world.take_messages().await.len(), 30);
}

#[tokio::test]
async fn deliveries_of_a_paused_endpoint_are_pending_without_a_next_attempt() {
    let receiver = Receiver::new().await;
    let (world, tenant, endpoint) = setup(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    let ids = publish(&tenant, 3).await;
    world.drain().await;
    let listed = tenant.deliveries(&endpoint).await;
    let newest_first: Vec<_> = ids.iter().rev().map(|id| json!(id)).collect();
    assert_eq!(listed.iter().map(|delivery| delivery["id"].clone()).collect::<Vec<Value>>(), newest_first);
    assert!(listed.iter().all(|delivery| delivery["status"] == "pending" && delivery["next_attempt_at"].is_null()));
}
