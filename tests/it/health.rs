//! The health of endpoints in the canonical dialect.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::statistics;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Endpoint, Fate, Receiver, Tenant, World, over_network_by_call, text};
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

/// The secret is shown only in the response, so a failure after the rotation would lose it.
#[tokio::test]
async fn a_change_is_answered_although_the_health_cannot_be_read() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 1).await;
    tenant.publish().await;
    world.drain().await;
    let network =
        over_network_by_call(
            &world.sdk(),
            |call| {
                if call.kind() == "GetItem health" { Fate::Refuse } else { Fate::Pass }
            },
        );
    let broken = tenant.at(&world.process_over(&network, world.clock.clock()));
    let rotated = broken.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
    assert_eq!(rotated["health"], healthy());
    assert!(text(&rotated["signing_secret"]).starts_with("whsec_"));
    broken.get(&endpoint.path()).await.is_error(503, "unavailable");
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
