//! The time of the next attempt in responses is never in the past, in any dialect.

use std::time::Duration;

use serde_json::Value;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Endpoint, Receiver, Tenant, World, text};

/// The next attempt in every response that shows the delivery. Asserts that all of them are equal.
async fn shown(tenant: &Tenant, endpoint: &Endpoint, delivery: &str) -> Value {
    let own = tenant.delivery(delivery).await;
    let listed = tenant.deliveries(endpoint).await.remove(0);
    let event = format!("/events/{}", text(&own["event_id"]));
    let of_event = tenant.get(&event).await.data(200)["webhook_deliveries"][0].clone();
    let of_events = tenant.get("/events").await.data(200)[0]["webhook_deliveries"][0].clone();
    let page = tenant.get(&format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id)).await.body;
    let paged = tenant.get(&format!("/v1/webhook-deliveries/{delivery}")).await.body;
    for other in [&listed, &of_event, &of_events] {
        assert_eq!(other["id"], own["id"]);
        assert_eq!(other["next_attempt_at"], own["next_attempt_at"]);
    }
    for other in [&page["results"][0], &paged] {
        assert_eq!(other["id"], own["id"]);
        assert_eq!(other["next_retry_at"], own["next_attempt_at"]);
    }
    own["next_attempt_at"].clone()
}

#[tokio::test]
async fn the_next_attempt_is_in_the_future_or_null() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let fields = serde_json::json!({"url": receiver.url(), "retry_schedule": [60, 3600]});
    let endpoint = tenant.endpoint_with(fields).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    let due = shown(&tenant, &endpoint, &delivery).await;
    assert!(Timestamp::parse(text(&due)).unwrap() > world.clock.now());

    tenant.set_status(&endpoint, "paused").await;
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "paused and in the queue");
    world.advance(Duration::from_secs(120));
    world.drain().await;
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "paused, parked and overdue");

    tenant.set_status(&endpoint, "active").await;
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "leased and overdue");
    world.advance(Duration::from_secs(10));
    world.drain().await;
    let due = shown(&tenant, &endpoint, &delivery).await;
    assert!(Timestamp::parse(text(&due)).unwrap() > world.clock.now(), "parked until it is due");
    world.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "overdue because no sweep ran");
}

#[tokio::test]
async fn a_delivery_of_a_suspended_endpoint_or_organization_has_no_next_attempt() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let fields = serde_json::json!({"url": receiver.url(), "retry_schedule": [70, 70, 70]});
    let endpoint = tenant.endpoint_with(fields).await;
    let mut delivery = String::new();
    for _ in 0..10 {
        delivery = tenant.publish_one().await;
    }
    world.drain().await;
    assert_ne!(shown(&tenant, &endpoint, &delivery).await, Value::Null);
    let organization = format!("/v1/organizations/{}", tenant.id);
    for (status, is_null) in [("suspended", true), ("active", false)] {
        world.platform().patch(&organization, &serde_json::json!({"status": status})).await.data(200);
        world.advance(Duration::from_secs(6));
        assert_eq!(shown(&tenant, &endpoint, &delivery).await.is_null(), is_null, "{status}");
    }
    world.advance(Duration::from_secs(80));
    world.drain().await;
    let item = world.items("endpoint").await.remove(0);
    assert!(item.contains_key("suspended_since"));
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "suspended and in the queue");
    world.advance(Duration::from_secs(80));
    world.drain().await;
    assert_eq!(shown(&tenant, &endpoint, &delivery).await, Value::Null, "suspended and parked");
}
