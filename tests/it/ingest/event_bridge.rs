//! Events of EventBridge, which a rule sends to the ingest queue.

use std::time::Duration;

use serde_json::{Value, json};

use super::{events, numbers, subscribed};

/// An event as EventBridge sends it to a queue.
pub(super) fn event(id: &str, resources: Value, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "order.paid",
        "source": "com.example.orders",
        "account": "123456789012",
        "time": "2026-03-24T20:00:00Z",
        "region": "us-east-1",
        "resources": resources,
        "detail": detail,
    })
}

#[tokio::test]
async fn an_event_of_a_bus_is_published_with_its_detail_as_data() {
    let (world, receiver, tenant) = subscribed().await;
    world
        .ingest(&[
            event("e1", json!([tenant.id]), json!({"number": 1})),
            event("e2", json!([]), json!({"number": 2, "organization": tenant.id})),
        ])
        .await;
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    assert_eq!(numbers(&receiver), [1, 2]);
    assert!(receiver.received().iter().all(|request| request.header("x-webhook-event") == "order.paid"));
    let data = json!({"number": 2, "organization": tenant.id});
    assert!(events(&tenant).await.iter().any(|event| event["data"] == data), "the data has all of the detail");
}

#[tokio::test]
async fn an_event_that_event_bridge_sends_again_is_published_once() {
    let (world, receiver, tenant) = subscribed().await;
    let first = event("e1", json!([tenant.id]), json!({"number": 1}));
    let mut replayed = first.clone();
    replayed["replay-name"] = json!("again");
    // Another message each time.
    for sent in [&first, &first, &replayed] {
        world.ingest(std::slice::from_ref(sent)).await;
    }
    world.drain().await;
    assert_eq!((numbers(&receiver), events(&tenant).await.len()), (vec![1], 1));
    // A day later the id is forgotten.
    world.advance(Duration::from_secs(24 * 60 * 60 + 1));
    world.ingest(&[replayed]).await;
    world.drain().await;
    assert_eq!(numbers(&receiver), [1, 1]);
    assert!(world.take_ingest_dead_letters().await.is_empty());
}

#[tokio::test]
async fn an_event_without_an_organization_or_with_another_kind_of_type_is_a_dead_letter() {
    let (world, _receiver, tenant) = subscribed().await;
    let mut spaced = event("e3", json!([tenant.id]), json!({}));
    spaced["detail-type"] = json!("Object Created");
    let other = world.tenant().await;
    for (event, detail) in [
        (event("e1", json!(["arn:aws:s3:::bucket"]), json!({})), "resources or detail.organization must name"),
        (event("e2", json!([tenant.id, other.id]), json!({})), "resources must not name more than one"),
        (spaced, "type must be"),
    ] {
        world.ingest(std::slice::from_ref(&event)).await;
        let letters = world.take_ingest_dead_letters().await;
        let [(body, [reason, explained, _])] = &letters[..] else { panic!("{event}") };
        assert_eq!((body, reason.as_str()), (&event.to_string(), "validation_failed"));
        assert!(explained.contains(detail), "{explained}");
    }
    assert!(events(&tenant).await.is_empty());
}
