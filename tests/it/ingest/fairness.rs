//! Message groups: an organization with a backlog does not delay others.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{message, numbers, subscribed};
use crate::support::{Receiver, World};

/// 50 messages of one organization, and then one of another.
async fn received_with_the_first_batch(is_grouped: bool) -> bool {
    let (world, _receiver, busy) = subscribed().await;
    let (other, receiver) = (world.tenant().await, Receiver::new().await);
    other.endpoint(&receiver).await;
    let send = async |group: &str, body: String| {
        if is_grouped { world.send_to_ingest_as(group, &body).await } else { world.send_to_ingest(&body).await }
    };
    for number in 0..50 {
        send(&busy.id, message(&busy, number).to_string()).await;
    }
    send(&other.id, message(&other, 1).to_string()).await;
    assert_eq!(world.process.ingest().await, 10);
    world.drain().await;
    numbers(&receiver) == [1]
}

#[tokio::test]
async fn a_backlog_does_not_delay_the_messages_of_another_group() {
    assert!(received_with_the_first_batch(true).await);
    assert!(!received_with_the_first_batch(false).await, "without groups the queue is in order");
}

/// The copy of a message of a group that has the others in flight is received after those of other groups.
#[tokio::test]
async fn a_delayed_copy_stays_in_its_group() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    world.send_to_ingest_as(&tenant.id, &message(&tenant, 1).to_string()).await;
    for _ in 0..2 {
        while tenant.post("/events", &json!({"type": "a", "data": {}})).await.status == 202 {}
        assert_eq!(world.process.ingest().await, 1);
        world.advance(Duration::from_secs(1));
    }
    world.advance(Duration::from_secs(6));
    assert_eq!(world.groups_of_ingest_messages().await, [tenant.id.as_str()]);
}
