//! Invokes each function with its samples in `events/`. The samples name an organization, a key, an endpoint and a
//! delivery. The tests replace them with those of a world.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::sqs::SqsEvent;
use axum::Router;
use axum::body::Body;
use http::HeaderValue;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Answer, Browser, Receiver, Tenant, World, text};
use crate::telemetry::Log;

const ORGANIZATION: &str = "org_0123456789abcdefghjkmnpqrs";
const KEY: &str = "sk_live_0123456789abcdefghijABCDEFGHIJklmnopqrstuvw";
const ENDPOINT: &str = "we_0190a1b2c3d47e5f8a9b0c1d2e3f0000";
const DELIVERY: &str = "wdlv_0190a1b2c3d47e5f8a9b0c1d2e3f0001";
const RECEIPT: &str = "AQEBexamplereceipthandle0";
const MESSAGE: &str = "059f36b4-87a3-44ab-83d2-66197597a110";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// The sample with these texts replaced.
fn sample(name: &str, replaced: &[(&str, &str)]) -> String {
    let file = std::fs::read_to_string(directory().join(format!("{name}.json"))).unwrap();
    replaced.iter().fold(file, |text, (from, to)| {
        assert!(text.contains(from), "{name} does not name {from}");
        text.replace(from, to)
    })
}

/// The response of a function behind API Gateway, and its JSON body.
async fn invoke(router: Router, event: &str) -> (http::response::Parts, Value) {
    let request = lambda_http::request::from_str(event).unwrap();
    let request = request.map(|body| Body::from(body.as_ref().to_vec()));
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head, serde_json::from_slice(&bytes).unwrap())
}

/// The response of the consumer in Lambda's format.
async fn deliver(world: &World, event: &str) -> Value {
    let batch: SqsEvent = serde_json::from_str(event).unwrap();
    let response = deliver::handle(&world.process.deliverer, batch, world.process.deadline()).await;
    serde_json::to_value(response).unwrap()
}

/// A tenant with one endpoint and a published event, and the ids that replace those of a sample.
async fn published(world: &World, receiver: &Receiver) -> (Tenant, [String; 3]) {
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(receiver).await;
    let delivery = tenant.publish_one().await;
    let names = [tenant.id.clone(), endpoint.id, delivery];
    (tenant, names)
}

fn replacing([organization, endpoint, delivery]: &[String; 3]) -> [(&str, &str); 3] {
    [(ORGANIZATION, organization), (ENDPOINT, endpoint), (DELIVERY, delivery)]
}

#[tokio::test]
async fn api_create_endpoint() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = sample("api_create_endpoint", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &event).await;
    assert_eq!((head.status.as_u16(), &body["data"]["object"]), (201, &json!("webhook_endpoint")), "{body}");
    assert_eq!(head.headers["x-request-id"], text(&body["meta"]["request_id"]));
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200)[0]["id"], body["data"]["id"]);
}

#[tokio::test]
async fn api_unauthorized() {
    let world = World::new().await;
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &sample("api_unauthorized", &[])).await;
    assert_eq!((head.status.as_u16(), &body["error"]["code"]), (401, &json!("unauthorized")));
    assert_eq!(head.headers["www-authenticate"], "Bearer");
}

/// The access log of API Gateway has no path. Its line of a request is found by this id.
#[tokio::test]
async fn the_line_of_a_request_has_the_id_of_the_access_log() {
    let (log, _logging) = Log::start();
    let world = World::new().await;
    let event = sample("api_unauthorized", &[]);
    invoke(api::router(world.process.administrator.clone()), &event).await;
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(log.take_lines()[0]["gateway_request_id"], event["requestContext"]["requestId"]);
}

#[tokio::test]
async fn api_base64_body() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = sample("api_base64_body", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &event).await;
    assert_eq!((head.status.as_u16(), &body["data"]["event_types"]), (201, &json!(["member.*"])), "{body}");
}

#[tokio::test]
async fn api_hooks_create() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = sample("api_hooks_create", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &event).await;
    assert_eq!((head.status.as_u16(), &body["events"]), (201, &json!(["member.added", "member.removed"])), "{body}");
    assert!(text(&body["secret"]).starts_with("whsec_"));
}

#[tokio::test]
async fn api_endpoints_list() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = sample("api_endpoints_list", &[(KEY, &tenant.key)]);
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &event).await;
    assert_eq!((head.status.as_u16(), body.as_array().map(Vec::len)), (200, Some(1)), "{body}");
    assert_eq!(body[0]["url"], receiver.url());
}

