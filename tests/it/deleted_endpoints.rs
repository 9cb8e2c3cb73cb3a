//! What is left of a deleted endpoint: its deliveries fail, and its tombstone and they go with time.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::job::SETTLED;
use shared::domain::time::Timestamp;

use crate::support::{Fate, Gate, Receiver, World, over_network};

const DAY: Duration = Duration::from_secs(86_400);

fn attribute<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

#[tokio::test]
async fn what_a_publisher_writes_that_remembers_deleted_endpoints_fails_and_leaves_nothing_in_the_index() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let paused = tenant.endpoint(&receiver).await;
    tenant.set_status(&paused, "paused").await;
    let active = tenant.endpoint(&receiver).await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (writing, behind) = (reached.clone(), gate.clone());
    let network = over_network(&world.sdk(), move |operation| {
        if operation != "BatchWriteItem" {
            return Fate::Pass;
        }
        writing.open();
        Fate::Behind(behind.clone())
    });
    let slow = tenant.at(&world.process_on(&network));
    let deleting = async {
        reached.pass().await;
        for endpoint in [&paused, &active] {
            tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        }
        // A run that finds nothing yet does not end the jobs.
        world.sweep().await;
        gate.open();
    };
    let (published, ()) = tokio::join!(slow.publish(), deleting);
    assert_eq!(published.len(), 2);
    world.drain().await;
    world.advance(SETTLED);
    world.sweep().await;

    let deliveries = world.items("delivery").await;
    assert_eq!(deliveries.len(), 2);
    for delivery in &deliveries {
        assert_eq!(["status", "error"].map(|name| attribute(delivery, name)), ["failed", "endpoint_deleted"]);
    }
    assert!(receiver.received().is_empty());
    let jobs = world.items("job").await;
    assert_eq!(jobs.iter().map(|job| attribute(job, "status")).collect::<Vec<_>>(), ["done"; 2]);
    let partitions = world.marks().await;
    assert!(partitions.iter().all(|(partition, _)| partition.starts_with("failed#")), "{partitions:?}");

    let tombstones = world.items("deleted_endpoint").await;
    assert_eq!(tombstones.len(), 2);
    for tombstone in &tombstones {
        let deleted_at = Timestamp::parse(attribute(tombstone, "deleted_at")).unwrap();
        let expires_at: i64 = tombstone["expires_at"].as_n().unwrap().parse().unwrap();
        assert_eq!(expires_at, deleted_at.plus(77 * DAY).unix_seconds(), "15 days after the last statistics");
    }
    world.advance(31 * DAY);
    world.expire_items().await;
    assert_eq!(world.marks().await, []);
    assert_eq!((world.items("delivery").await.len(), world.items("deleted_endpoint").await.len()), (0, 2));
    world.advance(47 * DAY);
    world.expire_items().await;
    assert_eq!(world.items("deleted_endpoint").await.len(), 0);
}
