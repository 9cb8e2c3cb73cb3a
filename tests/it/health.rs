//! The health of endpoints in the canonical dialect.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::statistics;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Call, Endpoint, Fate, Receiver, Tenant, World, over_network_by_call, text};
use crate::suspension::{failing, suspend};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The health in the list of the organization's endpoints.
async fn listed(tenant: &Tenant, endpoint: &Endpoint) -> Value {
    let list = tenant.get("/webhooks/endpoints").await.data(200);
    let mut found = list.as_array().unwrap().iter().filter(|it| it["id"] == json!(endpoint.id));
    found.next().unwrap()["health"].clone()
}

/// The health in a response about the endpoint alone.
async fn read(tenant: &Tenant, endpoint: &Endpoint) -> Value {
    tenant.read_endpoint(endpoint).await["health"].clone()
}

fn healthy() -> Value {
    json!({"state": "healthy", "failing_since": null, "suspended_since": null, "next_probe_at": null})
}

/// Asserts that a shown time is this one. The test's clock advances a little with each call.
#[track_caller]
fn assert_time(shown: &Value, expected: Option<Timestamp>) {
    let shown = shown.as_str().map(|text| Timestamp::parse(text).unwrap());
    let difference = shown.zip(expected).map(|(shown, expected)| shown.since(expected) + expected.since(shown));
    let is_close = difference.is_none_or(|difference| difference < seconds(1));
    assert!(shown.is_some() == expected.is_some() && is_close, "{shown:?}, not {expected:?}");
}

#[tokio::test]
async fn an_endpoint_fails_from_its_first_failure_until_its_successes_outnumber_the_failures() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 2).await;
    assert_eq!((listed(&tenant, &endpoint).await, read(&tenant, &endpoint).await), (healthy(), healthy()));
    let mut since = Vec::new();
    for _ in 0..2 {
        tenant.publish().await;
        since.push(world.clock.now());
        // Each process has read the endpoint after the last change.
        world.another_process().drain().await;
        let shown = listed(&tenant, &endpoint).await;
        assert_eq!(shown["state"], "failing");
        assert_time(&shown["failing_since"], Some(since[0]));
        assert_eq!((&shown["suspended_since"], &shown["next_probe_at"]), (&Value::Null, &Value::Null));
        let renamed = tenant.patch(&endpoint.path(), &json!({"name": "Renamed"})).await.data(200);
        assert_eq!((&renamed["health"], read(&tenant, &endpoint).await), (&shown, shown.clone()));
        world.advance(seconds(10));
    }
    for expected in ["failing", "healthy"] {
        tenant.publish().await;
        world.another_process().drain().await;
        assert_eq!(listed(&tenant, &endpoint).await["state"], expected);
    }
    assert_eq!(listed(&tenant, &endpoint).await, healthy());
}

#[tokio::test]
async fn a_suspended_endpoint_shows_when_its_next_probe_is_due_until_it_is_due() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 11).await;
    let began_at = world.clock.now();
    suspend(&world, &tenant).await;
    let suspended_at = world.clock.now();
    let shows = async |next_probe_at: Option<Timestamp>| {
        let shown = listed(&tenant, &endpoint).await;
        assert_eq!(shown["state"], "suspended");
        assert_time(&shown["failing_since"], Some(began_at));
        assert_time(&shown["suspended_since"], Some(suspended_at));
        assert_time(&shown["next_probe_at"], next_probe_at);
    };
    shows(Some(suspended_at.plus(seconds(60)))).await;
    world.advance(seconds(60));
    shows(None).await;
    tenant.publish().await;
    world.sweep().await;
    shows(Some(world.clock.now().plus(seconds(120)))).await;
    let resumed = tenant.patch(&endpoint.path(), &json!({"status": "active"})).await.data(200);
    assert_eq!((&resumed["health"], listed(&tenant, &endpoint).await), (&healthy(), healthy()));
}

#[tokio::test]
async fn the_last_success_is_shown_for_a_single_endpoint_as_long_as_it_is_counted() {
    let world = World::new().await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    assert_eq!(read(&tenant, &endpoint).await, healthy());
    tenant.publish().await;
    world.drain().await;
    let succeeded_at = world.clock.now();
    receiver.then(vec![Answer::status(500); 12]);
    // The newest hours have only failures.
    for _ in 0..12 {
        world.advance(seconds(3_600));
        tenant.publish().await;
        world.drain().await;
        assert_time(&read(&tenant, &endpoint).await["last_success_at"], Some(succeeded_at));
    }
    assert!(listed(&tenant, &endpoint).await.get("last_success_at").is_none());
    world.advance(statistics::RETENTION);
    assert!(read(&tenant, &endpoint).await.get("last_success_at").is_none(), "expired");
}

/// The secret of a rotation is shown only in the response, so a failure after the rotation would lose it.
#[tokio::test]
async fn endpoints_are_shown_although_their_health_cannot_be_read() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 2).await;
    for _ in 0..3 {
        tenant.publish().await;
        let process = world.another_process();
        process.drain().await;
        process.meter.write_all_usage().await;
        world.advance(seconds(10));
    }
    for (refused, of_list, of_one, has_success) in [
        ("none", "failing", "failing", true),
        ("GetItem health", "failing", "healthy", true),
        ("BatchGetItem health", "healthy", "failing", true),
        ("Query stats", "failing", "failing", false),
    ] {
        let fate = move |call: &Call| if call.kind() == refused { Fate::Refuse } else { Fate::Pass };
        let process = world.process_on(&over_network_by_call(&world.sdk(), fate));
        let broken = tenant.at(&process);
        assert_eq!(listed(&broken, &endpoint).await["state"], of_list, "{refused}");
        let shown = read(&broken, &endpoint).await;
        assert_eq!(
            (&shown["state"], shown.get("last_success_at").is_some()),
            (&json!(of_one), has_success),
            "{refused}"
        );
        let rotated = broken.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
        assert_eq!(rotated["health"]["state"], of_one, "{refused}");
        assert!(text(&rotated["signing_secret"]).starts_with("whsec_"));
    }
}

#[tokio::test]
async fn an_unreadable_item_does_not_affect_the_health_of_other_endpoints() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let [first, second] = [tenant.endpoint(&receiver).await, tenant.endpoint(&receiver).await];
    tenant.publish().await;
    world.drain().await;
    let mut items = world.items("health").await;
    let mut broken =
        items.swap_remove(items.iter().position(|it| it["pk"].as_s().unwrap().contains(&first.id)).unwrap());
    broken.insert("failures".to_owned(), AttributeValue::S("many".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(broken)).send().await.unwrap();
    for (endpoint, state) in [(&first, "healthy"), (&second, "failing")] {
        assert_eq!(listed(&tenant, endpoint).await["state"], state);
        assert_eq!(read(&tenant, endpoint).await["state"], state);
    }
}

#[tokio::test]
async fn the_other_dialects_show_no_health() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 1).await;
    tenant.publish().await;
    world.drain().await;
    let hyphenated = uuid::Uuid::parse_str(&endpoint.id[3..]).unwrap().hyphenated().to_string();
    for path in [
        format!("/webhooks/{}", endpoint.id),
        format!("/v1/endpoints/ep_{hyphenated}"),
        format!("/v1/webhook-endpoints/{}", endpoint.id),
    ] {
        let reply = tenant.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.body["id"].is_string() && reply.body.get("health").is_none(), "{path}: {}", reply.body);
    }
}
