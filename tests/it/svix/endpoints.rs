//! Endpoints, their headers and their secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::{App, created, invalid, refused, walk};
use crate::event_types;
use crate::support::{Receiver, World, text};

const URL: &str = "https://example.com/hook";

#[tokio::test]
async fn an_endpoint_has_the_fields_of_this_dialect_and_is_the_same_in_the_others() {
    let world = World::new().await;
    let app = App::new(&world).await;
    event_types::create(&world, &json!({"name": "order.paid"})).await;
    let body = json!({
        "url": URL, "uid": "main", "description": "Main", "filterTypes": ["order.paid"], "channels": ["emea"],
        "metadata": {"a": "b"}
    });
    let endpoint = created(&app.post("/endpoint", &body).await);
    let expected = json!({
        "url": URL, "uid": "main", "description": "Main", "filterTypes": ["order.paid"], "eventTypes": ["order.paid"],
        "channels": ["emea"], "metadata": {"a": "b"}, "disabled": false
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&endpoint[name], value, "{name}");
    }
    assert!(endpoint.get("secret").is_none());
    assert_eq!(app.get("/endpoint/main").await.body, endpoint);
    assert_eq!(app.get(&format!("/endpoint/{}/", text(&endpoint["id"]))).await.body, endpoint);

    let hex = text(&endpoint["id"]).strip_prefix("ep_").unwrap();
    let organization = app.id.replace("app_", "org_");
    let canonical = format!("/v1/organizations/{organization}/webhooks/endpoints/we_{hex}");
    let shown = app.client.get(&canonical).await.data(200);
    assert_eq!((&shown["name"], &shown["external_id"]), (&json!("example.com"), &json!("main")));
    app.client.patch(&canonical, &json!({"status": "paused", "event_types": ["*"]})).await.data(200);
    let paused = app.get("/endpoint/main").await.body;
    assert_eq!(
        (&paused["disabled"], &paused["filterTypes"], &paused["eventTypes"]),
        (&json!(false), &json!(null), &json!(null))
    );
    // A client that writes back what it read does not resume the endpoint.
    assert_eq!(app.put("/endpoint/main", &paused).await.status, 200);
    assert_eq!(app.client.get(&canonical).await.data(200)["status"], "paused");
}

#[tokio::test]
async fn put_creates_or_replaces_an_endpoint_and_patch_tells_null_from_absent() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let made = created(&app.put("/endpoint/one", &json!({"url": URL, "description": "x", "channels": ["a"]})).await);
    assert_eq!(made["uid"], "one");
    let replaced = app.put("/endpoint/one", &json!({"url": format!("{URL}/2"), "disabled": true})).await;
    assert_eq!(replaced.status, 200);
    let expected = json!({"id": made["id"], "uid": "one", "description": "", "channels": null, "disabled": true});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&replaced.body[name], value, "{name}");
    }
    refused(&app.put("/endpoint/ep_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f", &json!({"url": URL})).await, 404, "not_found");
    let patched = app.patch("/endpoint/one", &json!({"disabled": false, "description": "y"})).await.body;
    assert_eq!((&patched["disabled"], &patched["url"]), (&json!(false), &json!(format!("{URL}/2"))));
    let patched = app.patch("/endpoint/one", &json!({"uid": null, "description": null})).await.body;
    assert_eq!((&patched["uid"], &patched["description"]), (&json!(null), &json!("")));
    assert_eq!(app.delete(&format!("/endpoint/{}", text(&made["id"]))).await.status, 204);
    refused(&app.get(&format!("/endpoint/{}", text(&made["id"]))).await, 404, "not_found");
}

#[tokio::test]
async fn event_types_that_an_endpoint_names_must_exist() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let body = |types: Value| json!({"url": URL, "eventTypes": types});
    invalid(&app.post("/endpoint", &body(json!(["order.paid"]))).await, &["eventTypes"]);
    event_types::create(&world, &json!({"name": "order.paid"})).await;
    let endpoint = app.endpoint(body(json!(["order.paid", "webhook.disabled", "order.*"]))).await;
    invalid(&app.post("/endpoint", &body(json!([]))).await, &["eventTypes"]);
    world.platform().patch("/v1/event-types/order.paid", &json!({"archived": true})).await.data(200);
    invalid(&app.patch(&format!("/endpoint/{endpoint}"), &body(json!(["order.paid"]))).await, &["eventTypes"]);
    app.endpoint(json!({"url": URL, "filterTypes": null})).await;
}

#[tokio::test]
async fn the_list_of_endpoints_is_walked_in_both_directions_and_orders() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(app.endpoint(json!({"url": URL})).await);
    }
    assert_eq!(walk(&app.client, &app.path("/endpoint?order=ascending")).await, all);
    all.reverse();
    assert_eq!(walk(&app.client, &app.path("/endpoint")).await, all);
    let between = format!("{}ffff", &all[2][..31]);
    let page = app.get(&format!("/endpoint?iterator={between}")).await.body;
    assert_eq!(super::ids(&page), all[2..]);
}

