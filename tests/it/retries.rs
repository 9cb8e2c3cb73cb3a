//! Retries: when a delivery is attempted again and how often. The tests advance the clock. `host.rs` tests real time.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use crate::support::{Answer, EVENT_TYPE, Endpoint, Fate, Receiver, Tenant, World, over_network, text};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn tenant_with(world: &World, receiver: &Receiver, fields: Value) -> (Tenant, Endpoint) {
    let tenant = world.tenant().await;
    let mut all = json!({"url": receiver.url()});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let endpoint = tenant.endpoint_with(all).await;
    (tenant, endpoint)
}

/// The number of seconds between a delivery's last recorded attempt and its next one.
fn wait_of(delivery: &Value) -> f64 {
    let [due, recorded] =
        ["next_attempt_at", "updated_at"].map(|name| Timestamp::parse(text(&delivery[name])).unwrap());
    due.since(recorded).as_secs_f64()
}

#[tokio::test]
async fn a_delivery_is_exhausted_after_its_fourth_failure() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(503).body("not now")).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({})).await;
    let id = tenant.publish_one().await;
    let pending = tenant.delivery(&id).await;
    assert_eq!((text(&pending["status"]), &pending["attempts"]), ("pending", &json!(0)));

    for (attempt, delay) in [(1, 1_u32), (2, 5), (3, 30)] {
        world.drain().await;
        let delivery = tenant.delivery(&id).await;
        let shown = ["status", "attempts", "error", "response_status"].map(|name| &delivery[name]);
        assert_eq!(json!(shown), json!(["retrying", attempt, "http_status", 503]));
        assert_eq!(wait_of(&delivery), f64::from(delay));
        world.advance(seconds(delay.into()) - Duration::from_millis(500));
        world.drain().await;
        assert_eq!(receiver.received().len(), attempt, "no retry is made before {delay} s have passed");
        world.advance(Duration::from_millis(500));
    }
    world.drain().await;
    let delivery = tenant.delivery(&id).await;
    let shown = ["status", "attempts", "error", "response_body", "next_attempt_at"].map(|name| &delivery[name]);
    assert_eq!(json!(shown), json!(["exhausted", 4, "http_status", "not now", null]));
    let log = delivery["attempt_log"].as_array().unwrap();
    assert_eq!(log.iter().map(|entry| entry["attempt"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);

    world.advance(seconds(24 * 60 * 60));
    world.drain().await;
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 4, "there are no more attempts");
    for (index, request) in receiver.received().iter().enumerate() {
        assert_eq!(request.header("x-webhook-attempt"), (index + 1).to_string());
        assert_eq!(request.header("webhook-id"), text(&delivery["event_id"]));
        assert_eq!(request.body, receiver.received()[0].body);
    }
}

#[tokio::test]
async fn every_attempt_is_signed_for_its_own_time() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [600]})).await;
    tenant.publish().await;
    world.drain().await;
    world.advance(seconds(660));
    world.drain().await;
    let requests = receiver.received();
    let sent_at = |index: usize| requests[index].header("webhook-timestamp").parse::<i64>().unwrap();
    assert!(sent_at(1) - sent_at(0) >= 600);
    assert_ne!(requests[0].header("webhook-signature"), requests[1].header("webhook-signature"));
    assert_eq!(requests[0].header("x-webhook-signature"), requests[1].header("x-webhook-signature"));
}

#[tokio::test]
async fn an_empty_schedule_has_no_retries_and_a_missing_one_is_the_deployments_default() {
    let world = World::with(&[("RETRY_SCHEDULE", "7")]).await;
    for (fields, expected) in [(json!({"retry_schedule": []}), "exhausted"), (json!({}), "retrying")] {
        let receiver = Receiver::always(Answer::status(500)).await;
        let (tenant, _) = tenant_with(&world, &receiver, fields).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        let delivery = tenant.delivery(&id).await;
        assert_eq!(text(&delivery["status"]), expected);
        if expected == "retrying" {
            assert_eq!(wait_of(&delivery), 7.0);
        }
    }
}

