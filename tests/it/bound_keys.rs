//! Keys that are bound to endpoints: for them, all other endpoints of the organization do not exist.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::tenancy::access::Scopes;

use crate::access::Scene;
use crate::routes::{Admits, Bound, ROUTES, Route};
use crate::support::{Answer, Endpoint, Receiver, Reply, Tenant, World, delivery_ids, text};

const OTHER_NAME: &str = "Somebody else";

/// What a key with all scopes that a bound key can have gets for what belongs to its endpoint, and to another one.
fn expected(route: &Route) -> (u16, u16) {
    let is_admitted = match route.admits {
        Admits::Scope(scope) => Scopes::BINDABLE.contains(scope),
        Admits::Platform | Admits::Owner | Admits::Issuer => false,
        Admits::EventReaders | Admits::Everybody => true,
    };
    match route.bound {
        _ if !is_admitted => (403, 403),
        Bound::Refused | Bound::Filtered(_) => (403, 403),
        Bound::Named | Bound::Event => (route.ok, 404),
        Bound::Restricted | Bound::Unrestricted => (route.ok, route.ok),
    }
}

/// The path with another id of the same kind, which nothing has.
fn unknown(path: &str, id: &str) -> String {
    let digits = id.find('_').unwrap() + 1;
    let other = if id[digits..].starts_with('0') { "1" } else { "0" };
    path.replace(id, &format!("{}{other}{}", &id[..digits], &id[digits + 1..]))
}

/// The id in the path of what belongs to an endpoint.
fn named(path: &str) -> &str {
    let kinds = ["we_", "ep_", "wevt_", "wdlv_", "wjob_"];
    path.split(['/', '?']).find(|segment| kinds.iter().any(|kind| segment.starts_with(kind))).unwrap()
}