#[tokio::test]
async fn headers_are_a_resource_that_keeps_case_and_hides_credentials() {
    let world = World::new().await;
    let (app, receiver) = (App::new(&world).await, Receiver::new().await);
    let endpoint =
        app.endpoint(json!({"url": receiver.url(), "headers": {"X-One": "1", "Authorization": "Basic x"}})).await;
    let path = format!("/endpoint/{endpoint}/headers");
    let read = async || app.get(&path).await.body;
    assert_eq!(read().await, json!({"headers": {"X-One": "1"}, "sensitive": ["Authorization"]}));
    let patched = app.patch(&path, &json!({"headers": {"x-one": null, "X-Two": "2"}})).await;
    assert_eq!((patched.status, patched.bytes.len()), (204, 0));
    assert_eq!(read().await, json!({"headers": {"X-Two": "2"}, "sensitive": ["Authorization"]}));
    assert_eq!(app.patch(&path, &json!({"headers": {}, "deleteHeaders": ["x-two"]})).await.status, 204);
    app.message("a", &json!({"n": 1})).await;
    world.drain().await;
    assert_eq!(receiver.only().header("authorization"), "Basic x");
    assert_eq!(app.put(&path, &json!({"headers": {"X-Api-Key": "k"}})).await.status, 204);
    assert_eq!(read().await, json!({"headers": {}, "sensitive": ["X-Api-Key"]}));
    for name in ["svix-id", "Webhook-Id", "x-amz-date", "X-Google-A", "content-type", "X-Svix-A"] {
        invalid(&app.put(&path, &json!({"headers": {name: "x"}})).await, &["headers"]);
        invalid(&app.patch(&path, &json!({"headers": {name: "x"}})).await, &["headers"]);
    }
}

#[tokio::test]
async fn a_secret_is_read_and_rotated() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let endpoint = app.endpoint(json!({"url": URL})).await;
    let path = format!("/endpoint/{endpoint}/secret");
    let key = async || text(&app.get(&path).await.body["key"]).to_owned();
    let first = key().await;
    assert!(first.starts_with("whsec_"));
    let rotated = app.post(&format!("{path}/rotate"), &json!({})).await;
    assert_eq!((rotated.status, text(&rotated.body["key"])), (200, key().await.as_str()));
    assert_ne!(key().await, first);
    // Clients before 2.0 fail at another status.
    let agent = [("user-agent", "svix-libs/1.45.1/python")];
    let rotate = app.path(&format!("{path}/rotate"));
    let rotated = app.client.call(Method::POST, &rotate, &agent, Some("{}".to_owned())).await;
    assert_eq!((rotated.status, rotated.bytes.len()), (204, 0));
    for bytes in [24, 75] {
        let encoded = STANDARD.encode(vec![7; bytes]);
        let body = json!({"key": encoded, "gracePeriodSeconds": 0});
        assert_eq!(app.post(&format!("{path}/rotate"), &body).await.status, 200);
        assert_eq!(key().await, format!("whsec_{encoded}"));
    }
    for wrong in ["whsec_x", &STANDARD.encode([7; 23]), &STANDARD.encode([7; 76])] {
        invalid(&app.post(&format!("{path}/rotate"), &json!({"key": wrong})).await, &["key"]);
        invalid(&app.post("/endpoint", &json!({"url": URL, "secret": wrong})).await, &["secret"]);
    }
    for seconds in [json!(-1), json!(604_801), json!("x")] {
        invalid(
            &app.post(&format!("{path}/rotate"), &json!({"gracePeriodSeconds": seconds})).await,
            &["gracePeriodSeconds"],
        );
    }
}

#[tokio::test]
async fn the_version_and_the_rate_of_a_client_are_kept() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let shown = |body: &Value| ["version", "rateLimit", "throttleRate"].map(|name| body[name].clone());
    let made = created(&app.post("/endpoint", &json!({"url": URL, "uid": "one", "version": 3, "rateLimit": 10})).await);
    assert_eq!(shown(&made), [json!(3), json!(10), json!(10)]);
    let patched = app.patch("/endpoint/one", &json!({"throttleRate": 20})).await.body;
    assert_eq!(shown(&patched), [json!(3), json!(20), json!(20)]);
    let patched = app.patch("/endpoint/one", &json!({"rateLimit": null, "version": 4})).await.body;
    assert_eq!(shown(&patched), [json!(4), json!(null), json!(null)]);
    // A client that writes back what it read changes nothing.
    let written = app.put("/endpoint/one", &patched).await;
    assert_eq!((written.status, shown(&written.body)), (200, shown(&patched)));
    let other = created(&app.post("/endpoint", &json!({"url": URL})).await);
    assert_eq!(shown(&other), [json!(1), json!(null), json!(null)]);
    for (name, wrong) in [("version", json!(0)), ("rateLimit", json!(65_536)), ("throttleRate", json!("x"))] {
        invalid(&app.post("/endpoint", &json!({"url": URL, name: wrong})).await, &[name]);
        invalid(&app.patch("/endpoint/one", &json!({name: wrong})).await, &[name]);
    }
}
