//! Cuts of publish requests.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;

use super::scene::{Scene, cut_everywhere, endpoint};
use super::{batch, batch_ids, resume_all};
use crate::support::{Process, Receiver, Reply, Tenant, World, delivery_ids, text};

/// After this time a publish request must have ended.
pub(super) const FIRST_REQUEST_ENDS: Duration = Duration::from_secs(60);
/// The number of events of a publish request. They need more than one request to the table and to the queue.
const PUBLISHED: usize = 25;

async fn publish_with_key(tenant: &Tenant) -> Reply {
    tenant.call(Method::POST, "/events/batch", &[("idempotency-key", "once")], Some(batch(PUBLISHED).to_string())).await
}

fn named_batch() -> Value {
    let mut batch = batch(PUBLISHED);
    for (n, event) in batch["events"].as_array_mut().unwrap().iter_mut().enumerate() {
        event["external_id"] = json!(format!("order-{n}"));
    }
    batch
}

async fn publish_named(tenant: &Tenant, key: &str) -> Reply {
    tenant.call(Method::POST, "/events/batch", &[("idempotency-key", key)], Some(named_batch().to_string())).await
}

/// Two active endpoints and one that is paused until the end.
async fn subscribed(world: World) -> Scene {
    let (mut scene, _) = Scene::with_endpoint(world, json!({}), []).await;
    for status in ["active", "paused"] {
        let receiver = Receiver::new().await;
        endpoint(&scene.tenant, &receiver, json!({"status": status})).await;
        scene.receivers.push(receiver);
    }
    scene
}

#[tokio::test]
async fn a_cut_publish_request_completes_each_delivery_or_does_not_start_it() {
    let handle = async |process: &Process, scene: &Scene| {
        scene.tenant.at(process).post("/events/batch", &batch(PUBLISHED)).await.data(202)
    };
    let accept = async |scene: &mut Scene, answer: Option<Value>| {
        scene.abandoned = answer.is_none();
        resume_all(scene, None).await;
        scene.expect(answer.iter().flat_map(batch_ids), &["success"], 1);
    };
    assert!(cut_everywhere(subscribed, handle, accept).await >= 8);
}

#[tokio::test]
async fn a_publish_request_with_a_key_is_completed_by_its_retry_after_every_cut() {
    let handle = async |process: &Process, scene: &Scene| publish_with_key(&scene.tenant.at(process)).await.data(202);
    let repeat = async |scene: &mut Scene, answer: Option<Value>| {
        let mut reply = publish_with_key(&scene.tenant).await;
        if reply.status == 503 {
            assert!(answer.is_none());
            scene.world.advance(FIRST_REQUEST_ENDS);
            reply = publish_with_key(&scene.tenant).await;
        }
        let ids = batch_ids(&reply.data(202));
        assert!(answer.is_none_or(|answer| batch_ids(&answer) == ids), "the retry gets the first response");
        assert_eq!(ids.len(), PUBLISHED * 3);
        assert_eq!(scene.world.items("event").await.len(), PUBLISHED);
        resume_all(scene, None).await;
        scene.expect(ids, &["success"], 1);
    };
    assert!(cut_everywhere(subscribed, handle, repeat).await >= 8);
}

/// Each lane is a call of its own, so a request may reach one queue and not the other.
#[tokio::test]
async fn a_publish_request_to_both_lanes_is_completed_by_its_retry_after_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, _) = Scene::with_endpoint(world, json!({}), []).await;
        let receiver = Receiver::new().await;
        let slow = endpoint(&scene.tenant, &receiver, json!({})).await;
        scene.world.set_lane(&scene.tenant, &slow, Lane::Slow).await;
        scene.receivers.push(receiver);
        scene
    };
    let handle = async |process: &Process, scene: &Scene| publish_with_key(&scene.tenant.at(process)).await.data(202);
    let repeat = async |scene: &mut Scene, _: Option<Value>| {
        let mut reply = publish_with_key(&scene.tenant).await;
        if reply.status == 503 {
            scene.world.advance(FIRST_REQUEST_ENDS);
            reply = publish_with_key(&scene.tenant).await;
        }
        let ids = batch_ids(&reply.data(202));
        assert_eq!(ids.len(), PUBLISHED * 2);
        scene.expect(ids, &["success"], 1);
    };
    assert!(cut_everywhere(prepare, handle, repeat).await >= 8);
}

