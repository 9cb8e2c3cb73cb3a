//! Attempts by endpoint and by message, and the status of messages at endpoints.

use std::time::Duration;

use serde_json::json;

use super::{App, ids, invalid, refused, walk};
use crate::support::{Answer, Gate, Receiver, World, text};

#[tokio::test]
async fn attempts_are_listed_by_endpoint_and_by_message() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let receiver = Receiver::scripted([Answer::status(503).body("no")]).await;
    let other = Receiver::new().await;
    let endpoint = app.endpoint(json!({"url": receiver.url(), "uid": "main"})).await;
    app.endpoint(json!({"url": other.url()})).await;
    let new = json!({"eventType": "a", "channels": ["eu"], "payload": {"n": 1}});
    let message = text(&app.post("/msg", &new).await.body["id"]).to_owned();
    world.drain().await;
    let failed = app.get("/attempt/endpoint/main").await.body;
    let first = &failed["data"][0];
    let expected = json!({
        "endpointId": endpoint, "msgId": message, "status": 2, "statusText": "fail", "responseStatusCode": 503,
        "response": "no", "triggerType": 0, "url": receiver.url()
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&first[name], value, "{name}");
    }
    let id = text(&first["id"]);
    assert_eq!(&app.get(&format!("/msg/{message}/attempt/{id}")).await.body, first);
    refused(
        &app.get(&format!("/msg/{message}/attempt/atmpt_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f")).await,
        404,
        "not_found",
    );
    assert_eq!(app.get("/attempt/endpoint/main?with_content=false").await.body["data"][0]["response"], "");
    let with_message = app.get("/attempt/endpoint/main?with_msg=true").await.body;
    assert_eq!(with_message["data"][0]["msg"]["payload"], json!({"n": 1}));

    world.advance(Duration::from_secs(60));
    world.drain().await;
    let by_message = walk(&app.client, &app.path(&format!("/attempt/msg/{message}"))).await;
    assert_eq!(by_message.len(), 3);
    let of_endpoint = walk(&app.client, &app.path(&format!("/attempt/msg/{message}?endpoint_id=main"))).await;
    assert_eq!(of_endpoint, walk(&app.client, &app.path("/attempt/endpoint/main")).await);
    for (query, count) in [
        ("status=0", 1),
        ("status=2", 1),
        ("status=1", 0),
        ("status_code_class=500", 1),
        ("status_code_class=200", 1),
        ("status_code_class=0", 0),
        ("event_types=a,b", 2),
        ("event_types=b", 0),
        ("tag=x", 0),
        ("channel=x", 0),
        ("channel=eu", 2),
    ] {
        assert_eq!(ids(&app.get(&format!("/attempt/endpoint/main?{query}")).await.body).len(), count, "{query}");
    }
    invalid(&app.get("/attempt/endpoint/main?status=9&channel=!").await, &["status", "channel"]);
}

#[tokio::test]
async fn an_attempt_without_a_response_has_status_code_zero() {
    let world = World::new().await;
    let app = App::new(&world).await;
    app.endpoint(json!({"url": "http://127.0.0.1:1/", "uid": "main"})).await;
    app.message("a", &json!({})).await;
    world.drain().await;
    let page = app.get("/attempt/endpoint/main?status_code_class=0").await.body;
    assert_eq!(page["data"][0]["responseStatusCode"], json!(0));
}

#[tokio::test]
async fn the_messages_of_an_endpoint_and_the_endpoints_of_a_message_have_a_status() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let receiver = Receiver::scripted([Answer::status(500)]).await;
    let endpoint = app.endpoint(json!({"url": receiver.url(), "uid": "main"})).await;
    let retried = app.message("a", &json!({"n": 1})).await;
    world.drain().await;
    let mut all = vec![retried.clone()];
    for number in 2..6 {
        all.push(app.message("b", &json!({"n": number})).await);
    }
    let pending = all.last().unwrap().clone();
    all.reverse();
    let path = app.path("/endpoint/main/msg");
    assert_eq!(walk(&app.client, &path).await, all);
    let page = app.client.get(&format!("{path}?status=3")).await.body;
    let found = &page["data"][0];
    assert_eq!((&found["id"], &found["status"], &found["statusText"]), (&json!(retried), &json!(3), &json!("sending")));
    assert!(found["nextAttempt"].is_string());
    assert_eq!(ids(&app.client.get(&format!("{path}?status=1&event_types=b&with_content=false")).await.body).len(), 4);
    assert_eq!(ids(&app.client.get(&format!("{path}?status=4")).await.body).len(), 0);
    let stats = app.get("/endpoint/main/stats").await.body;
    assert_eq!(stats, json!({"success": 0, "pending": 4, "sending": 1, "fail": 0, "canceled": 0}));
    refused(&app.get("/endpoint/main/stats?since=2020-01-01T00:00:00Z").await, 400, "generic_error");
    world.drain().await;
    assert_eq!(app.get("/endpoint/main/stats").await.body["success"], json!(4));

    let path = format!("/msg/{pending}/endpoint");
    let destinations = app.get(&path).await.body;
    let shown = &destinations["data"][0];
    assert_eq!((&shown["id"], &shown["uid"], &shown["status"]), (&json!(endpoint), &json!("main"), &json!(0)));
    app.delete("/endpoint/main").await;
    let destinations = app.get(&path).await.body;
    assert_eq!((ids(&destinations), &destinations["data"][0]["url"]), (vec![endpoint], &json!("")));
}

