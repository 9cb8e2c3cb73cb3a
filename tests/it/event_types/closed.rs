//! Endpoints in a closed catalogue.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};

use super::{TYPES, create, names};
use crate::support::{Fate, Process, Tenant, World, over_network_by_call};

const CLOSED: &[(&str, &str)] = &[("CATALOGUE_MODE", "closed"), ("EVENT_TYPES", "order.sent")];

/// A process whose reads of the catalogue are collected.
fn observed(world: &World) -> (Process, impl Fn() -> Vec<String>) {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reads);
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.reads() && call.partitions().iter().any(|it| ["catalogue", "type", "types"].contains(&it.as_str())) {
            seen.lock().unwrap().push(format!("{} {}", call.operation, joined(call.partitions())));
        }
        Fate::Pass
    });
    (world.process_on(&network), move || std::mem::take(&mut *reads.lock().unwrap()))
}

fn joined(partitions: impl IntoIterator<Item = String>) -> String {
    partitions.into_iter().collect::<Vec<_>>().join(", ")
}

fn endpoint(types: &Value) -> Value {
    json!({"name": "n", "url": "https://example.com/", "event_types": types})
}

#[tokio::test]
async fn an_endpoint_of_every_dialect_subscribes_to_types_of_the_catalogue_only() {
    let world = World::with(CLOSED).await;
    create(&world, &json!({"name": "order.paid"})).await;
    create(&world, &json!({"name": "order.hidden", "visibility": "internal"})).await;
    let tenant = world.tenant().await;
    let hook = json!({"url": "https://example.com/"});
    let paged = json!({"name": "n", "url": "https://example.com/"});
    for (types, allowed) in [
        (json!(["order.paid", "order.*", "*", "webhook.created"]), true),
        (json!(["order.sent"]), true),
        (json!(["order.paid", "invoice.*"]), false),
        (json!(["order.hidden"]), false),
    ] {
        for (path, field, body) in [
            ("/webhooks/endpoints", "event_types", &paged),
            ("/webhooks", "events", &hook),
            ("/v1/webhook-endpoints", "events", &paged),
        ] {
            let mut body = body.clone();
            body[field] = types.clone();
            let path =
                if path == "/webhooks" { format!("/v1/organizations/{}/webhooks", tenant.id) } else { path.to_owned() };
            let created = tenant.post(&path, &body).await;
            if !allowed {
                created.is_error(400, "validation_failed");
                assert_eq!(created.body["error"]["details"]["fields"][0]["name"], field, "{path}");
                continue;
            }
            assert_eq!(created.status, 201, "{path} {types} {}", created.body);
            let id = created.body["data"]["id"].as_str().or(created.body["id"].as_str()).unwrap();
            let path = format!("{path}/{id}");
            let changed = tenant.patch(&path, &json!({field: ["invoice.paid"]})).await;
            changed.is_error(400, "validation_failed");
            assert_eq!(changed.body["error"]["details"]["fields"][0]["name"], field, "{path}");
            assert_eq!(tenant.patch(&path, &json!({field: types})).await.status, 200, "{path}");
            if path.starts_with("/v1/webhook-endpoints") {
                body[field] = json!(["invoice.paid"]);
                let replaced = tenant.call(Method::PUT, &path, &[], Some(body.to_string())).await;
                replaced.is_error(400, "validation_failed");
            }
        }
    }
}

async fn test_type(tenant: &Tenant, endpoint: &str, event_type: &str) -> u16 {
    tenant
        .post(&format!("/webhooks/endpoints/{endpoint}/test"), &json!({"event_type": event_type, "data": {}}))
        .await
        .status
}

#[tokio::test]
async fn the_list_of_types_is_read_once_for_each_revision_and_a_refusal_reads_only_the_revision() {
    let world = World::with(CLOSED).await;
    create(&world, &json!({"name": "order.paid"})).await;
    let (process, reads) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    let created = tenant.post("/webhooks/endpoints", &endpoint(&json!(["order.paid"]))).await.data(201);
    assert_eq!(reads(), ["GetItem catalogue", "Query types"]);
    let id = created["id"].as_str().unwrap();
    let path = format!("/webhooks/endpoints/{id}");
    // Known types, requests without types, and configured types read nothing.
    for body in [json!({"event_types": ["order.*"]}), json!({"name": "m"}), json!({"event_types": ["*", "order.sent"]})]
    {
        tenant.patch(&path, &body).await.data(200);
    }
    assert_eq!(test_type(&tenant, id, "order.paid").await, 200);
    assert_eq!(reads(), [""; 0]);
    for _ in 0..3 {
        tenant.patch(&path, &json!({"event_types": ["invoice.paid"]})).await.is_error(400, "validation_failed");
        assert_eq!(test_type(&tenant, id, "invoice.paid").await, 400);
        assert_eq!(reads(), ["GetItem catalogue"; 2]);
    }
    // Another process creates the type. This one allows it at once.
    create(&world, &json!({"name": "invoice.paid"})).await;
    tenant.patch(&path, &json!({"event_types": ["invoice.paid"]})).await.data(200);
    assert_eq!(reads(), ["GetItem catalogue", "Query types"]);
    assert_eq!(test_type(&tenant, id, "invoice.paid").await, 200);
    assert_eq!(reads(), [""; 0]);
}

#[tokio::test]
async fn lists_and_exports_read_the_list_of_types_only_when_it_has_changed() {
    let world = World::new().await;
    for number in 0..3 {
        create(&world, &json!({"name": format!("n{number}"), "description": "x".repeat(4_000), "group": "g"})).await;
    }
    let (process, reads) = observed(&world);
    let tenant = world.tenant().await.at(&process);
    assert_eq!(names(&tenant.get(&format!("{TYPES}?limit=2")).await.data(200)), ["n0", "n1"]);
    assert_eq!(reads(), ["GetItem catalogue", "Query types", "BatchGetItem type"]);
    assert_eq!(names(&tenant.get(&format!("{TYPES}?group=other")).await.data(200)), [""; 0]);
    assert_eq!(reads(), ["GetItem catalogue"]);
    let document = tenant.get("/v1/openapi/webhooks.json").await.body;
    assert_eq!(document["webhooks"].as_object().unwrap().len(), 3);
    assert_eq!(reads(), ["GetItem catalogue", "BatchGetItem type"]);
    world.platform().delete(&format!("{TYPES}/n0?permanent=true")).await.data(204);
    assert_eq!(names(&tenant.get(TYPES).await.data(200)), ["n1", "n2"], "at once");
    let entry = world.items("event_type_entry").await.remove(0);
    assert!(!entry.contains_key("description"), "all entries are one partition, so they are small");
}
