//! Statistics of endpoints: what they show and how long they are kept.

mod deletion;
mod ends;
mod recount;
mod writing;

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::statistics::{Hour, RETENTION};
use shared::domain::time::Timestamp;

use crate::support::{Answer, Endpoint, Receiver, Tenant, World, text};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn read(tenant: &Tenant, endpoint: &Endpoint, query: &str) -> Value {
    tenant.get(&format!("{}/stats{query}", endpoint.path())).await.data(200)
}

/// The total of the last 24 hours, without the percentiles.
async fn total(tenant: &Tenant, endpoint: &Endpoint) -> Value {
    let mut total = read(tenant, endpoint, "").await["total"].take();
    total["attempts"].as_object_mut().unwrap().remove("duration_ms");
    total
}

/// Statistics without percentiles: successes, exhausted and failed deliveries, and how they failed; then attempts.
fn counts(deliveries: [u64; 3], errors: Value, attempts: [u64; 2], failures: Value) -> Value {
    let share = |part: u64, whole: u64| (whole > 0).then(|| (part as f64 / whole as f64 * 1e4).round() / 1e4);
    let [success, exhausted, failed] = deliveries;
    json!({
        "deliveries": {
            "success": success, "exhausted": exhausted, "failed": failed,
            "success_share": share(success, success + exhausted + failed), "errors": errors,
        },
        "attempts": {
            "success": attempts[0], "failed": attempts[1], "success_share": share(attempts[0], attempts.iter().sum()),
            "errors": failures,
        },
    })
}

fn hour(at: Timestamp) -> String {
    Hour::of(at).start().rfc3339()
}

#[tokio::test]
async fn attempts_count_in_their_hour_and_deliveries_in_the_hour_in_which_they_end() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [7_200]})).await;
    let other = tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["never"]})).await;
    let empty = counts([0; 3], json!({}), [0; 2], json!({}));
    assert_eq!(total(&tenant, &endpoint).await, empty);
    tenant.publish().await;
    world.drain().await;
    let first = world.clock.now();
    let failed = counts([0; 3], json!({}), [0, 1], json!({"http_status": 1}));
    assert_eq!(total(&tenant, &endpoint).await, failed);
    world.advance(3 * HOUR);
    world.sweep().await;
    world.drain().await;
    let second = world.clock.now();
    assert_eq!(total(&tenant, &endpoint).await, counts([1, 0, 0], json!({}), [1, 1], json!({"http_status": 1})));
    assert_eq!(total(&tenant, &other).await, empty);

    let all = read(&tenant, &endpoint, "").await;
    assert_eq!((&all["object"], &all["endpoint_id"]), (&json!("webhook_statistics"), &json!(endpoint.id)));
    assert_eq!((&all["interval"], all["intervals"].as_array().unwrap().len()), (&json!("hour"), 24));
    assert_eq!(
        (&all["until"], &all["since"]),
        (&json!(hour(second.plus(HOUR))), &json!(hour(second.minus(23 * HOUR))),)
    );
    for interval in all["intervals"].as_array().unwrap() {
        let attempts = ["success", "failed"].map(|name| interval["attempts"][name].as_u64().unwrap());
        let expected = match text(&interval["start"]) {
            start if start == hour(first) => [0, 1],
            start if start == hour(second) => [1, 0],
            _ => [0, 0],
        };
        assert_eq!(attempts, expected, "{interval}");
        let percentiles = &interval["attempts"]["duration_ms"];
        assert!(["p50", "p95", "p99"].iter().all(|it| percentiles[it].is_null() == (expected == [0, 0])), "{interval}");
    }
    let query = format!("?since={}&until={}", hour(first), hour(first.plus(HOUR)));
    let one = read(&tenant, &endpoint, &query).await;
    assert_eq!(one["intervals"].as_array().unwrap().len(), 1);
    assert_eq!(one["total"]["attempts"]["failed"], 1);
    let days = read(&tenant, &endpoint, "?interval=day").await;
    assert_eq!(days["intervals"].as_array().unwrap().len(), 30);
    assert_eq!(days["total"]["attempts"]["success_share"], 0.5);
}

#[tokio::test]
async fn an_error_names_all_invalid_parameters() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&Receiver::new().await).await;
    for (query, names) in [
        ("since=yesterday&until=x&interval=minute&by=hour", &["since", "until", "interval", "by"][..]),
        ("since=2026-03-24T20:00:00Z&until=2026-03-24T20:00:00Z", &["since"]),
        ("since=2026-03-01T00:00:00Z&until=2026-04-02T00:00:01Z", &["since"]),
    ] {
        let reply = tenant.get(&format!("{}/stats?{query}", endpoint.path())).await;
        reply.is_error(400, "validation_failed");
        let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
        assert_eq!(fields.iter().map(|field| text(&field["name"])).collect::<Vec<_>>(), names);
    }
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    tenant.get(&format!("{}/stats", endpoint.path())).await.is_error(404, "not_found");
}

#[tokio::test]
async fn statistics_are_not_counted_if_the_deployment_has_none() {
    let (world, receiver) = (World::with(&[("STATISTICS", "false")]).await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    world.process.meter.write_all_usage().await;
    assert_eq!(total(&tenant, &endpoint).await, counts([0; 3], json!({}), [0; 2], json!({})));
    assert!(tenant.read_endpoint(&endpoint).await["health"].get("last_success_at").is_none());
    assert!(world.items("stats").await.is_empty());
    assert_eq!(world.usage().await, [1, 1, 1]);
}

#[tokio::test]
async fn statistics_are_stored_for_32_days() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    let at = world.clock.now();
    world.process.meter.write_all_usage().await;
    let items = world.items("stats").await;
    let expires_at: i64 = items[0]["expires_at"].as_n().unwrap().parse().unwrap();
    assert_eq!((items.len(), expires_at), (1, Hour::of(at).start().plus(RETENTION).unix_seconds()));
    // DynamoDB removes an expired item late.
    let query = format!("?since={}&until={}", hour(at), hour(at.plus(HOUR)));
    for (passed, deliveries) in [(Duration::ZERO, 1), (RETENTION - HOUR, 1), (HOUR, 0)] {
        world.advance(passed);
        let found = read(&tenant, &endpoint, &query).await["total"]["deliveries"]["success"].clone();
        assert_eq!(found, json!(deliveries), "{passed:?}");
    }
}