#[tokio::test]
async fn delays_of_a_minute_or_more_have_up_to_a_tenth_of_jitter() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [600]})).await;
    let mut waits = Vec::new();
    for _ in 0..20 {
        let id = tenant.publish_one().await;
        world.drain().await;
        waits.push(wait_of(&tenant.delivery(&id).await));
    }
    assert!(waits.iter().all(|wait| (600.0..=660.0).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 601.0), "{waits:?}");
}

#[tokio::test]
async fn retry_after_extends_the_delay_only_on_429_and_503() {
    let world = World::new().await;
    let now = u64::try_from(world.clock.now().unix_seconds()).unwrap();
    let in_two_minutes = httpdate::fmt_http_date(UNIX_EPOCH + seconds(now + 120));
    for (status, retry_after, expected) in [
        (429, "120", 120.0),
        (503, "120", 120.0),
        (503, &*in_two_minutes, 120.0),
        (503, "0", 1.0),
        (429, "soon", 1.0),
        (500, "120", 1.0),
        // A receiver can request at most a day.
        (503, "999999999", 86_400.0),
    ] {
        let receiver = Receiver::always(Answer::status(status).header("retry-after", retry_after)).await;
        let (tenant, _) = tenant_with(&world, &receiver, json!({})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        let wait = wait_of(&tenant.delivery(&id).await);
        assert!((expected - 1.0..=expected).contains(&wait), "{status} {retry_after}: {wait}");
    }
}

#[tokio::test]
async fn a_delay_of_more_than_15_minutes_is_parked_and_sent_by_the_sweep() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [3600]})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "retrying");

    world.advance(seconds(3590));
    world.drain().await;
    world.sweep().await;
    assert_eq!(world.take_messages().await, [""; 0], "the delivery is not in the queue and not due");

    world.advance(seconds(400));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.drain().await, 1, "the second sweep does not lease it again");
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(tenant.delivery_status(&id).await, "success");
}

/// The sweep runs every minute, and the consumer all the time.
#[tokio::test]
async fn a_parked_delivery_is_attempted_within_two_seconds_of_its_time() {
    for delay in [901, 1_800, 3_600] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
        let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [delay]})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        let due = Timestamp::parse(text(&tenant.delivery(&id).await["next_attempt_at"])).unwrap();
        while world.in_the_queue().await == 0 {
            assert!(world.clock.now() < due, "{delay} s: no sweep sent the message in time");
            world.advance(seconds(60));
            world.sweep().await;
        }
        while receiver.received().len() < 2 {
            world.advance(seconds(1));
            world.drain().await;
        }
        let attempted = world.log(&id).await[1].started_at;
        let (early, late) = (due.since(attempted), attempted.since(due));
        assert!(early <= Duration::from_millis(500) && late <= seconds(2), "{delay} s: {early:?} early, {late:?} late");
    }
}

#[tokio::test]
async fn two_overlapping_sweeps_send_a_parked_delivery_once() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [3600]})).await;
    for _ in 0..25 {
        tenant.publish().await;
    }
    world.drain().await;
    world.advance(seconds(4000));
    let another = world.another_process();
    tokio::join!(world.sweep(), another.sweep(), another.sweep());
    assert_eq!(world.take_messages().await.len(), 25);
}

