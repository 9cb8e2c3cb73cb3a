//! The rights of API keys: exact scopes, expiry, and that no key can issue one with more rights than its own.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::tenancy::access::Scope;

use crate::support::{Receiver, Tenant, World, text};

/// Issues a key with these fields. Returns its id and the tenant with this key.
async fn issue(tenant: &Tenant, mut fields: Value) -> (String, Tenant) {
    fields["name"] = json!("n");
    let issued = tenant.post("/api-keys", &fields).await.data(201);
    (text(&issued["id"]).to_owned(), tenant.with_key(text(&issued["revealed_key"])))
}

async fn read(tenant: &Tenant, id: &str) -> Value {
    let keys = tenant.get("/api-keys").await.data(200);
    keys.as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_key_has_exactly_the_scopes_that_were_asked_for() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let all = Scope::ALL.map(Scope::as_str);
    for (fields, role, scopes) in [
        (json!({}), "owner", json!(all)),
        (json!({"role": null, "scopes": null, "endpoints": null, "expires_at": null}), "owner", json!(all)),
        (json!({"role": "publisher"}), "publisher", json!(["events:publish"])),
        (json!({"role": "publisher", "scopes": []}), "publisher", json!(["events:publish"])),
        (json!({"scopes": ["events:publish"]}), "publisher", json!(["events:publish"])),
        (json!({"scopes": ["events:read", "deliveries:read"]}), "member", json!(["deliveries:read", "events:read"])),
        (json!({"scopes": ["events:read"], "role": "member"}), "member", json!(["events:read"])),
        (json!({"scopes": ["events:read", "events:publish"]}), "admin", json!(["events:read", "events:publish"])),
        (json!({"scopes": ["keys:read", "keys:read"]}), "owner", json!(["keys:read"])),
    ] {
        let (id, key) = issue(&owner, fields.clone()).await;
        let shown = read(&owner, &id).await;
        assert_eq!((&shown["role"], &shown["scopes"]), (&json!(role), &scopes), "{fields}");
        assert_eq!((&shown["endpoints"], &shown["expires_at"]), (&Value::Null, &Value::Null));
        let may = |scope: &str| scopes.as_array().unwrap().contains(&json!(scope));
        for (path, scope) in [("/webhooks/endpoints", "endpoints:read"), ("/events", "events:read")] {
            let reply = key.get(path).await;
            assert_eq!(reply.status, if may(scope) { 200 } else { 403 }, "{fields} {path}");
            assert!(may(scope) || text(&reply.body["error"]["message"]).contains(scope));
        }
    }
}

#[tokio::test]
async fn invalid_rights_are_refused_with_the_name_of_the_field() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (owner, other_tenant) = (world.tenant().await, world.tenant().await);
    let endpoint = owner.endpoint(&receiver).await.id;
    let others = other_tenant.endpoint(&receiver).await.id;
    let id = |index: usize| format!("we_{index:032x}");
    let now = world.clock.now().rfc3339();
    let read = json!(["endpoints:read"]);
    for (field, fields) in [
        ("scopes", json!({"scopes": []})),
        ("scopes", json!({"scopes": ["everything"]})),
        ("scopes", json!({"scopes": "events:read"})),
        ("role", json!({"role": "owner", "scopes": ["events:read"]})),
        ("role", json!({"role": "member", "scopes": ["events:publish"]})),
        ("expires_at", json!({"expires_at": now})),
        ("expires_at", json!({"expires_at": "2020-01-01T00:00:00Z"})),
        ("expires_at", json!({"expires_at": "tomorrow"})),
        ("expires_at", json!({"expires_at": 5})),
        ("endpoints", json!({"scopes": read, "endpoints": []})),
        ("endpoints", json!({"scopes": read, "endpoints": ["main"]})),
        ("endpoints", json!({"scopes": read, "endpoints": [endpoint, endpoint]})),
        ("endpoints", json!({"scopes": read, "endpoints": (0..101).map(id).collect::<Vec<_>>()})),
        ("endpoints", json!({"scopes": read, "endpoints": [endpoint, id(1)]})),
        ("endpoints", json!({"scopes": read, "endpoints": [others]})),
        ("endpoints", json!({"endpoints": [endpoint]})),
        ("endpoints", json!({"role": "admin", "endpoints": [endpoint]})),
        ("endpoints", json!({"scopes": ["events:publish"], "endpoints": [endpoint]})),
        ("endpoints", json!({"scopes": ["keys:read"], "endpoints": [endpoint]})),
        ("endpoints", json!({"scopes": ["keys:write"], "endpoints": [endpoint]})),
        ("endpoints", json!({"scopes": ["organization:write"], "endpoints": [endpoint]})),
    ] {
        let mut body = fields.clone();
        body["name"] = json!("n");
        let refused = owner.post("/api-keys", &body).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], field, "{fields}");
    }
    issue(&owner, json!({"role": "member", "endpoints": [endpoint]})).await;
}

