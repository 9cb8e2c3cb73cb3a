//! Operational webhooks: the platform's own organization receives events about all applications.

use http::Method;
use serde_json::{Value, json};
use shared::domain::event::operational::PLATFORM_EVENTS;

use super::{APPS, App, created, ids, invalid, refused, walk};
use crate::support::{Answer, Call, Receiver, Reply, Tenant, World, counted, text};

const ENDPOINTS: &str = "/api/v1/operational-webhook/endpoint";
const PLATFORM: &str = "/v1/organizations/org_00000000000000000000000000";

/// Subscribes a receiver of the platform.
async fn watched(world: &World, types: Value) -> (Receiver, String) {
    let watcher = Receiver::new().await;
    let body = json!({"url": watcher.url(), "eventTypes": types});
    let endpoint = created(&world.platform().post(ENDPOINTS, &body).await);
    (watcher, text(&endpoint["id"]).to_owned())
}

/// The types and the data of the received events.
fn events(watcher: &Receiver) -> Vec<(String, Value)> {
    let all = watcher.received().into_iter().map(|request| request.json());
    all.map(|body| (text(&body["type"]).to_owned(), body["data"].clone())).collect()
}

fn types(watcher: &Receiver) -> Vec<String> {
    events(watcher).into_iter().map(|(name, _)| name).collect()
}

async fn put(client: &Tenant, path: &str, body: &Value) -> Reply {
    client.call(Method::PUT, path, &[], Some(body.to_string())).await
}

