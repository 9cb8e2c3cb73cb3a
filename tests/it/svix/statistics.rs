//! Statistics over applications.

use http::Method;
use serde_json::{Value, json};

use super::{App, invalid, refused};
use crate::event_types;
use crate::support::{Receiver, Tenant, World, text};

const USAGE: &str = "/api/v1/stats/usage/app";

async fn result(client: &Tenant, task: &Value) -> Value {
    let read = client.get(&format!("/api/v1/background-task/{}", text(&task["id"]))).await;
    assert_eq!((read.status, &read.body["status"]), (200, &json!("finished")), "{}", read.body);
    assert_eq!((&read.body["id"], &read.body["task"]), (&task["id"], &task["task"]));
    read.body["data"].clone()
}

#[tokio::test]
async fn the_messages_of_all_or_some_applications_are_counted() {
    let world = World::new().await;
    let (app, other, receiver) = (App::new(&world).await, App::new(&world).await, Receiver::new().await);
    let client = &app.client;
    app.put("", &json!({"name": "App", "uid": "acme"})).await;
    for _ in 0..2 {
        app.endpoint(json!({"url": receiver.url()})).await;
    }
    app.message("a", &json!({})).await;
    world.drain().await;
    let today = world.clock.now().rfc3339();
    let body = |ids: Value| json!({"since": today, "until": today, "appIds": ids});
    let all = client.post(USAGE, &json!({"since": today, "until": today})).await;
    assert_eq!((all.status, &all.body["task"]), (202, &json!("application.stats")));
    assert_eq!(all.body["unresolvedAppIds"], json!([]));
    let of_app = json!({"appId": app.id, "appUid": "acme", "messageDestinations": 2});
    let of_other = json!({"appId": other.id, "appUid": null, "messageDestinations": 0});
    assert_eq!(result(client, &all.body).await, json!({"appStats": [of_app, of_other]}));
    let some = client.post(USAGE, &body(json!(["acme", "nobody"]))).await.body;
    assert_eq!(some["unresolvedAppIds"], json!(["nobody"]));
    assert_eq!(result(client, &some).await, json!({"appStats": [of_app]}));
    // A task holds nothing: the application is gone at once.
    app.delete("").await;
    world.advance(std::time::Duration::from_secs(6));
    assert_eq!(result(client, &some).await, json!({"appStats": []}));
    invalid(&client.post(USAGE, &body(json!(["nobody"]))).await, &["appIds"]);
    invalid(&client.post(USAGE, &body(json!(vec!["x"; 101]))).await, &["appIds"]);
    invalid(&client.post(USAGE, &body(json!(["app_x"]))).await, &["appIds"]);
    let backwards = json!({"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"});
    invalid(&client.post(USAGE, &backwards).await, &["since"]);
}

#[tokio::test]
async fn the_event_types_that_endpoints_name_are_listed() {
    let world = World::new().await;
    let (app, other) = (App::new(&world).await, App::new(&world).await);
    for name in ["order.paid", "order.lost", "never"] {
        event_types::create(&world, &json!({"name": name})).await;
    }
    let url = "https://example.com/";
    app.endpoint(json!({"url": url, "eventTypes": ["order.paid", "order.lost"]})).await;
    app.endpoint(json!({"url": url, "eventTypes": ["order.paid"]})).await;
    app.endpoint(json!({"url": url, "eventTypes": ["never"], "disabled": true})).await;
    other.endpoint(json!({"url": url})).await;
    let begun = app.client.call(Method::PUT, "/api/v1/stats/usage/event-types", &[], None).await;
    assert_eq!((begun.status, &begun.body["task"]), (202, &json!("event-type.aggregate")));
    let expected = json!({"event_types": [
        {"appId": app.id, "explicitlySubscribedEventTypes": ["order.lost", "order.paid"], "hasCatchAllEndpoint": false},
        {"appId": other.id, "explicitlySubscribedEventTypes": [], "hasCatchAllEndpoint": true},
    ]});
    assert_eq!(result(&app.client, &begun.body).await, expected);
    let tenant = world.tenant().await;
    let task = format!("/api/v1/background-task/{}", text(&begun.body["id"]));
    refused(&tenant.get(&task).await, 403, "insufficient access");
}
