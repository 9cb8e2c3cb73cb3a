//! The limits of an organization's fan-out: the number of endpoints, and the size of their event types.

use serde_json::{Value, json};
use shared::domain::endpoint::fan_out::FanOutSize;
use shared::domain::ids::OrganizationId;

use super::TARGETS_EXPIRE;
use crate::support::{Tenant, World, text};
use crate::telemetry::Counted;

/// Event types of 8 KiB in all.
fn large() -> Vec<String> {
    (0..64).map(|number| format!("{number:02}{}", "x".repeat(126))).collect()
}

fn with_types(event_types: &[String]) -> Value {
    json!({"url": "https://example.com/", "event_types": event_types})
}

async fn create(tenant: &Tenant, event_types: &[String]) -> crate::support::Reply {
    let mut body = with_types(event_types);
    body["name"] = json!("Receiver");
    tenant.post("/webhooks/endpoints", &body).await
}

#[tokio::test]
async fn the_size_of_the_event_types_of_all_endpoints_is_limited() {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let tenant = world.tenant().await;
    let types = large();
    let small = tenant.endpoint_with(with_types(&types[..1])).await;
    let removed = tenant.endpoint_with(with_types(&types)).await;
    // Each endpoint uses 8,648 bytes of 4 MiB.
    world.make_endpoints(&tenant, 483, &types.iter().map(String::as_str).collect::<Vec<_>>()).await;
    create(&tenant, &types[..2]).await.data(201);
    let refused = [create(&tenant, &types).await, tenant.patch(&small.path(), &json!({"event_types": types})).await];
    for reply in refused {
        reply.is_error(422, "quota_exceeded");
        let message = text(&reply.body["error"]["message"]);
        assert!(message.contains("event types") && message.contains("4 MiB"), "{message}");
    }
    // A change that does not increase the size is accepted, and so is an endpoint that fits into the rest.
    tenant.patch(&removed.path(), &json!({"name": "other"})).await.data(200);
    create(&tenant, &types[..1]).await.data(201);
    tenant.delete(&format!("{}?permanent=true", removed.path())).await.data(204);
    tenant.patch(&small.path(), &json!({"event_types": types})).await.data(200);
    create(&tenant, &types).await.is_error(422, "quota_exceeded");
}

#[tokio::test]
async fn a_wrong_stored_size_refuses_no_endpoint_and_is_corrected() {
    let world = World::with(&[("MAX_ENDPOINTS", "3")]).await;
    let tenant = world.tenant().await;
    let types = ["a.b".to_owned()];
    create(&tenant, &types).await.data(201);
    let organization = OrganizationId::parse(&tenant.id).unwrap();
    for wrong in [FanOutSize { endpoints: 3, bytes: 0 }, FanOutSize { endpoints: 0, bytes: 5_000_000 }] {
        world.store().correct_size(&organization, wrong).await.unwrap();
        create(&tenant, &types).await.data(201);
        let state = world.store().organization_state(&organization).await.unwrap().unwrap();
        assert_eq!(state.size.bytes, 207 * state.size.endpoints);
    }
    create(&tenant, &types).await.is_error(422, "quota_exceeded");
    for copy in world.items("state").await {
        let number = |name: &str| copy[name].as_n().unwrap().clone();
        assert_eq!((number("endpoints"), number("fanout_bytes")), ("3".to_owned(), "621".to_owned()));
    }
}

#[tokio::test]
async fn reading_targets_of_more_than_four_megabytes_is_counted() {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let tenant = world.tenant().await;
    let types = large();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    let publisher = tenant.at(&world.another_process());
    let (counted, _guard) = Counted::start();
    let counts = || counted.counters().get("LargeFanOuts").copied().unwrap_or_default();
    // Each endpoint uses 8,648 bytes.
    world.make_endpoints(&tenant, 462, &types).await;
    publisher.publish().await;
    assert_eq!(counts(), 0, "3,995,376 bytes, and 256 for each of 16 groups");
    world.make_endpoints(&tenant, 1, &types).await;
    for count in 1..3 {
        publisher.publish().await;
        publisher.publish().await;
        assert_eq!(counts(), count, "cached targets are not counted");
        world.advance(TARGETS_EXPIRE);
    }
}
