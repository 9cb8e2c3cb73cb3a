//! Every response below the prefix has the form of the dialect, and browsers may read it.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::{APPS, App, refused};
use crate::support::World;

#[tokio::test]
async fn every_error_below_the_prefix_has_a_code_and_a_sentence() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let client = &app.client;
    refused(&client.get("/api/v1/nonsense").await, 404, "not_found");
    refused(&client.get("/api/v1").await, 404, "not_found");
    refused(&client.call(Method::PATCH, APPS, &[], None).await, 405, "method_not_allowed");
    refused(&client.with_key("wrong").get(APPS).await, 401, "authentication_failed");
    refused(&client.with_key("wrong").get("/api/v1/app/x/endpoint").await, 401, "authentication_failed");
    refused(&client.get("/api/v1/app/x/endpoint").await, 404, "not_found");
    refused(&client.get(&app.path("/endpoint/x")).await, 404, "not_found");
    refused(&client.call(Method::POST, APPS, &[], Some("{".to_owned())).await, 400, "generic_error");
    let large = json!({"eventType": "a", "payload": {"a": "x".repeat(300_000)}});
    refused(&app.post("/msg", &large).await, 413, "payload_too_large");
    let owner = world.tenant().await;
    refused(&owner.get(APPS).await, 403, "insufficient access");
    for path in ["ingest/api/v1/source", "environment/export", "stream", "app/x/endpoint/y/transformation"] {
        refused(&client.get(&format!("/api/v1/{path}")).await, 501, "not_implemented");
    }
    for path in ["app/x/msg/precheck/active", "app/x/msg/bulk-expunge", "app/x/autoconfig", "auth/logout"] {
        refused(&client.post(&format!("/api/v1/{path}"), &json!({})).await, 501, "not_implemented");
    }
    let incoming = Request::get("/ingest/api/v1/source").body(Body::empty()).unwrap();
    refused(&world.process.call(incoming).await, 501, "not_implemented");
    client.get("/v1/organizations/x").await.is_error(404, "not_found");
}

#[tokio::test]
async fn health_needs_no_key() {
    let world = World::new().await;
    for path in ["/api/v1/health", "/api/v1/health/", "/api/v1/health/ping/"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let reply = world.process.call(request).await;
        assert_eq!((reply.status, reply.bytes.len()), (204, 0));
    }
}

#[tokio::test]
async fn browsers_may_call_from_every_page() {
    let world = World::new().await;
    let preflight = Request::options(APPS)
        .header("origin", "https://example.com")
        .header("access-control-request-method", "POST")
        .body(Body::empty());
    let reply = world.process.call(preflight.unwrap()).await;
    assert_eq!((reply.status, &reply.headers["access-control-allow-origin"]), (204, &"*".parse().unwrap()));
    assert!(reply.headers["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    for path in [APPS, "/api/v1/nonsense"] {
        let reply = world.platform().get(path).await;
        assert_eq!(reply.headers["access-control-allow-origin"], "*", "{path}");
    }
    let reply = world.platform().get("/v1/organizations").await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}
