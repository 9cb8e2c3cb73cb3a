//! What the services get.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Value, json};
use shared::domain::event::MAX_DATA_BYTES;
use standardwebhooks::Webhook;

use super::{BUS, FUNCTION, QUEUE, Scene, accepted};
use crate::support::{Receiver, World, text};

/// Verifies the signature in headers that arrived as attributes or as JSON.
fn verify(headers: &Value, body: &str, secret: &str) {
    let mut map = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        map.insert(name, text(&headers[name]).parse().unwrap());
    }
    Webhook::new(secret).unwrap().verify(body.as_bytes(), &map).unwrap();
}

#[tokio::test]
async fn a_queue_gets_the_payload_and_the_headers_as_attributes() {
    let world = World::new().await;
    let url = world.serve_aws().await;
    let queue = world.sqs().create_queue().queue_name("audit").send().await.unwrap().queue_url.unwrap();
    let scene = Scene::of(world, &url).await;
    let endpoint = scene.platform.endpoint_with(json!({"url": QUEUE, "headers": {"x-own": "secret"}})).await;
    let delivery = scene.tenant.publish_one().await;
    scene.process.drain().await;
    assert_eq!(scene.tenant.delivery_status(&delivery).await, "success");

    let received = scene.world.sqs().receive_message().queue_url(queue).message_attribute_names("All");
    let message = received.send().await.unwrap().messages.unwrap().remove(0);
    let attributes: BTreeMap<_, _> =
        message.message_attributes.unwrap().into_iter().map(|(name, it)| (name, it.string_value.unwrap())).collect();
    let names: Vec<_> = attributes.keys().map(String::as_str).collect();
    let expected = [
        "content-type",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-webhook-attempt",
        "x-webhook-delivery",
        "x-webhook-event",
        "x-webhook-signature",
    ];
    assert_eq!(names, expected, "the endpoint's own headers are no attributes");
    let body = message.body.unwrap();
    assert_eq!((&*attributes["x-webhook-delivery"], &*attributes["x-webhook-attempt"]), (&*delivery, "1"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["type"], "member.added");
    verify(&json!(attributes), &body, &endpoint.secret);
}

/// The largest number of headers that can become attributes is the limit of SQS.
#[tokio::test]
async fn a_message_has_at_most_ten_attributes() {
    let world = World::new().await;
    let url = world.serve_aws().await;
    let queue = world.sqs().create_queue().queue_name("audit").send().await.unwrap().queue_url.unwrap();
    let scene = Scene::of(world, &url).await;
    let fields = json!({"url": QUEUE, "signing_algorithm": "ed25519", "headers": {"x-own": "1", "x-other": "2"}});
    let endpoint = scene.platform.endpoint_with(fields).await;
    let rotation = json!({"signing_algorithm": "hmac-sha256", "overlap_seconds": 3600});
    scene.platform.post(&format!("{}/rotations", endpoint.path()), &rotation).await.data(200);
    let trace = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=b")];
    let event = json!({"type": "member.added", "data": {}}).to_string();
    scene.tenant.call(http::Method::POST, "/events", &trace, Some(event)).await.data(202);
    scene.process.drain().await;
    let received = scene.world.sqs().receive_message().queue_url(queue).message_attribute_names("All");
    let attributes = received.send().await.unwrap().messages.unwrap().remove(0).message_attributes.unwrap();
    assert!(attributes.contains_key("traceparent") && attributes.contains_key("webhook-key-id"), "{attributes:?}");
    assert!(attributes.len() <= 10 && !attributes.contains_key("tracestate"), "{attributes:?}");
}

#[tokio::test]
async fn a_bus_gets_an_event_with_the_payload_and_the_headers() {
    let server = Receiver::always(accepted(BUS)).await;
    let scene = Scene::answered_by(&server).await;
    scene.platform.endpoint_with(json!({"url": BUS, "headers": {"x-own": "1", "user-agent": "me"}})).await;
    let raw = |content_type: &str, data: &str| json!({"type": "member.added", "format": "raw", "content_type": content_type, "data": data});
    scene.tenant.publish_one().await;
    scene.tenant.post("/events", &raw("text/plain", "{\"not\": \"read\"}")).await.data(202);
    scene.process.drain().await;

    let mut details = Vec::new();
    for request in server.received() {
        assert_eq!((&*request.method, &*request.path), ("POST", "/"));
        assert_eq!(request.header("x-amz-target"), "AWSEvents.PutEvents");
        let signature = request.header("authorization");
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=local/"), "{signature}");
        assert!(signature.contains("/us-east-1/events/aws4_request"), "{signature}");
        assert!(request.headers.get("webhook-signature").is_none(), "headers of deliveries are in the event");
        let body = request.json();
        let entry = &body["Entries"][0];
        assert_eq!(body["Entries"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&entry["Source"], &entry["DetailType"], &entry["EventBusName"]),
            (&json!("pigeonpost"), &json!("member.added"), &json!(BUS))
        );
        details.push(serde_json::from_str::<Value>(text(&entry["Detail"])).unwrap());
    }
    details.sort_by_key(|detail| detail["payload"].is_string());
    assert_eq!(details[0]["payload"]["type"], "member.added");
    assert_eq!(details[0]["headers"]["x-own"], "1");
    assert_eq!(details[0]["headers"].get("user-agent"), None, "it is a header of HTTP");
    assert_eq!(details[1]["payload"], "{\"not\": \"read\"}", "text stays text");
    assert_eq!(details[1]["headers"]["content-type"], "text/plain");
}

/// EventBridge allows 128 characters.
#[tokio::test]
async fn a_long_event_type_is_cut_in_the_detail_type_only() {
    let server = Receiver::always(accepted(BUS)).await;
    let scene = Scene::answered_by(&server).await;
    scene.endpoint(BUS, &[]).await;
    let event_type = format!("a.{}", "b".repeat(254));
    scene.tenant.post("/events", &json!({"type": event_type, "data": {}})).await.data(202);
    scene.process.drain().await;
    let entry = &server.only().json()["Entries"][0];
    assert_eq!(entry["DetailType"], event_type[..128]);
    let detail: Value = serde_json::from_str(text(&entry["Detail"])).unwrap();
    assert_eq!(
        (&detail["payload"]["type"], &detail["headers"]["x-webhook-event"]),
        (&json!(event_type), &json!(event_type))
    );
}

/// The largest event fits each service: 1 MiB for queues and buses, 6 MB for functions.
#[tokio::test]
async fn the_largest_event_fits_each_kind() {
    const MIB: usize = 1024 * 1024;
    let data = json!({"text": "\"".repeat((MAX_DATA_BYTES - 11) / 2)});
    assert_eq!(data.to_string().len(), MAX_DATA_BYTES - 1);
    for (arn, most) in [(QUEUE, MIB), (BUS, MIB), (FUNCTION, 6_000_000)] {
        let server = Receiver::always(accepted(arn)).await;
        let scene = Scene::answered_by(&server).await;
        scene.endpoint(arn, &[]).await;
        scene.tenant.publish_data(&data).await;
        scene.process.drain().await;
        let (request, body) = (server.only(), server.only().json());
        let size = match arn {
            QUEUE => text(&body["MessageBody"]).len() + body["MessageAttributes"].to_string().len(),
            BUS => text(&body["Entries"][0]["Detail"]).len(),
            _ => request.body.len(),
        };
        assert!((MAX_DATA_BYTES..most).contains(&size), "{arn}: {size}");
    }
}

#[tokio::test]
async fn a_function_gets_the_headers_and_the_exact_body() {
    let server = Receiver::always(accepted(FUNCTION)).await;
    let scene = Scene::answered_by(&server).await;
    let endpoint = scene.endpoint(FUNCTION, &[]).await;
    let delivery = scene.tenant.publish_one().await;
    scene.process.drain().await;
    assert_eq!(scene.tenant.delivery_status(&delivery).await, "success", "the function's result does not matter");

    let request = server.only();
    let arn = FUNCTION.replace(':', "%3A");
    assert_eq!(request.path, format!("/2015-03-31/functions/{arn}/invocations"));
    assert_eq!(request.header("x-amz-invocation-type"), "RequestResponse");
    assert!(request.header("authorization").contains("/us-east-1/lambda/aws4_request"));
    let event = request.json();
    assert_eq!(event.as_object().unwrap().len(), 2);
    assert_eq!(event["headers"]["x-webhook-delivery"], delivery);
    verify(&event["headers"], text(&event["body"]), &endpoint.secret);
}