/// The request may have taken its tokens before the cut. Its retry takes as many again for the events that it writes.
#[tokio::test]
async fn a_publish_request_with_a_limit_is_completed_by_its_retry_after_every_cut() {
    let prepare = async |world: World| {
        let (scene, _) = Scene::with_endpoint(world, json!({}), []).await;
        let path = format!("/v1/organizations/{}/limits", scene.tenant.id);
        let limits = json!({"events_per_second": 1, "events_per_month": 100}).to_string();
        scene.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
        scene
    };
    let handle = async |process: &Process, scene: &Scene| publish_with_key(&scene.tenant.at(process)).await.data(202);
    let repeat = async |scene: &mut Scene, _: Option<Value>| {
        let mut reply = publish_with_key(&scene.tenant).await;
        if reply.status == 503 {
            scene.world.advance(FIRST_REQUEST_ENDS);
            reply = publish_with_key(&scene.tenant).await;
        }
        scene.expect(batch_ids(&reply.data(202)), &["success"], 1);
        assert_eq!(scene.world.items("event").await.len(), PUBLISHED);
    };
    assert!(cut_everywhere(prepare, handle, repeat).await >= 8);
}

/// Each event's external id is claimed before the event is written.
#[tokio::test]
async fn a_publish_request_with_external_ids_is_completed_by_its_retry_after_every_cut() {
    let prepare = async |world: World| Scene::with_endpoint(world, json!({}), []).await.0;
    let handle =
        async |process: &Process, scene: &Scene| publish_named(&scene.tenant.at(process), "once").await.data(202);
    let repeat = async |scene: &mut Scene, _: Option<Value>| {
        let mut reply = publish_named(&scene.tenant, "once").await;
        if reply.status == 503 {
            scene.world.advance(FIRST_REQUEST_ENDS);
            reply = publish_named(&scene.tenant, "once").await;
        }
        let accepted = reply.data(202);
        scene.expect(batch_ids(&accepted), &["success"], 1);
        assert_eq!(scene.world.items("event").await.len(), PUBLISHED);
        let refused = publish_named(&scene.tenant, "other").await.data(202);
        for (first, second) in accepted.as_array().unwrap().iter().zip(refused.as_array().unwrap()) {
            assert!(text(&second["error"]["message"]).ends_with(text(&first["event"]["id"])), "{second}");
        }
    };
    assert!(cut_everywhere(prepare, handle, repeat).await >= PUBLISHED);
}

/// A client that does not repeat the request with its key waits for the claims to be replaced.
#[tokio::test]
async fn the_external_ids_of_a_cut_publish_request_are_free_or_belong_to_its_events() {
    let prepare = async |world: World| Scene::with_endpoint(world, json!({}), []).await.0;
    let handle = async |process: &Process, scene: &Scene| {
        scene.tenant.at(process).post("/events/batch", &named_batch()).await.data(202)
    };
    let publish_again = async |scene: &mut Scene, answer: Option<Value>| {
        scene.abandoned = answer.is_none();
        scene.world.advance(FIRST_REQUEST_ENDS);
        let again = scene.tenant.post("/events/batch", &named_batch()).await.data(202);
        for result in again.as_array().unwrap().iter().filter(|result| result["status"] == "accepted") {
            scene.expect(delivery_ids(&result["event"]), &["success"], 1);
        }
        let mut external_ids: Vec<_> =
            scene.world.items("event").await.iter().map(|it| it["external_id"].clone()).collect();
        external_ids.sort_by_key(|id| id.as_s().unwrap().clone());
        external_ids.dedup();
        assert_eq!((external_ids.len(), scene.world.items("event").await.len()), (PUBLISHED, PUBLISHED));
    };
    assert!(cut_everywhere(prepare, handle, publish_again).await >= PUBLISHED);
}
