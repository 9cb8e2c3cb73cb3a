//! The catalogue and publishing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{TYPES, create, put, schema};
use crate::support::{Call, Fate, Process, Receiver, Reply, Tenant, World, text, troubled};

/// How long a process uses the revision of the catalogue that it has read.
pub(super) const LIFETIME: Duration = Duration::from_secs(10);

pub(super) fn order(data: Value) -> Value {
    json!({"type": "order.paid", "data": data})
}

pub(super) async fn publish_with_key(tenant: &Tenant, key: &str, path: &str, body: &Value) -> Reply {
    tenant.call(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
}

#[tokio::test]
async fn data_that_violates_the_schema_is_refused_with_its_violations() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let accepted = tenant.post("/events", &order(json!({"order": "ord_1"}))).await.data(202);
    assert_eq!(accepted["schema_version"], 1);
    let read = tenant.get(&format!("/events/{}", text(&accepted["id"]))).await.data(200);
    assert_eq!(read["schema_version"], 1);
    let refused = tenant.post("/events", &order(json!({"amount": -1}))).await;
    refused.is_error(400, "validation_failed");
    let fields = refused.body["error"]["details"]["fields"].as_array().unwrap();
    let found: Vec<_> = fields.iter().map(|field| (text(&field["name"]), text(&field["rule"]))).collect();
    assert_eq!(found.len(), 2, "{fields:?}");
    assert!(found.contains(&("/data", "required")) && found.contains(&("/data/amount", "minimum")), "{found:?}");
    assert!(fields.iter().all(|field| text(&field["message"]).starts_with("must ")), "{fields:?}");
    let other = tenant.post("/events", &json!({"type": "order.sent", "data": {"amount": -1}})).await.data(202);
    assert_eq!(other["schema_version"], Value::Null, "an open catalogue accepts other types");
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn at_most_twenty_violations_are_listed() {
    let world = World::new().await;
    create(&world, &json!({"name": "order.paid", "schema": {"additionalProperties": {"type": "string"}}})).await;
    let data: Value =
        (0..30).map(|number| (format!("n{number}"), json!(number))).collect::<serde_json::Map<_, _>>().into();
    let refused = world.tenant().await.post("/events", &order(data)).await;
    assert_eq!(refused.body["error"]["details"]["fields"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn each_event_of_a_batch_is_validated_by_itself() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let batch = json!({"events": [
        order(json!({"order": 1})), order(json!({"order": "a"})), {"type": "a b", "data": {}}, order(json!({})),
        {"type": "order.sent", "data": {}},
    ]});
    let results = tenant.post("/events/batch", &batch).await.data(202);
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|result| text(&result["status"])).collect();
    assert_eq!(statuses, ["refused", "accepted", "refused", "refused", "accepted"]);
    let place = |index: usize| &results[index]["error"]["details"]["fields"][0]["name"];
    assert_eq!([place(0), place(2), place(3)], [&json!("/data/order"), &json!("type"), &json!("/data")]);
    assert_eq!(results[0]["error"]["details"]["fields"][0]["rule"], "type");
    assert_eq!(world.items("event").await.len(), 2);
    let none = json!({"events": [order(json!({}))]});
    assert_eq!(tenant.post("/events/batch", &none).await.data(202)[0]["status"], "refused");
}

#[tokio::test]
async fn an_event_may_name_an_older_version_of_its_type() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    put(&world.platform(), "order.paid", &json!({"schema": {"required": ["id"]}})).await.data(200);
    put(&world.platform(), "order.paid", &json!({})).await.data(200);
    let named = |version: Value, data: Value| json!({"type": "order.paid", "data": data, "schema_version": version});
    for (event, expected) in [
        (named(json!(1), json!({"order": "a"})), json!(1)),
        (named(json!(2), json!({"id": "a"})), json!(2)),
        // Version 3 has no schema.
        (named(json!(3), json!({})), Value::Null),
        (named(Value::Null, json!({})), Value::Null),
    ] {
        assert_eq!(tenant.post("/events", &event).await.data(202)["schema_version"], expected, "{event}");
    }
    for (event, name) in [
        (named(json!(1), json!({})), "/data"),
        (named(json!(0), json!({})), "schema_version"),
        (named(json!(4), json!({})), "schema_version"),
        (named(json!("1"), json!({})), "schema_version"),
        (json!({"type": "unknown", "data": {}, "schema_version": 1}), "schema_version"),
    ] {
        let refused = tenant.post("/events", &event).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name, "{event}");
    }
}

