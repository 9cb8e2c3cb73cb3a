//! An organization cannot read or change anything of another one.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, Tenant, World, text};

/// All routes with the id of an organization's resource.
pub(crate) fn routes(endpoint: &str, delivery: &str, event: &str, key: &str) -> Vec<(Method, String, Option<Value>)> {
    let id = endpoint;
    let endpoint = |rest: &str| format!("/webhooks/endpoints/{id}{rest}");
    vec![
        (Method::GET, endpoint(""), None),
        (Method::PATCH, endpoint(""), Some(json!({"name": "stolen"}))),
        (Method::DELETE, endpoint(""), None),
        (Method::DELETE, endpoint("?permanent=true"), None),
        (Method::POST, endpoint("/rotations"), Some(json!({}))),
        (Method::POST, endpoint("/test"), Some(json!({}))),
        (Method::POST, endpoint("/recover"), Some(json!({"since": "2026-01-01T00:00:00Z"}))),
        (Method::POST, endpoint("/replay"), Some(json!({"since": "2026-01-01T00:00:00Z", "what": "all"}))),
        (Method::GET, endpoint("/deliveries"), None),
        (Method::GET, format!("/webhooks/deliveries/{delivery}"), None),
        (Method::POST, format!("/webhooks/deliveries/{delivery}/retry"), Some(json!({}))),
        (Method::POST, format!("/webhooks/deliveries/{delivery}/resend"), Some(json!({}))),
        (Method::GET, format!("/webhooks/deliveries/{delivery}/attempts"), None),
        (Method::GET, endpoint("/attempts"), None),
        (Method::GET, endpoint("/secret"), None),
        (Method::GET, format!("/events/{event}/attempts"), None),
        (Method::GET, format!("/events/{event}"), None),
        (Method::GET, format!("/events?endpoint_id={id}"), None),
        (Method::PATCH, format!("/api-keys/{key}"), Some(json!({"name": "stolen"}))),
        (Method::DELETE, format!("/api-keys/{key}"), None),
        (Method::POST, format!("/api-keys/{key}/rotations"), Some(json!({}))),
    ]
}

async fn ask(tenant: &Tenant, (method, path, body): &(Method, String, Option<Value>)) -> (u16, Value) {
    let reply = tenant.call(method.clone(), path, &[], body.as_ref().map(Value::to_string)).await;
    (reply.status, reply.body["error"]["code"].clone())
}

#[tokio::test]
async fn another_tenants_ids_are_not_found_on_every_route() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (owner, other_tenant) = (world.tenant().await, world.tenant().await);
    let endpoint = owner.endpoint(&receiver).await;
    let event = owner.publish_data(&json!({})).await;
    world.drain().await;
    let delivery = text(&event["webhook_deliveries"][0]["id"]).to_owned();
    let key = owner.post("/api-keys", &json!({"name": "second"})).await.data(201);
    let theirs = routes(&endpoint.id, &delivery, text(&event["id"]), text(&key["id"]));

    let as_owner = owner.with_key(&other_tenant.key);
    let not_found = (404, json!("not_found"));
    for route in &theirs {
        assert_eq!(
            ask(&other_tenant, route).await,
            not_found,
            "the other tenant's id in the caller's organization: {route:?}"
        );
        assert_eq!(ask(&as_owner, route).await, not_found, "the other tenant's organization: {route:?}");
    }
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(json!({"name": "stolen"}))),
        (Method::GET, "/api-keys", None),
        (Method::POST, "/api-keys", Some(json!({"name": "mine"}))),
        (Method::GET, "/webhooks/endpoints", None),
        (Method::POST, "/webhooks/endpoints", Some(json!({"name": "n", "url": receiver.url(), "event_types": ["*"]}))),
        (Method::GET, "/events", None),
        (Method::POST, "/events", Some(json!({"type": "a.b", "data": {}}))),
        (Method::POST, "/events/batch", Some(json!({"events": [{"type": "a.b", "data": {}}]}))),
    ] {
        let route = (method, path.to_owned(), body);
        assert_eq!(ask(&as_owner, &route).await, not_found, "the other tenant's organization: {route:?}");
    }

    // The requests had no effect, and the owner can read its resources.
    assert_eq!(owner.read_endpoint(&endpoint).await["name"], "Receiver");
    assert_eq!(owner.read_endpoint(&endpoint).await["status"], "active");
    for route in theirs.iter().filter(|(method, ..)| method == Method::GET) {
        assert_eq!(ask(&owner, route).await.0, 200, "{route:?}");
    }
    for path in ["/webhooks/endpoints", "/events"] {
        assert_eq!(other_tenant.get(path).await.data(200), json!([]));
    }
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn malformed_ids_are_not_found() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for malformed in ["x", "we_", "we_0", "wevt_0190A1B2C3D47E5F8A9B0C1D2E3F0000", "%00", "we_%2e%2e"] {
        for route in routes(malformed, malformed, malformed, malformed) {
            // A malformed id is an invalid value in a query and an unknown resource in a path.
            let expected = match route.1.contains("?endpoint_id=") {
                true => (400, json!("validation_failed")),
                false => (404, json!("not_found")),
            };
            assert_eq!(ask(&tenant, &route).await, expected, "{route:?}");
        }
    }
}

#[tokio::test]
async fn every_route_is_unauthorized_without_a_valid_key() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let id = "0190a1b2c3d47e5f8a9b0c1d2e3f0000";
    let some = routes(&format!("we_{id}"), &format!("wdlv_{id}"), &format!("wevt_{id}"), &format!("key_{id}"));
    for key in ["", "sk_live_unknown", &tenant.key[1..]] {
        for route in &some {
            assert_eq!(ask(&tenant.with_key(key), route).await, (401, json!("unauthorized")), "{key:?} {route:?}");
        }
    }
}
