//! Publishing: idempotency, batches, sizes and the maximum number of endpoints.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Reply, Tenant, World, text};

const DATA_BYTES: usize = 256 * 1024;

async fn publish_with_key(tenant: &Tenant, path: &str, key: &str, body: &Value) -> Reply {
    tenant.call(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
}

#[tokio::test]
async fn a_retry_gets_the_first_response_and_sends_nothing_twice() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    tenant.endpoint(&receiver).await;
    let one = |n: u32| json!({"type": "a", "data": {"n": n}});
    let batch = json!({"events": [one(1), {"type": "a b"}, one(2)]});
    for (path, body, sent) in [("/events", one(1), 1), ("/events/batch", batch, 2)] {
        let key = format!("{path:x<255}");
        let before = receiver.received().len();
        let first = publish_with_key(&tenant, path, &key, &body).await.data(202);
        world.drain().await;
        // A new endpoint does not get the event of the first request.
        tenant.endpoint(&receiver).await;
        assert_eq!(publish_with_key(&tenant, path, &key, &body).await.data(202), first);
        let elsewhere = tenant.at(&world.another_process());
        assert_eq!(publish_with_key(&elsewhere, path, &key, &body).await.data(202), first);
        world.drain().await;
        let endpoints = if path == "/events" { 1 } else { 2 };
        assert_eq!(receiver.received().len() - before, sent * endpoints);

        let another = if path == "/events" { one(2) } else { json!({"events": [one(1)]}) };
        publish_with_key(&tenant, path, &key, &another).await.is_error(409, "idempotency_conflict");
        let others = publish_with_key(&other, path, &key, &body).await.data(202);
        assert_ne!(others, first, "keys of different organizations are independent");
        world.advance(Duration::from_secs(24 * 60 * 60 - 10));
        assert_eq!(publish_with_key(&tenant, path, &key, &body).await.data(202), first);
        world.advance(Duration::from_secs(10));
        assert_ne!(
            publish_with_key(&tenant, path, &key, &body).await.data(202),
            first,
            "the key has expired a day later"
        );
        world.drain().await;
    }
    for key in [String::new(), "x".repeat(256), "é".to_owned()] {
        publish_with_key(&tenant, "/events", &key, &one(1)).await.is_error(400, "validation_failed");
    }
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_idempotency_key() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    publish_with_key(&tenant, "/events", "k", &json!({"type": "a b", "data": {}}))
        .await
        .is_error(400, "validation_failed");
    publish_with_key(&tenant, "/events", "k", &json!({"type": "a", "data": {}})).await.data(202);
    publish_with_key(&tenant, "/events/batch", "k", &json!({"events": []})).await.is_error(400, "validation_failed");
}

/// A JSON object of exactly this many bytes.
fn data_of(bytes: usize) -> String {
    format!("{{\"x\":\"{}\"}}", "é".repeat((bytes - 8) / 2))
}

#[tokio::test]
async fn each_event_of_a_batch_is_accepted_or_refused_independently() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let too_large: Value = serde_json::from_str(&data_of(DATA_BYTES + 2)).unwrap();
    let entry = |index: usize| match index % 10 {
        3 => json!({"type": "a b", "data": {}}),
        5 => json!({"type": "a"}),
        7 => json!([index]),
        9 if index == 99 => json!({"type": "a", "data": too_large}),
        _ => json!({"type": "a", "data": {"n": index}}),
    };
    let events: Vec<_> = (0..100).map(entry).collect();
    let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 100);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index);
        let code = match index % 10 {
            3 | 5 => "validation_failed",
            7 => "invalid_json",
            9 if index == 99 => "payload_too_large",
            _ => {
                assert_eq!(result["status"], "accepted", "{index}");
                let event = tenant.get(&format!("/events/{}", text(&result["event"]["id"]))).await.data(200);
                assert_eq!(event["data"], json!({"n": index}));
                continue;
            }
        };
        assert_eq!((&result["status"], &result["error"]["code"]), (&json!("refused"), &json!(code)), "{index}");
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), 69);
    for (count, expected) in [(0, 400), (1, 202), (100, 202), (101, 400)] {
        let events = vec![json!({"type": "b", "data": {}}); count];
        assert_eq!(tenant.post("/events/batch", &json!({"events": events})).await.status, expected, "{count}");
    }
    for body in [json!({}), json!({"events": null}), json!({"events": [], "more": 1})] {
        tenant.post("/events/batch", &body).await.is_error(400, "validation_failed");
    }
}

