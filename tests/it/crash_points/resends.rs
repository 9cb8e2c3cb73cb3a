//! Cuts of resends. A resend that is cut is repeated, and nothing else is.

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, only_endpoint, poll};
use crate::support::{Answer, Process, World, text};

/// An exhausted delivery. The receiver gives this answer to its resends.
async fn exhausted(world: World, status: u16, ends: &'static [&'static str]) -> Scene {
    let answers = [500, status, status].map(Answer::status);
    // A resend that is repeated may be recorded twice.
    let fields = json!({"retry_schedule": []});
    let (scene, _) = Scene::with_delivery(world, fields, answers, ends, 3).await;
    scene.world.drain().await;
    scene
}

async fn resend(scene: &Scene, process: &Process) {
    let deliveries = scene.tenant.deliveries(&only_endpoint(scene).await).await;
    let path = format!("/webhooks/deliveries/{}/resend", text(&deliveries[0]["id"]));
    scene.tenant.at(process).post(&path, &json!({})).await.data(202);
}

#[tokio::test]
async fn a_resend_that_succeeds_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = exhausted(world, 200, &["success"]).await;
        resend(&scene, &scene.world.process).await;
        scene
    };
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 6, "receive, request, record, list, item, delete");
}

#[tokio::test]
async fn a_resend_that_fails_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = exhausted(world, 500, &["exhausted"]).await;
        resend(&scene, &scene.world.process).await;
        scene
    };
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 5, "receive, request, list, item, delete");
}

#[tokio::test]
async fn requesting_a_resend_survives_every_cut() {
    let prepare = async |world: World| exhausted(world, 200, &["exhausted", "success"]).await;
    let handle = async |process: &Process, scene: &Scene| resend(scene, process).await;
    assert_eq!(cut_everywhere(prepare, handle, nothing).await, 2, "use of the key, send");
}
