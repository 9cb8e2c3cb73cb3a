//! Events and deliveries of the `organizations` dialect, with every field of their requests and responses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{Answer, Receiver, World, text};
use crate::wire_organizations::example_endpoint;

const TYPE: &str = "session.fingerprint.calculated";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn data(data: &Value) -> Value {
    json!({"data": data, "meta": {"request_id": "req_…"}})
}

fn page(items: &[Value]) -> Value {
    json!({"data": items, "pagination": {"limit": 50, "has_more": false, "next_cursor": null}, "meta": {"request_id": "req_…"}})
}

const DELIVERY: &str = r#"{"object":"webhook_delivery","id":"wdlv_…","event_id":"wevt_…","endpoint_id":"we_…","event_type":"session.fingerprint.calculated",
 "status":"pending","attempts":0,"response_status":null,"response_body":null,"error":null,"error_detail":null,"docs_url":null,"next_attempt_at":null,
 "created_at":"2026-03-24T20:00:00.000Z","updated_at":"2026-03-24T20:00:00.000Z"}"#;

const TEST: &str = r#"{"object":"webhook_test","event_id":"wevt_…","delivery_ids":["wdlv_…"],"latest_delivery":{
 "object":"webhook_delivery","id":"wdlv_…","event_id":"wevt_…","endpoint_id":"we_…","event_type":"session.fingerprint.calculated",
 "status":"pending","attempts":0,"response_status":null,"response_body":null,"error":null,"error_detail":null,"docs_url":null,"next_attempt_at":null,
 "created_at":"2026-03-24T20:00:00.000Z","updated_at":"2026-03-24T20:00:00.000Z"}}"#;

fn delivery(fields: Value) -> Value {
    let mut example = parse(DELIVERY);
    example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    example
}

#[tokio::test]
async fn a_test_event_is_sent_to_one_endpoint_and_shown_as_in_the_example() {
    let world = World::new().await;
    let (receiver, other) = (Receiver::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = example_endpoint(&tenant, &receiver).await;
    example_endpoint(&tenant, &other).await;
    let path = format!("/webhooks/endpoints/{endpoint}/test");
    assert_like(&body_of(&tenant.post(&path, &json!({})).await, 200), &data(&parse(TEST)));
    let own = json!({"event_type": "anything.else", "data": {"n": 1}});
    let mut example = parse(TEST);
    example["latest_delivery"]["event_type"] = json!("anything.else");
    assert_like(&body_of(&tenant.post(&path, &own).await, 200), &data(&example));
    tenant.patch(&format!("/webhooks/endpoints/{endpoint}"), &json!({"event_types": ["*", TYPE]})).await.data(200);
    example["latest_delivery"]["event_type"] = json!("webhook.test");
    assert_like(&body_of(&tenant.post(&path, &json!({})).await, 200), &data(&example));
    world.drain().await;
    let mut types: Vec<_> =
        receiver.received().iter().map(|request| request.header("x-webhook-event").to_owned()).collect();
    types.sort_unstable();
    assert_eq!(types, ["anything.else", TYPE, "webhook.test"]);
    assert!(receiver.received().iter().any(|request| request.json()["data"] == json!({"n": 1})));
    assert!(other.received().is_empty());
    tenant.delete(&format!("/webhooks/endpoints/{endpoint}")).await.data(200);
    tenant.post(&path, &json!({})).await.is_error(409, "conflict");
}

fn event(deliveries: &[Value]) -> Value {
    json!({"object": "event", "id": "wevt_…", "external_id": null, "type": TYPE, "subject": {"type": "organization", "id": "org_…"},
           "data": {"score": 1}, "format": "envelope", "content_type": null, "edition_id": null,
           "channels": [], "schema_version": null, "webhook_deliveries": deliveries,
           "created_at": "2026-03-24T20:00:00.000Z"})
}

#[tokio::test]
async fn an_event_is_published_read_and_listed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = example_endpoint(&tenant, &receiver).await;
    let published = tenant.post("/events", &json!({"type": TYPE, "data": {"score": 1}})).await;
    let published = body_of(&published, 202);
    assert_like(&published, &data(&event(&[delivery(json!({}))])));
    assert_eq!(published["data"]["subject"]["id"], tenant.id);
    let id = text(&published["data"]["id"]);

    let second = json!({"type": "other", "data": {}, "subject": {"type": "user", "id": "usr_1"}, "edition_id": "eu"});
    let mut shown = event(&[]);
    shown.as_object_mut().unwrap().extend(second.as_object().unwrap().clone());
    assert_like(&body_of(&tenant.post("/events", &second).await, 202), &data(&shown));

    world.drain().await;
    let delivered =
        event(&[delivery(json!({"status": "success", "attempts": 1, "response_status": 200, "response_body": ""}))]);
    assert_like(&body_of(&tenant.get(&format!("/events/{id}")).await, 200), &data(&delivered));
    for (query, expected) in [
        (String::new(), vec![shown.clone(), delivered.clone()]),
        (format!("?type={TYPE}"), vec![delivered.clone()]),
        ("?type=other".to_owned(), vec![shown]),
        (format!("?endpoint_id={endpoint}"), vec![delivered]),
        (format!("?endpoint_id={endpoint}&type=other"), vec![]),
    ] {
        assert_like(&body_of(&tenant.get(&format!("/events{query}")).await, 200), &page(&expected));
    }
    tenant.get("/events/wevt_01890000000070008000000000000000").await.is_error(404, "not_found");
}

