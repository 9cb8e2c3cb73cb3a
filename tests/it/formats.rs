//! The formats of events: envelopes, and raw bodies that are JSON or text.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::{Answer, EVENT_TYPE, Endpoint, Received, Receiver, Tenant, World, delivery_ids, text};

const ODD_JSON: &str = r#"{ "big": 12345678901234567890.10, "same": 1, "same": 2, "esc": "\u00e9" }"#;
const ODD_TEXT: &str = "  \"quoted\"\r\n\u{0}\tÉ \u{fffd} 😀\\ ";

/// Publishes an event whose `data` is this JSON text.
async fn publish(tenant: &Tenant, data: &str, fields: &Value) -> Value {
    let mut body = json!({"type": EVENT_TYPE, "data": null});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = body.to_string().replace(r#""data":null"#, &format!(r#""data":{data}"#));
    tenant.call(Method::POST, "/events", &[], Some(body)).await.data(202)
}

/// Asserts that a request carries exactly this body with this content type, and that its signature is valid.
#[track_caller]
fn assert_sent(request: &Received, endpoint: &Endpoint, body: &str, content_type: &str) {
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), body);
    assert_eq!(request.header("content-type"), content_type);
    let library = Webhook::new(&endpoint.secret).unwrap();
    library.verify(body.as_bytes(), &request.headers).unwrap();
}

fn raw(content_type: &str) -> Value {
    json!({"format": "raw", "content_type": content_type})
}