#[tokio::test]
async fn a_resend_makes_one_attempt_that_is_not_retried() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let receiver = Receiver::scripted([Answer::status(200), Answer::status(500)]).await;
    let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
    let message = app.message("a", &json!({"n": 1})).await;
    world.drain().await;
    let resend = format!("/msg/{message}/endpoint/{endpoint}/resend");
    let reply = app.post(&resend, &json!({})).await;
    assert_eq!((reply.status, reply.body), (202, json!({})));
    world.drain().await;
    world.advance(Duration::from_secs(3_600));
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
    let attempts = app.get(&format!("/attempt/msg/{message}")).await.body;
    assert_eq!((&attempts["data"][0]["status"], &attempts["data"][0]["triggerType"]), (&json!(2), &json!(1)));
    let other = app.endpoint(json!({"url": receiver.url()})).await;
    refused(&app.post(&format!("/msg/{message}/endpoint/{other}/resend"), &json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn the_response_to_one_attempt_is_removed_and_the_others_stay() {
    let world = World::new().await;
    let app = App::new(&world).await;
    // The first response is in the record of the delivery, that of a retry and a resend in items of their own.
    let answers = [503, 502, 501, 500].map(|status| Answer::status(status).body("private"));
    let receiver = Receiver::scripted(answers).await;
    let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
    let message = app.message("a", &json!({})).await;
    world.drain().await;
    world.advance(Duration::from_secs(60));
    world.drain().await;
    app.post(&format!("/msg/{message}/endpoint/{endpoint}/resend"), &json!({})).await;
    world.drain().await;
    let read = async || app.get(&format!("/attempt/msg/{message}")).await.body["data"].as_array().unwrap().clone();
    let all = read().await;
    assert_eq!(all.len(), 3);
    for (removed, attempt) in all.iter().enumerate() {
        let path = format!("/msg/{message}/attempt/{}/content", text(&attempt["id"]));
        for _ in 0..2 {
            assert_eq!(app.delete(&path).await.status, 204);
        }
        let left = read().await.iter().filter(|attempt| attempt["response"] == "private").count();
        assert_eq!(left, 2 - removed);
    }
    for (before, after) in all.iter().zip(read().await) {
        for name in ["id", "status", "responseStatusCode", "timestamp", "triggerType"] {
            assert_eq!(before[name], after[name], "{name}");
        }
    }
    // The delivery goes on.
    world.advance(Duration::from_secs(600));
    world.drain().await;
    assert_eq!(read().await.len(), 4);
    let unknown = format!("/msg/{message}/attempt/atmpt_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f/content");
    refused(&app.delete(&unknown).await, 404, "not_found");
}

/// The consumer has read the record with the response before the response is removed, and records a retry after that.
#[tokio::test]
async fn a_retry_that_is_under_way_does_not_bring_a_removed_response_back() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let gate = Gate::closed();
    let receiver = Receiver::scripted([Answer::status(503).body("private"), Answer::status(502).behind(&gate)]).await;
    app.endpoint(json!({"url": receiver.url()})).await;
    let message = app.message("a", &json!({})).await;
    world.drain().await;
    let first = app.get(&format!("/attempt/msg/{message}")).await.body["data"][0].clone();
    world.advance(Duration::from_secs(60));
    let remove = async {
        while receiver.received().len() < 2 {
            tokio::task::yield_now().await;
        }
        let path = format!("/msg/{message}/attempt/{}/content", text(&first["id"]));
        assert_eq!(app.delete(&path).await.status, 204);
        gate.open();
    };
    tokio::join!(world.drain(), remove);
    let all = app.get(&format!("/attempt/msg/{message}")).await.body;
    assert_eq!(ids(&all).len(), 2);
    let responses: Vec<_> = all["data"].as_array().unwrap().iter().map(|attempt| attempt["response"].clone()).collect();
    assert!(!responses.contains(&json!("private")), "{responses:?}");
}
