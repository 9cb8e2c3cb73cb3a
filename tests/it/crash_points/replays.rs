//! Cuts of replays.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Scene, cut_everywhere, endpoint};
use super::{batch, only_endpoint, publish, sweep, two_sweeps, without_listing};
use crate::support::{Process, Receiver, Reply, Tenant, World, delivery_ids};

/// The number of events of each scene.
const EVENTS: usize = 3;

async fn replay(tenant: &Tenant, scene: &Scene, what: &str) -> Reply {
    let path = format!("{}/replay", only_endpoint(scene).await.path());
    tenant.post(&path, &json!({"since": "2020-01-01T00:00:00Z", "what": what})).await
}

/// Events that were published before the only endpoint was created.
async fn missed(world: World) -> Scene {
    let tenant = world.tenant().await;
    tenant.post("/events/batch", &batch(EVENTS)).await.data(202);
    let receiver = Receiver::new().await;
    endpoint(&tenant, &receiver, json!({})).await;
    world.advance(Duration::from_secs(61));
    Scene::new(world, tenant, [receiver])
}

/// The same, and a replay that was requested and has sent nothing.
async fn requested(world: World) -> Scene {
    let scene = missed(world).await;
    replay(&without_listing(&scene), &scene, "missed").await.is_error(503, "unavailable");
    assert_eq!(scene.world.begun_jobs("replay").await.len(), 1);
    scene
}

/// Delivered events.
async fn delivered(world: World) -> Scene {
    let (mut scene, _) = Scene::with_endpoint(world, json!({}), []).await;
    publish(&mut scene, EVENTS, &["success"], 2).await;
    scene.world.drain().await;
    scene.world.advance(Duration::from_secs(61));
    scene
}

/// Expects that each event has one delivery, which arrives once.
async fn expect_one_of_each(scene: &mut Scene) {
    scene.world.run_to_the_end().await;
    let events = scene.tenant.get("/events").await.data(200);
    let ids: Vec<_> = events.as_array().unwrap().iter().flat_map(delivery_ids).collect();
    assert_eq!(ids.len(), EVENTS);
    scene.expect(ids, &["success"], 1);
    assert!(scene.receivers[0].received().len() >= EVENTS);
}

/// Expects that each delivered event arrived once more.
async fn expect_each_twice(scene: &mut Scene) {
    scene.world.run_to_the_end().await;
    let mut times = BTreeMap::<_, usize>::new();
    for request in scene.receivers[0].received() {
        *times.entry(request.header("webhook-id").to_owned()).or_default() += 1;
    }
    assert_eq!(times.into_values().collect::<Vec<_>>(), [2; EVENTS]);
}

/// Requests the replay again if the first request got no response.
async fn request_again(scene: &mut Scene, answer: Option<Value>, what: &str) {
    if answer.is_none() {
        replay(&scene.tenant, scene, what).await.data(202);
    }
}

#[tokio::test]
async fn requesting_a_replay_of_missed_events_survives_every_cut() {
    let handle =
        async |process: &Process, scene: &Scene| replay(&scene.tenant.at(process), scene, "missed").await.data(202);
    let afterwards = async |scene: &mut Scene, answer: Option<Value>| {
        request_again(scene, answer, "missed").await;
        expect_one_of_each(scene).await;
    };
    let calls = cut_everywhere(missed, handle, afterwards).await;
    assert_eq!(
        calls, 14,
        "use of the key, open ones, job, its entry, quota, three entries, three records, send, quota, the end of the job"
    );
}

#[tokio::test]
async fn a_replay_of_missed_events_survives_every_cut_of_the_sweep() {
    let afterwards = async |scene: &mut Scene, _: Option<()>| expect_one_of_each(scene).await;
    let calls = cut_everywhere(requested, sweep, afterwards).await;
    assert_eq!(calls, 12, "quota twice, three entries, three records, send, quota, the end of the job, usage");
}

#[tokio::test]
async fn two_concurrent_sweeps_of_a_replay_survive_every_cut_of_one() {
    let afterwards = async |scene: &mut Scene, _: Option<()>| expect_one_of_each(scene).await;
    assert!(cut_everywhere(requested, two_sweeps, afterwards).await >= 1);
}

#[tokio::test]
async fn requesting_a_replay_of_everything_survives_every_cut() {
    let handle =
        async |process: &Process, scene: &Scene| replay(&scene.tenant.at(process), scene, "all").await.data(202);
    let afterwards = async |scene: &mut Scene, answer: Option<Value>| {
        request_again(scene, answer, "all").await;
        expect_each_twice(scene).await;
    };
    let calls = cut_everywhere(delivered, handle, afterwards).await;
    assert_eq!(
        calls, 11,
        "use of the key, open ones, job, its entry, quota, three leases, send, quota, the end of the job"
    );
}

#[tokio::test]
async fn a_replay_of_everything_survives_every_cut_of_the_sweep() {
    let prepare = async |world: World| {
        let scene = delivered(world).await;
        replay(&without_listing(&scene), &scene, "all").await.is_error(503, "unavailable");
        scene
    };
    let afterwards = async |scene: &mut Scene, _: Option<()>| expect_each_twice(scene).await;
    let calls = cut_everywhere(prepare, sweep, afterwards).await;
    assert_eq!(calls, 8, "quota twice, three leases, send, quota, the end of the job");
}