#[tokio::test]
async fn a_key_cannot_issue_or_rotate_a_key_with_scopes_that_it_lacks() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (_, issuer) = issue(&owner, json!({"scopes": ["keys:read", "keys:write", "events:read"]})).await;
    for (fields, missing) in [
        (
            json!({}),
            "organization:read, organization:write, endpoints:read, endpoints:write, deliveries:read, deliveries:write, events:publish",
        ),
        (json!({"role": "publisher"}), "events:publish"),
        (json!({"scopes": ["events:read", "events:publish"]}), "events:publish"),
        (json!({"role": "member"}), "organization:read, endpoints:read, deliveries:read"),
    ] {
        let mut body = fields.clone();
        body["name"] = json!("n");
        let refused = issuer.post("/api-keys", &body).await;
        refused.is_error(403, "forbidden");
        assert!(text(&refused.body["error"]["message"]).ends_with(&format!("lacks {missing}")), "{}", refused.body);
    }
    let (same, _) = issue(&issuer, json!({"scopes": ["keys:write", "events:read"]})).await;
    let (publisher, publishing) = issue(&owner, json!({"role": "publisher"})).await;
    issuer.post(&format!("/api-keys/{same}/rotations"), &json!({})).await.data(201);
    issuer.post(&format!("/api-keys/{publisher}/rotations"), &json!({})).await.is_error(403, "forbidden");
    publishing.post("/events", &json!({"type": "a", "data": {}})).await.data(202);

    // Renaming and revoking give nobody a right, so a key for incidents needs no other scope.
    assert_eq!(issuer.get("/api-keys").await.data(200).as_array().unwrap().len(), 5);
    issuer.patch(&format!("/api-keys/{publisher}"), &json!({"name": "Renamed"})).await.data(200);
    issuer.delete(&format!("/api-keys/{publisher}")).await.data(200);
    publishing.post("/events", &json!({"type": "a", "data": {}})).await.is_error(401, "unauthorized");
    world.platform().post(&format!("/v1/organizations/{}/api-keys", owner.id), &json!({"name": "n"})).await.data(201);
}

#[tokio::test]
async fn an_expired_key_is_unknown_to_every_function_even_if_it_is_cached() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let expires_at = world.clock.now().plus(Duration::from_secs(30));
    let (id, key) = issue(&owner, json!({"expires_at": expires_at.rfc3339()})).await;
    assert_eq!(read(&owner, &id).await["expires_at"], expires_at.rfc3339());
    let event = json!({"type": "a", "data": {}});
    world.advance(Duration::from_secs(29));
    key.get("/events").await.data(200);
    key.post("/events", &event).await.data(202);
    assert_eq!(read(&owner, &id).await["status"], "active");
    world.advance(Duration::from_secs(1));
    let refused = key.get("/events").await;
    refused.is_error(401, "unauthorized");
    key.post("/events", &event).await.is_error(401, "unauthorized");
    key.at(&world.another_process()).get("/events").await.is_error(401, "unauthorized");
    assert_eq!(read(&owner, &id).await["status"], "expired");
    owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.is_error(409, "conflict");
    assert_eq!(owner.delete(&format!("/api-keys/{id}")).await.data(200)["status"], "revoked");
}

#[tokio::test]
async fn an_expiring_key_issues_only_keys_that_expire_no_later() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let at = |seconds| world.clock.now().plus(Duration::from_secs(seconds)).rfc3339();
    let (own, issuer) = issue(&owner, json!({"expires_at": at(100)})).await;
    for fields in [json!({"name": "n"}), json!({"name": "n", "expires_at": at(101)})] {
        let refused = issuer.post("/api-keys", &fields).await;
        refused.is_error(403, "forbidden");
        assert!(text(&refused.body["error"]["message"]).contains("expires_at"));
    }
    issue(&issuer, json!({"expires_at": at(100)})).await;
    issue(&issuer, json!({"expires_at": at(99)})).await;
    let (lasting, _) = issue(&owner, json!({})).await;
    issuer.post(&format!("/api-keys/{lasting}/rotations"), &json!({})).await.is_error(403, "forbidden");
    issuer.post(&format!("/api-keys/{own}/rotations"), &json!({})).await.data(201);
}

#[tokio::test]
async fn a_rotation_keeps_scopes_expiry_and_endpoints() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let owner = world.tenant().await;
    let endpoint = owner.endpoint(&receiver).await;
    let other = owner.endpoint(&receiver).await;
    let expires_at = world.clock.now().plus(Duration::from_secs(1_000)).rfc3339();
    let fields = json!({
        "scopes": ["endpoints:read", "deliveries:read"], "endpoints": [endpoint.id], "expires_at": expires_at,
    });
    let (id, _) = issue(&owner, fields.clone()).await;
    let rotated = owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.data(201);
    for field in ["scopes", "endpoints", "expires_at"] {
        assert_eq!(rotated[field], fields[field]);
    }
    let successor = owner.with_key(text(&rotated["revealed_key"]));
    successor.get(&endpoint.path()).await.data(200);
    successor.get(&other.path()).await.is_error(404, "not_found");
    successor.get("/events").await.is_error(403, "forbidden");
    world.advance(Duration::from_secs(1_000));
    successor.get(&endpoint.path()).await.is_error(401, "unauthorized");
}
