//! The rate at which an organization's messages are received does not depend on the number of its endpoints.

use serde_json::json;

use crate::support::{Answer, Receiver, World};

/// More than a consumer receives in one batch.
const ENDPOINTS: usize = 30;

#[tokio::test]
async fn an_organization_with_many_endpoints_does_not_delay_another_one() {
    let world = World::new().await;
    let (many, one) = (world.tenant().await, world.tenant().await);
    let (receiver, waiting) =
        (Receiver::always(Answer::status(200)).await, Receiver::always(Answer::status(200)).await);
    for _ in 0..ENDPOINTS {
        many.endpoint(&receiver).await;
    }
    one.endpoint(&waiting).await;
    many.publish().await;
    one.publish_one().await;
    assert_eq!(world.another_process().poll().await, 10);
    assert_eq!(waiting.received().len(), 1, "the newest of {} messages is in the first batch", ENDPOINTS + 1);
}

#[tokio::test]
async fn an_endpoint_with_a_backlog_does_not_delay_most_endpoints_of_its_organization() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (receiver, waiting) =
        (Receiver::always(Answer::status(200)).await, Receiver::always(Answer::status(200)).await);
    tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["busy"]})).await;
    // With this many endpoints, the probability that all are in the message group of the busy one is 1 in 8^20.
    for _ in 0..20 {
        tenant.endpoint_with(json!({"url": waiting.url(), "event_types": ["quiet"]})).await;
    }
    for event_type in ["busy"; ENDPOINTS].into_iter().chain(["quiet"]) {
        tenant.post("/events", &json!({"type": event_type, "data": {}})).await.data(202);
    }
    assert_eq!(world.another_process().poll().await, 10);
    assert!(!waiting.received().is_empty());
}
