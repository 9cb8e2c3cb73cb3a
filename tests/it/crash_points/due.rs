//! Cuts of a sweep that sends due deliveries.

use std::time::Duration;

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, publish, sweep, two_sweeps};
use crate::support::{Answer, World};

/// Three parked deliveries that are due.
async fn due(world: World) -> Scene {
    let failures = vec![Answer::status(500); 3];
    let (mut scene, _) = Scene::with_endpoint(world, json!({"retry_schedule": [3600]}), failures).await;
    publish(&mut scene, 3, &["success"], 2).await;
    scene.world.drain().await;
    scene.world.advance(Duration::from_secs(4000));
    scene
}

#[tokio::test]
async fn a_sweep_of_due_deliveries_survives_every_cut() {
    let calls = cut_everywhere(due, sweep, nothing).await;
    // The calls are a lease for each of three partitions, and at least one send.
    assert!(calls >= 4, "{calls}");
}

#[tokio::test]
async fn two_concurrent_sweeps_survive_every_cut_of_one() {
    assert!(cut_everywhere(due, two_sweeps, nothing).await >= 1);
}
