//! Publishing with an idempotency key. A retry with the same key sends nothing twice and completes what the first
//! request left undone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{EVENT_TYPE, Fate, Gate, Part, Receiver, Reply, Tenant, World, delivery_ids, over_network, text};

const KEY: &str = "order-17";

async fn publish_with(tenant: &Tenant, key: &str, body: &Value) -> Reply {
    tenant.call(Method::POST, "/events", &[("idempotency-key", key)], Some(body.to_string())).await
}

/// Runs the consumer, waits until the first request must have ended, and runs the sweep, which sends the unfinished
/// deliveries of a repair. Returns the number of processed messages.
async fn drain_and_sweep(world: &World) -> usize {
    let queued = world.drain().await;
    world.advance(Duration::from_secs(60));
    world.sweep().await;
    queued + world.drain().await
}

fn event() -> Value {
    json!({"type": EVENT_TYPE, "data": {"order": 17}})
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_response_and_one_delivery() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let first = publish_with(&tenant, KEY, &event()).await.data(202);
    assert_eq!(publish_with(&tenant, KEY, &event()).await.data(202), first, "before the delivery");
    world.drain().await;
    let another = tenant.at(&world.another_process());
    assert_eq!(publish_with(&another, KEY, &event()).await.data(202), first, "after the delivery");
    world.advance(Duration::from_secs(23 * 60 * 60));
    assert_eq!(publish_with(&tenant, KEY, &event()).await.data(202), first, "almost a day later");
    world.drain().await;
    assert_eq!(receiver.only().header("webhook-id"), text(&first["id"]));

    world.advance(Duration::from_secs(2 * 60 * 60));
    assert_ne!(publish_with(&tenant, KEY, &event()).await.data(202)["id"], first["id"], "a key expires after a day");
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    publish_with(&tenant, KEY, &event()).await.data(202);
    let other = json!({"type": EVENT_TYPE, "data": {"order": 18}});
    publish_with(&tenant, KEY, &other).await.is_error(409, "idempotency_conflict");
    let batch = Some(json!({"events": [event()]}).to_string());
    let batch = tenant.call(Method::POST, "/events/batch", &[("idempotency-key", KEY)], batch).await;
    batch.is_error(409, "idempotency_conflict");
    // Keys of different organizations are independent.
    publish_with(&world.tenant().await, KEY, &other).await.data(202);
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn a_failed_publish_request_is_completed_by_its_retry() {
    for (operation, batch) in
        [("BatchWriteItem", false), ("BatchWriteItem", true), ("SendMessageBatch", false), ("SendMessageBatch", true)]
    {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let network = over_network(&world.sdk(), move |it| if it == operation { Fate::Refuse } else { Fate::Pass });
        let cut_off = tenant.at(&world.process_on(&network));
        let (path, body) = match batch {
            true => ("/events/batch", json!({"events": vec![event(); 30]})),
            false => ("/events", event()),
        };
        let publish = async |tenant: &Tenant| {
            tenant.call(Method::POST, path, &[("idempotency-key", KEY)], Some(body.to_string())).await
        };
        let failed = publish(&cut_off).await;
        failed.is_error(503, "unavailable");
        assert!(failed.headers.contains_key("retry-after"));
        assert_eq!(world.drain().await, 0, "the queue is empty");

        let completed = publish(&tenant).await.data(202);
        let expected = if batch { 30 } else { 1 };
        if operation == "BatchWriteItem" {
            world.drain().await;
            assert_eq!(receiver.received().len(), expected, "deliveries that were not stored are sent immediately");
        }
        drain_and_sweep(&world).await;
        let arrived: BTreeSet<_> = receiver.received().iter().map(|r| r.header("webhook-id").to_owned()).collect();
        assert_eq!((receiver.received().len(), arrived.len()), (expected, expected), "{operation}");
        assert_eq!(publish(&tenant).await.data(202), completed);
        drain_and_sweep(&world).await;
        assert_eq!(receiver.received().len(), expected, "{operation}: another retry sends nothing");
        let statuses = tenant.get("/events?limit=100").await.data(200);
        let events = statuses.as_array().unwrap();
        assert!(events.iter().all(|event| event["webhook_deliveries"][0]["status"] == "success"));
    }
}

#[tokio::test]
async fn a_retry_sends_only_the_messages_that_were_not_queued() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for _ in 0..15 {
        tenant.endpoint(&receiver).await;
    }
    let sends = AtomicUsize::new(0);
    let network = over_network(&world.sdk(), move |operation| match operation {
        "SendMessageBatch" if sends.fetch_add(1, Ordering::SeqCst) == 0 => Fate::Refuse,
        _ => Fate::Pass,
    });
    let cut_off = tenant.at(&world.process_on(&network));
    publish_with(&cut_off, KEY, &event()).await.is_error(503, "unavailable");
    let queued = world.drain().await;
    assert_eq!(receiver.received().len(), queued);
    let completed = publish_with(&tenant, KEY, &event()).await.data(202);
    assert_eq!(drain_and_sweep(&world).await, 15 - queued, "completed deliveries are not sent again");
    let arrived: BTreeSet<_> =
        receiver.received().iter().map(|request| request.header("x-webhook-delivery").to_owned()).collect();
    assert_eq!(receiver.received().len(), 15);
    assert_eq!(arrived, delivery_ids(&completed).into_iter().collect());
}

