//! Processes that began before an organization was deleted, and go on after the first pass has removed everything. Each is
//! stopped at each of its changing calls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use serde_json::json;
use shared::domain::job::BEGINS_AFTER;

use super::{delete, end_deletions, identities, left_of};
use crate::support::{Answer, Browser, Gate, Process, Receiver, Tenant, World, stopped_at, text};

/// A limit above the number of changing calls of any of these processes.
const MOST_CALLS: usize = 60;

/// An organization before its deletion.
struct Scene {
    world: World,
    tenant: Tenant,
    receivers: Vec<Receiver>,
}

/// Runs a process for an organization that is deleted while the process waits at each of its calls in turn. Returns the
/// number of its changing calls.
async fn nothing_is_left_of(prepare: impl AsyncFn(World) -> Scene, act: impl AsyncFn(&Process, &Scene)) -> usize {
    let world = World::new().await;
    for number in 0..MOST_CALLS {
        let scene = prepare(world.new_world().await).await;
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (process, made) = stopped_at(&scene.world, number, &reached, &gate);
        let acting = async {
            act(&process, &scene).await;
            process.meter.write_all_usage().await;
            reached.open();
        };
        let deleting = async {
            reached.pass().await;
            let own = identities(&scene.world, &scene.tenant).await;
            delete(&scene.world, &scene.tenant).await;
            scene.world.advance(BEGINS_AFTER);
            scene.world.sweep().await;
            gate.open();
            own
        };
        let ((), mut own) = tokio::join!(acting, deleting);
        own.extend(identities(&scene.world, &scene.tenant).await);
        end_deletions(&scene.world, &scene.world.process).await;
        scene.world.drain().await;
        assert_eq!(left_of(&scene.world, &own).await, [""; 0], "stopped at call {number}");
        if made.load(Ordering::SeqCst) <= number {
            return number;
        }
    }
    panic!("the process does not end");
}

/// An organization with an endpoint that fails, and one that wants to hear of it.
async fn failing(world: World) -> Scene {
    let (tenant, receiver) = (world.tenant().await, Receiver::always(Answer::status(500)).await);
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [], "event_types": ["member.added"]})).await;
    let fields = json!({"url": receiver.url(), "event_types": ["delivery.exhausted"], "retry_schedule": [600]});
    tenant.endpoint_with(fields).await;
    Scene { world, tenant, receivers: vec![receiver] }
}

#[tokio::test]
async fn what_a_consumer_writes_after_its_attempts_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        scene.tenant.publish().await;
        scene
    };
    let calls = nothing_is_left_of(prepare, async |process, _| {
        process.poll().await;
    })
    .await;
    assert!(calls >= 7, "{calls}");
}

#[tokio::test]
async fn what_a_publisher_writes_between_its_calls_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        let path = format!("/v1/organizations/{}/limits", scene.tenant.id);
        let limits = json!({"events_per_second": 100}).to_string();
        scene.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
        scene
    };
    let act = async |process: &Process, scene: &Scene| {
        let events = json!({"events": vec![json!({"type": "member.added", "data": {}}); 30]}).to_string();
        let keyed = [("idempotency-key", "once")];
        let reply = scene.tenant.at(process).call(Method::POST, "/events/batch", &keyed, Some(events)).await;
        assert!([202, 403, 404].contains(&reply.status), "{reply:?}");
    };
    let calls = nothing_is_left_of(prepare, act).await;
    assert!(calls >= 8, "{calls}");
}

#[tokio::test]
async fn what_requests_of_the_api_write_is_removed() {
    let act = async |process: &Process, scene: &Scene| {
        let tenant = scene.tenant.at(process);
        let endpoint = json!({"name": "n", "url": "https://example.com/", "event_types": ["*"], "status": "paused"});
        let created = tenant.post("/webhooks/endpoints", &endpoint).await.body;
        let path = format!("/webhooks/endpoints/{}", created["data"]["id"].as_str().unwrap_or("we_0"));
        tenant.patch(&path, &json!({"status": "active"})).await;
        tenant.post(&format!("{path}/recover"), &json!({"since": "2026-01-01T00:00:00Z"})).await;
        tenant.post(&format!("{path}/test"), &json!({})).await;
        let key = tenant.post("/api-keys", &json!({"name": "another"})).await.body;
        let path = format!("/api-keys/{}/rotations", key["data"]["id"].as_str().unwrap_or("key_0"));
        tenant.post(&path, &json!({})).await;
    };
    let calls = nothing_is_left_of(failing, act).await;
    assert!(calls >= 15, "{calls}");
}

#[tokio::test]
async fn what_a_sweep_writes_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        scene.tenant.publish().await;
        scene.world.drain().await;
        let url = scene.receivers[0].url();
        let paused = scene.tenant.endpoint_with(json!({"url": url, "status": "paused"})).await;
        scene.tenant.publish().await;
        scene.tenant.delete(&format!("{}?permanent=true", paused.path())).await.data(204);
        scene
    };
    let calls = nothing_is_left_of(prepare, async |process, _| process.sweep().await).await;
    assert!(calls >= 4, "{calls}");
}

#[tokio::test]
async fn what_the_ingest_function_writes_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        let path = format!("/v1/organizations/{}/limits", scene.tenant.id);
        let limits = json!({"events_per_second": 100}).to_string();
        scene.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
        for number in 0..2 {
            let events = vec![json!({"type": "member.added", "data": {}, "external_id": format!("event-{number}")}); 2];
            let message = json!({"organization": scene.tenant.id, "events": events});
            scene.world.send_to_ingest_as(&scene.tenant.id, &message.to_string()).await;
        }
        scene
    };
    let act = async |process: &Process, _: &Scene| drop(process.try_ingest().await);
    let calls = nothing_is_left_of(prepare, act).await;
    assert!(calls >= 10, "{calls}");
}

