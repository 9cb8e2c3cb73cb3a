//! Cuts of recoveries and manual retries.

use std::time::Duration;

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, only_endpoint, publish, sweep, without};
use crate::support::{Answer, Endpoint, Process, Reply, Tenant, World};

/// Exhausted deliveries of an endpoint whose receiver works again.
async fn exhausted(world: World, count: usize) -> (Scene, Endpoint) {
    let failures = vec![Answer::status(500); count];
    let (mut scene, endpoint) = Scene::with_endpoint(world, json!({"retry_schedule": []}), failures).await;
    publish(&mut scene, count, &["success"], 2).await;
    scene.world.drain().await;
    // A recovery does not include events that are published in its own millisecond.
    scene.world.advance(Duration::from_secs(1));
    (scene, endpoint)
}

async fn recover(tenant: &Tenant, endpoint: &Endpoint) -> Reply {
    tenant.post(&format!("{}/recover", endpoint.path()), &json!({"since": "2020-01-01T00:00:00Z"})).await
}

#[tokio::test]
async fn a_recovery_in_progress_survives_every_cut() {
    let prepare = async |world: World| {
        let (scene, endpoint) = exhausted(world, 3).await;
        recover(&without(&scene, "SendMessageBatch"), &endpoint).await;
        assert_eq!(scene.world.begun_jobs("recover").await.len(), 1);
        scene
    };
    assert_eq!(
        cut_everywhere(prepare, sweep, nothing).await,
        4,
        "all deliveries are leased, so only the quota, twice and once, and the end of the pass are written"
    );
}

#[tokio::test]
async fn requesting_a_recovery_survives_every_cut() {
    let prepare = async |world: World| exhausted(world, 3).await.0;
    let handle = async |process: &Process, scene: &Scene| {
        let endpoint = only_endpoint(scene).await;
        recover(&scene.tenant.at(process), &endpoint).await.data(202);
    };
    assert_eq!(cut_everywhere(prepare, handle, recover_the_rest).await, 11);
}

#[tokio::test]
async fn requesting_a_recovery_twice_concurrently_survives_every_cut_of_one() {
    let prepare = async |world: World| exhausted(world, 3).await.0;
    let both = async |process: &Process, scene: &Scene| {
        let endpoint = only_endpoint(scene).await;
        let (tenant, of_other) = (scene.tenant.at(&scene.world.another_process()), endpoint.clone());
        let begun = scene.begun.clone();
        scene.beside.lock().unwrap().push(tokio::spawn(async move {
            begun.pass().await;
            recover(&tenant, &of_other).await.data(202);
        }));
        recover(&scene.tenant.at(process), &endpoint).await.data(202);
    };
    assert!(cut_everywhere(prepare, both, recover_the_rest).await >= 1);
}

/// Requests the recovery again if the first request got no response. Afterwards no recovery is in its first pass, and
/// no delivery is left out.
async fn recover_the_rest(scene: &mut Scene, answer: Option<()>) {
    if answer.is_none() {
        let recovery = recover(&scene.tenant, &only_endpoint(scene).await).await.data(202);
        assert_eq!(recovery["finished"], true);
    }
    assert_eq!(scene.world.begun_jobs("recover").await.len(), 0);
    assert!(scene.world.records().await.values().all(|record| record.status != "exhausted"));
}

#[tokio::test]
async fn a_manual_retry_survives_every_cut() {
    let prepare = async |world: World| exhausted(world, 1).await.0;
    let path = |scene: &Scene| format!("/webhooks/deliveries/{}/retry", scene.expected.keys().next().unwrap());
    let handle = async |process: &Process, scene: &Scene| {
        scene.tenant.at(process).post(&path(scene), &json!({})).await.data(202);
    };
    let ask_again = async |scene: &mut Scene, answer: Option<()>| {
        if answer.is_none() {
            let reply = scene.tenant.post(&path(scene), &json!({})).await;
            assert!([202, 409].contains(&reply.status), "{reply:?}");
        }
    };
    assert_eq!(cut_everywhere(prepare, handle, ask_again).await, 3, "use of the key, lease, send");
}
