//! Cuts of the suspension of an endpoint, and of what follows it.

use std::time::Duration;

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, poll, sweep};
use crate::support::{Process, World};
use crate::suspension::{failing, suspend};

#[tokio::test]
async fn a_failure_that_suspends_survives_every_cut() {
    let prepare = async |world: World| {
        let (tenant, _, receiver) = failing(&world, 11).await;
        let mut scene = Scene::new(world, tenant, [receiver]);
        scene.listening_to(json!(["webhook.suspended"])).await;
        for _ in 0..9 {
            scene.tenant.publish().await;
        }
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(61));
        let last = scene.tenant.publish().await;
        scene.expect(last, &["exhausted", "success"], 2);
        scene
    };
    // The deliveries are parked or attempted, depending on whether the suspension was written.
    let publish_more = async |scene: &mut Scene, _: Option<()>| {
        let more = scene.tenant.publish().await;
        scene.expect(more, &["exhausted", "success"], 2);
    };
    assert_eq!(cut_everywhere(prepare, poll, publish_more).await, 8);
}

/// A suspended endpoint with three parked deliveries. One of them is due as a half-open probe.
async fn suspended(world: World, failures: usize, status: &'static [&'static str], attempts: usize) -> Scene {
    let (tenant, _, receiver) = failing(&world, failures).await;
    suspend(&world, &tenant).await;
    let mut scene = Scene::new(world, tenant, [receiver]);
    for _ in 0..3 {
        let parked = scene.tenant.publish().await;
        scene.expect(parked, status, attempts);
    }
    scene.world.advance(Duration::from_secs(61));
    scene
}

#[tokio::test]
async fn a_successful_probe_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = suspended(world, 10, &["success"], 1).await;
        scene.world.sweep().await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 6, "receive, request, record, item, endpoint, delete");
}

#[tokio::test]
async fn a_failed_probe_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = suspended(world, 11, &["success"], 2).await;
        scene.world.sweep().await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 5, "receive, request, record, item, delete");
}

#[tokio::test]
async fn sending_a_probe_survives_every_cut() {
    let prepare = async |world: World| suspended(world, 10, &["success"], 1).await;
    assert_eq!(cut_everywhere(prepare, sweep, nothing).await, 3, "the next probe's time, lease, send");
}

#[tokio::test]
async fn disabling_a_suspended_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let mut scene = suspended(world, 1_000, &["failed"], 1).await;
        scene.listening_to(json!(["webhook.disabled"])).await;
        scene.world.sweep().await;
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(5 * 86_400));
        scene
    };
    // The first or the second run sends the announcement and fails the held deliveries.
    let twice = async |process: &Process, _: &Scene| {
        process.sweep().await;
        process.sweep().await;
    };
    let calls = cut_everywhere(prepare, twice, nothing).await;
    assert_eq!(
        calls, 11,
        "disable, announced event, its delivery, its lease, send, three failures, the end of the pass, statistics, \
         usage"
    );
}
