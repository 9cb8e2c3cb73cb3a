//! Messages are events in the format `raw`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::{App, invalid, refused, walk};
use crate::support::{Receiver, World, text};

#[tokio::test]
async fn a_receiver_gets_the_bare_payload_with_signed_headers_of_both_kinds() {
    let world = World::new().await;
    let (app, receiver) = (App::new(&world).await, Receiver::new().await);
    let endpoint = app.endpoint(json!({"url": receiver.url()})).await;
    let secret = text(&app.get(&format!("/endpoint/{endpoint}/secret")).await.body["key"]).to_owned();
    let payload = r#"{"b":  1.10, "a": "é"}"#;
    let body = format!(r#"{{"eventType": "order.paid", "eventId": "evt-1", "payload": {payload}, "tags": ["x"]}}"#);
    let message = app.client.call(http::Method::POST, &app.path("/msg/"), &[], Some(body)).await;
    assert_eq!(message.status, 202, "{}", message.body);
    let id = text(&message.body["id"]);
    let expected =
        json!({"eventId": "evt-1", "eventType": "order.paid", "payload": {"b": 1.10, "a": "é"}, "channels": null});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&message.body[name], value, "{name}");
    }
    world.drain().await;
    let received = receiver.only();
    assert_eq!(received.body, payload.as_bytes());
    assert_eq!(received.header("svix-id"), id);
    assert_eq!(received.header("webhook-id"), id.replace("msg_", "wevt_"));
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    for kind in ["svix", "webhook"] {
        let (id, at) = (received.header(&format!("{kind}-id")), received.header(&format!("{kind}-timestamp")));
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{at}.{payload}").as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(received.header(&format!("{kind}-signature")), expected, "{kind}");
    }
    for name in [id, "evt-1"] {
        let mut read = app.get(&format!("/msg/{name}")).await.body;
        assert_eq!(read, message.body);
        read = app.get(&format!("/msg/{name}?with_content=false")).await.body;
        assert_eq!(read["payload"], json!({}));
    }
}

#[tokio::test]
async fn an_event_of_another_dialect_has_no_such_headers() {
    let world = World::new().await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    assert!(!receiver.only().headers.contains_key("svix-id"));
}

#[tokio::test]
async fn a_large_message_and_a_retry_have_the_same_headers() {
    let world = World::new().await;
    let receiver = Receiver::scripted([crate::support::Answer::status(500)]).await;
    let app = App::new(&world).await;
    app.endpoint(json!({"url": receiver.url()})).await;
    let id = app.message("a", &json!({"a": "x".repeat(100_000)})).await;
    world.drain().await;
    world.advance(Duration::from_secs(60));
    world.drain().await;
    let received = receiver.received();
    assert_eq!(received.iter().map(|it| it.header("svix-id")).collect::<Vec<_>>(), [&id, &id]);
}

#[tokio::test]
async fn a_message_whose_payload_is_not_json_is_a_raw_payload() {
    let world = World::new().await;
    let (app, receiver) = (App::new(&world).await, Receiver::new().await);
    app.endpoint(json!({"url": receiver.url()})).await;
    let params = json!({"rawPayload": "<a/>", "headers": {"content-type": "application/xml"}});
    let message = app.post("/msg", &json!({"eventType": "a", "payload": {}, "transformationsParams": params})).await;
    assert_eq!((message.status, &message.body["payload"]), (202, &json!({"rawPayload": "<a/>"})));
    world.drain().await;
    assert_eq!(receiver.only().body, "<a/>");
    assert_eq!(receiver.only().header("content-type"), "application/xml");
}

#[tokio::test]
async fn an_invalid_message_is_refused_by_field() {
    let world = World::new().await;
    let app = App::new(&world).await;
    invalid(&app.post("/msg", &json!({"payload": []})).await, &["eventType", "payload"]);
    invalid(&app.post("/msg", &json!({"eventType": "webhook.disabled", "payload": {}})).await, &["eventType"]);
    let later = json!({"eventType": "a", "payload": {}, "deliverAt": "2030-01-01T00:00:00Z"});
    invalid(&app.post("/msg", &later).await, &["deliverAt"]);
    let missing = json!({"eventType": "a", "payload": {}, "application": {"name": "x"}});
    refused(&app.client.post("/api/v1/app/nobody/msg", &missing).await, 404, "not_found");
    let first = json!({"eventType": "a", "eventId": "one", "payload": {}});
    assert_eq!(app.post("/msg", &first).await.status, 202);
    refused(&app.post("/msg", &first).await, 409, "conflict");
}

#[tokio::test]
async fn messages_are_listed_newest_first_with_filters_and_walked_in_both_directions() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let start = world.clock.now();
    let mut all = Vec::new();
    for number in 0..7 {
        world.advance(Duration::from_secs(1));
        let event_type = ["a", "b", "c"][number % 3];
        let channels = if number < 3 { json!(["x"]) } else { json!(null) };
        let body = json!({"eventType": event_type, "payload": {"n": number}, "channels": channels});
        all.push(text(&app.post("/msg", &body).await.body["id"]).to_owned());
    }
    all.reverse();
    assert_eq!(walk(&app.client, &app.path("/msg?with_content=false")).await, all);
    assert_eq!(walk(&app.client, &app.path("/msg?event_types=a,b")).await.len(), 5);
    assert_eq!(walk(&app.client, &app.path("/msg?event_types[]=a&event_types[]=c")).await.len(), 5);
    assert_eq!(walk(&app.client, &app.path("/msg?channel=x")).await, all[4..]);
    assert_eq!(walk(&app.client, &app.path("/msg?tag=x")).await, [""; 0]);
    let at = start.plus(Duration::from_secs(3)).rfc3339();
    let spaced = format!("{} UTC", at.replace('T', "%20").replace('Z', "")).replace(' ', "%20");
    for at in [at.as_str(), &spaced] {
        assert_eq!(walk(&app.client, &app.path(&format!("/msg?after={at}"))).await, all[..5], "{at}");
        assert_eq!(walk(&app.client, &app.path(&format!("/msg?before={at}"))).await, all[5..], "{at}");
    }
    // While messages are created, a walk does not meet one twice, and a walk back finds the new ones.
    let page = app.get("/msg?limit=3").await.body;
    let newer = app.message("a", &json!({})).await;
    let next = app.get(&format!("/msg?limit=250&iterator={}", text(&page["iterator"]))).await.body;
    assert_eq!(super::ids(&next), all[3..]);
    let back = app.get(&format!("/msg?iterator={}", text(&page["prevIterator"]))).await.body;
    assert_eq!((super::ids(&back), &back["done"]), (vec![newer], &json!(true)));
    invalid(&app.get("/msg?iterator=app_x&before=x&event_types=a..b").await, &["event_types", "before", "iterator"]);
}

#[tokio::test]
async fn the_payload_of_a_message_is_removed() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let id = app.message("a", &json!({"secret": 1})).await;
    assert_eq!(app.delete(&format!("/msg/{id}/content")).await.status, 204);
    assert_eq!(app.get(&format!("/msg/{id}")).await.body["payload"], json!({}));
    refused(&app.delete("/msg/nobody/content").await, 404, "not_found");
}
