//! The deletion of an organization: nothing of it remains, nothing of another one changes, and what processes write that
//! began before is removed too.

mod late_writers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use regex_lite::Regex;
use serde_json::{Value, json};
use shared::domain::job::{BEGINS_AFTER, LAST_PASS_AFTER, SECOND_PASS_AFTER};

use crate::access;
use crate::routes::{ROUTES, Route};
use crate::support::{Answer, Browser, Fuse, Process, Receiver, Tenant, World, text};

/// A limit above the number of passes of a deletion.
const MOST_PASSES: usize = 8;
/// A limit above the number of calls of a deletion in these tests.
const MOST_CALLS: usize = 400;

type Item = HashMap<String, AttributeValue>;

/// The texts by which an item belongs to an organization: the ids, hashes and names of what it has.
async fn identities(world: &World, tenant: &Tenant) -> BTreeSet<String> {
    let mut found = BTreeSet::from([tenant.id.clone()]);
    let attribute = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    for item in world.all_items().await {
        let (pk, sk) = (attribute(&item, "pk").unwrap(), attribute(&item, "sk").unwrap());
        let is_own = pk.contains(&tenant.id) || attribute(&item, "organization").as_ref() == Some(&tenant.id);
        if !is_own {
            continue;
        }
        let sort_key = sk.strip_prefix("deleted#").unwrap_or(&sk);
        if ["we_", "wevt_", "wdlv_", "key_", "wps_"].iter().any(|prefix| sort_key.starts_with(prefix)) {
            found.insert(sort_key.split('#').next().unwrap().to_owned());
        }
        found.extend(["hash", "slug", "external_id"].iter().filter_map(|name| attribute(&item, name)));
        found.extend(pk.strip_prefix("slug#").map(str::to_owned));
    }
    found
}

fn belongs_to(item: &Item, identities: &BTreeSet<String>) -> bool {
    let text = format!("{item:?}");
    identities.iter().any(|identity| text.contains(identity))
}

/// All items by their keys that belong to none of these.
async fn others(world: &World, identities: &BTreeSet<String>) -> BTreeMap<String, Item> {
    let items = world.all_items().await.into_iter().filter(|item| !belongs_to(item, identities));
    items.map(|item| (format!("{:?} {:?}", item["pk"], item["sk"]), item)).collect()
}

async fn left_of(world: &World, identities: &BTreeSet<String>) -> Vec<String> {
    let items = world.all_items().await.into_iter().filter(|item| belongs_to(item, identities));
    let mut left: Vec<_> = items.map(|item| format!("{:?} {:?}", item["pk"], item["sk"])).collect();
    let marks = world.marks().await.into_iter().map(|(pk, sk)| format!("{pk} {sk}"));
    left.extend(marks.filter(|mark| identities.iter().any(|identity| mark.contains(identity))));
    left
}

async fn delete(world: &World, tenant: &Tenant) -> Value {
    world.platform().delete(&format!("/v1/organizations/{}?force=true", tenant.id)).await.data(202)
}

/// Advances the time and sweeps until no deletion is open.
async fn end_deletions(world: &World, process: &Process) {
    let is_deletion = |job: &Item| job["kind"] == AttributeValue::S("delete_organization".to_owned());
    for _ in 0..MOST_PASSES {
        if !world.items("job").await.iter().any(is_deletion) {
            return;
        }
        world.advance(BEGINS_AFTER + SECOND_PASS_AFTER);
        process.sweep().await;
    }
    panic!("the deletion does not end");
}

/// Calls every route for an organization but the one that deletes it.
async fn call_every_route(world: &World, tenant: &Tenant, failing: &Receiver) {
    let deletes = |route: &Route| route.method == "DELETE" && route.path == "/v1/organizations/{organization}";
    let creates = |route: &Route| ["/v1/organizations", "/v1/portal-sessions"].contains(&route.path);
    let platform = world.platform().key;
    for route in ROUTES.iter().filter(|route| !deletes(route) && !creates(route)) {
        let scene = access::Scene { world, owner: tenant.clone(), failing };
        let path = scene.path(route).await;
        let reply = scene.call_path(&world.process, route, &path, Some(&platform)).await;
        assert_eq!(reply.status, route.ok, "{} {}: {}", route.method, route.path, reply.body);
    }
}

