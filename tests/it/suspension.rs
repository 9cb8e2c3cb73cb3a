//! The circuit breaker: an endpoint that keeps failing is suspended, probed, taken up again or given
//! up, and says so in operational events.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::support::{Answer, Endpoint, Gate, Receiver, Tenant, World, text};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An endpoint that never retries, and whose first `failures` requests fail.
pub(crate) async fn failing(world: &World, failures: usize) -> (Tenant, Endpoint, Receiver) {
    let receiver = Receiver::scripted(vec![Answer::status(500); failures]).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    (tenant, endpoint, receiver)
}

/// Publishes and delivers until the endpoint is suspended: ten failures over more than a minute.
pub(crate) async fn suspend(world: &World, tenant: &Tenant) {
    for _ in 0..9 {
        tenant.publish().await;
    }
    world.drain().await;
    world.advance(seconds(61));
    tenant.publish().await;
    world.drain().await;
}

fn attribute<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Option<&'a String> {
    item.get(name).and_then(|value| value.as_s().ok())
}

fn types(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|request| request.header("x-webhook-event").to_owned()).collect()
}

#[tokio::test]
async fn ten_failures_over_a_minute_suspend_and_a_successful_probe_releases_in_order_of_age() {
    let world = World::new().await;
    let (tenant, _, receiver) = failing(&world, 11).await;
    suspend(&world, &tenant).await;
    assert_eq!(receiver.received().len(), 10);

    let mut parked = Vec::new();
    for _ in 0..3 {
        parked.extend(tenant.publish().await);
    }
    assert_eq!(world.drain().await, 0, "what is published now is parked, not queued");

    world.sweep().await;
    assert_eq!(world.drain().await, 0, "no probe is due before a minute");
    world.advance(seconds(61));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.drain().await, 1, "one probe, of two sweeps");
    assert_eq!(receiver.received().len(), 11);
    let probed = tenant.delivery(&parked[0]).await;
    assert_eq!((&probed["status"], &probed["attempts"]), (&json!("retrying"), &json!(1)));

    world.advance(seconds(61));
    world.sweep().await;
    assert_eq!(world.drain().await, 0, "the second probe waits twice as long");
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.drain().await, 1);
    assert_eq!(tenant.delivery_status(&parked[0]).await, "success");

    world.sweep().await;
    while world.process.poll_at_most(1).await > 0 {}
    let ids: Vec<_> = receiver.received()[11..].iter().map(|r| r.header("x-webhook-delivery").to_owned()).collect();
    assert_eq!(ids, parked);
    let after = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&after).await, "success");
}

#[tokio::test]
async fn ten_failures_within_a_minute_or_with_a_success_between_do_not_suspend() {
    let world = World::new().await;
    let (tenant, _, receiver) = failing(&world, 12).await;
    for _ in 0..12 {
        tenant.publish().await;
        world.drain().await;
    }
    assert_eq!(receiver.received().len(), 12);
    world.advance(seconds(61));
    let success = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&success).await, "success");
    let item = world.items("endpoint").await.remove(0);
    assert!(!item.contains_key("failures"), "a success forgets the failures");
}

#[tokio::test]
async fn ten_timeouts_in_a_row_over_six_seconds_suspend() {
    let (world, gate) = (World::new().await, Gate::closed());
    let hangs = Answer::status(200).behind(&gate);
    let script = [vec![hangs.clone(); 9], vec![Answer::status(500)]].concat();
    let receiver = Receiver::scripted_then(script, hangs).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "timeout_seconds": 1, "retry_schedule": []})).await;
    for (events, suspended) in [(9, false), (1, false), (9, false), (1, true)] {
        for _ in 0..events {
            tenant.publish().await;
        }
        world.advance(seconds(6));
        world.drain().await;
        let item = world.items("endpoint").await.remove(0);
        assert_eq!(item.contains_key("suspended_since"), suspended, "after {} requests", receiver.received().len());
    }
    assert_eq!(receiver.received().len(), 20);
    gate.open();
    let parked = tenant.publish_one().await;
    world.advance(seconds(61));
    world.sweep().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&parked).await, "success");
    let item = world.items("endpoint").await.remove(0);
    assert!(!item.contains_key("timeouts") && !item.contains_key("suspended_since"));
}

