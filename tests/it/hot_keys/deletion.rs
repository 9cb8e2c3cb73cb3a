//! The deletion of an organization, which removes as fast as the sweep can.

use std::time::Duration;

use serde_json::json;
use shared::domain::job::{BEGINS_AFTER, SECOND_PASS_AFTER};

use super::SCALE;
use crate::support::{Budget, Budgets, EVENT_TYPE, Fate, Receiver, UsedUp, World, over_network_by_call};

/// More endpoints, each with a job, than a key has write units in a second.
const ENDPOINTS: usize = 70;
const BATCHES: usize = 4;
/// The shortest time of a page: it reads, removes and stores its progress one after the other, and each of these calls
/// takes DynamoDB 5 ms; and the processor is busy with more than a hundred calls.
const PAGE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn the_deletion_of_an_organization_exceeds_the_limit_of_no_key() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for _ in 0..ENDPOINTS {
        let fields = json!({"url": receiver.url(), "signing_algorithm": "ed25519"});
        tenant.set_status(&tenant.endpoint_with(fields).await, "disabled").await;
    }
    let paused = tenant.endpoint(&receiver).await;
    tenant.set_status(&paused, "paused").await;
    for _ in 0..BATCHES {
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); 100];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
    world.platform().delete(&format!("/v1/organizations/{}?force=true", tenant.id)).await.data(202);

    let clock = world.clock.clone();
    let sdk = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() == "PutItem job, advanced" {
            clock.advance(PAGE * SCALE);
        }
        Fate::Pass
    });
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(SCALE), UsedUp::Recorded);
    let sweeper = world.process_on(&budgets.over(&sdk));
    world.advance(BEGINS_AFTER);
    for _ in 0..4 {
        world.whole_sweep(&sweeper).await.unwrap();
        world.advance(SECOND_PASS_AFTER);
    }
    assert_eq!(budgets.used_up().await, [""; 0]);
    let left = ["organization", "endpoint", "event", "delivery", "job", "public_key"];
    for entity in left {
        assert_eq!(world.items(entity).await.len(), 0, "{entity}");
    }
}