#[tokio::test]
async fn a_closed_catalogue_refuses_unknown_types_and_reads_a_type_before() {
    let world = World::with(&[("CATALOGUE_MODE", "closed"), ("EVENT_TYPES", "order.sent")]).await;
    let tenant = world.tenant().await;
    let paid = order(json!({}));
    let refused = tenant.post("/events", &paid).await;
    refused.is_error(400, "validation_failed");
    assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "type");
    let endpoint = |types: Value| json!({"name": "n", "url": "https://example.com/", "event_types": types});
    tenant.post("/webhooks/endpoints", &endpoint(json!(["order.paid"]))).await.is_error(400, "validation_failed");
    // Another process creates the type. This one accepts it at once, though it knows the former revision.
    let elsewhere = world.another_process();
    world.platform().at(&elsewhere).post(TYPES, &json!({"name": "order.paid"})).await.data(201);
    tenant.post("/events", &paid).await.data(202);
    tenant.post("/events", &json!({"type": "order.sent", "data": {}})).await.data(202);
    tenant.post("/webhooks/endpoints", &endpoint(json!(["order.paid", "order.*"]))).await.data(201);
    tenant.post("/webhooks/endpoints", &endpoint(json!(["invoice.*"]))).await.is_error(400, "validation_failed");
    // An archived type can be published as before.
    world.platform().at(&elsewhere).delete(&format!("{TYPES}/order.paid")).await.data(200);
    world.advance(LIFETIME);
    tenant.post("/events", &paid).await.data(202);
    world.platform().at(&elsewhere).delete(&format!("{TYPES}/order.paid?permanent=true")).await.data(204);
    world.advance(LIFETIME);
    tenant.post("/events", &paid).await.is_error(400, "validation_failed");
}

#[tokio::test]
async fn a_version_that_an_event_names_is_known_at_once() {
    let world = World::new().await;
    let (process, ..) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    let named = |version: u32, data: Value| json!({"type": "order.paid", "data": data, "schema_version": version});
    tenant.post("/events", &order(json!({}))).await.data(202);
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    // The process knows that the catalogue was empty.
    assert_eq!(tenant.post("/events", &named(1, json!({"order": "a"}))).await.data(202)["schema_version"], 1);
    put(&world.platform(), "order.paid", &json!({"schema": {"required": ["id"]}})).await.data(200);
    assert_eq!(tenant.post("/events", &named(2, json!({"id": 1}))).await.data(202)["schema_version"], 2);
    tenant.post("/events", &named(2, json!({"order": "a"}))).await.is_error(400, "validation_failed");
    let batch = json!({"events": [named(1, json!({"order": "a"})), named(3, json!({"id": 1}))]});
    let results = tenant.post("/events/batch", &batch).await.data(202);
    assert_eq!([&results[0]["status"], &results[1]["status"]], ["accepted", "refused"]);
}

