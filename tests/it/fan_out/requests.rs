//! Requests with more deliveries than one request may have.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Reply, Tenant, World};

/// One endpoint more than a hundred events may have.
async fn with_too_many_endpoints() -> (World, Tenant) {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let tenant = world.tenant().await;
    world.make_endpoints(&tenant, 501, &["a"]).await;
    (world, tenant)
}

/// A hundred events of this type, each with an external id.
fn hundred(event_type: &str) -> Value {
    let event = |number| json!({"type": event_type, "data": {}, "external_id": format!("{event_type}-{number}")});
    (0..100).map(event).collect()
}

async fn publish(tenant: &Tenant, headers: &[(&str, &str)], events: &Value) -> Reply {
    tenant.call(Method::POST, "/events/batch", headers, Some(json!({"events": events}).to_string())).await
}

async fn stored(world: &World) -> usize {
    let mut count = 0;
    for entity in ["event", "delivery", "pending", "external_id"] {
        count += world.items(entity).await.len();
    }
    count + world.messages().len()
}

#[tokio::test]
async fn a_request_with_too_many_deliveries_is_refused_before_anything_is_stored() {
    let (world, tenant) = with_too_many_endpoints().await;
    let keyed = [("idempotency-key", "once")];
    for headers in [&[][..], &keyed] {
        let refused = publish(&tenant, headers, &hundred("a")).await;
        refused.is_error(422, "quota_exceeded");
        assert!(refused.body["error"]["message"].as_str().unwrap().contains("50000 deliveries"), "{refused:?}");
        assert_eq!(stored(&world).await, 0);
    }
    // Its key may be used for a smaller request. Endpoints that do not subscribe do not count.
    publish(&tenant, &keyed, &hundred("b")).await.data(202);
    tenant.post("/events", &json!({"type": "a", "data": {}, "external_id": "a-0"})).await.data(202);
}

#[tokio::test]
async fn a_request_with_too_many_deliveries_is_refused_if_an_earlier_try_died_after_its_claim() {
    let (world, tenant) = with_too_many_endpoints().await;
    let keyed = [("idempotency-key", "once")];
    let fuse = Fuse::after(1);
    let cut = tenant.at(&fuse.process(&world));
    assert!(fuse.run(publish(&cut, &keyed, &hundred("a"))).await.is_none());
    world.advance(Duration::from_secs(61));
    publish(&tenant, &keyed, &hundred("a")).await.is_error(422, "quota_exceeded");
    assert_eq!((world.items("event").await.len(), world.messages().len()), (0, 0));
}

#[tokio::test]
async fn a_message_with_too_many_deliveries_is_a_dead_letter_and_affects_no_other() {
    let (world, tenant) = with_too_many_endpoints().await;
    let other = world.tenant().await;
    let large = json!({"organization": tenant.id, "events": hundred("a")}).to_string();
    world.send_to_ingest(&large).await;
    world.send_to_ingest(&json!({"organization": other.id, "type": "a", "data": {}}).to_string()).await;
    assert_eq!(world.process.ingest().await, 2);
    assert!(world.ingest_messages().is_empty());
    let letters = world.take_ingest_dead_letters().await;
    let [(body, [reason, ..])] = &letters[..] else { panic!("{}", letters.len()) };
    assert_eq!((body, reason.as_str()), (&large, "quota_exceeded"));
    assert_eq!(tenant.get("/events").await.data(200), json!([]));
    assert_eq!(other.get("/events").await.data(200).as_array().unwrap().len(), 1);
}