/// An organization with deliveries in every state, and with every kind of item.
async fn populated(world: &World, tenant: &Tenant, receivers: &Receivers) {
    call_every_route(world, tenant, &receivers.failing).await;
    let limits = json!({"events_per_second": 10_000, "events_per_month": 1_000_000}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let (url, external_id) = (receivers.failing.url(), format!("crm-{}", tenant.id));
    let path = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&path, &json!({"external_id": external_id})).await.data(200);
    tenant.endpoint_with(json!({"url": url, "external_id": external_id, "event_types": ["never"]})).await;
    tenant.post("/events", &json!({"type": "a.b", "data": {}, "external_id": external_id})).await.data(202);
    tenant.endpoint_with(json!({"url": url, "retry_schedule": [3600]})).await;
    tenant.endpoint_with(json!({"url": url, "retry_schedule": []})).await;
    let paused = tenant.endpoint(&receivers.working).await;
    tenant.set_status(&paused, "paused").await;
    for _ in 0..11 {
        tenant.publish().await;
        world.drain().await;
        world.advance(Duration::from_secs(7));
    }
    let late = tenant.endpoint(&receivers.working).await;
    let missed = json!({"since": "2020-01-01T00:00:00Z", "what": "missed"});
    tenant.post(&format!("{}/replay", late.path()), &missed).await.data(202);
    assert!(!world.items("appended").await.is_empty());
    let event = json!({"type": "a.b", "data": {"name": "Zoë"}}).to_string();
    tenant.call(Method::POST, "/events", &[("idempotency-key", "once")], Some(event)).await.data(202);
    // What repeated requests of the other dialect and of the portal leave.
    let app = tenant.id.replace("org_", "app_");
    let endpoint = Some(json!({"url": url}).to_string());
    let key = [("idempotency-key", "once")];
    let path = format!("/api/v1/app/{app}/endpoint");
    assert_eq!(world.platform().call(Method::POST, &path, &key, endpoint).await.status, 201);
    let browser = Browser::signed_in(tenant, &json!({"role": "owner"})).await;
    let fields = [("name", "once"), ("role", "member"), ("form_id", "0123456789abcdef")];
    assert_eq!(browser.post(&browser.path("/access/keys/new"), &fields).await.status, 200);
    world.process.meter.write_all_usage().await;
}

struct Receivers {
    failing: Receiver,
    working: Receiver,
}

impl Receivers {
    async fn new() -> Self {
        Self { failing: Receiver::always(Answer::status(500)).await, working: Receiver::new().await }
    }
}

/// The first parts of keys of the catalogue, which belongs to the platform.
const PLATFORMS: [&str; 2] = ["schema", "type"];

/// Every first part of an organization's keys that `store/keys.rs` can make.
fn prefixes_of_keys() -> BTreeSet<String> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/shared/src/store/keys.rs")).unwrap();
    let prefix = Regex::new(r#""([a-z_]+)#"#).unwrap();
    let prefixes = prefix.captures_iter(&source).map(|found| found[1].to_owned());
    prefixes.filter(|prefix| !PLATFORMS.contains(&prefix.as_str())).collect()
}

