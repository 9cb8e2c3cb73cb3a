//! The `pages` dialect, with every field of its requests and responses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{Answer, Receiver, Tenant, World, text};

const ENDPOINT: &str = r#"{"id":"we_…","organization_id":"org_…","name":"Orders","url":"https://example.com/orders","edition_id":null,
 "events":["order.paid"],"created":"2026-03-24T20:00:00.000Z","modified":"2026-03-24T20:00:00.000Z",
 "is_active":true,"timeout_seconds":10,"secret":null}"#;

const DELIVERY: &str = r#"{"id":"wdlv_…","event":"order.paid","created":"2026-03-24T20:00:00.000Z","endpoint_id":"we_…",
 "payload":"{\"id\":\"wevt_…\",\"object\":\"webhook_event\",\"type\":\"order.paid\",\"created\":\"2026-03-24T20:00:00.000Z\",\"timestamp\":\"2026-03-24T20:00:00.000Z\",\"data\":{}}",
 "status":"exhausted","attempts":4,"response_status_code":503,"last_attempt_at":"2026-03-24T20:00:00.000Z","next_retry_at":null,
 "signature":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#;

const GENERATED: &str = "whsec_0123456789abcdef0123456789abcdef";

fn with(example: &str, fields: Value) -> Value {
    let mut example: Value = serde_json::from_str(example).unwrap();
    example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    example
}

fn page(results: &[Value]) -> Value {
    json!({"count": results.len(), "next": null, "previous": null, "results": results})
}

fn new_endpoint() -> Value {
    json!({"name": "Orders", "url": "https://example.com/orders", "events": ["order.paid"]})
}

#[tokio::test]
async fn an_endpoint_is_created_read_changed_replaced_and_deleted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = body_of(&tenant.post("/v1/webhook-endpoints", &new_endpoint()).await, 201);
    assert_like(&created, &with(ENDPOINT, json!({"secret": GENERATED})));
    let path = format!("/v1/webhook-endpoints/{}", text(&created["id"]));
    assert_like(&body_of(&tenant.get(&path).await, 200), &with(ENDPOINT, json!({})));
    let mut shown = with(ENDPOINT, json!({}));
    for (change, consequence) in [
        (json!({"name": "renamed"}), json!({})),
        (json!({"url": "https://example.com/new"}), json!({})),
        (json!({"events": ["order.paid", "order.*"]}), json!({})),
        (json!({"edition_id": "eu"}), json!({})),
        (json!({"timeout_seconds": 30, "organization_id": tenant.id}), json!({})),
        (json!({"is_active": false}), json!({})),
        (json!({"is_active": true}), json!({})),
        (json!({"edition_id": null, "timeout_seconds": null}), json!({"timeout_seconds": 10})),
    ] {
        shown.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        shown.as_object_mut().unwrap().extend(consequence.as_object().unwrap().clone());
        assert_like(&body_of(&tenant.patch(&path, &change).await, 200), &shown);
        assert_like(&body_of(&tenant.get(&path).await, 200), &shown);
    }
    let full = json!({"edition_id": "us", "is_active": false, "timeout_seconds": 5});
    let mut replacement = full.clone();
    replacement.as_object_mut().unwrap().extend(new_endpoint().as_object().unwrap().clone());
    let replace = async |body: &Value| tenant.call(http::Method::PUT, &path, &[], Some(body.to_string())).await;
    assert_like(&body_of(&replace(&replacement).await, 200), &with(ENDPOINT, full));
    assert_like(&body_of(&replace(&new_endpoint()).await, 200), &with(ENDPOINT, json!({})));
    replace(&json!({"name": "n"})).await.is_error(400, "validation_failed");
    tenant
        .patch(&path, &json!({"organization_id": "org_00000000000000000000000000"}))
        .await
        .is_error(400, "validation_failed");
    body_of(&tenant.delete(&path).await, 204);
    tenant.get(&path).await.is_error(404, "not_found");

    let full = json!({"organization_id": tenant.id, "edition_id": "eu", "is_active": false, "timeout_seconds": 30});
    let mut body = new_endpoint();
    body.as_object_mut().unwrap().extend(full.as_object().unwrap().clone());
    let mut shown = with(ENDPOINT, full);
    shown["secret"] = json!(GENERATED);
    assert_like(&body_of(&tenant.post("/v1/webhook-endpoints", &body).await, 201), &shown);
}

