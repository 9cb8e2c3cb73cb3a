//! The cost of reading targets. Unchanged targets cost nothing; a change costs a read of the endpoint's group.

use crate::meter::Bill;
use serde_json::json;

use super::{Metered, calls, event};
use crate::support::{Answer, Receiver, Tenant, World};

/// An organization with an endpoint that gets the events, and a number of other endpoints that do not.
async fn with_others(others: usize) -> (World, Receiver, Tenant) {
    let (world, receiver) = (World::with(&[("MAX_ENDPOINTS", "8000")]).await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    world.make_endpoints(&tenant, others, &["order.created", "order.cancelled"]).await;
    (world, receiver, tenant)
}

async fn publish(metered: &Metered, tenant: &Tenant) -> Bill {
    metered.meter.take();
    tenant.at(&metered.process).post("/events", &event(1)).await.data(202);
    metered.meter.take()
}

#[tokio::test]
async fn publishing_costs_the_same_with_any_number_of_endpoints_that_do_not_subscribe() {
    for others in [0, 9, 99, 1_999] {
        let (world, _receiver, tenant) = with_others(others).await;
        let metered = Metered::new(&world);
        let cold = publish(&metered, &tenant).await;
        let groups = if others < 64 { 1 } else { 16 };
        assert!(cold.calls["Query"] <= groups, "{others} others: {cold:?}");
        // A target with two subscriptions has about 250 bytes.
        let targets = f64::from(u32::try_from(others).unwrap()) * 250.0 / 4_096.0;
        // The key, the state, and the revision of the catalogue.
        assert!(cold.read_units <= 2.5 + f64::from(groups) + targets, "{others} others: {cold:?}");

        let warm = publish(&metered, &tenant).await;
        assert_eq!(warm.calls, calls([("BatchWriteItem", 1), ("GetItem", 1), ("SendMessageBatch", 1)]));
        assert_eq!((warm.read_units, warm.write_units, warm.queue_requests), (1.0, 2.0, 1), "{others} others");
    }
}

#[tokio::test]
async fn a_publisher_that_starts_for_one_event_reads_three_and_a_half_units() {
    let (world, _receiver, tenant) = with_others(9).await;
    let bill = publish(&Metered::new(&world), &tenant).await;
    let expected = [("BatchWriteItem", 1), ("GetItem", 3), ("PutItem", 1), ("Query", 1), ("SendMessageBatch", 1)];
    assert_eq!(bill.calls, calls(expected));
    let units = (bill.read_units, bill.write_units);
    assert_eq!(units, (3.5, 3.0), "key, state, targets, revision of the catalogue; event, list, use of the key");
}

#[tokio::test]
async fn after_a_change_a_publisher_reads_only_the_group_of_the_endpoint() {
    let (world, receiver, tenant) = with_others(999).await;
    let metered = Metered::new(&world);
    publish(&metered, &tenant).await;
    let writer = Metered::new(&world);
    tenant.at(&writer.process).get("/webhooks/endpoints?limit=1").await.data(200);
    writer.meter.take();
    tenant.at(&writer.process).endpoint_with(json!({"url": receiver.url(), "event_types": ["order.created"]})).await;
    let bill = writer.meter.take();
    assert_eq!(bill.calls["UpdateItem"], 4, "the copies of the state");
    assert_eq!(bill.write_units, 4.0 + 4.0, "the endpoint and its target in a transaction, and the copies");
    let bill = publish(&metered, &tenant).await;
    assert_eq!(bill.calls["Query"], 1);
    assert!(bill.read_units <= 1.0 + 8.0, "{bill:?}");
    assert!(!publish(&metered, &tenant).await.calls.contains_key("Query"));
}

#[tokio::test]
async fn exhausted_deliveries_cost_no_read_of_endpoints_if_none_subscribes_to_them() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let metered = Metered::new(&world);
    tenant.publish().await;
    let first = metered.deliver(1).await;
    assert_eq!(first.calls["Query"], 1);
    for _ in 0..10 {
        tenant.post("/events/batch", &super::batch(100)).await.data(202);
    }
    metered.meter.take();
    for _ in 0..100 {
        assert_eq!(metered.process.poll().await, 10);
    }
    let bill = metered.meter.take();
    assert!(!bill.calls.contains_key("Query"), "{bill:?}");
    // The endpoint is read once and then cached.
    assert!(!bill.calls.contains_key("GetItem") || bill.calls["GetItem"] <= 2, "{bill:?}");
    assert_eq!(world.records().await.values().filter(|record| record.status == "exhausted").count(), 1_001);
}
