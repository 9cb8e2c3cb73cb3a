//! The reads of processes that publish for an organization with thousands of endpoints: when they start, when their
//! cached targets expire, and when endpoints are created meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Budget, Budgets, Receiver, Tenant, UsedUp, World};

/// The load is scaled down: a fifth of 8,000 endpoints and a third of 51 processes, against a fifteenth of the units.
const ENDPOINTS: usize = 8_000 / 5;
const PROCESSES: usize = 51 / 3;
const SCALE: u32 = 5 * 3;

/// All processes publish concurrently.
async fn publish(publishers: &[Tenant], deliveries: usize) {
    for ids in join_all(publishers.iter().map(Tenant::publish)).await {
        assert_eq!(ids.len(), deliveries);
    }
}

#[tokio::test]
async fn many_processes_that_start_and_the_creation_of_one_of_thousands_of_endpoints_exceed_the_limit_of_no_key() {
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
    // The cached targets have expired.
    world.advance(Duration::from_secs(30));
    publish(&publishers, 3).await;
    assert_eq!(budgets.used_up().await, [""; 0]);
}
