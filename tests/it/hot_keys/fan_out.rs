//! What the processes of an organization with thousands of endpoints read when they start, when what they remember is too
//! old, and when endpoints are made meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Budget, Budgets, Receiver, Tenant, UsedUp, World};

/// A fifth of 8,000 endpoints and a third of 51 processes, against a fifteenth of the units.
const ENDPOINTS: usize = 8_000 / 5;
const PROCESSES: usize = 51 / 3;
const SCALE: u32 = 5 * 3;

/// Each process publishes, and all of them at once.
async fn publish(publishers: &[Tenant], deliveries: usize) {
    for ids in join_all(publishers.iter().map(Tenant::publish)).await {
        assert_eq!(ids.len(), deliveries);
    }
}

#[tokio::test]
async fn no_key_is_used_up_when_many_processes_start_and_when_one_of_thousands_of_endpoints_is_made() {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    world.make_endpoints(&tenant, ENDPOINTS, &["other.type"]).await;
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(SCALE), UsedUp::Recorded);
    let maker = tenant.at(&budgets.process(&world));
    let publishers: Vec<_> = (0..PROCESSES).map(|_| tenant.at(&budgets.process(&world))).collect();
    let fields = json!({"url": receiver.url(), "status": "paused"});
    publish(&publishers, 0).await;
    for created in 1..4 {
        world.advance(Duration::from_secs(1));
        maker.endpoint_with(fields.clone()).await;
        publish(&publishers, created).await;
    }
    // What they remember is too old by now.
    world.advance(Duration::from_secs(30));
    publish(&publishers, 3).await;
    assert_eq!(budgets.used_up().await, [""; 0]);
}
