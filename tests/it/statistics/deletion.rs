//! Statistics of deleted organizations and endpoints.

use std::time::Duration;

use super::total;
use crate::support::{Receiver, Tenant, World, text};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lambda may freeze a process for hours, and let it write its counts at its end.
#[tokio::test]
async fn a_count_that_is_older_than_ten_minutes_is_dropped_if_its_organization_was_deleted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (deleted, counted) = (world.another_process(), world.another_process());
    for process in [&counted, &deleted] {
        tenant.publish().await;
        process.drain().await;
    }
    world.advance(Duration::from_secs(13 * 60));
    counted.meter.write_all_usage().await;
    assert_eq!(total(&tenant, &endpoint).await["attempts"]["success"], 1);
    let path = format!("/v1/organizations/{}?force=true", tenant.id);
    world.platform().delete(&path).await.data(202);
    let before = world.items("stats").await;
    deleted.meter.write_all_usage().await;
    assert_eq!(world.items("stats").await, before);
}

/// The item would otherwise be removed before the statistics that it leads to.
#[tokio::test]
async fn the_deletion_of_an_organization_finds_the_statistics_of_endpoints_that_were_deleted_before() {
    let world = World::with(&[("RETENTION_DAYS", "1")]).await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    world.process.meter.write_all_usage().await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    world.advance(30 * DAY);
    world.expire_items().await;
    assert_eq!(world.items("stats").await.len(), 1);
    delete_organization(&world, &tenant).await;
    assert!(world.items("stats").await.is_empty());
}

/// The message of the delivery was lost, so it is not final until its event is expunged.
#[tokio::test]
async fn the_deletion_of_an_organization_finds_statistics_that_are_younger_than_the_deletion_of_their_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let event = tenant.publish_data(&serde_json::json!({})).await;
    world.take_messages().await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    world.advance(29 * DAY);
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    world.advance(28 * DAY);
    world.expire_items().await;
    assert_eq!(world.items("stats").await.len(), 1);
    delete_organization(&world, &tenant).await;
    assert!(world.items("stats").await.is_empty());
}

async fn delete_organization(world: &World, tenant: &Tenant) {
    let path = format!("/v1/organizations/{}?force=true", tenant.id);
    world.platform().delete(&path).await.data(202);
    for _ in 0..4 {
        world.advance(Duration::from_secs(20 * 60));
        world.sweep().await;
    }
}
