//! Crash points: the tests cut a process before each call that changes the table, the queue or a receiver, and after
//! each such call before its response. Afterwards healthy processes run until nothing is left to do. No delivery may be
//! lost, and only an attempt whose record was cut off may be repeated.

mod scene;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;

use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Process, Receiver, Reply, Tenant, World, delivery_ids, over_network, text,
};
use crate::suspension::{failing, suspend};
use scene::{Scene, cut_everywhere, endpoint};

/// After this time a publish request must have ended.
const FIRST_REQUEST_ENDS: Duration = Duration::from_secs(60);

/// The calls that count the first failure of an endpoint: one sets `failing_until`, and one writes the counters.
const NOTES: usize = 2;

async fn poll(process: &Process, _: &Scene) {
    process.poll().await;
}

async fn sweep(process: &Process, _: &Scene) {
    process.sweep().await;
}

async fn nothing(_: &mut Scene, _: Option<()>) {}

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
    assert_eq!(calls, 6, "receive, request, record, request, record, delete");
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

#[tokio::test]
async fn a_long_wait_survives_every_cut() {
    let fields = json!({"retry_schedule": [3600]});
    let prepare = async |world: World| {
        Scene::with_delivery(world, fields.clone(), [Answer::status(500)], &["success"], 2).await.0
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 4 + NOTES);
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

async fn resume_all(scene: &mut Scene, _: Option<()>) {
    let endpoints = scene.tenant.get("/webhooks/endpoints").await.data(200);
    for endpoint in endpoints.as_array().unwrap().iter().filter(|endpoint| endpoint["status"] == "paused") {
        let path = format!("/webhooks/endpoints/{}", text(&endpoint["id"]));
        scene.tenant.patch(&path, &json!({"status": "active"})).await.data(200);
    }
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
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 5);
}

#[tokio::test]
async fn a_failed_probe_survives_every_cut() {
    let prepare = async |world: World| {
        let scene = suspended(world, 11, &["success"], 2).await;
        scene.world.sweep().await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, poll, nothing).await, 4);
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

/// Three parked deliveries that are due.
async fn due(world: World) -> Scene {
    let failures = vec![Answer::status(500); 3];
    let (mut scene, _) = Scene::with_endpoint(world, json!({"retry_schedule": [3600]}), failures).await;
    publish(&mut scene, 3, &["success"], 2).await;
    scene.world.drain().await;
    scene.world.advance(Duration::from_secs(4000));
    scene
}

/// Publishes this many events in one request.
async fn publish(scene: &mut Scene, count: usize, status: &'static [&'static str], attempts: usize) {
    let results = scene.tenant.post("/events/batch", &batch(count)).await.data(202);
    scene.expect(batch_ids(&results), status, attempts);
}

fn batch(count: usize) -> Value {
    json!({"events": vec![json!({"type": EVENT_TYPE, "data": {}}); count]})
}

fn batch_ids(results: &Value) -> Vec<String> {
    results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])).collect()
}

#[tokio::test]
async fn a_sweep_of_due_deliveries_survives_every_cut() {
    let calls = cut_everywhere(due, sweep, nothing).await;
    // The calls are a lease for each of three partitions, and at least one send.
    assert!(calls >= 4, "{calls}");
}

#[tokio::test]
async fn two_concurrent_sweeps_survive_every_cut_of_one() {
    let both = async |process: &Process, scene: &Scene| {
        let other = scene.world.another_process();
        let begun = scene.begun.clone();
        scene.beside.lock().unwrap().push(tokio::spawn(async move {
            begun.pass().await;
            other.sweep().await;
        }));
        process.sweep().await;
    };
    assert!(cut_everywhere(due, both, nothing).await >= 1);
}

/// Parked deliveries of a resumed endpoint. The request that resumed it could not release them.
async fn resumed(world: World) -> Scene {
    let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
    scene.tenant.set_status(&endpoint, "paused").await;
    publish(&mut scene, 3, &["success"], 1).await;
    without(&scene, "Query").set_status(&endpoint, "active").await;
    assert!(scene.world.records().await.values().all(|record| record.mark.as_ref().unwrap().starts_with("held")));
    scene
}

/// The tenant at a process for which this operation is refused.
fn without(scene: &Scene, operation: &'static str) -> Tenant {
    let fate = move |called: &str| if called == operation { Fate::Refuse } else { Fate::Pass };
    let network = over_network(&scene.world.sdk(), fate);
    scene.tenant.at(&scene.world.process_over(&network, scene.world.clock.clock()))
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
async fn failing_the_parked_deliveries_of_a_disabled_endpoint_survives_every_cut() {
    let prepare = async |world: World| {
        let (mut scene, endpoint) = Scene::with_endpoint(world, json!({}), []).await;
        scene.tenant.set_status(&endpoint, "paused").await;
        publish(&mut scene, 3, &["failed"], 0).await;
        scene.tenant.set_status(&endpoint, "disabled").await;
        scene
    };
    assert_eq!(cut_everywhere(prepare, sweep, nothing).await, 4, "three failures, the end of the pass");
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
        calls, 9,
        "disable, announced event, its delivery, its lease, send, three failures, the end of the pass"
    );
}

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
        1,
        "all deliveries are leased, so only the end of the pass is written"
    );
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

#[tokio::test]
async fn requesting_a_recovery_survives_every_cut() {
    let prepare = async |world: World| exhausted(world, 3).await.0;
    let handle = async |process: &Process, scene: &Scene| {
        let endpoint = only_endpoint(scene).await;
        recover(&scene.tenant.at(process), &endpoint).await.data(202);
    };
    assert_eq!(cut_everywhere(prepare, handle, recover_the_rest).await, 7);
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

async fn only_endpoint(scene: &Scene) -> Endpoint {
    let endpoints = scene.tenant.get("/webhooks/endpoints").await.data(200);
    Endpoint { id: text(&endpoints[0]["id"]).to_owned(), secret: String::new() }
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

/// The number of events of a publish request. They need more than one request to the table and to the queue.
const PUBLISHED: usize = 25;

async fn publish_with_key(tenant: &Tenant) -> Reply {
    tenant.call(Method::POST, "/events/batch", &[("idempotency-key", "once")], Some(batch(PUBLISHED).to_string())).await
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
