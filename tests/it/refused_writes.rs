//! Requests that DynamoDB rejects permanently are not retried like transient failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use shared::queue::schema::{MAX_RECEIVES, RETENTION_SECONDS};

use crate::support::{Answer, Call, Fate, Process, Receiver, World, over_network_by_call};

const REFUSED: Fate = Fate::Error(400, "ValidationException");
const MANY_RECEIVES: u32 = 30;
/// The interval after which the consumer retries the record of an attempt.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// Whether the call writes the record of an attempt.
fn records(call: &Call) -> bool {
    call.kind().contains("delivery, attempt")
}

/// A process for which DynamoDB rejects the matching calls while the switch is on.
fn refused(world: &World, is_meant: impl Fn(&Call) -> bool + Send + Sync + 'static) -> (Process, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(true));
    let is_on = Arc::clone(&switch);
    let fate = move |call: &Call| if is_on.load(Ordering::SeqCst) && is_meant(call) { REFUSED } else { Fate::Pass };
    (world.process_on(&over_network_by_call(&world.sdk(), fate)), switch)
}

#[tokio::test]
async fn an_attempt_that_cannot_be_recorded_is_made_once_and_its_message_becomes_a_dead_letter() {
    for status in [200, 500] {
        let (world, receiver) = (World::new().await, Receiver::always(Answer::status(status)).await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        tenant.publish_one().await;
        let (process, _) = refused(&world, records);
        for _ in 0..MANY_RECEIVES {
            assert_eq!(process.drain().await, 1);
            world.advance(INTERVAL);
        }
        receiver.only();
        world.receive_in_vain(MAX_RECEIVES - MANY_RECEIVES).await;
        assert_eq!(process.drain().await, 0);
        assert_eq!(world.messages(), [""; 0]);
        assert_eq!(world.take_dead_letters().await.len(), 1, "the dead-letter queue has the message");
    }
}

/// The copy waits for the next attempt of a delivery without a record.
#[tokio::test]
async fn the_delayed_copy_of_an_attempt_that_cannot_be_recorded_causes_no_attempt() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [600]})).await;
    let id = tenant.publish_one().await;
    let (process, switch) = refused(&world, records);
    for messages in [1, 2, 1, 1] {
        assert_eq!(process.drain().await, messages);
        world.advance(INTERVAL);
    }
    receiver.only();
    switch.store(false, Ordering::SeqCst);
    assert_eq!(process.drain().await, 1);
    receiver.only();
    assert_eq!(tenant.delivery(&id).await["attempts"], 1);
    world.run_to_the_end().await.keeps_the_promise(std::slice::from_ref(&id), &[&receiver]);
    assert_eq!(tenant.delivery(&id).await["attempts"], 2);
}

#[test]
fn a_message_whose_record_is_rejected_becomes_a_dead_letter_before_it_expires() {
    assert!(INTERVAL * MAX_RECEIVES < Duration::from_secs(RETENTION_SECONDS.into()));
}

#[tokio::test]
async fn an_attempt_that_is_recorded_late_is_not_repeated() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let (process, switch) = refused(&world, records);
    process.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "pending");
    switch.store(false, Ordering::SeqCst);
    world.advance(INTERVAL);
    process.drain().await;
    receiver.only();
    let delivery = tenant.delivery(&id).await;
    assert_eq!(
        json!([delivery["status"], delivery["attempts"], delivery["response_status"]]),
        json!(["success", 1, 200])
    );
    assert_eq!(world.messages(), [""; 0]);
}

#[tokio::test]
async fn retries_follow_a_failed_attempt_that_is_recorded_late() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let (process, switch) = refused(&world, records);
    process.drain().await;
    switch.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        world.advance(INTERVAL);
        process.drain().await;
    }
    let delivery = tenant.delivery(&id).await;
    assert_eq!(json!([delivery["status"], delivery["attempts"]]), json!(["success", 2]));
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_permanent_rejection_by_dynamodb_is_500_and_a_transient_one_is_503() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = json!({"type": "a", "data": {}});
    let endpoint = json!({"name": "n", "url": "https://example.com/", "event_types": ["*"]});
    for (operation, path, body) in [
        ("BatchWriteItem", "/events", &event),
        ("GetItem", "/events", &event),
        ("Query", "/events", &event),
        ("TransactWriteItems", "/webhooks/endpoints", &endpoint),
        ("TransactWriteItems", "/v1/endpoints", &json!({"name": "n", "url": "https://example.com/"})),
        (
            "TransactWriteItems",
            "/v1/webhook-endpoints",
            &json!({"name": "n", "url": "https://example.com/", "events": ["a"]}),
        ),
        ("TransactWriteItems", "/webhooks", &json!({"url": "https://example.com/", "events": ["a"]})),
    ] {
        for (code, status, name) in [
            ("ValidationException", 500, "internal"),
            ("SerializationException", 500, "internal"),
            ("AccessDeniedException", 503, "unavailable"),
            ("ThrottlingException", 503, "unavailable"),
        ] {
            let fate = move |call: &Call| {
                let is_meant = call.operation == operation && !call.kind().contains("used");
                if is_meant { Fate::Error(400, code) } else { Fate::Pass }
            };
            let process = world.process_on(&over_network_by_call(&world.sdk(), fate));
            let reply = tenant.at(&process).post(path, body).await;
            reply.is_error(status, name);
            assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{operation} {code}");
            assert!(!reply.body.to_string().contains("DynamoDB"), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_delivery_that_cannot_be_written_does_not_delay_others() {
    let (world, receiver) = (World::new().await, Receiver::scripted((0..3).map(|_| Answer::status(500))).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(tenant.publish_one().await);
        world.advance(Duration::from_secs(1));
    }
    world.drain().await;
    world.advance(Duration::from_secs(1));
    let unlucky = ids[0].clone();
    let (process, _) =
        refused(&world, move |call| call.operation == "PutItem" && call.body["Item"]["sk"]["S"] == *unlucky);
    let path = format!("{}/recover", endpoint.path());
    let recovery = tenant.at(&process).post(&path, &json!({"since": "2020-01-01T00:00:00Z"})).await.data(202);
    assert_eq!(json!([recovery["recovered"], recovery["finished"]]), json!([2, true]));
    world.drain().await;
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(tenant.delivery_status(id).await);
    }
    assert_eq!(statuses, ["exhausted", "success", "success"]);
}
