//! What is published of a message.

use std::time::Duration;

use serde_json::{Value, json};

use super::{events, message, numbers, subscribed};
use crate::support::{EVENT_TYPE, Fate, over_network};

#[tokio::test]
async fn a_message_publishes_its_event_byte_for_byte() {
    let (world, receiver, tenant) = subscribed().await;
    let body = format!(
        r#"{{"type":"member.added","data":{{"n": 1.10,  "é":"\u00e9"}},"organization":"{}","external_id":"order-1",
            "traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}"#,
        tenant.id
    );
    world.send_to_ingest(&body).await;
    assert_eq!(world.process.ingest().await, 1);
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    let request = receiver.only();
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.contains(r#""data":{"n": 1.10,  "é":"\u00e9"}"#), "{body}");
    assert!(request.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    let event = tenant.get("/events/ext:order-1").await.data(200);
    assert_eq!(event["webhook_deliveries"][0]["status"], "success");
}

#[tokio::test]
async fn a_message_with_a_list_publishes_each_event_in_its_order() {
    let (world, receiver, tenant) = subscribed().await;
    let list: Vec<_> = (0..12).map(|number| json!({"type": EVENT_TYPE, "data": {"number": number}})).collect();
    world.ingest(&[json!({"organization": tenant.id, "events": list})]).await;
    world.drain().await;
    assert_eq!(numbers(&receiver), (0..12).collect::<Vec<_>>());
    let published: Vec<_> = events(&tenant).await.iter().map(|event| event["data"]["number"].clone()).collect();
    assert_eq!(published, (0..12).rev().map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn messages_of_a_batch_are_for_their_own_organizations() {
    let (world, receiver, first) = subscribed().await;
    let second = world.tenant().await;
    let other = crate::support::Receiver::new().await;
    second.endpoint(&other).await;
    world
        .platform()
        .patch(&format!("/v1/organizations/{}", second.id), &json!({"external_id": "acme"}))
        .await
        .data(200);
    let mut named = message(&second, 2);
    named["organization"] = json!("ext:acme");
    world.ingest(&[message(&first, 0), message(&second, 1), named, message(&first, 3)]).await;
    world.drain().await;
    assert_eq!((numbers(&receiver), numbers(&other)), (vec![0, 3], vec![1, 2]));
}

#[tokio::test]
async fn a_message_that_sqs_delivers_twice_is_published_once() {
    let (world, receiver, tenant) = subscribed().await;
    let network =
        over_network(&world.sdk(), |name| if name == "DeleteMessageBatch" { Fate::Refuse } else { Fate::Pass });
    let process = world.process_on(&network);
    world.send_to_ingest(&message(&tenant, 1).to_string()).await;
    process.try_ingest().await.unwrap_err();
    world.redeliver_ingest();
    assert_eq!(world.process.ingest().await, 1);
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    assert_eq!((numbers(&receiver), events(&tenant).await.len()), (vec![1], 1));
}

#[tokio::test]
async fn messages_with_the_same_key_publish_one_event() {
    let (world, receiver, tenant) = subscribed().await;
    let mut keyed = message(&tenant, 1);
    keyed["idempotency_key"] = json!("order-1");
    world.ingest(&[keyed.clone()]).await;
    // Another message with the key, as after a redrive.
    world.ingest(&[keyed.clone()]).await;
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    assert_eq!((numbers(&receiver), events(&tenant).await.len()), (vec![1], 1));
    // Without a key, another message is another event.
    world.ingest(&[message(&tenant, 1), message(&tenant, 1)]).await;
    world.drain().await;
    assert_eq!(numbers(&receiver), [1, 1, 1]);
    // The key for another event can never be accepted.
    keyed["data"]["number"] = json!(2);
    world.ingest(&[keyed]).await;
    let letters = world.take_ingest_dead_letters().await;
    assert_eq!(letters.iter().map(|(_, [reason, ..])| reason.as_str()).collect::<Vec<_>>(), ["idempotency_conflict"]);
}

#[tokio::test]
async fn two_messages_of_a_batch_with_the_same_key_publish_one_event() {
    let (world, receiver, tenant) = subscribed().await;
    let mut keyed = message(&tenant, 1);
    keyed["idempotency_key"] = json!("order-1");
    world.ingest(&[keyed.clone(), keyed]).await;
    assert_eq!(world.ingest_messages().len(), 1, "the second one waits until the first one has ended");
    world.advance(Duration::from_secs(200));
    assert_eq!(world.process.ingest().await, 1);
    assert!(world.ingest_messages().is_empty());
    world.run_to_the_end().await;
    assert_eq!((numbers(&receiver), events(&tenant).await.len()), (vec![1], 1));
}

/// Whoever may send to the queue acts for the platform, so no key of the organization is in the event.
#[tokio::test]
async fn events_of_the_queue_are_published_by_no_key() {
    let (world, _receiver, tenant) = subscribed().await;
    world.ingest(&[message(&tenant, 1)]).await;
    let stored = world.items("event").await;
    assert!(stored.len() == 1 && !stored[0].contains_key("published_by"), "{stored:?}");
    world.process.meter.write_all_usage().await;
    let usage = tenant.get("/usage").await.data(200);
    assert_eq!(usage.as_array().unwrap().last().unwrap()["events"], 1);
}