#[tokio::test]
async fn what_requests_of_the_portal_write_is_removed() {
    let act = async |process: &Process, scene: &Scene| {
        let tenant = scene.tenant.at(process);
        let Some(url) = tenant.post("/portal-sessions", &json!({"role": "owner"})).await.body["data"]["url"]
            .as_str()
            .map(str::to_owned)
        else {
            return;
        };
        let mut browser = Browser::new(process);
        browser.open(&url).await;
        let endpoint = scene.tenant.get("/webhooks/endpoints").await.body["data"][0]["id"].as_str().map(str::to_owned);
        let path = browser.path(&format!("/endpoints/{}/test", endpoint.unwrap_or_default()));
        let page = browser.get(&path).await;
        if page.status == 200 {
            browser.fill(&path, &[("event_type", "member.added"), ("data", "{}")]).await;
        }
    };
    let calls = nothing_is_left_of(failing, act).await;
    assert!(calls >= 4, "{calls}");
}

/// The answers of the dialect `svix` are kept for repetitions.
#[tokio::test]
async fn answers_that_are_kept_for_repetitions_are_removed() {
    let act = async |process: &Process, scene: &Scene| {
        let application = format!("/api/v1/app/{}", scene.tenant.id.replace("org_", "app_"));
        let platform = scene.world.platform().at(process);
        for (path, body) in [
            ("endpoint", json!({"url": "https://example.com/"})),
            ("msg", json!({"eventType": "member.added", "payload": {}})),
        ] {
            let keyed = [("idempotency-key", path)];
            platform.call(Method::POST, &format!("{application}/{path}"), &keyed, Some(body.to_string())).await;
        }
    };
    let calls = nothing_is_left_of(failing, act).await;
    assert!(calls >= 6, "{calls}");
}

#[tokio::test]
async fn what_a_page_of_a_replay_writes_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        for _ in 0..2 {
            scene.tenant.publish().await;
        }
        scene.world.drain().await;
        let late = scene.tenant.endpoint_with(json!({"url": scene.receivers[0].url(), "retry_schedule": []})).await;
        scene.world.advance(Duration::from_secs(61));
        let replay = json!({"since": "2020-01-01T00:00:00Z", "what": "all"});
        // The request begins the replay, and the sweep continues it.
        scene.tenant.post(&format!("{}/replay", late.path()), &replay).await.data(202);
        scene
    };
    let calls = nothing_is_left_of(prepare, async |process, _| process.sweep().await).await;
    assert!(calls >= 1, "{calls}");
    let act = async |process: &Process, scene: &Scene| {
        let tenant = scene.tenant.at(process);
        let endpoints = tenant.get("/webhooks/endpoints").await.body;
        let mut endpoints = endpoints["data"].as_array().into_iter().flatten();
        let found = endpoints.find(|endpoint| endpoint["event_types"] == json!(["member.added"]));
        let path = format!("/webhooks/endpoints/{}/replay", found.map_or("we_0", |endpoint| text(&endpoint["id"])));
        tenant.post(&path, &json!({"since": "2020-01-01T00:00:00Z", "what": "all"})).await;
    };
    let prepare = async |world: World| {
        let scene = failing(world).await;
        scene.tenant.publish().await;
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(61));
        scene
    };
    let calls = nothing_is_left_of(prepare, act).await;
    assert!(calls >= 4, "job, record, message, job: {calls}");
}

#[tokio::test]
async fn what_a_removal_of_an_events_data_writes_is_removed() {
    let prepare = async |world: World| {
        let scene = failing(world).await;
        scene.tenant.publish().await;
        scene.world.drain().await;
        scene
    };
    let act = async |process: &Process, scene: &Scene| {
        let tenant = scene.tenant.at(process);
        let events = tenant.get("/events").await.body;
        let path = format!("/events/{}/data", events["data"][0]["id"].as_str().unwrap_or("wevt_0"));
        tenant.delete(&path).await;
    };
    let calls = nothing_is_left_of(prepare, act).await;
    assert!(calls >= 3, "job, event, record: {calls}");
}

/// A process that is frozen after a request and ends an hour later.
#[tokio::test]
async fn usage_that_a_process_writes_after_the_deletion_is_dropped() {
    let world = World::new().await;
    let Scene { world, tenant, .. } = failing(world).await;
    let frozen = world.another_process();
    tenant.at(&frozen).publish().await;
    let own = identities(&world, &tenant).await;
    delete(&world, &tenant).await;
    end_deletions(&world, &world.process).await;
    frozen.meter.write_all_usage().await;
    assert_eq!(left_of(&world, &own).await, [""; 0]);
    assert!(world.items("usage").await.is_empty());
}

/// Messages stay in the queues for up to 14 days.
#[tokio::test]
async fn a_message_of_a_deleted_organization_is_acknowledged_without_effect() {
    let world = World::new().await;
    let Scene { world, tenant, .. } = failing(world).await;
    tenant.publish().await;
    let own = identities(&world, &tenant).await;
    delete(&world, &tenant).await;
    end_deletions(&world, &world.process).await;
    assert_eq!(world.drain().await, 1);
    assert_eq!((left_of(&world, &own).await, world.in_the_queue().await), (vec![], 0));
}
