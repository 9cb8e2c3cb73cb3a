//! The `endpoints` dialect, with every field of its requests and responses.

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{Receiver, World, text};

const ENDPOINT: &str = r#"{"id":"ep_550e8400-e29b-41d4-a716-446655440000","name":"my-webhook","url":"https://example.com/webhook","headers_json":{},
 "timeout_seconds":10,"status":"ACTIVE","paused_at":null,"created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-01T00:00:00Z"}"#;

const GENERATED: &str = "whsec_0123456789abcdef0123456789abcdef";

fn example(fields: Value) -> Value {
    let mut example: Value = serde_json::from_str(ENDPOINT).unwrap();
    example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    example
}

#[tokio::test]
async fn an_endpoint_is_created_listed_read_changed_and_deleted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"name": "my-webhook", "url": "https://example.com/webhook"});
    let created = body_of(&tenant.post("/v1/endpoints", &body).await, 201);
    assert_like(&created, &example(json!({"secret": GENERATED})));
    let path = format!("/v1/endpoints/{}", text(&created["id"]));
    assert_like(&body_of(&tenant.get(&path).await, 200), &example(json!({})));

    let full = json!({"name": "other", "url": "https://example.com/other", "secret": "a secret of ours",
                      "headers_json": {"X-Team": "growth"}, "timeout_seconds": 30});
    let mut shown = full.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_like(&body_of(&tenant.post("/v1/endpoints", &full).await, 201), &example(shown.clone()));
    let listed = json!([example(json!({})), example(shown)]);
    assert_like(&body_of(&tenant.get("/v1/endpoints").await, 200), &listed);

    let mut shown = example(json!({}));
    for (change, consequence) in [
        (json!({"name": "renamed"}), json!({})),
        (json!({"url": "https://example.com/new"}), json!({})),
        (json!({"headers_json": {"X-A": "1"}}), json!({})),
        (json!({"headers_json": null, "timeout_seconds": null}), json!({"headers_json": {}, "timeout_seconds": 10})),
        (json!({"timeout_seconds": 1}), json!({})),
        (json!({"status": "PAUSED"}), json!({"paused_at": "2024-01-01T00:00:00Z"})),
        (json!({"status": "ACTIVE"}), json!({"paused_at": null})),
    ] {
        shown.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        shown.as_object_mut().unwrap().extend(consequence.as_object().unwrap().clone());
        assert_like(&body_of(&tenant.patch(&path, &change).await, 200), &shown);
        assert_like(&body_of(&tenant.get(&path).await, 200), &shown);
    }
    assert_like(&body_of(&tenant.patch(&path, &json!({"secret": "a secret of ours"})).await, 200), &shown);
    tenant.patch(&path, &json!({"status": "DISABLED"})).await.is_error(400, "validation_failed");
    tenant.patch(&path, &json!({"status": "active"})).await.is_error(400, "validation_failed");
    body_of(&tenant.delete(&path).await, 204);
    tenant.get(&path).await.is_error(404, "not_found");
    tenant.delete(&path).await.is_error(404, "not_found");
}

#[tokio::test]
async fn an_endpoint_subscribes_to_every_published_type() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.post("/v1/endpoints", &json!({"name": "n", "url": receiver.url()})).await;
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200)[0]["event_types"], json!(["*"]));
    tenant.publish_one().await;
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn the_list_is_complete_and_starts_with_the_oldest() {
    let world = World::with(&[("MAX_ENDPOINTS", "120")]).await;
    let tenant = world.tenant().await;
    let mut created = Vec::new();
    for number in 0..120 {
        let body = json!({"name": format!("n{number}"), "url": "https://example.com/"});
        created.push(tenant.post("/v1/endpoints", &body).await.body["id"].take());
    }
    let listed = tenant.get("/v1/endpoints").await.body;
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|endpoint| endpoint["id"].clone()).collect();
    assert_eq!(listed, created);
}
