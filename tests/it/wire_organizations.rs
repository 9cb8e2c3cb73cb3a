//! The `organizations` dialect, with every field of its requests and responses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{Receiver, Tenant, World, text};

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The example with some fields replaced.
fn with(example: &str, fields: Value) -> Value {
    let mut example = parse(example);
    example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    example
}

fn data(data: &Value) -> Value {
    json!({"data": data, "meta": {"request_id": "req_…"}})
}

fn page(items: &[Value], limit: u32, next_cursor: &Value) -> Value {
    json!({
        "data": items,
        "pagination": {"limit": limit, "has_more": !next_cursor.is_null(), "next_cursor": next_cursor},
        "meta": {"request_id": "req_…"},
    })
}

const ORGANIZATION: &str = r#"{"object":"organization","id":"org_…","name":"Acme","slug":"acme","external_id":null,"description":null,
 "metadata":{},"default_format":"envelope","status":"active","created_at":"2026-03-24T20:00:00.000Z","updated_at":"2026-03-24T20:00:00.000Z"}"#;

#[tokio::test]
async fn an_organization_is_created_read_and_changed() {
    let world = World::new().await;
    let platform = world.platform();
    let created = platform.post("/v1/organizations", &json!({"name": "Acme", "slug": "acme"})).await;
    let created = body_of(&created, 201);
    assert_like(&created, &data(&parse(ORGANIZATION)));
    let path = format!("/v1/organizations/{}", text(&created["data"]["id"]));
    assert_like(&body_of(&platform.get(&path).await, 200), &data(&parse(ORGANIZATION)));
    for (change, fields) in [
        (json!({"name": "Acme Ltd"}), json!({"name": "Acme Ltd"})),
        (json!({"status": "suspended"}), json!({"name": "Acme Ltd", "status": "suspended"})),
        (json!({"status": "active"}), json!({"name": "Acme Ltd"})),
    ] {
        let changed = platform.patch(&path, &change).await;
        assert_like(&body_of(&changed, 200), &data(&with(ORGANIZATION, fields)));
    }

    let supplied = json!({"name": "Acme", "slug": "acme-2", "id": UUID});
    let supplied = platform.post("/v1/organizations", &supplied).await;
    assert_like(&body_of(&supplied, 201), &data(&with(ORGANIZATION, json!({"id": UUID, "slug": "acme-2"}))));
    for taken in [json!({"name": "n", "slug": "acme"}), json!({"name": "n", "slug": "new", "id": UUID})] {
        platform.post("/v1/organizations", &taken).await.is_error(409, "conflict");
    }
    let again = json!({"name": "n", "slug": "new"});
    assert_eq!(
        platform.post("/v1/organizations", &again).await.status,
        201,
        "the refused request did not reserve the slug"
    );
}

#[tokio::test]
async fn a_suspended_organization_cannot_publish_and_its_deliveries_are_not_made() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let delivery = tenant.publish_one().await;
    let path = format!("/v1/organizations/{}", tenant.id);
    tenant.patch(&path, &json!({"status": "suspended"})).await.is_error(403, "forbidden");
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    world.advance(Duration::from_secs(5));
    tenant.post("/events", &json!({"type": "a", "data": {}})).await.is_error(403, "forbidden");
    tenant.post("/events/batch", &json!({"events": [{"type": "a", "data": {}}]})).await.is_error(403, "forbidden");
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.is_error(403, "forbidden");
    world.drain().await;
    assert!(receiver.received().is_empty());
    let delivery = tenant.delivery(&delivery).await;
    assert_eq!([&delivery["status"], &delivery["error"]], ["failed", "organization_suspended"]);
}

const API_KEY: &str = r#"{"object":"api_key","id":"key_…","type":"secret","name":"Server","environment":"live","role":"owner",
 "allowed_origins":null,"scopes":["organization:read","organization:write","keys:read","keys:write","endpoints:read",
 "endpoints:write","deliveries:read","deliveries:write","events:read","events:publish"],"endpoints":null,"rate_limit":null,"status":"active",
 "key_preview":"sk_live_…a1b2","display_key":null,"last_used_at":null,"created_at":"2026-03-24T20:00:00.000Z",
 "expires_at":null,"rotated_at":null,"revoked_at":null,"grace_expires_at":null}"#;