#[tokio::test]
async fn a_raw_body_is_sent_byte_for_byte_with_its_content_type() {
    let large = "x".repeat(100_000);
    let unsendable = "a text that SQS rejects \u{ffff}";
    for (data, fields, body, content_type) in [
        (ODD_JSON.to_owned(), json!({"format": "raw"}), ODD_JSON, "application/json"),
        (
            format!(r#"{{"x":"{large}"}}"#),
            json!({"format": "raw"}),
            &format!(r#"{{"x":"{large}"}}"#),
            "application/json",
        ),
        (json!(ODD_TEXT).to_string(), raw("text/plain; charset=utf-8"), ODD_TEXT, "text/plain; charset=utf-8"),
        (json!(large).to_string(), raw("application/soap+xml"), &large, "application/soap+xml"),
        (json!(unsendable).to_string(), raw("text/csv"), unsendable, "text/csv"),
        (
            json!("a=1&b=%20").to_string(),
            raw("application/x-www-form-urlencoded"),
            "a=1&b=%20",
            "application/x-www-form-urlencoded",
        ),
        (r#""\u00e9 \ud83d\ude00""#.to_owned(), raw("text/plain"), "é 😀", "text/plain"),
        (r#""""#.to_owned(), raw("text/plain"), "", "text/plain"),
    ] {
        let world = World::new().await;
        let receiver = Receiver::scripted([Answer::status(500)]).await;
        let (tenant, later) = (world.tenant().await, Receiver::new().await);
        let endpoint = tenant.endpoint(&receiver).await;
        let paused = tenant.endpoint_with(json!({"url": later.url(), "status": "paused"})).await;
        let event = publish(&tenant, &data, &fields).await;
        let expected =
            if content_type == "application/json" { serde_json::from_str(body).unwrap() } else { json!(body) };
        let is_shown = |shown: &Value| {
            assert_eq!((&shown["data"], &shown["format"]), (&expected, &json!("raw")));
            assert_eq!(shown["content_type"], fields["content_type"]);
        };
        is_shown(&event);
        is_shown(&tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200));
        is_shown(&tenant.get("/events").await.data(200)[0]);

        world.drain().await;
        world.advance(Duration::from_secs(1));
        world.drain().await;
        tenant.set_status(&paused, "active").await;
        world.drain().await;
        let received = receiver.received();
        assert_eq!(received.len(), 2, "the first attempt and a retry");
        received.iter().for_each(|request| assert_sent(request, &endpoint, body, content_type));
        assert_sent(&later.only(), &paused, body, content_type);
        for id in delivery_ids(&event) {
            assert_eq!(tenant.delivery(&id).await["payload"], body);
            assert_eq!(tenant.get(&format!("/v1/webhook-deliveries/{id}")).await.body["payload"], body);
        }
    }
}

#[tokio::test]
async fn the_default_format_applies_to_events_that_name_none() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let path = format!("/v1/organizations/{}", tenant.id);
    assert_eq!(tenant.get(&path).await.data(200)["default_format"], "envelope");
    let event = publish(&tenant, "{}", &json!({})).await;
    assert_eq!((&event["format"], &event["content_type"]), (&json!("envelope"), &Value::Null));

    assert_eq!(tenant.patch(&path, &json!({"default_format": "raw"})).await.data(200)["default_format"], "raw");
    assert_eq!(tenant.get(&path).await.data(200)["default_format"], "raw");
    // The change applies at once, in every process.
    let elsewhere = tenant.at(&world.another_process());
    for (fields, expected) in
        [(json!({}), "raw"), (json!({"format": null}), "raw"), (json!({"format": "envelope"}), "envelope")]
    {
        assert_eq!(publish(&elsewhere, "{}", &fields).await["format"], expected, "{fields}");
    }
    let text_event = publish(&elsewhere, r#""a""#, &json!({"content_type": "text/plain"})).await;
    assert_eq!(text_event["format"], "raw");
    let batch = json!({"events": [{"type": "a", "data": {}}, {"type": "a", "data": {}, "format": "envelope"}]});
    let batch = tenant.post("/events/batch", &batch).await.data(202);
    for (result, expected) in batch.as_array().unwrap().iter().zip(["raw", "envelope"]) {
        let event = tenant.get(&format!("/events/{}", text(&result["event"]["id"]))).await.data(200);
        assert_eq!(event["format"], expected);
    }
    world.drain().await;
    let before = receiver.received().len();
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    world.drain().await;
    assert_sent(&receiver.received()[before], &endpoint, r#"{"test":true}"#, "application/json");

    assert_eq!(tenant.patch(&path, &json!({"default_format": null})).await.data(200)["default_format"], "envelope");
    assert_eq!(publish(&elsewhere, "{}", &json!({})).await["format"], "envelope");
    let body = json!({"name": "n", "default_format": "raw"});
    let created = world.platform().post("/v1/organizations", &body).await.data(201);
    assert_eq!(created["default_format"], "raw");
    let other = json!({"type": "a", "data": {}});
    let events = format!("/v1/organizations/{}/events", text(&created["id"]));
    assert_eq!(world.platform().post(&events, &other).await.data(202)["format"], "raw");
}

#[tokio::test]
async fn formats_that_do_not_fit_the_data_are_refused() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (data, fields, name) in [
        (json!("a"), json!({"format": "raw"}), "data"),
        (json!("a"), json!({}), "data"),
        (json!({}), raw("text/plain"), "data"),
        (json!(1), raw("text/plain"), "data"),
        (Value::Null, raw("text/plain"), "data"),
        (json!("a"), json!({"content_type": "text/plain"}), "content_type"),
        (json!("a"), json!({"format": "envelope", "content_type": "text/plain"}), "content_type"),
        (json!("{}"), raw("application/json"), "content_type"),
        (json!("a"), raw("text/plain\r\nx-injected: 1"), "content_type"),
        (json!("a"), raw("multipart/form-data"), "content_type"),
        (json!({}), json!({"format": "Raw"}), "format"),
        (json!({}), json!({"format": 1}), "format"),
    ] {
        let mut body = json!({"type": "a", "data": data});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let refused = tenant.post("/events", &body).await;
        refused.is_error(400, "validation_failed");
        let fields = refused.body["error"]["details"]["fields"].as_array().unwrap();
        assert_eq!(fields.iter().map(|field| text(&field["name"])).collect::<Vec<_>>(), [name], "{body}");
    }
    let half = r#"{"type": "a", "format": "raw", "content_type": "text/plain", "data": "\ud83d"}"#;
    tenant.call(Method::POST, "/events", &[], Some(half.to_owned())).await.is_error(400, "validation_failed");
}

#[tokio::test]
async fn the_size_of_a_text_is_that_of_its_bytes() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let escaped = |bytes: usize| format!("\"{}\"", "\\u0001".repeat(bytes));
    let most = 256 * 1024;
    publish(&tenant, &escaped(most), &raw("text/plain")).await;
    let body =
        format!(r#"{{"type": "a", "format": "raw", "content_type": "text/plain", "data": {}}}"#, escaped(most + 1));
    tenant.call(Method::POST, "/events", &[], Some(body)).await.is_error(413, "payload_too_large");
}

#[tokio::test]
async fn a_repeated_request_with_a_raw_event_gets_the_first_response() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let body = json!({"type": "a", "data": "a,b", "format": "raw", "content_type": "text/csv"}).to_string();
    let publish =
        async || tenant.call(Method::POST, "/events", &[("idempotency-key", "k")], Some(body.clone())).await.data(202);
    let first = publish().await;
    assert_eq!(publish().await, first);
    // The second request leased the delivery, since it cannot know whether the first one sent it.
    world.purge().await;
    world.advance(Duration::from_secs(60));
    assert_eq!(publish().await, first);
    world.sweep().await;
    world.drain().await;
    assert_sent(&receiver.only(), &endpoint, "a,b", "text/csv");
}

#[tokio::test]
async fn filters_see_the_text_of_a_raw_event_as_a_string() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let filter = json!({"data": [{"prefix": "order;"}]});
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "filter": filter})).await;
    for (data, count) in [(json!("order;cents"), 1), (json!("other"), 0), (json!({"order": 1}), 0)] {
        let fields = if data.is_string() { raw("text/csv") } else { json!({"format": "raw"}) };
        let event = publish(&tenant, &data.to_string(), &fields).await;
        assert_eq!(delivery_ids(&event).len(), count, "{data}");
        let mut body = json!({"type": EVENT_TYPE, "data": data});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let tested = tenant.post(&format!("{}/filter-test", endpoint.path()), &body).await.data(200);
        assert_eq!(tested["matches"], count == 1, "{tested}");
    }
    world.drain().await;
    assert_sent(&receiver.only(), &endpoint, "order;cents", "text/csv");
}
