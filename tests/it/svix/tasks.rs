//! Recoveries, replays and examples.

use std::time::Duration;

use serde_json::{Value, json};

use super::{App, ids, invalid, refused};
use crate::event_types;
use crate::support::{Answer, Receiver, World, text};

/// The body of a request for the last hour.
fn last_hour(world: &World) -> Value {
    json!({"since": world.clock.now().minus(Duration::from_secs(3_600)).rfc3339()})
}

#[tokio::test]
async fn a_recovery_is_a_task_that_sends_what_failed() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let receiver = Receiver::scripted([Answer::status(410)]).await;
    let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
    let message = app.message("a", &json!({"n": 1})).await;
    world.drain().await;
    let path = format!("/endpoint/{endpoint}");
    app.patch(&path, &json!({"disabled": false})).await;
    let task = app.post(&format!("{path}/recover"), &last_hour(&world)).await;
    assert_eq!((task.status, &task.body["task"]), (202, &json!("endpoint.recover")));
    world.drain().await;
    assert_eq!(receiver.received().last().unwrap().header("svix-id"), message);
    let read = app.client.get(&format!("/api/v1/background-task/{}", text(&task.body["id"]))).await;
    assert_eq!((read.status, &read.body["id"]), (200, &task.body["id"]));
    let listed = app.client.get(&format!("/api/v1/background-task?app_id={}", app.id)).await.body;
    assert_eq!(ids(&listed), [text(&task.body["id"])]);
    invalid(&app.client.get("/api/v1/background-task").await, &["app_id"]);
    refused(&app.client.get("/api/v1/background-task/qtask_x").await, 404, "not_found");
    let old = json!({"since": world.clock.now().minus(Duration::from_secs(15 * 86_400)).rfc3339()});
    invalid(&app.post(&format!("{path}/recover"), &old).await, &["since"]);
}

#[tokio::test]
async fn missed_messages_are_sent_and_all_are_sent_again() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let first = app.message("a", &json!({"n": 1})).await;
    world.advance(Duration::from_secs(120));
    let receiver = Receiver::new().await;
    let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
    let path = format!("/endpoint/{endpoint}");
    let task = app.post(&format!("{path}/replay-missing"), &last_hour(&world)).await;
    assert_eq!((task.status, &task.body["task"]), (202, &json!("endpoint.replay")));
    world.drain().await;
    assert_eq!(receiver.only().header("svix-id"), first);
    for (field, value) in [("tag", json!("x")), ("channel", json!("x")), ("status", json!(0))] {
        let mut body = last_hour(&world);
        body[field] = value;
        invalid(&app.post(&format!("{path}/bulk-replay"), &body).await, &[field]);
    }
}

#[tokio::test]
async fn an_example_is_sent_to_one_endpoint() {
    let world = World::new().await;
    let (app, receiver) = (App::new(&world).await, Receiver::new().await);
    event_types::create(&world, &json!({"name": "order.paid", "schema": true, "example": {"amount": 1}})).await;
    let endpoint = app.endpoint(json!({"url": receiver.url(), "eventTypes": ["order.paid"]})).await;
    let sent = app.post(&format!("/endpoint/{endpoint}/send-example"), &json!({"eventType": "order.paid"})).await;
    assert_eq!((sent.status, &sent.body["payload"]), (200, &json!({"amount": 1})));
    world.drain().await;
    assert_eq!(receiver.only().body, r#"{"amount":1}"#);
    assert_eq!(receiver.only().header("svix-id"), text(&sent.body["id"]));
}
