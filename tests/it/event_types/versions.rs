//! Types that are removed and created again, and writes whose answers are lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use shared::domain::catalogue::{CatalogueType, TypeChange};
use shared::domain::event::event_type::EventType;
use shared::store::StoreError;

use super::{TYPES, create, put, schema};
use crate::support::{Fate, World, over_network_by_call};

#[tokio::test]
async fn a_change_of_a_type_that_was_created_anew_since_is_a_conflict() {
    let world = World::new().await;
    let (store, platform) = (world.store(), world.platform());
    let name = EventType::parse("order.paid").unwrap();
    let path = format!("{TYPES}/order.paid");
    let create_with_versions = async || {
        create(&world, &json!({"name": "order.paid", "schema": true})).await;
        // More versions than are removed together with the type.
        for number in 0..22 {
            platform.patch(&path, &json!({"schema": {"minProperties": number}})).await.data(200);
        }
    };
    create_with_versions().await;
    let former = store.event_type(&name).await.unwrap().unwrap();
    platform.delete(&format!("{path}?permanent=true")).await.data(204);
    world.advance(Duration::from_secs(1));
    create_with_versions().await;
    let current = store.event_type(&name).await.unwrap().unwrap();
    assert_eq!((current.version, current.latest), (former.version, former.latest));
    let after = CatalogueType { version: former.version + 1, ..former.clone() };
    let change = TypeChange { seen: Some(former.version), after, new: None };
    assert!(matches!(store.write_event_types(&[change]).await, Err(StoreError::Conflict)));
    assert!(matches!(store.delete_event_type(&former).await, Err(StoreError::Conflict)));
    let versions = platform.get(&format!("{path}/versions?limit=50")).await.data(200);
    assert_eq!(versions.as_array().unwrap().len(), 23);
    // A removal that was interrupted is completed.
    store.delete_event_type(&CatalogueType { version: 0, ..current.clone() }).await.unwrap_err();
    store.delete_event_type(&current).await.unwrap();
    assert_eq!(world.items("event_type_version").await.len(), 0);
}

#[tokio::test]
async fn nobody_creates_a_type_of_operational_events() {
    let world = World::new().await;
    let refused = put(&world.platform(), "webhook.created", &json!({})).await;
    refused.is_error(400, "validation_failed");
    assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "name");
    let document = json!({"openapi": "3.1.0", "webhooks": {"delivery.exhausted": {"post": {}}}});
    world.platform().post("/v1/event-type-imports", &document).await.is_error(400, "validation_failed");
    assert_eq!(world.items("event_type").await.len(), 0);
}

#[tokio::test]
async fn a_type_is_created_once_though_the_answer_is_lost() {
    let world = World::new().await;
    let lost = AtomicUsize::new(0);
    let network = over_network_by_call(&world.sdk(), move |call| match call.operation.as_str() {
        "TransactWriteItems" if lost.fetch_add(1, Ordering::SeqCst) == 0 => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
    let process = world.process_on(&network);
    let platform = world.platform().at(&process);
    let body = json!({"name": "order.paid", "schema": schema()});
    let created = platform.post(TYPES, &body).await.data(201);
    assert_eq!(platform.get(&format!("{TYPES}/order.paid")).await.data(200), created);
    platform.post(TYPES, &body).await.is_error(409, "conflict");
}
