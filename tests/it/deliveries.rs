//! The requests that receivers get, and the parts of their responses that are stored.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::Ipv4Addr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, Bytes};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::support::{Answer, Receiver, World, delivery_ids, text};

/// The signature as computed by a receiver that does not implement Standard Webhooks.
fn hmac_hex(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    hex::encode(mac.chain_update(body).finalize().into_bytes())
}

#[tokio::test]
async fn the_standard_webhooks_library_verifies_a_delivery() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let event = tenant.publish_data(&json!({"member": "mbr_1"})).await;
    world.drain().await;

    let request = receiver.only();
    Webhook::new(&endpoint.secret).unwrap().verify(&request.body, &request.headers).unwrap();
    let mut forged = request.body.to_vec();
    *forged.last_mut().unwrap() = b' ';
    Webhook::new(&endpoint.secret).unwrap().verify(&forged, &request.headers).unwrap_err();
    let digest = hmac_hex(&endpoint.secret, &request.body);
    assert_eq!(request.header("x-webhook-signature"), digest);

    let [id] = &delivery_ids(&event)[..] else { panic!("one delivery: {event}") };
    let delivery = tenant.delivery(id).await;
    let shown = ["status", "attempts", "response_status", "error", "signature", "payload"].map(|name| &delivery[name]);
    let body = std::str::from_utf8(&request.body).unwrap();
    assert_eq!(json!(shown), json!(["success", 1, 200, null, digest, body]));
    assert_eq!(world.take_messages().await, [""; 0], "its message is deleted");
}

#[tokio::test]
async fn a_request_has_exactly_the_documented_head_and_body() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let own = json!({"X-Own": "mine", "user-agent": "Mine/1", "accept": "text/plain", "authorization": "Bearer x"});
    tenant.endpoint_with(json!({"url": receiver.url(), "headers": own})).await;
    // Unusual but valid JSON is sent exactly as it was published.
    let published = r#"{"type":"member.added","data":{ "amount":1.10, "é":"\u00e9" }}"#;
    let event = tenant.call(http::Method::POST, "/events", &[], Some(published.to_owned())).await.data(202);
    world.drain().await;

    let request = receiver.only();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    let (event_id, created) = (text(&event["id"]), text(&event["created_at"]));
    let expected = format!(
        r#"{{"id":"{event_id}","object":"webhook_event","type":"member.added","created":"{created}","timestamp":"{created}","data":{{ "amount":1.10, "é":"\u00e9" }}}}"#
    );
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), expected);

    let sent_at = request.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!((world.clock.now().unix_seconds() - sent_at) < 60, "{sent_at}");
    assert!(request.header("webhook-signature").starts_with("v1,"));
    assert_eq!(request.header("x-webhook-signature").len(), 64);
    for (name, value) in [
        ("webhook-id", event_id),
        ("x-webhook-event", "member.added"),
        ("x-webhook-delivery", &delivery_ids(&event)[0]),
        ("x-webhook-attempt", "1"),
        ("content-type", "application/json"),
        ("content-length", &expected.len().to_string()),
        ("user-agent", "Mine/1"),
        ("x-own", "mine"),
        ("accept", "text/plain"),
        ("authorization", "Bearer x"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    let names: BTreeSet<_> = request.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names.len(), 14, "the ones above, three signing headers and host: {names:?}");
}

#[tokio::test]
async fn an_endpoint_cannot_set_headers_that_the_delivery_sets() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for name in ["webhook-id", "X-Webhook-Signature", "Content-Type", "host", "x-webhook-anything"] {
        let body = json!({"name": "n", "url": receiver.url(), "event_types": ["*"], "headers": {name: "forged"}});
        tenant.post("/webhooks/endpoints", &body).await.is_error(400, "validation_failed");
    }
}

#[tokio::test]
async fn after_a_rotation_both_secrets_verify_until_the_overlap_ends() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let rotation = json!({"overlap_seconds": 3600});
    let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &rotation).await.data(200);
    let verifies = |secret: &str| {
        let request = receiver.received().pop().unwrap();
        let signed_at = request.header("webhook-timestamp").parse().unwrap();
        let expected = Webhook::new(secret).unwrap();
        let expected = expected.sign(request.header("webhook-id"), signed_at, &request.body).unwrap();
        request.header("webhook-signature").split(' ').any(|signature| signature == expected)
    };
    let new = text(&rotated["signing_secret"]);

    tenant.publish().await;
    world.drain().await;
    assert!(verifies(new) && verifies(&endpoint.secret));
    let newest = hmac_hex(new, &receiver.only().body);
    assert_eq!(
        receiver.only().header("x-webhook-signature"),
        newest,
        "the hexadecimal signature uses the newest secret"
    );

    world.advance(std::time::Duration::from_secs(3601));
    tenant.publish().await;
    world.drain().await;
    assert!(verifies(new) && !verifies(&endpoint.secret));
}

