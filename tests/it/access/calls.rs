//! The calls of the API to AWS, which its role allows.

use std::sync::Mutex;

use http::Method;
use serde_json::{Value, json};

use super::Scene;
use crate::event_types;
use crate::routes::{ROUTES, Route};
use crate::support::{
    Answer, Call, Fate, Gate, Receiver, Tenant, World, delivery_ids, done, eventually, listed, over_network_by_call,
    recorded, text,
};

/// Makes the calls for the answers to requests of the `svix` dialect, below an application and for the deployment: a request is
/// repeated while it is under way in another process, and one is refused.
async fn repeat_with_keys(world: &World, platform: &Tenant, organization: &str, calls: &Mutex<Vec<Call>>) {
    let below = format!("/api/v1/app/{}/endpoint", organization.replace("org_", "app_"));
    let posts = [("/api/v1/app", json!({"name": "App"})), (&*below, json!({"url": "https://example.com/"}))];
    for (path, body) in posts {
        let post = async |client: &Tenant, key: &str, body: &Value| {
            client.call(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await.status
        };
        let gate = Gate::closed();
        let held = gate.clone();
        let network = over_network_by_call(&world.sdk(), move |call| match call.operation.as_str() {
            "TransactWriteItems" => Fate::Behind(held.clone()),
            _ => Fate::Pass,
        });
        let slow = platform.at(&world.process_on(&network));
        let (before, read) = (world.items("answer").await.len(), calls.lock().unwrap().len());
        let repeat = async {
            eventually("the request has begun", async || world.items("answer").await.len() > before).await;
            post(platform, "auto_1", &body).await
        };
        let go_on = async {
            let waits = |call: &Call| ["GetItem answer", "GetItem idem"].contains(&&*call.kind());
            eventually("the repetition waits", async || calls.lock().unwrap()[read..].iter().any(waits)).await;
            gate.open();
        };
        let (first, repeated, ()) = tokio::join!(post(&slow, "auto_1", &body), repeat, go_on);
        assert_eq!((first, repeated), (201, 201), "{path}");
        assert_eq!(post(platform, "auto_2", &json!({})).await, 422, "{path}");
    }
}

/// Calls each route once. Further requests cause the calls that only some requests make: for an endpoint with a failure
/// that is paused, resumed and deleted, and for an endpoint whose creation causes an operational event.
#[tokio::test]
async fn the_api_makes_exactly_the_listed_calls_to_aws() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (network, calls) = recorded(&world.sdk());
    let api = world.process_on(&network);
    let publishes = |route: &Route| route.method == "POST" && route.path.contains("/{organization}/events");
    for route in ROUTES.iter().filter(|route| !publishes(route)) {
        let scene = Scene { world: &world, owner: world.tenant().await, failing: &failing };
        let platform = world.platform().key;
        let reply = scene.call_at(&api, route, Some(&platform)).await;
        assert_eq!(reply.status, route.ok, "{} {}: {}", route.method, route.path, reply.body);
    }
    let owner = world.tenant().await;
    let endpoint = owner.endpoint(&failing).await;
    owner.publish().await;
    world.drain().await;
    owner.set_status(&endpoint, "paused").await;
    owner.publish().await;
    owner.at(&api).get("/webhooks/endpoints").await.data(200);
    owner.at(&api).set_status(&endpoint, "active").await;
    owner.endpoint_with(json!({"url": failing.url(), "event_types": ["webhook.created"]})).await;
    owner.at(&api).endpoint(&failing).await;
    owner.at(&api).delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    let (platform, path) = (world.platform().at(&api), format!("/v1/organizations/{}", owner.id));
    for external_id in [json!("a"), json!("b"), json!(null), json!("c")] {
        platform.patch(&path, &json!({"external_id": external_id})).await.data(200);
    }
    let named = json!({"url": failing.url(), "external_id": "main"});
    let endpoint = owner.at(&api).endpoint_with(named).await;
    owner.post("/events", &json!({"type": "a", "data": {}, "external_id": "first"})).await.data(202);
    for path in ["/webhooks/endpoints/ext:main", "/events/ext:first", "/v1/organizations/ext:c"] {
        owner.at(&api).get(path).await.data(200);
    }
    owner.at(&api).delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    let ed25519 = owner.endpoint_with(json!({"url": failing.url(), "signing_algorithm": "ed25519"})).await;
    assert_eq!(owner.at(&api).get(&format!("{}/jwks.json", ed25519.path())).await.status, 200);
    owner.at(&api).delete(&format!("{}?permanent=true", ed25519.path())).await.data(204);
    platform.get("/v1/organizations?slug=nobody").await.data(200);
    // The retry has an item, whose response is removed with the event's data.
    let unsubscribed = json!({"url": failing.url(), "event_types": ["matrix.retried"], "retry_schedule": []});
    owner.endpoint_with(unsubscribed).await;
    let event = owner.post("/events", &json!({"type": "matrix.retried", "data": {}})).await.data(202);
    world.drain().await;
    owner
        .post(&format!("/webhooks/deliveries/{}/retry", delivery_ids(&event).last().unwrap()), &json!({}))
        .await
        .data(202);
    world.drain().await;
    owner.at(&api).delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    let kind = event_types::create(&world, &json!({"name": "order.paid", "schema": true})).await;
    let path = format!("{}/{}?permanent=true", event_types::TYPES, text(&kind["name"]));
    world.platform().at(&api).delete(&path).await.data(204);
    repeat_with_keys(&world, &platform, &owner.id, &calls).await;
    api.meter.write_all_usage().await;
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    assert_eq!(done(calls), listed("api"));
}