#[tokio::test]
async fn an_api_key_is_issued_listed_renamed_rotated_and_revoked() {
    const SHOWN: &str = "sk_live_0123456789abcdefghijABCDEFGHIJ0123456789abc";
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"name": "Server", "role": "owner", "type": "secret", "environment": "live", "scopes": [], "allowed_origins": null});
    let issued = body_of(&tenant.post("/api-keys", &body).await, 201);
    assert_like(&issued, &data(&with(API_KEY, json!({"revealed_key": SHOWN}))));
    let (id, key) = (text(&issued["data"]["id"]), text(&issued["data"]["revealed_key"]));
    assert!(text(&issued["data"]["key_preview"]).ends_with(&key[key.len() - 4..]));

    let path = format!("/api-keys/{id}");
    let renamed = body_of(&tenant.patch(&path, &json!({"name": "Other"})).await, 200);
    assert_like(&renamed, &data(&with(API_KEY, json!({"name": "Other"}))));
    let successor = body_of(&tenant.post(&format!("{path}/rotations"), &json!({})).await, 201);
    assert_like(&successor, &data(&with(API_KEY, json!({"name": "Other", "revealed_key": SHOWN}))));
    let at = "2026-03-24T20:00:00.000Z";
    let rotating = json!({"name": "Other", "status": "rotating", "rotated_at": at, "grace_expires_at": at});
    let owners = with(API_KEY, json!({"name": "owner", "last_used_at": at}));
    let listed = [owners.clone(), with(API_KEY, rotating), with(API_KEY, json!({"name": "Other"}))];
    assert_like(&body_of(&tenant.get("/api-keys").await, 200), &page(&listed, 50, &Value::Null));
    let revoked = json!({"name": "Other", "status": "revoked", "rotated_at": at, "revoked_at": at});
    assert_like(&body_of(&tenant.delete(&path).await, 200), &data(&with(API_KEY, revoked)));
    tenant.post(&format!("{path}/rotations"), &json!({})).await.is_error(409, "conflict");

    let first = body_of(&tenant.get("/api-keys?limit=1").await, 200);
    assert_like(&first, &page(&[owners], 1, &first["pagination"]["next_cursor"]));
    let next = format!("/api-keys?limit=2&cursor={}", text(&first["pagination"]["next_cursor"]));
    let next = body_of(&tenant.get(&next).await, 200);
    assert_eq!((next["data"].as_array().unwrap().len(), &next["pagination"]["has_more"]), (2, &json!(false)));
}

const ENDPOINT: &str = r#"{"object":"webhook_endpoint","id":"we_…","organization_id":"org_…","name":"Acme Growth Workspace","external_id":null,"description":null,
 "metadata":{},"url":"https://app.acme.co/signup",
 "status":"active","event_types":["session.fingerprint.calculated"],"headers":{},"timeout_seconds":10,"edition_id":null,"channels":[],
 "health":{"state":"healthy","failing_since":null,"suspended_since":null,"next_probe_at":null},
 "filter":null,"retry_schedule":null,"paused_at":null,"disabled_reason":null,"signing_algorithm":"hmac-sha256",
 "signing_public_key":null,"signing_secret":"whsec_0123456789abcdef0123456789abcdef",
 "created_at":"2026-03-24T20:00:00.000Z","updated_at":"2026-03-24T20:00:05.000Z"}"#;

fn new_endpoint() -> Value {
    json!({"name": "Acme Growth Workspace", "url": "https://app.acme.co/signup",
           "event_types": ["session.fingerprint.calculated"]})
}

/// The example of a read endpoint with some fields replaced.
fn read(mut fields: Value) -> Value {
    fields.as_object_mut().unwrap().entry("signing_secret").or_insert(Value::Null);
    with(ENDPOINT, fields)
}

#[tokio::test]
async fn an_endpoint_is_created_as_in_the_example() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = body_of(&tenant.post("/webhooks/endpoints", &new_endpoint()).await, 201);
    assert_like(&created, &data(&parse(ENDPOINT)));
    assert_eq!(created["data"]["organization_id"], tenant.id);
    let path = format!("/webhooks/endpoints/{}", text(&created["data"]["id"]));
    assert_like(&body_of(&tenant.get(&path).await, 200), &data(&read(json!({}))));

    let mut full = json!({"headers": {"X-Team": "growth"}, "timeout_seconds": 30, "edition_id": "eu",
                          "channels": ["a", "b:c"], "filter": {"type": ["a.b"]}, "retry_schedule": [5, 300], "status": "paused"});
    let mut shown = read(full.clone());
    shown["paused_at"] = json!("2026-03-24T20:00:00.000Z");
    full.as_object_mut().unwrap().extend(new_endpoint().as_object().unwrap().clone());
    full["secret"] = json!("a secret of ours");
    assert_like(&body_of(&tenant.post("/webhooks/endpoints", &full).await, 201), &data(&shown));

    let listed = body_of(&tenant.get("/webhooks/endpoints").await, 200);
    assert_like(&listed, &page(&[read(json!({})), shown], 50, &Value::Null));
}