#[tokio::test]
async fn nothing_of_a_deleted_organization_remains_and_nothing_of_another_changes() {
    let (world, receivers) = (World::new().await, Receivers::new().await);
    let other = world.tenant().await;
    populated(&world, &other, &receivers).await;
    // The end of everything that changes with time.
    let endpoints = other.get("/webhooks/endpoints?limit=100").await.data(200);
    for endpoint in endpoints.as_array().unwrap().iter().filter(|endpoint| endpoint["status"] == "active") {
        let path = format!("/webhooks/endpoints/{}", text(&endpoint["id"]));
        other.patch(&path, &json!({"status": "paused"})).await.data(200);
    }
    world.run_to_the_end().await;

    let tenant = world.tenant().await;
    populated(&world, &tenant, &receivers).await;
    let own = identities(&world, &tenant).await;
    let before = others(&world, &own).await;
    let items: Vec<Item> = world.all_items().await.into_iter().filter(|item| belongs_to(item, &own)).collect();
    let keys = items.iter().flat_map(|item| ["pk", "sk", "waiting_pk"].map(|name| item.get(name)));
    let found: BTreeSet<_> = keys.flatten().map(|key| key.as_s().unwrap().split('#').next().unwrap()).collect();
    let missing: Vec<_> = prefixes_of_keys().into_iter().filter(|prefix| !found.contains(prefix.as_str())).collect();
    assert_eq!(missing, [""; 0], "the organization must have an item of every kind before it is deleted");
    assert!(world.in_the_queue().await > 0);
    let requests = receivers.working.received().len();

    let job = delete(&world, &tenant).await;
    assert_eq!(
        (&job["kind"], &job["status"], &job["endpoint_id"]),
        (&json!("delete_organization"), &json!("open"), &Value::Null)
    );
    let written = left_of(&world, &own).await;
    world.drain().await;
    world.process.meter.write_all_usage().await;
    assert_eq!(receivers.working.received().len(), requests, "nothing is delivered");
    assert_eq!(left_of(&world, &own).await, written, "the consumer writes nothing");

    end_deletions(&world, &world.process).await;
    world.drain().await;
    assert_eq!(left_of(&world, &own).await, [""; 0]);
    let after = others(&world, &own).await;
    let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = all.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
    assert_eq!(changed, [""; 0], "items of the other organization");
    tenant.get("/events").await.is_error(401, "unauthorized");
    world.platform().get(&format!("/v1/organizations/{}", tenant.id)).await.is_error(404, "not_found");
}

/// The answer is stored for the deployment, since the request names no organization.
#[tokio::test]
async fn the_answer_to_the_request_that_created_an_organization_is_removed_with_it() {
    let world = World::new().await;
    let key = [("idempotency-key", "auto_1")];
    let create = async || {
        let body = Some(json!({"name": "n", "uid": "acme"}).to_string());
        world.platform().call(Method::POST, "/api/v1/app?get_if_exists=true", &key, body).await
    };
    let created = create().await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(world.items("answer").await.len(), 1);
    // A request that finds the organization stores nothing.
    let other = [("idempotency-key", "auto_2")];
    let body = Some(json!({"name": "n", "uid": "acme"}).to_string());
    let found = world.platform().call(Method::POST, "/api/v1/app?get_if_exists=true", &other, body).await;
    assert_eq!((found.status, &found.body["id"]), (200, &created.body["id"]));
    assert_eq!((create().await.status, world.items("answer").await.len()), (201, 1));
    let id = text(&created.body["id"]).replace("app_", "");
    let path = format!("/v1/organizations/org_{id}?force=true");
    world.platform().delete(&path).await.data(202);
    end_deletions(&world, &world.process).await;
    assert_eq!(left_of(&world, &BTreeSet::from([id])).await, [""; 0]);
    assert!(world.items("answer").await.is_empty());
    let again = create().await;
    assert_eq!(again.status, 201, "{}", again.body);
    assert_ne!(again.body["id"], created.body["id"]);
}

/// An organization with an endpoint, a delivery that is pending and one that succeeded.
async fn small(world: &World) -> (Tenant, Receiver) {
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    tenant.endpoint_with(json!({"url": receiver.url(), "signing_algorithm": "ed25519"})).await;
    tenant.publish().await;
    world.drain().await;
    tenant.publish().await;
    world.process.meter.write_all_usage().await;
    (tenant, receiver)
}

#[tokio::test]
async fn only_a_suspended_organization_is_deleted_without_force_and_the_id_and_slug_are_free_only_at_the_end() {
    let world = World::new().await;
    let platform = world.platform();
    let body = json!({"name": "n", "slug": "acme", "id": "00000000-0000-4000-8000-000000000001"});
    platform.post("/v1/organizations", &body).await.data(201);
    let path = "/v1/organizations/00000000-0000-4000-8000-000000000001";
    platform.delete(path).await.is_error(409, "conflict");
    platform.delete(&format!("{path}?force=perhaps")).await.is_error(400, "validation_failed");
    platform.patch(path, &json!({"status": "suspended"})).await.data(200);
    let job = platform.delete(path).await.data(202);
    for body in [&body, &json!({"name": "n", "slug": "acme"})] {
        platform.post("/v1/organizations", body).await.is_error(409, "conflict");
    }
    assert_eq!(platform.delete(path).await.data(202), job, "the same request returns the job");
    // Another process may know the former status for 5 s.
    world.another_process();
    platform.patch(path, &json!({"status": "active"})).await.is_error(409, "conflict");
    end_deletions(&world, &world.process).await;
    platform.delete(path).await.is_error(404, "not_found");
    platform.post("/v1/organizations", &body).await.data(201);
    world.sweep().await;
    platform.get(path).await.data(200);
}

