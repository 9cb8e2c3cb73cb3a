//! Cuts of the consumer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::scene::{Scene, cut_everywhere, endpoint};
use super::{NOTES, nothing, poll, resume_all};
use crate::support::{Answer, Process, Receiver, World, delivery_ids, text};

#[tokio::test]
async fn a_success_survives_every_cut() {
    let prepare = async |world: World| Scene::with_delivery(world, json!({}), [], &["success"], 1).await.0;
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 4, "receive, request, record, delete");
}

#[tokio::test]
async fn isolated_tasks_survive_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, _) = Scene::with_delivery(world, json!({}), [], &["success"], 1).await;
        assert_eq!(scene.world.take_messages().await.len(), 1, "the message was received without a result");
        scene.world.advance(Duration::from_secs(VISIBILITY_SECONDS.into()));
        let fresh = scene.tenant.publish().await;
        scene.expect(fresh, &["success"], 1);
        scene
    };
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 7, "receive, request, record, item of the late attempt, request, record, delete");
}

#[tokio::test]
async fn a_short_retry_survives_every_cut() {
    let prepare =
        async |world: World| Scene::with_delivery(world, json!({}), [Answer::status(500)], &["success"], 2).await.0;
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 4 + NOTES, "receive, request, record, note, hide");
}

#[tokio::test]
async fn a_delayed_copy_survives_every_cut() {
    let fields = json!({"retry_schedule": [600]});
    let prepare = async |world: World| {
        Scene::with_delivery(world, fields.clone(), [Answer::status(500)], &["success"], 2).await.0
    };
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 5 + NOTES, "receive, request, send the copy, record, note, delete");
}

#[tokio::test]
async fn forwarding_to_the_slow_lane_survives_every_cut() {
    let prepare = async |world: World| {
        let (scene, endpoint) = Scene::with_delivery(world, json!({}), [], &["success"], 1).await;
        scene.world.set_lane(&scene.tenant, &endpoint, Lane::Slow).await;
        scene
    };
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 3, "receive, send, delete");
}

#[tokio::test]
async fn an_attempt_in_the_slow_lane_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), [Answer::status(500)]).await;
        scene.world.set_lane(&scene.tenant, &endpoint, Lane::Slow).await;
        let published = scene.tenant.publish().await;
        scene.expect(published, &["success"], 2);
        scene
    };
    let poll_slow = async |process: &Process, _: &Scene| {
        process.poll_of(Lane::Slow, 10).await;
    };
    let calls = cut_everywhere(prepare, poll_slow, nothing).await;
    assert_eq!(calls, 4 + NOTES, "receive, request, record, note, hide");
}

#[tokio::test]
async fn a_long_wait_survives_every_cut() {
    let fields = json!({"retry_schedule": [3600]});
    let prepare = async |world: World| {
        Scene::with_delivery(world, fields.clone(), [Answer::status(500)], &["success"], 2).await.0
    };
    // The key of a parked delivery is long, so the response does not fit into the record.
    let calls = cut_everywhere(prepare, poll, nothing).await;
    assert_eq!(calls, 5 + NOTES, "receive, request, record, the attempt's item, note, delete");
}

#[tokio::test]
async fn an_exhausted_delivery_survives_every_cut_and_is_announced_without_a_cut() {
    let prepare = async |world: World| {
        let fields = json!({"retry_schedule": []});
        let failures = vec![Answer::status(500); 2];
        let mut scene = Scene::with_delivery(world, fields, failures, &["exhausted"], 1).await.0;
        scene.listening_to(json!(["delivery.exhausted"])).await;
        scene
    };
    let announced = async |scene: &mut Scene, answer: Option<()>| {
        if answer.is_some() {
            scene.world.run_to_the_end().await;
            assert_eq!(scene.heard("delivery.exhausted"), 1);
        }
    };
    let calls = cut_everywhere(prepare, poll, announced).await;
    assert_eq!(calls, 6 + NOTES, "receive, request, record, announced event, its delivery, note, delete");
}

#[tokio::test]
async fn a_message_for_a_paused_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let (scene, endpoint) = Scene::with_delivery(world, json!({}), [], &["success"], 1).await;
        scene.tenant.set_status(&endpoint, "paused").await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, resume_all).await, 3, "receive, park, delete");
}

#[tokio::test]
async fn a_message_for_a_deleted_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let (scene, endpoint) = Scene::with_delivery(world, json!({}), [], &["failed"], 0).await;
        scene.tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 3, "receive, fail, delete");
}

#[tokio::test]
async fn a_410_response_survives_every_cut() {
    let prepare = async |world: World| {
        let gone = vec![Answer::status(410); 2];
        let mut scene = Scene::with_delivery(world, json!({}), gone, &["failed"], 1).await.0;
        scene.listening_to(json!(["webhook.disabled"])).await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 7);
}

#[tokio::test]
async fn a_large_body_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, _) = Scene::with_endpoint(world, json!({}), [Answer::status(500)]).await;
        let event = scene.tenant.publish_data(&json!({"text": "x".repeat(60 * 1024)})).await;
        scene.expect(delivery_ids(&event), &["success"], 2);
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 4 + NOTES);
}

#[tokio::test]
async fn a_mixed_batch_of_ten_survives_every_cut() {
    let calls = cut_everywhere(mixed_batch, poll, resume_all).await;
    assert!(calls >= 16, "{calls}: eight records may share calls");
}

/// Ten messages: successes, short and long retries, a paused and a deleted endpoint, and an endpoint that responds with
/// 410.
async fn mixed_batch(world: World) -> Scene {
    let tenant = world.tenant().await;
    let mut scene = Scene::new(world, tenant, []);
    let mut kinds = BTreeMap::new();
    for kind in ["ok", "ok", "ok", "ok", "short", "short", "long", "paused", "deleted", "gone"] {
        let (answers, schedule) = match kind {
            "short" => (vec![Answer::status(500)], json!([1])),
            "long" => (vec![Answer::status(500)], json!([3600])),
            "gone" => (vec![Answer::status(410); 2], json!([])),
            _ => (vec![], json!([])),
        };
        let receiver = Receiver::scripted(answers).await;
        let endpoint = endpoint(&scene.tenant, &receiver, json!({"retry_schedule": schedule})).await;
        scene.receivers.push(receiver);
        kinds.insert(endpoint.id.clone(), (kind, endpoint));
    }
    let event = scene.tenant.publish_data(&json!({})).await;
    for delivery in event["webhook_deliveries"].as_array().unwrap() {
        let (kind, endpoint) = &kinds[text(&delivery["endpoint_id"])];
        let (statuses, attempts): (&[_], _) = match *kind {
            "short" | "long" => (&["success"], 2),
            "deleted" => (&["failed"], 0),
            "gone" => (&["failed"], 1),
            _ => (&["success"], 1),
        };
        scene.expect([text(&delivery["id"]).to_owned()], statuses, attempts);
        match *kind {
            "paused" => scene.tenant.set_status(endpoint, "paused").await,
            "deleted" => {
                scene.tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
            }
            _ => {}
        }
    }
    scene
}