#[tokio::test]
async fn a_retry_writes_missing_records_and_keeps_existing_ones() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let paused = tenant.endpoint_with(json!({"url": receiver.url(), "status": "paused"})).await;
    let first = publish_with(&tenant, KEY, &event()).await.data(202);
    world.purge().await;
    for entity in ["delivery", "pending", "event"] {
        world.delete_items(entity).await;
    }
    // The first request may still be writing the records until its time limit.
    world.advance(Duration::from_secs(29));
    publish_with(&tenant, KEY, &event()).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(1));
    let again = publish_with(&tenant, KEY, &event()).await.data(202);
    assert_eq!(again, first);
    drain_and_sweep(&world).await;
    receiver.only();
    let [sent, parked] = &delivery_ids(&first)[..] else { panic!("two deliveries: {first}") };
    assert_eq!(tenant.delivery_status(sent).await, "success");
    assert_eq!(tenant.delivery_status(parked).await, "pending");

    publish_with(&tenant, KEY, &event()).await.data(202);
    assert_eq!(drain_and_sweep(&world).await, 0, "the parked delivery stays parked");
    tenant.set_status(&paused, "active").await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
}

/// The state after the first request died between writing its events and writing the lists of their deliveries.
#[tokio::test]
async fn events_without_listed_deliveries_are_completed_by_a_retry() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    publish_with(&tenant, KEY, &event()).await.data(202);
    world.purge().await;
    world.delete_items("pending").await;
    publish_with(&tenant, KEY, &event()).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(60));
    publish_with(&tenant, KEY, &event()).await.data(202);
    drain_and_sweep(&world).await;
    receiver.only();
}

#[tokio::test]
async fn two_concurrent_requests_with_one_key_create_one_event() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let other = tenant.at(&world.another_process());
    let body = event();
    let (one, two) = tokio::join!(publish_with(&tenant, KEY, &body), publish_with(&other, KEY, &body));
    for reply in [one, two] {
        assert!([202, 503].contains(&reply.status), "{}", reply.body);
    }
    let event = publish_with(&tenant, KEY, &body).await.data(202);
    drain_and_sweep(&world).await;
    assert_eq!(receiver.only().header("webhook-id"), text(&event["id"]));
    assert_eq!(world.items("event").await.len(), 1);
}

#[tokio::test]
async fn a_request_that_its_retry_overtakes_sends_nothing_twice() {
    for operation in ["BatchWriteItem", "SendMessageBatch"] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (there, held) = (reached.clone(), gate.clone());
        let network = over_network(&world.sdk(), move |called| {
            if called != operation {
                return Fate::Pass;
            }
            there.open();
            Fate::Behind(held.clone())
        });
        let slow = tenant.at(&world.process_on(&network));
        let first = tokio::spawn(async move { publish_with(&slow, KEY, &event()).await });
        reached.pass().await;
        let early = publish_with(&tenant, KEY, &event()).await;
        // While records are missing, the first request may still be writing them.
        assert_eq!(early.status, if operation == "BatchWriteItem" { 503 } else { 202 }, "{operation}");
        world.drain().await;
        gate.open();
        let first = first.await.unwrap().data(202);
        let second = publish_with(&tenant, KEY, &event()).await.data(202);
        assert_eq!(first["id"], second["id"], "{operation}");
        drain_and_sweep(&world).await;
        assert_eq!(receiver.only().header("webhook-id"), text(&second["id"]), "{operation}");
    }
}

