//! Each delivery is counted once when it ends, however it ends, and each attempt once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use super::{counts, total};
use crate::support::{Answer, Gate, Receiver, World, delivery_ids, text};

/// By the consumer after the endpoint was disabled, by the sweep for held ones, and by the request that expunges.
#[tokio::test]
async fn deliveries_that_fail_without_an_attempt_are_counted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    tenant.set_status(&endpoint, "paused").await;
    tenant.publish().await;
    let expunged = tenant.publish_data(&json!({})).await;
    let path = format!("/events/{}/data", text(&expunged["id"]));
    for _ in 0..2 {
        tenant.delete(&path).await.data(202);
    }
    assert_eq!(total(&tenant, &endpoint).await, counts([0, 0, 1], json!({"expunged": 1}), [0; 2], json!({})));
    tenant.set_status(&endpoint, "disabled").await;
    for _ in 0..3 {
        world.drain().await;
        world.sweep().await;
        world.advance(Duration::from_secs(180));
    }
    let errors = json!({"endpoint_disabled": 2, "expunged": 1});
    assert_eq!(total(&tenant, &endpoint).await, counts([0, 0, 3], errors, [0; 2], json!({})));
}

/// The attempt is recorded after its delivery failed, and may make it successful.
#[tokio::test]
async fn a_delivery_that_is_expunged_during_an_attempt_ends_once() {
    for (status, attempts, failures) in [(200, [1, 0], json!({})), (500, [0, 1], json!({"http_status": 1}))] {
        let (world, gate) = (World::new().await, Gate::closed());
        let receiver = Receiver::scripted([Answer::status(status).behind(&gate)]).await;
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [600]})).await;
        let event = tenant.publish_data(&json!({})).await;
        let removing = async {
            receiver.wait_for(1).await;
            tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
            gate.open();
        };
        tokio::join!(world.process.poll(), removing);
        assert_eq!(tenant.delivery(&delivery_ids(&event)[0]).await["attempts"], 1);
        assert_eq!(
            total(&tenant, &endpoint).await,
            counts([0, 0, 1], json!({"expunged": 1}), attempts, failures),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_resend_counts_as_an_attempt_and_its_success_ends_only_a_delivery_that_was_not_final() {
    for is_exhausted in [true, false] {
        let world = World::new().await;
        let receiver = Receiver::scripted([Answer::status(500), Answer::status(503)]).await;
        let tenant = world.tenant().await;
        let schedule = if is_exhausted { json!([]) } else { json!([600]) };
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        for _ in 0..3 {
            tenant.post(&format!("/webhooks/deliveries/{id}/resend"), &json!({})).await.data(202);
            world.drain().await;
        }
        assert_eq!(tenant.delivery_status(&id).await, "success");
        // The message of the schedule is received afterwards.
        world.advance(Duration::from_secs(660));
        world.drain().await;
        assert_eq!(receiver.received().len(), 4);
        let (ended, errors) = match is_exhausted {
            true => ([0, 1, 0], json!({"http_status": 1})),
            false => ([1, 0, 0], json!({})),
        };
        assert_eq!(total(&tenant, &endpoint).await, counts(ended, errors, [2, 2], json!({"http_status": 2})));
    }
}

#[tokio::test]
async fn deliveries_that_fail_because_their_endpoint_was_deleted_are_not_counted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    tenant.set_status(&endpoint, "paused").await;
    tenant.publish().await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    for _ in 0..3 {
        world.drain().await;
        world.sweep().await;
        world.advance(Duration::from_secs(180));
    }
    world.process.meter.write_all_usage().await;
    let is_failed = |item: &&HashMap<String, AttributeValue>| {
        item.get("status").is_some_and(|status| status.as_s().is_ok_and(|it| it == "failed"))
    };
    assert_eq!(world.items("delivery").await.iter().filter(is_failed).count(), 2);
    assert!(world.items("stats").await.is_empty());
}