#[tokio::test]
async fn a_payload_of_any_size_and_character_arrives_as_it_was_published() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    // The first body is in the message. The others are read from the table: the second is larger than 48 KiB, and SQS
    // refuses characters of the third.
    for (text, in_message) in
        [("x".repeat(40 * 1024), true), ("y".repeat(250 * 1024), false), ("a\u{fffe}\u{ffff}b".to_owned(), false)]
    {
        let data = json!({"text": text});
        tenant.publish_data(&data).await;
        let messages = world.take_messages().await;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].contains(&text), in_message);
        world.send(&messages[0]).await;
        world.drain().await;
        assert_eq!(receiver.received().pop().unwrap().json()["data"], data);
    }
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn an_event_is_sent_to_every_subscribed_endpoint_and_to_no_other() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut receivers = Vec::new();
    for (wanted, fields) in [
        (true, json!({"event_types": ["*"]})),
        (true, json!({"event_types": ["member.*"]})),
        (true, json!({"event_types": ["order.paid", "member.added"]})),
        (true, json!({"edition_id": "eu"})),
        (false, json!({"edition_id": "us"})),
        (false, json!({"event_types": ["member"]})),
        (false, json!({"event_types": ["memb.*"]})),
        (false, json!({"status": "disabled"})),
        (false, json!({"status": "paused"})),
    ] {
        let receiver = Receiver::new().await;
        let mut all = json!({"url": receiver.url()});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        tenant.endpoint_with(all).await;
        receivers.push((wanted, fields, receiver));
    }
    let another = world.tenant().await;
    let foreign = Receiver::new().await;
    another.endpoint(&foreign).await;

    let event = json!({"type": "member.added", "data": {}, "edition_id": "eu"});
    let event = tenant.post("/events", &event).await.data(202);
    assert_eq!(delivery_ids(&event).len(), 5, "the delivery to the paused endpoint is parked");
    world.drain().await;
    for (wanted, fields, receiver) in &receivers {
        assert_eq!(receiver.received().len(), usize::from(*wanted), "{fields}");
    }
    assert!(foreign.received().is_empty());
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (world, elsewhere) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::always(Answer::status(status).header("location", &elsewhere.url())).await;
        let fields = json!({"url": receiver.url(), "retry_schedule": [], "event_types": [format!("to.s{status}")]});
        tenant.endpoint_with(fields).await;
        let event = json!({"type": format!("to.s{status}"), "data": {}});
        let event = tenant.post("/events", &event).await.data(202);
        world.drain().await;
        let delivery = tenant.delivery(&delivery_ids(&event)[0]).await;
        let shown = ["status", "response_status", "error"].map(|name| &delivery[name]);
        assert_eq!(json!(shown), json!(["exhausted", status, "http_status"]));
        receiver.only();
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_response_is_stored_up_to_one_kibibyte_and_a_failed_one_up_to_four() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    // A character of three bytes crosses each limit and is omitted. Bytes that are not UTF-8 are replaced.
    let long = format!("é{}", "€".repeat(3_000));
    for (answer, expected) in [
        (Answer::status(200).body(long.clone()), up_to(&long, 1024)),
        (Answer::status(500).body(long.clone()), up_to(&long, 4096)),
        (Answer::status(200).body("short"), "short".to_owned()),
        (Answer::status(200).body(vec![b'a', 0xff, b'b']), "a\u{fffd}b".to_owned()),
        (Answer::status(204), String::new()),
    ] {
        let receiver = Receiver::always(answer).await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        assert_eq!(text(&tenant.delivery(&id).await["response_body"]), expected);
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    }
}

/// The longest prefix of at most this many bytes that ends at a character boundary.
fn up_to(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

#[tokio::test]
async fn only_the_first_16_kibibytes_of_an_endless_response_are_read() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let endless = || {
        let chunk = Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1024]));
        Body::from_stream(futures_util::stream::repeat(chunk))
    };
    let routes = axum::Router::new().fallback(async move || endless());
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    tenant.endpoint_with(json!({"url": url, "timeout_seconds": 20})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    serving.abort();

    let delivery = tenant.delivery(&id).await;
    assert_eq!(text(&delivery["status"]), "success");
    assert_eq!(text(&delivery["response_body"]), "x".repeat(1024));
}

#[tokio::test]
async fn a_cause_or_detail_of_a_later_version_is_null_and_the_list_stays_readable() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    tenant.publish().await;
    world.drain().await;
    let mut record = world.items("delivery").await.into_iter().find(|item| item.contains_key("status")).unwrap();
    record.insert("error".to_owned(), AttributeValue::S("later_name".to_owned()));
    let mut log = record["log"].as_b().unwrap().as_ref().to_vec();
    // The codes of cause, detail and trigger.
    log[12..15].fill(255);
    record.insert("log".to_owned(), AttributeValue::B(Blob::new(log)));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(record)).send().await.unwrap();

    let listed = tenant.get(&format!("{}/deliveries", endpoint.path())).await.data(200);
    let shown = |from: &Value| json!(["error", "error_detail", "docs_url"].map(|name| &from[name]));
    assert_eq!((&listed[0]["status"], shown(&listed[0])), (&json!("exhausted"), json!([null, null, null])), "{listed}");
    let detail = tenant.delivery(text(&listed[0]["id"])).await;
    assert_eq!(shown(&detail["attempt_log"][0]), json!([null, null, null]), "{detail}");
}