#[tokio::test]
async fn a_patch_changes_only_its_fields_and_null_resets_optional_ones() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = tenant.post("/webhooks/endpoints", &new_endpoint()).await.data(201);
    let path = format!("/webhooks/endpoints/{}", text(&created["id"]));
    let mut shown = read(json!({}));
    for change in [
        json!({"name": "New"}),
        json!({"url": "https://app.acme.co/other"}),
        json!({"event_types": ["*", "webhook.*"]}),
        json!({"headers": {"X-Team": "growth"}}),
        json!({"timeout_seconds": 1}),
        json!({"edition_id": "eu"}),
        json!({"channels": ["a", "b"]}),
        json!({"channels": ["b"]}),
        json!({"filter": {"data": {"a": [{"prefix": "b"}]}}}),
        json!({"filter": {"type": ["a"]}}),
        json!({"retry_schedule": []}),
        json!({"status": "disabled", "disabled_reason": "owner"}),
        json!({"status": "active", "disabled_reason": null}),
        json!({"status": "paused", "paused_at": "2026-03-24T20:00:00.000Z"}),
        json!({"status": "active", "paused_at": null}),
        json!({}),
    ] {
        let mut sent = change.clone();
        for consequence in ["disabled_reason", "paused_at"] {
            sent.as_object_mut().unwrap().remove(consequence);
        }
        shown.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_like(&body_of(&tenant.patch(&path, &sent).await, 200), &data(&shown));
    }
    tenant.patch(&path, &json!({"secret": "a secret of ours"})).await.data(200);
    let cleared = json!({"headers": null, "timeout_seconds": null, "edition_id": null, "channels": null,
                         "filter": null, "retry_schedule": null});
    let defaults = json!({"headers": {}, "timeout_seconds": 10, "edition_id": null, "channels": [],
                          "filter": null, "retry_schedule": null});
    shown.as_object_mut().unwrap().extend(defaults.as_object().unwrap().clone());
    assert_like(&body_of(&tenant.patch(&path, &cleared).await, 200), &data(&shown));
    for name in ["name", "url", "event_types", "secret", "status"] {
        tenant.patch(&path, &json!({name: null})).await.is_error(400, "validation_failed");
    }
}

#[tokio::test]
async fn deleting_without_permanent_disables_the_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url()})).await;
    let delivery = tenant.publish_one().await;
    let shown = read(json!({"name": "Receiver", "url": receiver.url(), "event_types": ["*"], "status": "disabled",
                            "disabled_reason": "owner"}));
    assert_like(&body_of(&tenant.delete(&endpoint.path()).await, 200), &data(&shown));
    assert_like(&body_of(&tenant.get(&endpoint.path()).await, 200), &data(&shown));
    let path = format!("{}?permanent=false", endpoint.path());
    assert_like(&body_of(&tenant.delete(&path).await, 200), &data(&shown));
    let path = format!("{}?permanent=true", endpoint.path());
    body_of(&tenant.delete(&path).await, 204);
    for gone in [endpoint.path(), format!("{}/deliveries", endpoint.path()), format!("/webhooks/deliveries/{delivery}")]
    {
        tenant.get(&gone).await.is_error(404, "not_found");
    }
    tenant.delete(&path).await.is_error(404, "not_found");
    world.drain().await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_rotation_shows_the_new_secret_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = tenant.post("/webhooks/endpoints", &new_endpoint()).await.data(201);
    let path = format!("/webhooks/endpoints/{}", text(&created["id"]));
    for body in [json!({}), json!({"overlap_seconds": 0}), json!({"overlap_seconds": 604_800})] {
        let rotated = body_of(&tenant.post(&format!("{path}/rotations"), &body).await, 200);
        assert_like(&rotated, &data(&parse(ENDPOINT)));
        assert_ne!(rotated["data"]["signing_secret"], created["signing_secret"]);
    }
    assert_like(&body_of(&tenant.get(&path).await, 200), &data(&read(json!({}))));
}

/// Creates an endpoint as in the example at a receiver.
pub(crate) async fn example_endpoint(tenant: &Tenant, receiver: &Receiver) -> String {
    let mut body = new_endpoint();
    body["url"] = json!(receiver.url());
    text(&tenant.post("/webhooks/endpoints", &body).await.data(201)["id"]).to_owned()
}

#[tokio::test]
async fn errors_have_the_shape_of_the_example() {
    let world = World::with(&[("ALLOW_HTTP", "false")]).await;
    let tenant = world.tenant().await;
    let mut body = new_endpoint();
    body["url"] = json!("http://app.acme.co/signup");
    let example = parse(
        r##"{"error": {"code": "validation_failed", "message": "url must be an https URL", "request_id": "req_…",
           "docs_url": "/docs#validation_failed", "details": {"fields": [{"name": "url", "message": "must be an https URL"}]}}}"##,
    );
    assert_like(&body_of(&tenant.post("/webhooks/endpoints", &body).await, 400), &example);
    let missing = body_of(&tenant.get("/webhooks/endpoints/we_nonsense").await, 404);
    let example = r##"{"error": {"code": "not_found", "message": "endpoint not found", "request_id": "req_…", "docs_url": "/docs#not_found"}}"##;
    assert_like(&missing, &parse(example));
}