#[tokio::test]
async fn to_an_organization_an_internal_type_is_unknown() {
    let internal = json!({"name": "order.paid", "visibility": "internal", "schema": schema()});
    for (mode, of_tenant) in [("open", 202), ("closed", 400)] {
        let world = World::with(&[("CATALOGUE_MODE", mode)]).await;
        let (platform, tenant) = (world.platform(), world.tenant().await);
        create(&world, &internal).await;
        let path = format!("/v1/organizations/{}/events", tenant.id);
        platform.post(&path, &order(json!({"order": "a"}))).await.data(202);
        platform.post(&path, &order(json!({}))).await.is_error(400, "validation_failed");
        let reply = tenant.post("/events", &order(json!({}))).await;
        assert_eq!(reply.status, of_tenant, "{mode}");
        assert!(!reply.body.to_string().contains("/data"), "{mode}: nothing of the schema is shown");
        let endpoint = json!({"name": "n", "url": "https://example.com/", "event_types": ["order.paid"]});
        let path = format!("/v1/organizations/{}/webhooks/endpoints", tenant.id);
        platform.post(&path, &endpoint).await.data(201);
        assert_eq!(tenant.post(&path, &endpoint).await.status, if mode == "open" { 201 } else { 400 }, "{mode}");
    }
}

/// Counts the reads of the catalogue, and refuses them while `is_down`.
pub(super) fn observed(world: &World) -> (Process, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let reads = |call: &Call| ["GetItem catalogue", "GetItem type", "GetItem schema"].contains(&call.kind().as_str());
    let (network, is_down, reads) = troubled(&world.sdk(), reads, Fate::Refuse);
    is_down.store(false, Ordering::SeqCst);
    (world.process_on(&network), reads, is_down)
}

#[tokio::test]
async fn a_change_of_a_type_applies_to_other_processes_within_ten_seconds() {
    let world = World::new().await;
    create(&world, &json!({"name": "order.paid", "schema": true})).await;
    let (process, reads, _) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    let publish = async |expected_reads: usize| {
        let reply = tenant.post("/events", &order(json!({}))).await;
        assert_eq!(reads.swap(0, Ordering::SeqCst), expected_reads);
        reply.status
    };
    assert_eq!(publish(3).await, 202, "revision, type, schema");
    assert_eq!(publish(0).await, 202);
    put(&world.platform(), "order.paid", &json!({"schema": schema()})).await.data(200);
    assert_eq!(publish(0).await, 202, "this process does not know of the change yet");
    world.advance(LIFETIME);
    assert_eq!(publish(3).await, 400, "revision, type, schema");
    assert_eq!(publish(0).await, 400);
    world.advance(LIFETIME);
    assert_eq!(
        publish(2).await,
        400,
        "the revision, and once more the type, whose first read could have been too early"
    );
    world.advance(LIFETIME);
    assert_eq!(publish(1).await, 400, "the revision");
}

