//! The `hooks` dialect, with every field of its requests and responses.

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{Receiver, Tenant, World, text};

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

/// An organization whose id is a UUID, as clients of this dialect use.
async fn tenant(world: &World) -> Tenant {
    let platform = world.platform();
    let body = json!({"name": "Acme", "slug": "acme", "id": UUID});
    platform.post("/v1/organizations", &body).await.data(201);
    let keys = format!("/v1/organizations/{UUID}/api-keys");
    let issued = platform.post(&keys, &json!({"name": "owner"})).await.data(201);
    let mut tenant = platform.with_key(text(&issued["revealed_key"]));
    tenant.id = UUID.to_owned();
    tenant
}

fn hook(fields: Value) -> Value {
    let mut example = json!({"id": "we_…", "organization_id": UUID, "url": "https://app.acme.co/signup", "events": ["member.added"],
        "status": "active", "created_at": "2026-03-24T20:00:00.000Z", "updated_at": "2026-03-24T20:00:00.000Z"});
    example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    example
}

#[tokio::test]
async fn a_hook_is_created_listed_read_changed_and_deleted() {
    let world = World::new().await;
    let tenant = tenant(&world).await;
    let body = json!({"url": "https://app.acme.co/signup", "events": ["member.added"]});
    let created = body_of(&tenant.post("/webhooks", &body).await, 201);
    assert_like(&created, &hook(json!({"secret": "whsec_0123456789abcdef0123456789abcdef"})));
    let path = format!("/webhooks/{}", text(&created["id"]));
    assert_like(&body_of(&tenant.get("/webhooks").await, 200), &json!([hook(json!({}))]));
    assert_like(&body_of(&tenant.get(&path).await, 200), &hook(json!({})));
    let mut shown = hook(json!({}));
    for change in [
        json!({"url": "https://app.acme.co/other"}),
        json!({"events": ["*", "invite.created"]}),
        json!({"status": "paused"}),
        json!({"status": "disabled"}),
        json!({"status": "active"}),
    ] {
        shown.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_like(&body_of(&tenant.patch(&path, &change).await, 200), &shown);
        assert_like(&body_of(&tenant.get(&path).await, 200), &shown);
    }
    body_of(&tenant.delete(&path).await, 204);
    tenant.get(&path).await.is_error(404, "not_found");
    assert_like(&body_of(&tenant.get("/webhooks").await, 200), &json!([]));
}

#[tokio::test]
async fn the_name_of_a_hook_is_its_urls_host() {
    let world = World::new().await;
    let tenant = tenant(&world).await;
    let body = json!({"url": "https://Bücher.Example:8443/x", "events": ["*"]});
    tenant.post("/webhooks", &body).await;
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200)[0]["name"], "xn--bcher-kva.example");
}

#[tokio::test]
async fn invalid_fields_are_refused() {
    let world = World::with(&[("ALLOW_HTTP", "false"), ("EVENT_TYPES", "member.added,member.removed")]).await;
    let tenant = tenant(&world).await;
    let (url, events) = ("https://app.acme.co/signup", json!(["member.added"]));
    for (body, field) in [
        (json!({"url": "http://app.acme.co/signup", "events": events}), "url"),
        (json!({"url": url, "events": ["member.lost"]}), "events"),
        (json!({"url": url, "events": []}), "events"),
        (json!({"url": url}), "events"),
        (json!({"events": events}), "url"),
        (json!({"url": url, "events": events, "name": "n"}), "name"),
    ] {
        let refused = tenant.post("/webhooks", &body).await;
        refused.is_error(400, "validation_failed");
        let named = &refused.body["error"]["details"]["fields"][0]["name"];
        assert_eq!(named, field, "{body}");
    }
    assert_eq!(tenant.with_key("").get("/webhooks").await.status, 401);
    let member = tenant.post("/api-keys", &json!({"name": "m", "role": "member"})).await.data(201);
    let member = tenant.with_key(text(&member["revealed_key"]));
    assert_eq!(member.post("/webhooks", &json!({"url": url, "events": events})).await.status, 403);
    assert_eq!(member.get("/webhooks").await.status, 200);
}

#[tokio::test]
async fn every_event_type_of_the_clients_can_be_subscribed_to_and_published() {
    const EVENT_TYPES: [&str; 12] = [
        "organization.created",
        "organization.updated",
        "organization.deleted",
        "member.added",
        "member.removed",
        "member.role_updated",
        "invite.created",
        "invite.accepted",
        "invite.cancelled",
        "oauth_app.created",
        "oauth_app.revoked",
        "webhook.created",
    ];
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = tenant(&world).await;
    let created = tenant.post("/webhooks", &json!({"url": receiver.url(), "events": EVENT_TYPES})).await;
    assert_eq!(body_of(&created, 201)["events"], json!(EVENT_TYPES));
    let types: Vec<_> = EVENT_TYPES[..11].iter().map(|name| json!({"type": name, "data": {}})).collect();
    tenant.post("/events/batch", &json!({"events": types})).await.data(202);
    world.drain().await;
    let received = receiver.received();
    let mut seen: Vec<_> = received.iter().map(|request| request.header("x-webhook-event")).collect();
    let mut known = EVENT_TYPES.to_vec();
    seen.sort_unstable();
    known.sort_unstable();
    assert_eq!(seen, known, "including webhook.created about itself");
}

#[tokio::test]
async fn creating_an_endpoint_in_any_dialect_is_announced_to_subscribers() {
    let (world, subscribed, everything) = (World::new().await, Receiver::new().await, Receiver::new().await);
    let tenant = tenant(&world).await;
    tenant.post("/webhooks", &json!({"url": subscribed.url(), "events": ["webhook.*"]})).await;
    tenant.post("/webhooks", &json!({"url": everything.url(), "events": ["*"]})).await;
    let url = "https://app.acme.co/";
    tenant.post("/webhooks/endpoints", &json!({"name": "n", "url": url, "event_types": ["a"]})).await.data(201);
    tenant.post("/v1/endpoints", &json!({"name": "n", "url": url})).await;
    tenant.post("/v1/webhook-endpoints", &json!({"name": "n", "url": url, "events": ["a"]})).await;
    world.drain().await;
    assert!(everything.received().is_empty(), "* does not include operational events");
    let announced = subscribed.received();
    assert_eq!(announced.len(), 5);
    let mut ids: Vec<_> = announced.iter().map(|request| text(&request.json()["data"]["id"]).to_owned()).collect();
    let listed = tenant.get("/webhooks").await.body;
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|hook| text(&hook["id"]).to_owned()).collect();
    ids.sort_unstable();
    assert_eq!(ids, listed);
    assert!(announced.iter().all(|request| request.header("x-webhook-event") == "webhook.created"));
}
