//! Cuts of resends. A resend that is cut is repeated, and nothing else is.

use serde_json::json;

use super::scene::{Scene, cut_everywhere};
use super::{nothing, only_endpoint, resume_all};
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

async fn poll_resends(process: &Process, _: &Scene) {
    process.poll_resends().await;
}

#[tokio::test]
async fn a_resend_that_succeeds_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = exhausted(world, 200, &["success"]).await;
        resend(&scene, &scene.world.process).await;
        scene
    };
    let calls = cut_everywhere(prepare, poll_resends, nothing).await;
    assert_eq!(calls, 6, "receive, request, record, list, item, delete");
}

#[tokio::test]
async fn a_resend_that_fails_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = exhausted(world, 500, &["exhausted"]).await;
        resend(&scene, &scene.world.process).await;
        scene
    };
    let calls = cut_everywhere(prepare, poll_resends, nothing).await;
    assert_eq!(calls, 5, "receive, request, list, item, delete");
}

#[tokio::test]
async fn requesting_a_resend_survives_every_cut() {
    let prepare = async |world: World| exhausted(world, 200, &["exhausted", "success"]).await;
    let handle = async |process: &Process, scene: &Scene| resend(scene, process).await;
    assert_eq!(cut_everywhere(prepare, handle, nothing).await, 3, "use of the key, quota, send");
}

/// Each row is a state of the delivery before the resend: the schedule, the answer to the first attempt, and whether the
/// endpoint is paused.
#[tokio::test]
async fn a_resend_of_a_delivery_in_any_state_survives_every_cut() {
    for (state, schedule, first, is_paused) in [
        ("pending", json!([]), None, false),
        ("waiting", json!([20]), Some(500), false),
        ("waiting long", json!([3_600]), Some(500), false),
        ("held", json!([]), None, true),
        ("success", json!([]), Some(200), false),
        ("failed", json!([]), Some(410), false),
    ] {
        let prepare = async |world: World| {
            let fields = json!({"retry_schedule": schedule});
            let (mut scene, endpoint) = Scene::with_endpoint(world, fields, first.map(Answer::status)).await;
            if is_paused {
                scene.tenant.set_status(&endpoint, "paused").await;
            }
            let id = scene.tenant.publish_one().await;
            // The attempt of the schedule, the resend, and either of them once more.
            scene.expect([id], &["success"], 4);
            if first.is_some() {
                scene.world.drain().await;
            }
            resend(&scene, &scene.world.process).await;
            scene
        };
        let calls = cut_everywhere(prepare, poll_resends, resume_all).await;
        assert!(calls >= 5, "{state}: {calls}");
    }
}