#[tokio::test]
async fn endpoints_of_the_platform_are_created_read_changed_and_deleted() {
    let world = World::new().await;
    let client = world.platform();
    assert_eq!(client.get(ENDPOINTS).await.body["data"], json!([]));
    let missing = format!("{ENDPOINTS}/ep_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f");
    refused(&client.get(&missing).await, 404, "not_found");
    let body = json!({
        "url": "https://example.com/", "uid": "ops", "description": "Ops", "eventTypes": ["endpoint.disabled"],
        "metadata": {"a": "b"}, "headers": {"X-One": "1"}, "throttleRate": 7, "channels": ["ignored"]
    });
    let made = created(&client.post(ENDPOINTS, &body).await);
    let expected = json!({
        "uid": "ops", "description": "Ops", "eventTypes": ["endpoint.disabled"], "metadata": {"a": "b"},
        "throttleRate": 7, "disabled": false, "channels": null
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    let path = format!("{ENDPOINTS}/{}", text(&made["id"]));
    assert_eq!(client.get(&format!("{ENDPOINTS}/ops")).await.body, made);
    assert_eq!(client.get(&format!("{path}/headers")).await.body["headers"], json!({"X-One": "1"}));
    assert_eq!(put(&client, &format!("{path}/headers"), &json!({"headers": {"X-Two": "2"}})).await.status, 204);
    assert_eq!(client.get(&format!("{path}/headers")).await.body["headers"], json!({"X-Two": "2"}));
    let secret = async || client.get(&format!("{path}/secret")).await.body["key"].clone();
    let first = secret().await;
    assert!(text(&first).starts_with("whsec_"));
    let rotated = client.post(&format!("{path}/secret/rotate"), &json!({})).await;
    assert_eq!((rotated.status, rotated.bytes.len()), (204, 0));
    assert_ne!(secret().await, first);
    let replaced = put(&client, &path, &json!({"url": "https://example.com/2", "disabled": true})).await;
    assert_eq!((replaced.status, &replaced.body["disabled"]), (200, &json!(true)));
    assert_eq!(put(&client, &format!("{ENDPOINTS}/new"), &json!({"url": "https://example.com/"})).await.status, 201);
    for types in [json!(["order.paid"]), json!(["order.*"])] {
        invalid(
            &client.post(ENDPOINTS, &json!({"url": "https://example.com/", "eventTypes": types})).await,
            &["eventTypes"],
        );
    }
    let all = json!({"url": "https://example.com/", "eventTypes": PLATFORM_EVENTS, "disabled": true});
    created(&client.post(ENDPOINTS, &all).await);
    assert_eq!(walk(&client, ENDPOINTS).await.len(), 3);
    assert_eq!(client.delete(&path).await.status, 204);
    refused(&client.get(&path).await, 404, "not_found");
}

#[tokio::test]
async fn a_repeated_request_creates_one_endpoint() {
    let world = World::new().await;
    let client = world.platform();
    let body = json!({"url": "https://example.com/"}).to_string();
    let post = || client.call(Method::POST, ENDPOINTS, &[("idempotency-key", "auto_1")], Some(body.clone()));
    let (first, again) = (post().await, post().await);
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(ids(&client.get(ENDPOINTS).await.body).len(), 1);
}

#[tokio::test]
async fn nobody_can_publish_an_event_of_the_platforms_own_organization() {
    let world = World::new().await;
    let (watcher, _) = watched(&world, Value::Null).await;
    let client = world.platform();
    let event = json!({"type": "endpoint.disabled", "data": {"appId": "app_1"}});
    client.post(&format!("{PLATFORM}/events"), &event).await.is_error(404, "not_found");
    client.post(&format!("{PLATFORM}/events/batch"), &json!({"events": [event]})).await.is_error(404, "not_found");
    let message = json!({"eventType": "endpoint.disabled", "payload": {"appId": "app_1"}});
    let app = "/api/v1/app/app_00000000000000000000000000";
    refused(&client.post(&format!("{app}/msg"), &message).await, 404, "not_found");
    let mut queued = event.clone();
    queued["organization"] = json!(PLATFORM.rsplit('/').next());
    world.send_to_ingest(&queued.to_string()).await;
    assert_eq!(world.process.ingest().await, 1);
    assert_eq!(world.take_ingest_dead_letters().await.len(), 1);
    world.drain().await;
    assert_eq!(types(&watcher), [""; 0]);
}

#[tokio::test]
async fn the_platform_receives_what_happens_to_endpoints_of_all_applications() {
    let world = World::new().await;
    let (watcher, _) = watched(&world, Value::Null).await;
    let app = App::new(&world).await;
    assert_eq!(put(&app.client, &app.path(""), &json!({"name": "App", "uid": "acme"})).await.status, 200);
    let endpoint = app.endpoint(json!({"url": "https://example.com/secret", "uid": "main"})).await;
    app.patch("/endpoint/main", &json!({"description": "x"})).await;
    app.patch("/endpoint/main", &json!({"description": "x"})).await;
    app.patch("/endpoint/main", &json!({"disabled": true})).await;
    app.patch("/endpoint/main", &json!({"disabled": false})).await;
    let other = world.tenant().await;
    other.endpoint(&Receiver::new().await).await;
    app.delete("/endpoint/main").await;
    world.drain().await;
    let mut found = types(&watcher);
    found.sort();
    let expected = [
        "endpoint.created",
        "endpoint.created",
        "endpoint.deleted",
        "endpoint.disabled",
        "endpoint.enabled",
        "endpoint.updated",
    ];
    assert_eq!(found, expected);
    let all = events(&watcher);
    let (_, disabled) = all.iter().find(|(name, _)| name == "endpoint.disabled").unwrap();
    let expected = json!({
        "appId": app.id, "appUid": "acme", "endpointId": endpoint, "endpointUid": "main", "trigger": "manual"
    });
    assert_eq!(disabled, &expected);
    let app_id = json!(other.id.replace("org_", "app_"));
    assert!(all.iter().any(|(_, data)| data["appId"] == app_id && data["appUid"].is_null()));
    for request in watcher.received() {
        assert!(!request.header("svix-id").is_empty() && !String::from_utf8_lossy(&request.body).contains("secret"));
    }
}

#[tokio::test]
async fn the_platform_receives_what_happens_to_messages_and_the_canonical_events_by_their_names() {
    let world = World::new().await;
    let (watcher, _) = watched(&world, json!(["message.attempt.exhausted", "message.attempt.failing"])).await;
    let (canonical, _) = watched(&world, json!(["delivery.exhausted"])).await;
    let (recovered, _) = watched(&world, json!(["message.attempt.recovered"])).await;
    let tenant = world.tenant().await;
    let answers = std::iter::repeat_n(Answer::status(500), 4);
    let (bad, late) = (Receiver::always(Answer::status(500)).await, Receiver::scripted(answers).await);
    for receiver in [&bad, &late] {
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1, 1, 1, 1]})).await;
    }
    tenant.publish().await;
    for _ in 0..6 {
        world.drain().await;
        world.advance(std::time::Duration::from_secs(3));
    }
    world.sweep().await;
    world.drain().await;
    let mut found = types(&watcher);
    found.sort();
    assert_eq!(found, ["message.attempt.exhausted", "message.attempt.failing", "message.attempt.failing"]);
    let (_, data) = events(&watcher).into_iter().find(|(name, _)| name == "message.attempt.exhausted").unwrap();
    assert_eq!(data["appId"], json!(tenant.id.replace("org_", "app_")));
    assert_eq!(data["lastAttempt"]["responseStatusCode"], 500);
    assert!(text(&data["msgId"]).starts_with("msg_") && text(&data["lastAttempt"]["id"]).starts_with("atmpt_"));
    assert_eq!(types(&recovered), ["message.attempt.recovered"]);
    let [event] = &events(&canonical)[..] else { panic!("{:?}", events(&canonical)) };
    assert_eq!((event.0.as_str(), &event.1["organization_id"]), ("delivery.exhausted", &json!(tenant.id)));
}