#[tokio::test]
async fn a_sweep_that_dies_between_lease_and_send_only_delays_the_delivery() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [3600]})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    world.advance(seconds(4000));
    world.sweep().await;
    assert_eq!(world.take_messages().await.len(), 1);
    world.purge().await; // as if the message had not been sent

    world.advance(seconds(14 * 60));
    world.sweep().await;
    assert_eq!(world.drain().await, 0, "the lease has not expired");
    world.advance(seconds(2 * 60));
    world.sweep().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_410_response_fails_the_delivery_and_disables_the_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(410)).await);
    let (tenant, endpoint) = tenant_with(&world, &receiver, json!({})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    let delivery = tenant.delivery(&id).await;
    let shown = ["status", "attempts", "error", "response_status"].map(|name| &delivery[name]);
    assert_eq!(json!(shown), json!(["failed", 1, "http_status", 410]));
    let endpoint = tenant.read_endpoint(&endpoint).await;
    assert_eq!(["status", "disabled_reason"].map(|name| text(&endpoint[name])), ["disabled", "gone"]);
    assert_eq!(tenant.publish().await, [""; 0], "no delivery is created for the endpoint");
    world.advance(seconds(3600));
    world.sweep().await;
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn a_message_that_is_received_too_early_waits_until_the_attempt_is_due() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500), Answer::status(500)]).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({})).await;
    let id = tenant.publish_one().await;
    let message = world.take_messages().await.remove(0);
    world.send(&message).await;
    world.drain().await;
    // The same message is sent again, as SQS can do. It is due in one second.
    world.send(&message).await;
    world.drain().await;
    receiver.only();
    world.advance(seconds(1));
    world.drain().await;
    assert_eq!(receiver.received().len(), 2, "one of two copies makes the attempt");
    assert_eq!(tenant.delivery(&id).await["attempts"], 2);
}

#[tokio::test]
async fn an_exhausted_delivery_can_be_retried_with_the_full_schedule() {
    let failures = (0..3).map(|_| Answer::status(500));
    let (world, receiver) = (World::new().await, Receiver::scripted(failures).await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({"retry_schedule": [1]})).await;
    let id = tenant.publish_one().await;
    let retry = format!("/webhooks/deliveries/{id}/retry");
    world.drain().await;
    tenant.post(&retry, &json!({})).await.is_error(409, "conflict");
    world.advance(seconds(1));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "exhausted");

    tenant.post(&retry, &json!({})).await.data(202);
    world.drain().await;
    let delivery = tenant.delivery(&id).await;
    assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["retrying", 3]));
    world.advance(seconds(1));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
    tenant.post(&retry, &json!({})).await.is_error(409, "conflict");
    let numbers: Vec<_> = receiver.received().iter().map(|r| r.header("x-webhook-attempt").to_owned()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
}

/// The publisher died between its writes and its sends, and its request is not retried.
#[tokio::test]
async fn a_delivery_whose_message_was_never_sent_can_be_listed_and_retried() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, endpoint) = tenant_with(&world, &receiver, json!({})).await;
    let network = over_network(&world.sdk(), |operation| match operation {
        "SendMessageBatch" => Fate::Refuse,
        _ => Fate::Pass,
    });
    let dying = tenant.at(&world.process_on(&network));
    dying.post("/events", &json!({"type": EVENT_TYPE, "data": {}})).await.is_error(503, "unavailable");
    let listed = tenant.get(&format!("{}/deliveries?status=pending", endpoint.path())).await.data(200);
    let id = text(&listed[0]["id"]).to_owned();
    let retry = format!("/webhooks/deliveries/{id}/retry");
    world.advance(Duration::from_secs(29));
    tenant.post(&retry, &json!({})).await.is_error(409, "conflict");
    world.advance(Duration::from_secs(1));
    let retried = tenant.post(&retry, &json!({})).await.data(202);
    assert_eq!(json!(["status", "attempts"].map(|name| &retried[name])), json!(["pending", 0]));
    tenant.post(&retry, &json!({})).await.is_error(409, "conflict");
    world.drain().await;
    assert_eq!(receiver.only().header("x-webhook-delivery"), id);
    assert_eq!(tenant.delivery_status(&id).await, "success");
}

/// The publish request's message waits in a backlog while the delivery is retried manually.
#[tokio::test]
async fn a_manual_retry_of_a_pending_delivery_replaces_the_waiting_message() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, _) = tenant_with(&world, &receiver, json!({})).await;
    let id = tenant.publish_one().await;
    world.advance(Duration::from_secs(121));
    tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await.data(202);
    assert_eq!(world.in_the_queue().await, 2);
    while world.process.poll_at_most(1).await > 0 {}
    assert_eq!(world.in_the_queue().await, 0);
    assert_eq!(receiver.only().header("x-webhook-delivery"), id);
}