#[tokio::test]
async fn a_batch_gets_one_result_for_each_event_in_order() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let good = json!({"type": TYPE, "data": {"score": 1}});
    let body = json!({"events": [good, {"type": "a b", "extra": 1}, good, 7]});
    let refused = |index: u32, code: &str, message: &str, details: Option<Value>| {
        let mut error = json!({"code": code, "message": message});
        if let Some(details) = details {
            error["details"] = details;
        }
        json!({"object": "batch_result", "index": index, "status": "refused", "error": error})
    };
    let accepted = |index: u32| {
        let event = json!({"object": "event", "id": "wevt_…", "type": TYPE, "delivery_ids": [], "created_at": "2026-03-24T20:00:00.000Z"});
        json!({"object": "batch_result", "index": index, "status": "accepted", "event": event})
    };
    let type_message = "must be segments of letters, digits and underscores, joined by dots";
    let answer = body_of(&tenant.post("/events/batch", &body).await, 202);
    let said = text(&answer["data"][1]["error"]["details"]["fields"][1]["message"]).to_owned();
    assert!(said.contains("segments"), "{said} {type_message}");
    let fields = json!({"fields": [{"name": "extra", "message": "is not a known field"}, {"name": "type", "message": said},
                                   {"name": "data", "message": "is required"}]});
    let message = format!("extra is not a known field; type {said}; data is required");
    let expected = [
        accepted(0),
        refused(1, "validation_failed", &message, Some(fields)),
        accepted(2),
        refused(3, "invalid_json", "the body must be a JSON object", None),
    ];
    assert_like(&answer, &data(&json!(expected)));
}

#[tokio::test]
async fn a_delivery_is_listed_read_and_retried() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(503).body("not now")]).await);
    let tenant = world.tenant().await;
    let endpoint = example_endpoint(&tenant, &receiver).await;
    tenant.patch(&format!("/webhooks/endpoints/{endpoint}"), &json!({"retry_schedule": []})).await.data(200);
    let published = tenant.post("/events", &json!({"type": TYPE, "data": {"score": 1}})).await.data(202);
    let id = text(&published["webhook_deliveries"][0]["id"]).to_owned();
    let path = format!("/webhooks/deliveries/{id}");
    let detail = |fields: Value, signature: Value, log: Value| {
        let payload = format!(
            r#"{{"id":"wevt_…","object":"webhook_event","type":"{TYPE}","created":"2026-03-24T20:00:00.000Z","timestamp":"2026-03-24T20:00:00.000Z","data":{{"score":1}}}}"#
        );
        let mut all = delivery(fields);
        let extra = json!({"payload": payload, "signature": signature, "attempt_log": log});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        data(&all)
    };
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_like(&body_of(&tenant.get(&path).await, 200), &detail(json!({}), Value::Null, json!([])));
    world.drain().await;
    let failed = json!({"status": "exhausted", "attempts": 1, "response_status": 503, "response_body": "not now", "error": "http_status", "docs_url": "/docs#http_status"});
    let first = json!({"attempt": 1, "started_at": "2026-03-24T20:00:00.000Z", "duration_ms": 12, "response_status": 503, "error": "http_status", "error_detail": null, "docs_url": "/docs#http_status"});
    let shown = body_of(&tenant.get(&path).await, 200);
    assert_like(&shown, &detail(failed.clone(), json!(hex), json!([first])));
    let sent = receiver.only();
    assert_eq!(text(&shown["data"]["payload"]).as_bytes(), sent.body, "the payload is identical to the sent body");
    assert_eq!(shown["data"]["signature"], sent.header("x-webhook-signature"));
    let listed = format!("/webhooks/endpoints/{endpoint}/deliveries");
    assert_like(&body_of(&tenant.get(&listed).await, 200), &page(&[delivery(failed)]));

    let again = json!({"status": "retrying", "attempts": 1, "response_status": 503, "response_body": "not now", "error": "http_status", "docs_url": "/docs#http_status"});
    let retried = tenant.post(&format!("{path}/retry"), &json!({})).await;
    assert_like(&body_of(&retried, 202), &data(&delivery(again)));
    tenant.post(&format!("{path}/retry"), &json!({})).await.is_error(409, "conflict");
    world.drain().await;
    let done = json!({"status": "success", "attempts": 2, "response_status": 200, "response_body": ""});
    let second = json!({"attempt": 2, "started_at": "2026-03-24T20:00:00.000Z", "duration_ms": 12, "response_status": 200, "error": null, "error_detail": null, "docs_url": null});
    assert_like(&body_of(&tenant.get(&path).await, 200), &detail(done, json!(hex), json!([first, second])));
    tenant.post(&format!("{path}/retry"), &json!({})).await.is_error(409, "conflict");
    tenant.get("/webhooks/deliveries/wdlv_01890000000070008000000000000001").await.is_error(404, "not_found");
}

#[tokio::test]
async fn a_recovery_shows_its_statuses_and_count() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = example_endpoint(&tenant, &receiver).await;
    tenant.patch(&format!("/webhooks/endpoints/{endpoint}"), &json!({"retry_schedule": []})).await.data(200);
    tenant.post("/events", &json!({"type": TYPE, "data": {}})).await.data(202);
    world.drain().await;
    // Without `until`, a recovery ends before the current millisecond, and the clock stands still.
    world.advance(Duration::from_millis(1));
    let example = r#"{"object":"webhook_recovery","id":"wjob_…","endpoint_id":"we_…","statuses":["failed","exhausted"],"recovered":1,
        "finished":true,"created_at":"2026-03-24T20:00:00.000Z"}"#;
    let path = format!("/webhooks/endpoints/{endpoint}/recover");
    let since = json!({"since": "2026-03-24T20:00:00.000Z"});
    assert_like(&body_of(&tenant.post(&path, &since).await, 202), &data(&parse(example)));
    tenant.delete(&format!("/webhooks/endpoints/{endpoint}")).await.data(200);
    tenant.post(&path, &since).await.is_error(409, "conflict");
}