#[tokio::test]
async fn api_pages_list() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let older = tenant.endpoint(&receiver).await;
    world.advance(Duration::from_secs(1));
    let newer = tenant.endpoint(&receiver).await;
    let disabled = tenant.endpoint(&receiver).await;
    tenant.set_status(&disabled, "disabled").await;
    let event = sample("api_pages_list", &[(KEY, &tenant.key)]);
    let (head, body) = invoke(api::router(world.process.administrator.clone()), &event).await;
    assert_eq!((head.status.as_u16(), &body["count"]), (200, &json!(2)), "{body}");
    // The query string sets the order and excludes inactive endpoints.
    let listed: Vec<_> = body["results"].as_array().unwrap().iter().map(|it| text(&it["id"])).collect();
    assert_eq!(listed, [newer.id, older.id]);
}

/// The token in the samples of the portal.
fn token() -> String {
    format!("{ORGANIZATION}.wps_0190a1b2c3d47e5f8a9b0c1d2e3f0002.{}", "0123456789abcdef".repeat(4))
}

#[tokio::test]
async fn portal_sign_in() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.post("/portal-sessions", &json!({"role": "member"})).await.data(201);
    let link = text(&session["url"]).rsplit_once("token=").unwrap().1;
    let event = sample("portal_sign_in", &[(&token(), link)]);
    let (head, _) = page(&world, &event).await;
    assert_eq!(head.status.as_u16(), 303);
    assert_eq!(head.headers["location"], format!("/portal/{}/endpoints", tenant.id));
    let cookie = head.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-portal=") && cookie.contains("; Secure; SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn portal_endpoints() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "name": "Orders"})).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let event = sample("portal_endpoints", &[(&token(), browser.token()), (ORGANIZATION, &tenant.id)]);
    let (head, html) = page(&world, &event).await;
    assert_eq!((head.status.as_u16(), html.contains("Orders")), (200, true), "{html}");
}

/// The response of the portal's function behind API Gateway.
async fn page(world: &World, event: &str) -> (http::response::Parts, String) {
    let request = lambda_http::request::from_str(event).unwrap();
    let request = request.map(|body| Body::from(body.as_ref().to_vec()));
    let router = portal::router(world.process.administrator.clone());
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    (head, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn publish_batch() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = sample("publish_batch", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let (head, body) = invoke(publish::router(world.process.publisher.clone()), &event).await;
    assert_eq!((head.status.as_u16(), body["data"].as_array().map(Vec::len)), (202, Some(2)), "{body}");
    assert_eq!(
        body["data"][1]["error"]["code"], "validation_failed",
        "each event is accepted or refused independently"
    );
    world.drain().await;
    assert_eq!(receiver.only().json()["type"], "member.added");
}

#[tokio::test]
async fn publish_event() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = sample("publish_event", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let (head, first) = invoke(publish::router(world.process.publisher.clone()), &event).await;
    assert_eq!(head.status.as_u16(), 202, "{first}");
    let (_, again) = invoke(publish::router(world.process.publisher.clone()), &event).await;
    assert_eq!(first["data"], again["data"], "the sample has an idempotency key");
    world.drain().await;
    assert_eq!(receiver.only().header("webhook-id"), text(&first["data"]["id"]));
}

/// The function URL sends no route and no path parameters, and every path.
#[tokio::test]
async fn publish_function_url() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = sample("publish_function_url", &[(ORGANIZATION, &tenant.id), (KEY, &tenant.key)]);
    let publish = async |event: &str| invoke(publish::router(world.process.publisher.clone()), event).await;
    let (head, body) = publish(&event).await;
    assert_eq!(head.status.as_u16(), 202, "{body}");
    for (from, to, status) in [(&*tenant.key, "sk_live_wrong", 401), ("/events\"", "/webhooks/endpoints\"", 404)] {
        assert!(event.contains(from));
        let (head, body) = publish(&event.replace(from, to)).await;
        assert_eq!(head.status.as_u16(), status, "{body}");
    }
    let (head, _) = publish(&event.replace("\"POST\"", "\"GET\"")).await;
    assert_eq!((head.status.as_u16(), &head.headers["allow"]), (405, &HeaderValue::from_static("POST")));
    world.drain().await;
    assert_eq!(receiver.only().header("webhook-id"), text(&body["data"]["id"]));
}

#[tokio::test]
async fn deliver_fresh() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, names) = published(&world, &receiver).await;
    assert_eq!(deliver(&world, &sample("deliver_fresh", &replacing(&names))).await, json!({"batchItemFailures": []}));
    assert_eq!(receiver.only().json()["data"], json!({"member": "mbr_1"}));
    assert_eq!(tenant.delivery_status(&names[2]).await, "success");
}