#[tokio::test]
async fn every_route_answers_a_bound_key_only_for_its_endpoints() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let mut wrong = Vec::new();
    for route in &ROUTES {
        let scene = Scene { world: &world, owner: world.tenant().await, failing: &failing };
        let other = scene.owner.endpoint_with(json!({"url": failing.url(), "event_types": ["another"]})).await.id;
        let (path, endpoint) = scene.place(route).await;
        let own = scene.bound_to(endpoint.as_deref().unwrap_or(&other)).await;
        let another = scene.bound_to(&other).await;
        let (expected_own, expected_other) = expected(route);
        let call = async |path: &str, key: &Tenant| scene.call_path(&world.process, route, path, Some(&key.key)).await;
        let mut check = |what: &str, reply: &Reply, expected: u16| {
            if reply.status != expected {
                wrong.push(format!("{} {} for {what}: {}, not {expected}", route.method, route.path, reply.status));
            }
        };
        let refused = call(&path, &another).await;
        check("another endpoint", &refused, expected_other);
        if (refused.status, expected_own) == (404, route.ok) {
            let absent = call(&unknown(&path, named(&path)), &own).await;
            check("an unknown one", &absent, 404);
            let error = |reply: &Reply| (reply.body["error"]["code"].clone(), reply.body["error"]["message"].clone());
            assert_eq!(error(&refused), error(&absent), "{} {}", route.method, route.path);
        }
        if let Bound::Filtered(filter) = route.bound {
            let own_endpoint = scene.owner.endpoint(&failing).await.id;
            let own = scene.bound_to(&own_endpoint).await;
            assert!(text(&refused.body["error"]["message"]).contains(filter));
            check("its endpoint by a filter", &call(&format!("{path}?{filter}={own_endpoint}"), &own).await, route.ok);
            check("another one by a filter", &call(&format!("{path}?{filter}={other}"), &own).await, 404);
        }
        check("its endpoint", &call(&path, &own).await, expected_own);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An organization with two endpoints that get the same events, and a key that is bound to the first.
struct Shared {
    world: World,
    owner: Tenant,
    contractor: Tenant,
    own: Endpoint,
    other: Endpoint,
    /// Has a delivery to both endpoints.
    event: Value,
    /// Has a delivery to the other endpoint only.
    others_event: Value,
}

impl Shared {
    async fn new() -> Self {
        let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
        let owner = world.tenant().await;
        let fields =
            json!({"url": failing.url(), "event_types": ["shared"], "retry_schedule": [], "external_id": "own"});
        let own = owner.endpoint_with(fields.clone()).await;
        let mut others = fields;
        others.as_object_mut().unwrap().extend(
            json!({
                "name": OTHER_NAME, "event_types": ["shared", "private"], "external_id": "other",
                "url": format!("{}?other-place", failing.url()),
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        let other = owner.endpoint_with(others).await;
        let event = owner.post("/events", &json!({"type": "shared", "data": {}})).await.data(202);
        let private = json!({"type": "private", "data": {}, "external_id": "private"});
        let others_event = owner.post("/events", &private).await.data(202);
        world.drain().await;
        for endpoint in [&own, &other] {
            let since = json!({"since": "2026-01-01T00:00:00Z"});
            owner.post(&format!("{}/recover", endpoint.path()), &since).await.data(202);
        }
        world.drain().await;
        let scene = Scene { world: &world, owner: owner.clone(), failing: &failing };
        let contractor = scene.bound_to(&own.id).await;
        Self { world, owner, contractor, own, other, event, others_event }
    }

    /// The deliveries of the first event: to the own endpoint, and to the other one.
    fn deliveries(&self) -> (String, String) {
        let of = |endpoint: &Endpoint| {
            let all = self.event["webhook_deliveries"].as_array().unwrap();
            text(&all.iter().find(|delivery| delivery["endpoint_id"] == endpoint.id).unwrap()["id"]).to_owned()
        };
        (of(&self.own), of(&self.other))
    }
}

#[tokio::test]
async fn no_response_to_a_bound_key_reveals_another_endpoint() {
    let shared = Shared::new().await;
    let Shared { contractor, own, other, event, .. } = &shared;
    let (own_delivery, other_delivery) = shared.deliveries();
    let hex = &other.id["we_".len()..];
    let jobs = shared.owner.get("/jobs").await.data(200);
    let job_of = |endpoint: &Endpoint| {
        let job = jobs.as_array().unwrap().iter().find(|job| job["endpoint_id"] == endpoint.id);
        text(&job.unwrap()["id"]).to_owned()
    };
    let hyphenated = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let secrets = [
        hex,
        &hyphenated,
        OTHER_NAME,
        "other-place",
        &other_delivery,
        &job_of(other),
        text(&shared.others_event["id"]),
    ];
    let event = format!("/events/{}", text(&event["id"]));
    for path in [
        "".to_owned(),
        "/webhooks/endpoints".to_owned(),
        "/webhooks/endpoints/ext:own".to_owned(),
        "/webhooks".to_owned(),
        "/v1/endpoints".to_owned(),
        "/v1/webhook-endpoints".to_owned(),
        "/jobs".to_owned(),
        event.clone(),
        format!("{event}/attempts"),
        format!("/events?endpoint_id={}", own.id),
        format!("{}/deliveries", own.path()),
        format!("{}/attempts", own.path()),
        format!("/webhooks/deliveries/{own_delivery}"),
        format!("/webhooks/deliveries/{own_delivery}/attempts"),
        format!("/jobs/{}", job_of(own)),
        format!("/v1/webhook-endpoints/{}/deliveries", own.id),
        format!("/v1/webhook-deliveries/{own_delivery}"),
    ] {
        let reply = contractor.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let shown = reply.body.to_string();
        assert!(secrets.iter().all(|secret| !shown.contains(*secret)), "{path}: {shown}");
    }
    let shown = contractor.get(&event).await.data(200);
    assert_eq!(delivery_ids(&shown), [own_delivery]);
    assert_eq!(contractor.get("/v1/webhook-endpoints").await.body["count"], 1);
    assert_eq!(contractor.get("/jobs").await.data(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_belongs_to_other_endpoints_is_not_found_by_any_name() {
    let shared = Shared::new().await;
    let others_event = text(&shared.others_event["id"]);
    for path in [
        "/webhooks/endpoints/ext:other".to_owned(),
        "/webhooks/endpoints/ext:other/deliveries".to_owned(),
        "/webhooks/ext:other".to_owned(),
        "/v1/endpoints/ext:other".to_owned(),
        "/v1/webhook-endpoints/ext:other".to_owned(),
        format!("/v1/webhook-endpoints/{}/deliveries", shared.other.id),
        format!("/events/{others_event}"),
        "/events/ext:private".to_owned(),
        format!("/events/{others_event}/attempts"),
        "/events/ext:private/attempts".to_owned(),
        format!("/events?endpoint_id={}", shared.other.id),
    ] {
        shared.contractor.get(&path).await.is_error(404, "not_found");
        let method = if path.starts_with("/events") { Method::GET } else { Method::DELETE };
        let reply = shared.contractor.call(method, &path, &[], None).await;
        assert!([404, 405].contains(&reply.status), "{path}: {}", reply.body);
    }
    assert_eq!(shared.owner.read_endpoint(&shared.other).await["status"], "active");
    let organization =
        json!({"name": "n", "url": "https://example.com/", "events": ["a"], "organization_id": shared.owner.id});
    shared.contractor.post("/v1/webhook-endpoints", &organization).await.is_error(403, "forbidden");
}

#[tokio::test]
async fn a_bound_key_cannot_learn_of_other_endpoints_by_changing_its_own() {
    let shared = Shared::new().await;
    let Shared { contractor, owner, own, .. } = &shared;
    let (webhooks, paged) = (format!("/webhooks/{}", own.id), format!("/v1/webhook-endpoints/{}", own.id));
    let put = json!({"name": "n", "url": "https://example.com/", "events": ["webhook.created"]});
    for (method, path, body) in [
        // An external id that another endpoint has would be a conflict that names it.
        (Method::PATCH, own.path(), json!({"external_id": "other"})),
        (Method::PATCH, own.path(), json!({"external_id": "free"})),
        (Method::PATCH, own.path(), json!({"external_id": null})),
        // Operational events are about all endpoints.
        (Method::PATCH, own.path(), json!({"event_types": ["shared", "delivery.exhausted"]})),
        (Method::PATCH, own.path(), json!({"event_types": ["webhook.*"]})),
        (Method::PATCH, webhooks, json!({"events": ["webhook.created"]})),
        (Method::PATCH, paged.clone(), json!({"events": ["delivery.*"]})),
        (Method::PUT, paged, put),
    ] {
        let reply = contractor.call(method, &path, &[], Some(body.to_string())).await;
        reply.is_error(403, "forbidden");
        assert!(!reply.body.to_string().contains(&shared.other.id));
    }
    let stored = owner.read_endpoint(own).await;
    assert_eq!((&stored["external_id"], &stored["event_types"]), (&json!("own"), &json!(["shared"])));
    let changed = contractor.patch(&own.path(), &json!({"event_types": ["*"], "name": "Mine"})).await.data(200);
    assert_eq!(changed["name"], "Mine");
}

/// Otherwise a key that may change its endpoint could have all events of the past sent to it.
#[tokio::test]
async fn a_bound_key_replays_missed_events_only_if_it_may_read_events() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let owner = world.tenant().await;
    let earlier = owner.post("/events", &json!({"type": "private", "data": {}})).await.data(202);
    let own = owner.endpoint(&receiver).await;
    world.advance(Duration::from_secs(61));
    let issue = async |scopes: &[&str], endpoints: Value| {
        let fields = json!({"name": "n", "scopes": scopes, "endpoints": endpoints});
        owner.with_key(text(&owner.post("/api-keys", &fields).await.data(201)["revealed_key"]))
    };
    let path = format!("{}/replay", own.path());
    let body = |what: &str| json!({"since": "2020-01-01T00:00:00Z", "what": what});
    let without = issue(&["endpoints:write", "deliveries:write"], json!([own.id])).await;
    without.patch(&own.path(), &json!({"event_types": ["*"]})).await.data(200);
    for what in ["missed", "all"] {
        for path in [path.clone(), format!("{path}?dry_run=true")] {
            let refused = without.post(&path, &body(what)).await;
            refused.is_error(403, "forbidden");
            assert!(text(&refused.body["error"]["message"]).contains("events:read"), "{}", refused.body);
        }
    }
    without.post(&path, &body("failed")).await.data(202);
    let unbound = issue(&["deliveries:write"], Value::Null).await;
    let counted = unbound.post(&format!("{path}?dry_run=true"), &body("missed")).await.data(200);
    assert_eq!(counted["deliveries"], 1);
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());

    let with = issue(&["deliveries:write", "events:read"], json!([own.id])).await;
    assert_eq!(with.post(&path, &body("missed")).await.data(202)["deliveries"], 1);
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 1);
    // The event of the other endpoints, to which a replay added the key's, is now among those of the key.
    let event = with.get(&format!("/events/{}", text(&earlier["id"]))).await.data(200);
    assert_eq!(event["webhook_deliveries"].as_array().unwrap().len(), 1);
}

/// A replay added the delivery to the list of the key's event.
#[tokio::test]
async fn a_delivery_that_a_replay_added_for_another_endpoint_is_hidden_too() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let owner = world.tenant().await;
    let scene = Scene { world: &world, owner: owner.clone(), failing: &receiver };
    let own = owner.endpoint(&receiver).await;
    let event = owner.publish_data(&json!({})).await;
    let later = owner.endpoint(&receiver).await;
    world.advance(Duration::from_secs(61));
    let missed = json!({"since": "2020-01-01T00:00:00Z", "what": "missed"});
    owner.post(&format!("{}/replay", later.path()), &missed).await.data(202);
    world.run_to_the_end().await;
    let path = format!("/events/{}", text(&event["id"]));
    let all = owner.get(&path).await.data(200)["webhook_deliveries"].as_array().unwrap().clone();
    let of = |endpoint: &Endpoint| {
        text(&all.iter().find(|delivery| delivery["endpoint_id"] == endpoint.id).unwrap()["id"]).to_owned()
    };
    for (bound, seen, hidden) in [(&own, of(&own), of(&later)), (&later, of(&later), of(&own))] {
        let key = scene.bound_to(&bound.id).await;
        assert_eq!(delivery_ids(&key.get(&path).await.data(200)), [seen.as_str()]);
        let attempts = key.get(&format!("{path}/attempts")).await.data(200);
        assert_eq!(attempts.as_array().unwrap().iter().map(|it| text(&it["delivery_id"])).collect::<Vec<_>>(), [&seen]);
        for rest in ["", "/attempts"] {
            key.get(&format!("/webhooks/deliveries/{seen}{rest}")).await.data(200);
            key.get(&format!("/webhooks/deliveries/{hidden}{rest}")).await.is_error(404, "not_found");
        }
        key.post(&format!("/webhooks/deliveries/{hidden}/resend"), &json!({})).await.is_error(404, "not_found");
    }
}

#[tokio::test]
async fn the_endpoints_of_a_bound_key_have_pages() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let owner = world.tenant().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(owner.endpoint(&receiver).await.id);
        world.advance(Duration::from_millis(1));
    }
    let own = [&ids[4], &ids[0], &ids[2]];
    let fields = json!({"name": "n", "scopes": ["endpoints:read"], "endpoints": own});
    let issued = owner.post("/api-keys", &fields).await.data(201);
    assert_eq!(issued["endpoints"], json!([ids[0], ids[2], ids[4]]));
    let key = owner.with_key(text(&issued["revealed_key"]));
    let (mut found, mut path) = (Vec::new(), "/webhooks/endpoints?limit=2".to_owned());
    loop {
        let page = key.get(&path).await.body;
        found.extend(page["data"].as_array().unwrap().iter().map(|endpoint| text(&endpoint["id"]).to_owned()));
        let Some(cursor) = page["pagination"]["next_cursor"].as_str() else { break };
        path = format!("/webhooks/endpoints?limit=2&cursor={cursor}");
    }
    assert_eq!(found, [ids[0].clone(), ids[2].clone(), ids[4].clone()]);
    owner.delete(&format!("/webhooks/endpoints/{}?permanent=true", ids[2])).await.data(204);
    assert_eq!(key.get("/webhooks/endpoints").await.data(200).as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_cannot_be_read_after_the_only_endpoint_of_the_key_was_deleted() {
    let shared = Shared::new().await;
    let path = format!("/events/{}", text(&shared.event["id"]));
    shared.contractor.get(&path).await.data(200);
    shared.owner.delete(&format!("{}?permanent=true", shared.own.path())).await.data(204);
    for path in [path.clone(), format!("{path}/attempts")] {
        shared.contractor.get(&path).await.is_error(404, "not_found");
    }
    shared.owner.get(&path).await.data(200);
    shared.world.drain().await;
}