#[tokio::test]
async fn a_rotation_shows_the_new_secret_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = tenant.post("/v1/webhook-endpoints", &new_endpoint()).await.body;
    let path = format!("/v1/webhook-endpoints/{}", text(&created["id"]));
    let rotated = body_of(&tenant.post(&format!("{path}/rotate-secret"), &json!({})).await, 200);
    assert_like(&rotated, &with(ENDPOINT, json!({"secret": GENERATED})));
    assert_ne!(rotated["secret"], created["secret"]);
    assert_like(&body_of(&tenant.get(&path).await, 200), &with(ENDPOINT, json!({})));
}

async fn endpoint_at(tenant: &Tenant, receiver: &Receiver) -> String {
    let mut body = new_endpoint();
    body["url"] = json!(receiver.url());
    text(&tenant.post("/v1/webhook-endpoints", &body).await.body["id"]).to_owned()
}

#[tokio::test]
async fn a_delivery_is_listed_read_and_retried() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(503)).await);
    let tenant = world.tenant().await;
    let endpoint = endpoint_at(&tenant, &receiver).await;
    let event = tenant.post("/events", &json!({"type": "order.paid", "data": {}})).await.data(202);
    let path = format!("/v1/webhook-deliveries/{}", text(&event["webhook_deliveries"][0]["id"]));
    let before = json!({"status": "pending", "attempts": 0, "response_status_code": null, "last_attempt_at": null, "signature": null});
    assert_like(&body_of(&tenant.get(&path).await, 200), &with(DELIVERY, before));
    tenant.post(&format!("{path}/retry"), &json!({})).await.is_error(409, "conflict");
    world.drain().await;
    let waiting = json!({"status": "retrying", "attempts": 1, "next_retry_at": "2026-03-24T20:00:00.000Z"});
    assert_like(&body_of(&tenant.get(&path).await, 200), &with(DELIVERY, waiting));
    for delay in [1, 5, 30] {
        world.advance(Duration::from_secs(delay));
        world.drain().await;
    }
    let shown = body_of(&tenant.get(&path).await, 200);
    assert_like(&shown, &with(DELIVERY, json!({})));
    assert_eq!(shown["signature"], receiver.received()[3].header("x-webhook-signature"));
    assert_eq!(text(&shown["payload"]).as_bytes(), receiver.received()[3].body);
    let list = format!("/v1/webhook-endpoints/{endpoint}/deliveries");
    assert_like(&body_of(&tenant.get(&list).await, 200), &page(&[with(DELIVERY, json!({}))]));
    for (status, count) in [("exhausted", 1), ("pending", 0), ("success", 0), ("failed", 0), ("retrying", 0)] {
        assert_eq!(tenant.get(&format!("{list}?status={status}")).await.body["count"], count, "{status}");
    }
    let retried = tenant.post(&format!("{path}/retry"), &json!({})).await;
    assert_like(&body_of(&retried, 202), &with(DELIVERY, json!({"status": "retrying"})));
    tenant.post(&format!("{path}/retry"), &json!({})).await.is_error(409, "conflict");
}

#[tokio::test]
async fn a_paused_endpoint_is_active_and_a_disabled_one_is_not() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = tenant.post("/v1/webhook-endpoints", &new_endpoint()).await.body;
    let (path, canonical) = (
        format!("/v1/webhook-endpoints/{}", text(&created["id"])),
        format!("/webhooks/endpoints/{}", text(&created["id"])),
    );
    for (status, is_active) in [("paused", true), ("disabled", false), ("active", true)] {
        tenant.patch(&canonical, &json!({"status": status})).await.data(200);
        assert_eq!(tenant.get(&path).await.body["is_active"], is_active, "{status}");
    }
    tenant.patch(&canonical, &json!({"status": "paused"})).await.data(200);
    tenant.patch(&path, &json!({"is_active": true, "name": "n"})).await;
    assert_eq!(
        tenant.get(&canonical).await.data(200)["status"],
        "paused",
        "the endpoint was already active in this dialect"
    );
}