#[tokio::test]
async fn data_of_up_to_256_kib_is_delivered_unchanged() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let publish = async |data: &str| {
        tenant.call(Method::POST, "/events", &[], Some(format!("{{\"type\":\"a\",\"data\":{data}}}"))).await
    };
    let largest = data_of(DATA_BYTES);
    assert_eq!(largest.len(), DATA_BYTES);
    publish(&largest).await.data(202);
    publish(&data_of(DATA_BYTES + 2)).await.is_error(413, "payload_too_large");
    publish(&format!(" {largest}")).await.data(202);
    let odd = r#"{ "big": 12345678901234567890.10, "same": 1, "same": 2, "esc": "\u00e9" }"#;
    let event = publish(odd).await.data(202);
    world.drain().await;
    let received = receiver.received();
    let request = received.iter().find(|request| request.header("webhook-id") == text(&event["id"])).unwrap();
    assert!(std::str::from_utf8(&request.body).unwrap().ends_with(&format!("\"data\":{odd}}}")));
    let too_long = format!("{{\"type\":\"a\",\"data\":{}}}", data_of(6 * 1024 * 1024));
    tenant.call(Method::POST, "/events", &[], Some(too_long.clone())).await.is_error(413, "payload_too_large");
    tenant.call(Method::POST, "/webhooks", &[], Some(too_long)).await.is_error(413, "payload_too_large");
}

const NEW: [(&str, &str); 4] = [
    ("/webhooks/endpoints", r#"{"name": "n", "url": "https://example.com/", "event_types": ["a"]}"#),
    ("/webhooks", r#"{"url": "https://example.com/", "events": ["a"]}"#),
    ("/v1/endpoints", r#"{"name": "n", "url": "https://example.com/"}"#),
    ("/v1/webhook-endpoints", r#"{"name": "n", "url": "https://example.com/", "events": ["a"]}"#),
];

#[tokio::test]
async fn an_event_with_an_uncompressed_body_is_read_and_sent() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = tenant.publish_data(&json!({"long": "x".repeat(60_000)})).await;
    let body = json!({"id": event["id"], "data": {"short": true}}).to_string();
    let mut item = world.items("event").await.remove(0);
    assert!(item.remove("compressed").is_some());
    item.insert("body".to_owned(), AttributeValue::S(body.clone()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    world.drain().await;
    assert_eq!(receiver.only().body, body.as_bytes());
}

#[tokio::test]
async fn an_organization_cannot_exceed_the_deployments_number_of_endpoints() {
    for (settings, most) in [(vec![], 100), (vec![("MAX_ENDPOINTS", "500")], 500), (vec![("MAX_ENDPOINTS", "1")], 1)] {
        let world = World::with(&settings).await;
        let (tenant, other) = (world.tenant().await, world.tenant().await);
        let created = tenant.call(Method::POST, NEW[0].0, &[], Some(NEW[0].1.to_owned())).await.data(201);
        world.make_endpoints(&tenant, most - 1, &["a"]).await;
        for (path, body) in NEW {
            let refused = tenant.call(Method::POST, path, &[], Some(body.to_owned())).await;
            refused.is_error(422, "quota_exceeded");
            assert!(text(&refused.body["error"]["message"]).contains(&format!(" {most} ")), "{}", refused.body);
        }
        other.call(Method::POST, NEW[0].0, &[], Some(NEW[0].1.to_owned())).await.data(201);
        let event = tenant.post("/events", &json!({"type": "a", "data": {}})).await.data(202);
        assert_eq!(event["webhook_deliveries"].as_array().unwrap().len(), most);
        assert_eq!(tenant.delete(&format!("/webhooks/{}", text(&created["id"]))).await.status, 204);
        tenant.call(Method::POST, NEW[3].0, &[], Some(NEW[3].1.to_owned())).await.body["id"].as_str().unwrap();
    }
}