/// The endpoint of the platform itself fails, and is disabled in the end.
#[tokio::test]
async fn nothing_that_happens_in_the_platforms_own_organization_is_announced() {
    let world = World::new().await;
    let (watcher, endpoint) = watched(&world, Value::Null).await;
    let gone = Receiver::always(Answer::status(410)).await;
    let body = json!({"url": gone.url(), "eventTypes": ["endpoint.created"]});
    let failing = created(&world.platform().post(ENDPOINTS, &body).await);
    App::new(&world).await.endpoint(json!({"url": "https://example.com/"})).await;
    for _ in 0..4 {
        world.drain().await;
        world.sweep().await;
    }
    let path = format!("{ENDPOINTS}/{}", text(&failing["id"]));
    assert_eq!(world.platform().get(&path).await.body["disabled"], true);
    world.platform().delete(&path).await;
    put(&world.platform(), &format!("{ENDPOINTS}/{endpoint}"), &json!({"url": watcher.url(), "description": "x"}))
        .await;
    world.drain().await;
    assert_eq!(types(&watcher), ["endpoint.created"]);
    assert_eq!(gone.received().len(), 1);
}

#[tokio::test]
async fn the_platforms_own_organization_is_not_listed_changed_or_deleted_and_no_tenant_reaches_it() {
    let world = World::new().await;
    let (platform, tenant) = (world.platform(), world.tenant().await);
    platform.get(PLATFORM).await.is_error(404, "not_found");
    let (_, endpoint) = watched(&world, Value::Null).await;
    assert_eq!(ids(&platform.get(APPS).await.body), [tenant.id.replace("org_", "app_")]);
    assert_eq!(ids(&platform.get(&format!("{APPS}?order=descending")).await.body).len(), 1);
    for query in ["", "?id=org_00000000000000000000000000"] {
        let listed = platform.get(&format!("/v1/organizations{query}")).await.data(200);
        assert!(listed.as_array().unwrap().iter().all(|it| it["id"] == json!(tenant.id)), "{listed}");
    }
    // The operator may use its endpoints and read its deliveries.
    let canonical = format!("{PLATFORM}/webhooks/endpoints/{}", endpoint.replace("ep_", "we_"));
    platform.get(&canonical).await.data(200);
    platform.patch(PLATFORM, &json!({"name": "x"})).await.is_error(403, "forbidden");
    platform.delete(&format!("{PLATFORM}?force=true")).await.is_error(403, "forbidden");
    let app = format!("{APPS}/app_00000000000000000000000000");
    refused(&platform.delete(&app).await, 403, "insufficient access");
    // Neither by a path nor as a new organization.
    let own = tenant.with_key(&tenant.key);
    for path in [PLATFORM, &canonical] {
        own.get(path).await.is_error(404, "not_found");
    }
    refused(&own.get(&format!("{app}/endpoint/{endpoint}")).await, 404, "not_found");
    refused(&own.get(&format!("{ENDPOINTS}/{endpoint}")).await, 403, "insufficient access");
    let id = json!({"name": "n", "id": "org_00000000000000000000000000"});
    platform.post("/v1/organizations", &id).await.is_error(400, "validation_failed");
}

/// Without an endpoint of the platform, a process looks for its organization at most every 30 s.
#[tokio::test]
async fn a_deployment_without_operational_webhooks_reads_one_item_in_30_seconds() {
    let world = World::new().await;
    let is_look = |call: &Call| call.body.to_string().contains("org_00000000000000000000000000");
    let (network, looks) = counted(&world.sdk(), is_look);
    let process = world.process_on(&network);
    let tenant = world.tenant().await.at(&process);
    for _ in 0..5 {
        tenant.endpoint(&Receiver::new().await).await;
    }
    assert_eq!(looks.load(std::sync::atomic::Ordering::SeqCst), 1);
    world.advance(std::time::Duration::from_secs(31));
    tenant.endpoint(&Receiver::new().await).await;
    assert_eq!(looks.load(std::sync::atomic::Ordering::SeqCst), 2);
}
