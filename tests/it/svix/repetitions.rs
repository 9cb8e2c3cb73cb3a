//! Requests that a client repeats with the same idempotency key.

use http::Method;
use serde_json::{Value, json};

use super::{APPS, App, ids};
use crate::support::{Fate, Receiver, Reply, Tenant, World, over_network_by_call, text};
use crate::telemetry::Log;

async fn post(client: &Tenant, path: &str, key: &str, body: &Value) -> Reply {
    client.call(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
}

#[tokio::test]
async fn the_first_answer_is_given_again_whatever_the_body_is() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let client = &app.client;
    let first = post(client, APPS, "auto_1", &json!({"name": "One"})).await;
    let again = post(client, APPS, "auto_1", &json!({"name": "Two"})).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    let other = post(client, APPS, "auto_2", &json!({"name": "Two"})).await;
    assert_ne!(other.body["id"], first.body["id"]);

    let path = app.path("/endpoint");
    let made = post(client, &path, "auto_1", &json!({"url": "https://example.com/"})).await;
    let again = post(client, &path, "auto_1", &json!({"url": "https://example.com/"})).await;
    assert_eq!((made.status, again.status, &made.body), (201, 201, &again.body));
    assert_eq!(ids(&app.get("/endpoint").await.body).len(), 1);
    // Another caller's key is another key.
    let keys = format!("/v1/organizations/{}/api-keys", app.id.replace("app_", "org_"));
    let owner = client.post(&keys, &json!({"name": "owner"})).await.data(201);
    let owner = client.with_key(text(&owner["revealed_key"]));
    assert_ne!(
        post(&owner, &path, "auto_1", &json!({"url": "https://example.com/"})).await.body["id"],
        made.body["id"]
    );

    let rotate = format!("{path}/{}/secret/rotate", text(&made.body["id"]));
    let read = async || client.get(&rotate.replace("/rotate", "")).await.body;
    let rotated = post(client, &rotate, "auto_3", &json!({})).await;
    let again = post(client, &rotate, "auto_3", &json!({})).await;
    assert_eq!((rotated.status, again.status, &rotated.body), (200, 200, &again.body));
    assert_eq!(read().await, rotated.body);
}

#[tokio::test]
async fn an_answer_that_shows_a_secret_again_is_audited() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let endpoint = app.endpoint(json!({"url": "https://example.com/"})).await;
    let rotate = app.path(&format!("/endpoint/{endpoint}/secret/rotate"));
    let (log, _logging) = Log::start();
    for actions in [&["endpoint.rotate_secret"][..], &["endpoint.read_secret"]] {
        post(&app.client, &rotate, "auto_1", &json!({})).await;
        let lines = log.take_lines();
        let audited: Vec<_> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
        assert_eq!(audited, actions);
        let line = lines.iter().find(|line| line["message"] == "audit").unwrap();
        assert_eq!(line["object"], json!(endpoint.replace("ep_", "we_")));
    }
}

#[tokio::test]
async fn an_error_is_not_given_again() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let path = app.path("/endpoint");
    assert_eq!(post(&app.client, &path, "auto_1", &json!({})).await.status, 422);
    assert_eq!(post(&app.client, &path, "auto_1", &json!({"url": "https://example.com/"})).await.status, 201);
    let long = "x".repeat(256);
    assert_eq!(post(&app.client, &path, &long, &json!({"url": "https://example.com/"})).await.status, 422);
}

#[tokio::test]
async fn concurrent_repetitions_have_one_effect() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let (path, body) = (app.path("/endpoint"), json!({"url": "https://example.com/"}));
    let posts = (0..4).map(|_| post(&app.client, &path, "auto_1", &body));
    let replies = futures_util::future::join_all(posts).await;
    assert!(replies.iter().all(|reply| reply.status == 201 && reply.body == replies[0].body));
    assert_eq!(ids(&app.get("/endpoint").await.body).len(), 1);
}

#[tokio::test]
async fn a_repeated_message_is_delivered_once() {
    let world = World::new().await;
    let (app, receiver) = (App::new(&world).await, Receiver::new().await);
    app.endpoint(json!({"url": receiver.url()})).await;
    let path = app.path("/msg");
    let body = |n: u32| json!({"eventType": "a", "eventId": "one", "payload": {"n": n}});
    let first = post(&app.client, &path, "auto_1", &body(1)).await;
    let again = post(&app.client, &path, "auto_1", &body(2)).await;
    assert_eq!((first.status, again.status, &first.body), (202, 202, &again.body));
    world.drain().await;
    assert_eq!(receiver.only().json(), json!({"n": 1}));
    // The canonical dialect's keys are others.
    let organization = app.id.replace("app_", "org_");
    let path = format!("/v1/organizations/{organization}/events");
    let event = json!({"type": "a", "data": {}});
    assert_eq!(post(&app.client, &path, "auto_1", &event).await.status, 202);
}

#[tokio::test]
async fn the_deletion_of_an_application_removes_its_answers() {
    let world = World::new().await;
    let app = App::new(&world).await;
    post(&app.client, &app.path("/endpoint"), "auto_1", &json!({"url": "https://example.com/"})).await;
    assert_eq!(app.delete("").await.status, 204);
    let again = post(&app.client, &app.path("/endpoint"), "auto_1", &json!({"url": "https://example.com/"})).await;
    assert_eq!(again.status, 404, "{}", again.body);
}

/// A client repeats a request after an error, although the endpoint or application was stored.
#[tokio::test]
async fn a_repetition_after_an_error_finds_what_was_stored() {
    let world = World::new().await;
    let app = App::new(&world).await;
    // The revision is raised after the endpoint was stored.
    let network = over_network_by_call(&world.sdk(), |call| {
        let raises = call.operation == "UpdateItem" && call.body["ExpressionAttributeValues"][":one"].is_object();
        if raises { Fate::Refuse } else { Fate::Pass }
    });
    let failing = world.process_on(&network);
    let (path, body) = (app.path("/endpoint"), json!({"url": "https://example.com/"}));
    let first = post(&app.client.at(&failing), &path, "auto_1", &body).await;
    assert!(first.status >= 500, "{}", first.body);
    let stored = ids(&app.get("/endpoint").await.body);
    let again = post(&app.client, &path, "auto_1", &body).await;
    assert_eq!((again.status, text(&again.body["id"])), (201, stored[0].as_str()));
    assert_eq!(ids(&app.get("/endpoint").await.body), stored);
}