#[tokio::test]
async fn without_types_publishing_reads_only_the_revision_every_ten_seconds() {
    let world = World::new().await;
    let (process, reads, _) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    for expected in [1, 0, 1] {
        tenant.post("/events", &order(json!({}))).await.data(202);
        assert_eq!(reads.swap(0, Ordering::SeqCst), expected);
        if expected == 0 {
            world.advance(LIFETIME);
        }
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_the_reads_of_the_catalogue() {
    let world = World::new().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let (process, reads, _) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    let valid = order(json!({"order": "a"}));
    let all = (0..50).map(|_| tenant.post("/events", &valid));
    for reply in futures_util::future::join_all(all).await {
        reply.data(202);
    }
    // A request that arrives during a read shares the next one.
    let reads = reads.load(Ordering::SeqCst);
    assert!((3..=9).contains(&reads), "{reads} reads of revision, type and schema");
}

#[tokio::test]
async fn a_process_that_cannot_read_the_catalogue_uses_what_it_knows_and_otherwise_accepts_nothing() {
    let world = World::new().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let (process, _, is_down) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    let valid = order(json!({"order": "a"}));
    is_down.store(true, Ordering::SeqCst);
    let refused = tenant.post("/events", &valid).await;
    refused.is_error(503, "unavailable");
    publish_with_key(&tenant, "k", "/events", &valid).await.is_error(503, "unavailable");
    is_down.store(false, Ordering::SeqCst);
    publish_with_key(&tenant, "k", "/events", &valid).await.data(202);
    is_down.store(true, Ordering::SeqCst);
    world.advance(LIFETIME);
    tenant.post("/events", &order(json!({}))).await.is_error(400, "validation_failed");
    tenant.post("/events", &valid).await.data(202);
    // Nothing is known of this type.
    tenant.post("/events", &json!({"type": "order.sent", "data": {}})).await.is_error(503, "unavailable");
}

#[tokio::test]
async fn text_is_validated_as_a_json_string() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    create(&world, &json!({"name": "order.paid", "schema": {"type": "string", "maxLength": 5}})).await;
    let csv = |data: &str| json!({"type": "order.paid", "data": data, "format": "raw", "content_type": "text/csv"});
    assert_eq!(tenant.post("/events", &csv("a\n\"b\"")).await.data(202)["schema_version"], 1);
    let refused = tenant.post("/events", &csv("a;b;c;d")).await;
    refused.is_error(400, "validation_failed");
    assert_eq!(refused.body["error"]["details"]["fields"][0]["rule"], "maxLength");
    tenant.post("/events", &order(json!({}))).await.is_error(400, "validation_failed");
    // As a JSON string, this text is larger than the largest data.
    put(&world.platform(), "order.paid", &json!({"schema": {"type": "string"}})).await.data(200);
    world.advance(LIFETIME);
    tenant.post("/events", &csv(&"abcd\n".repeat(45_000))).await.data(202);
}

#[tokio::test]
async fn an_accepted_event_is_not_validated_again_by_its_repetition() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    let (valid, invalid) = (order(json!({"order": "a"})), order(json!({})));
    let first = publish_with_key(&tenant, "one", "/events", &valid).await.data(202);
    let batch = json!({"events": [valid, invalid]});
    let of_batch = publish_with_key(&tenant, "two", "/events/batch", &batch).await.data(202);
    assert_eq!([&of_batch[0]["status"], &of_batch[1]["status"]], ["accepted", "refused"]);
    assert_eq!(publish_with_key(&tenant, "two", "/events/batch", &batch).await.data(202), of_batch, "at once");
    put(&world.platform(), "order.paid", &json!({"schema": {"required": ["id"]}})).await.data(200);
    world.advance(LIFETIME);
    assert_eq!(publish_with_key(&tenant, "one", "/events", &valid).await.data(202), first);
    let again = publish_with_key(&tenant, "two", "/events/batch", &batch).await.data(202);
    assert_eq!(again[0]["event"]["id"], of_batch[0]["event"]["id"]);
    assert_eq!(again[1]["status"], "refused");
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_refused_event_does_not_use_up_its_idempotency_key() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    create(&world, &json!({"name": "order.paid", "schema": schema()})).await;
    publish_with_key(&tenant, "k", "/events", &order(json!({}))).await.is_error(400, "validation_failed");
    publish_with_key(&tenant, "k", "/events", &order(json!({"order": "a"}))).await.data(202);
}

#[tokio::test]
async fn types_of_the_canonical_dialect_may_be_longer_and_have_hyphens() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let long = format!("order-paid.{}", "x".repeat(245));
    tenant.endpoint_with(json!({"url": receiver.url(), "event_types": [long, "order-sent.*"]})).await;
    for name in [long.as_str(), "order-sent.out"] {
        tenant.post("/events", &json!({"type": name, "data": {}})).await.data(202);
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
    for events in [json!(["order-paid"]), json!(["x".repeat(129)]), json!(["order-sent.*"])] {
        let hook = json!({"url": "https://example.com/", "events": events});
        tenant.post("/webhooks", &hook).await.is_error(400, "validation_failed");
        let paged = json!({"name": "n", "url": "https://example.com/", "events": events});
        tenant.post("/v1/webhook-endpoints", &paged).await.is_error(400, "validation_failed");
    }
}