#[tokio::test]
async fn a_lost_response_of_the_queue_or_the_table_sends_nothing_twice() {
    for operation in ["BatchWriteItem", "SendMessageBatch", "PutItem"] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let calls = AtomicUsize::new(0);
        let network = over_network(&world.sdk(), move |called| {
            let first = called == operation && calls.fetch_add(1, Ordering::SeqCst) == 0;
            if first { Fate::LoseAnswer } else { Fate::Pass }
        });
        let unlucky = tenant.at(&world.process_on(&network));
        publish_with(&unlucky, KEY, &event()).await.data(202);
        world.drain().await;
        receiver.only();
    }
}

/// The first request writes all items except the events.
#[tokio::test]
async fn a_retry_after_endpoints_changed_uses_each_delivery_id_for_one_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let first_endpoint = tenant.endpoint(&receiver).await;
    tenant.endpoint(&receiver).await;
    let network = over_network(&world.sdk(), |operation| match operation {
        "BatchWriteItem" => Fate::Only(Part::Without(r#""entity":{"S":"event"}"#)),
        _ => Fate::Pass,
    });
    let cut_off = tenant.at(&world.process_on(&network));
    publish_with(&cut_off, KEY, &event()).await.is_error(503, "unavailable");
    tenant.delete(&format!("{}?permanent=true", first_endpoint.path())).await.data(204);
    tenant.endpoint(&receiver).await;
    let published = publish_with(&tenant, KEY, &event()).await.data(202);
    drain_and_sweep(&world).await;
    assert_eq!(receiver.received().len(), 2);
    let mut ids: Vec<_> = world.items("delivery").await.iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
    ids.sort_unstable();
    assert_eq!(ids, delivery_ids(&published), "each delivery id is stored for one endpoint");
    assert_eq!(world.items("pending").await.len(), 2);
}

#[tokio::test]
async fn an_event_of_a_batch_stays_refused_when_another_process_would_accept_it() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let strict = tenant.at(&world.process_with(&[("EVENT_TYPES", EVENT_TYPE)]));
    let batch = json!({"events": [{"type": "unknown.yet", "data": {}}, event()]}).to_string();
    let publish = async |tenant: &Tenant| {
        tenant.call(Method::POST, "/events/batch", &[("idempotency-key", KEY)], Some(batch.clone())).await
    };
    let first = publish(&strict).await.data(202);
    assert_eq!(first[0]["error"]["code"], "validation_failed");
    world.drain().await;
    world.advance(Duration::from_secs(30));
    let again = publish(&tenant).await.data(202);
    assert_eq!(again[1]["event"]["id"], first[1]["event"]["id"]);
    assert_eq!(again[0]["status"], "refused");
    drain_and_sweep(&world).await;
    let received: Vec<_> = receiver.received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect();
    assert_eq!(received, [EVENT_TYPE]);
}

/// The only process of a deployment knows that all requests from before its start have ended.
#[tokio::test]
async fn a_retry_after_a_restart_of_the_only_process_does_not_wait() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let network = over_network(&world.sdk(), |operation| match operation {
        "BatchWriteItem" | "UpdateItem" => Fate::Refuse,
        _ => Fate::Pass,
    });
    let dying = tenant.at(&world.process_on(&network));
    publish_with(&dying, KEY, &event()).await.is_error(503, "unavailable");
    publish_with(&tenant, KEY, &event()).await.is_error(503, "unavailable");
    world.advance(Duration::from_millis(1));
    let restarted = tenant.at(&world.only_process());
    publish_with(&restarted, KEY, &event()).await.data(202);
    world.drain().await;
    receiver.only();
}