#[tokio::test]
async fn deliver_large() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, names) = published(&world, &receiver).await;
    assert_eq!(deliver(&world, &sample("deliver_large", &replacing(&names))).await, json!({"batchItemFailures": []}));
    // The message contains no body, so the body is the event's.
    assert_eq!(receiver.only().json()["data"], json!({"member": "mbr_1"}));
    assert_eq!(tenant.delivery_status(&names[2]).await, "success");
}

#[tokio::test]
async fn deliver_retried() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let (tenant, names) = published(&world, &receiver).await;
    world.drain().await;
    world.advance(Duration::from_secs(1));
    let received = world.sqs().receive_message().queue_url(world.queue_url()).send().await.unwrap();
    let handle = received.messages()[0].receipt_handle().unwrap();
    let event = sample("deliver_retried", &[&replacing(&names)[..], &[(RECEIPT, handle)]].concat());
    assert_eq!(deliver(&world, &event).await, json!({"batchItemFailures": [{"itemIdentifier": MESSAGE}]}));
    // The receive count does not change the attempt number.
    assert_eq!(receiver.received()[1].header("x-webhook-attempt"), "2");
    world.advance(Duration::from_secs(5));
    assert_eq!(world.drain().await, 1, "the message was hidden for the time in the schedule");
    assert_eq!(tenant.delivery(&names[2]).await["attempts"], 3);
}

#[tokio::test]
async fn deliver_poisoned() {
    let world = World::new().await;
    let failures = json!({"batchItemFailures": [{"itemIdentifier": MESSAGE}]});
    assert_eq!(deliver(&world, &sample("deliver_poisoned", &[])).await, failures);
}

#[tokio::test]
async fn deliver_mixed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, names) = published(&world, &receiver).await;
    let answer = deliver(&world, &sample("deliver_mixed", &replacing(&names))).await;
    // A fresh delivery, an invalid task, a delivery of a deleted endpoint, and a copy of the first message.
    let poisoned = MESSAGE.replace("110", "111");
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": poisoned}]}));
    receiver.only();
    assert_eq!(tenant.delivery_status(&names[2]).await, "success");
}

#[tokio::test]
async fn ingest_messages() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let batch: SqsEvent = serde_json::from_str(&sample("ingest_messages", &[(ORGANIZATION, &tenant.id)])).unwrap();
    let response = ingest::handle(&world.process.ingestor, batch, world.process.deadline()).await;
    assert_eq!(serde_json::to_value(response).unwrap(), json!({"batchItemFailures": []}));
    world.drain().await;
    let mut members: Vec<_> = receiver.received().iter().map(|it| it.json()["data"]["member"].clone()).collect();
    members.sort_by_key(Value::to_string);
    assert_eq!(members, ["mbr_1", "mbr_2"]);
    let letters = world.take_ingest_dead_letters().await;
    assert_eq!(letters[0].1[..2], ["validation_failed", "data is required"]);
}

#[tokio::test]
async fn sweep_schedule() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3600]})).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    world.advance(Duration::from_secs(4000));
    serde_json::from_str::<EventBridgeEvent>(&sample("sweep_schedule", &[])).unwrap();
    world.process.try_sweep().await.unwrap();
    world.drain().await;
    assert_eq!(tenant.delivery_status(&delivery).await, "success");
}

/// Every sample has the name of its function and case, and a test above.
#[test]
fn every_sample_has_a_test() {
    let found = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Files for `sam local`.
    let found = found.filter(|name| !["env.json", "deliver-queued"].contains(&name.as_str()));
    let expected = [
        "api_base64_body",
        "api_create_endpoint",
        "api_endpoints_list",
        "api_hooks_create",
        "api_pages_list",
        "api_unauthorized",
        "deliver_fresh",
        "deliver_large",
        "deliver_mixed",
        "deliver_poisoned",
        "deliver_retried",
        "ingest_messages",
        "portal_endpoints",
        "portal_sign_in",
        "publish_batch",
        "publish_event",
        "publish_function_url",
        "sweep_schedule",
    ];
    assert_eq!(found.collect::<BTreeSet<_>>(), expected.map(|name| format!("{name}.json")).into());
}

/// Outside Lambda no extension can be registered, as if Lambda refused the registration.
#[tokio::test]
async fn a_process_that_cannot_register_a_shutdown_hook_works() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    shared::edge::register_usage_flush(std::sync::Arc::clone(&world.process.meter)).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
}
