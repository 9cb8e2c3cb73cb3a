//! Cuts of the jobs of the sweep, and of the request that resumes an endpoint.

use std::time::Duration;

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, only_endpoint, publish, resume_all, sweep, without_listing};
use crate::support::{Process, World};

/// Parked deliveries of a resumed endpoint. The request that resumed it could not release them.
async fn resumed(world: World) -> Scene {
    let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
    scene.tenant.set_status(&endpoint, "paused").await;
    publish(&mut scene, 3, &["success"], 1).await;
    without_listing(&scene).set_status(&endpoint, "active").await;
    assert!(scene.world.records().await.values().all(|record| record.mark.as_ref().unwrap().starts_with("held")));
    scene
}

#[tokio::test]
async fn a_release_survives_every_cut() {
    assert_eq!(cut_everywhere(resumed, sweep, nothing).await, 5, "three leases, send, the end of the pass");
}

#[tokio::test]
async fn the_last_pass_of_a_release_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = resumed(world).await;
        scene.world.advance(Duration::from_secs(121));
        scene
    };
    assert_eq!(cut_everywhere(prepare, sweep, nothing).await, 5, "three leases, send, the end of the job");
}

#[tokio::test]
async fn resuming_an_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
        scene.tenant.set_status(&endpoint, "paused").await;
        publish(&mut scene, 3, &["success"], 1).await;
        scene
    };
    let handle = async |process: &Process, scene: &Scene| {
        let endpoint = only_endpoint(scene).await;
        scene.tenant.at(process).set_status(&endpoint, "active").await;
    };
    let calls = cut_everywhere(prepare, handle, resume_all).await;
    assert_eq!(calls, 11, "use of the key, endpoint and job, four states, three leases, send, the end of the pass");
}

#[tokio::test]
async fn failing_the_parked_deliveries_of_a_disabled_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
        scene.tenant.set_status(&endpoint, "paused").await;
        publish(&mut scene, 3, &["failed"], 0).await;
        scene.tenant.set_status(&endpoint, "disabled").await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, sweep, nothing).await, 5, "three failures, the end of the pass, statistics");
}

#[tokio::test]
async fn send_all_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, _) = Scene::with_endpoint(world, json!({}), []).await;
        publish(&mut scene, 3, &["success"], 1).await;
        scene.world.purge().await;
        scene.world.advance(Duration::from_secs(1));
        let (sdk, clock) = (scene.world.sdk(), scene.world.clock.clock());
        pigeonpost::send_all(&sdk, scene.world.table(), &clock).await.unwrap();
        scene
    };
    assert_eq!(cut_everywhere(prepare, sweep, nothing).await, 5, "three leases, send, the end of the pass");
}