#[tokio::test]
async fn a_process_that_knows_the_former_status_does_not_end_a_deletion() {
    let world = World::new().await;
    let (tenant, process) = (world.tenant().await, world.another_process());
    let path = format!("/v1/organizations/{}", tenant.id);
    let slow = world.platform().at(&process);
    slow.get(&path).await.data(200);
    delete(&world, &tenant).await;
    slow.patch(&path, &json!({"status": "active"})).await.is_error(404, "not_found");
    slow.call(Method::PUT, &format!("{path}/limits"), &[], Some("{}".to_owned())).await.is_error(409, "conflict");
    tenant.post("/events", &json!({"type": "a.b", "data": {}})).await.is_error(403, "forbidden");
    tenant.get("/events").await.is_error(409, "conflict");
    tenant.get("/jobs").await.is_error(409, "conflict");
}

/// The process is cut before and after each of its calls, in each pass; another process then ends the deletion.
#[tokio::test]
async fn a_deletion_survives_every_cut() {
    let world = World::new().await;
    let mut ends_at = None;
    for calls in 0..MOST_CALLS {
        let world = world.new_world().await;
        let (tenant, _receiver) = small(&world).await;
        let own = identities(&world, &tenant).await;
        delete(&world, &tenant).await;
        let fuse = Fuse::after(calls);
        let process = fuse.process(&world);
        let sweeps = async {
            for pause in [BEGINS_AFTER, SECOND_PASS_AFTER, LAST_PASS_AFTER] {
                world.advance(pause);
                process.sweep().await;
            }
        };
        let is_through = fuse.run(sweeps).await.is_some();
        end_deletions(&world, &world.another_process()).await;
        assert_eq!(left_of(&world, &own).await, [""; 0], "cut after {calls} calls");
        if is_through {
            ends_at = Some(calls);
            break;
        }
    }
    assert!(ends_at.is_some_and(|calls| calls > 20), "{ends_at:?}");
}

#[tokio::test]
async fn two_sweeps_at_once_end_a_deletion_and_leave_the_next_organization_alone() {
    let world = World::new().await;
    let (tenant, _receiver) = small(&world).await;
    let own = identities(&world, &tenant).await;
    delete(&world, &tenant).await;
    let processes = [world.another_process(), world.another_process()];
    for pause in [BEGINS_AFTER, SECOND_PASS_AFTER, LAST_PASS_AFTER] {
        world.advance(pause);
        tokio::join!(processes[0].sweep(), processes[1].sweep());
    }
    assert_eq!(left_of(&world, &own).await, [""; 0]);
}

/// More items than a page has in each partition, beside the jobs of another organization.
#[tokio::test]
async fn a_large_organization_is_removed_in_pages_and_does_not_delay_the_jobs_of_others() {
    let world = World::new().await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    for _ in 0..20 {
        let endpoint = tenant.endpoint(&receiver).await;
        tenant.set_status(&endpoint, "paused").await;
    }
    let events = json!({"events": vec![json!({"type": "a.b", "data": {}}); 100]});
    for _ in 0..3 {
        tenant.post("/events/batch", &events).await.data(202);
    }
    let (other, to) = (world.tenant().await, Receiver::new().await);
    let held = other.endpoint(&to).await;
    other.set_status(&held, "paused").await;
    other.post("/events/batch", &events).await.data(202);
    let own = identities(&world, &tenant).await;
    delete(&world, &tenant).await;
    world.advance(BEGINS_AFTER);
    other.set_status(&held, "active").await;
    world.sweep().await;
    world.drain().await;
    assert!(to.received().len() >= 10, "{}", to.received().len());
    world.advance(Duration::from_secs(60));
    world.sweep().await;
    world.drain().await;
    assert!(receiver.received().is_empty());
    end_deletions(&world, &world.process).await;
    assert_eq!(left_of(&world, &own).await, [""; 0]);
}