#[tokio::test]
async fn timeouts_between_the_successes_of_other_processes_are_not_in_a_row() {
    let (world, gate) = (World::new().await, Gate::closed());
    let hangs = Answer::status(200).behind(&gate);
    let script = [vec![Answer::status(200)], vec![hangs; 10], vec![Answer::status(200)]].concat();
    let receiver = Receiver::scripted(script).await;
    let (tenant, other) = (world.tenant().await, world.another_process());
    tenant.endpoint_with(json!({"url": receiver.url(), "timeout_seconds": 1, "retry_schedule": []})).await;
    tenant.publish().await;
    assert_eq!(other.drain().await, 1, "it remembers the endpoint as healthy");
    for _ in 0..10 {
        tenant.publish().await;
    }
    world.drain().await;
    let item = world.items("endpoint").await.remove(0);
    assert_eq!(item["timeouts"].as_n().unwrap(), "10");
    assert!(!item.contains_key("suspended_since"), "it may be healthy for others");

    world.advance(seconds(6));
    tenant.publish().await;
    assert_eq!(other.drain().await, 1);
    let item = world.items("endpoint").await.remove(0);
    assert!(!item.contains_key("timeouts") && !item.contains_key("suspended_since"));
}

#[tokio::test]
async fn a_message_in_flight_is_parked_when_its_endpoint_is_suspended() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [70, 70, 70]})).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.extend(tenant.publish().await);
    }
    world.drain().await;
    world.advance(seconds(80));
    world.drain().await;
    assert_eq!(receiver.received().len(), 20, "the second round suspends; its messages wait for the third");

    world.advance(seconds(80));
    assert_eq!(world.drain().await, 10);
    assert_eq!(receiver.received().len(), 20);
    let items = world.items("delivery").await;
    let held =
        |item: &&HashMap<_, _>| -> bool { attribute(item, "waiting_pk").is_some_and(|pk| pk.starts_with("held#")) };
    assert_eq!(items.iter().filter(held).count(), 10);
    assert_eq!(tenant.delivery(&ids[0]).await["attempts"], 2);
    world.advance(seconds(400));
    assert_eq!(world.drain().await, 0, "nothing is left in the queue");
}

#[tokio::test]
async fn five_days_without_success_disable_and_fail_what_was_parked() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = failing(&world, 1_000).await;
    let listener = Receiver::new().await;
    let types_wanted = json!(["webhook.*", "delivery.exhausted"]);
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": types_wanted})).await;
    suspend(&world, &tenant).await;
    let parked = tenant.publish_one().await;
    world.advance(Duration::from_secs(5 * 86_400));
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 11, "it is not given up before it was tried");
    world.advance(seconds(121));
    world.sweep().await;
    let read = tenant.read_endpoint(&endpoint).await;
    assert_eq!((&read["status"], &read["disabled_reason"]), (&json!("disabled"), &json!("failing")));
    world.sweep().await;
    world.drain().await;
    let failed = tenant.delivery(&parked).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("endpoint_disabled")));
    assert_eq!(receiver.received().len(), 11);

    let mut seen = types(&listener);
    seen.sort();
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
    assert_eq!((count("webhook.suspended"), count("webhook.disabled"), count("delivery.exhausted")), (1, 1, 10));
    let disabled = listener.received().into_iter().find(|r| r.header("x-webhook-event") == "webhook.disabled").unwrap();
    let disabled = disabled.json();
    assert_eq!(disabled["data"]["id"], json!(endpoint.id));
    assert_eq!(disabled["data"]["disabled_reason"], "failing");
}

#[tokio::test]
async fn its_owner_takes_a_suspended_endpoint_up_again() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 10).await;
    let listener = Receiver::new().await;
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": ["webhook.resumed", "webhook.suspended"]})).await;
    suspend(&world, &tenant).await;
    let parked = tenant.publish_one().await;
    assert_eq!(text(&tenant.read_endpoint(&endpoint).await["status"]), "active");
    tenant.set_status(&endpoint, "active").await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&parked).await, "success");
    world.sweep().await;
    world.drain().await;
    assert_eq!(types(&listener), ["webhook.suspended"]);
}

#[tokio::test]
async fn an_operational_event_never_causes_another_about_the_same_endpoint() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let own = json!({"url": receiver.url(), "event_types": ["*", "delivery.exhausted"], "retry_schedule": []});
    tenant.endpoint_with(own).await;
    tenant.publish().await;
    for _ in 0..5 {
        world.drain().await;
        world.advance(seconds(1));
        world.sweep().await;
    }
    assert_eq!(types(&receiver), ["member.added", "delivery.exhausted"]);
}
