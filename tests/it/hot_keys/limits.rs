//! The rate of an organization is one item, and DynamoDB accepts a thousand write units a second for it. These tests
//! show what happens to publishers that exceed them.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use fastrand::Rng;
use http::Method;
use serde_json::json;

use super::SCALE;
use crate::support::{Budget, Budgets, Tenant, UsedUp, World};

const PUBLISHERS: usize = 8;
const SECONDS: u32 = 4;
const BURST: u32 = 100;

/// How many requests were accepted and refused.
#[derive(Debug, Default)]
struct Outcome {
    accepted: u32,
    refused: u32,
}

/// Creates an organization with a rate limit, and returns the outcome of requests at random times by all its
/// publishers. `rate` and `requests` are events per second at full scale, and each request has one event.
async fn publish(rate: u32, requests: u32) -> Outcome {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": rate / SCALE, "burst": BURST}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(SCALE), UsedUp::Throttled);
    // The SDK would wait in real time before it repeats a throttled call, but the test's clock would not advance.
    let sdk = budgets.over(&world.sdk()).to_builder().retry_config(RetryConfig::disabled()).build();
    let publishers: Vec<_> = (0..PUBLISHERS).map(|_| tenant.at(&world.process_on(&sdk))).collect();
    let outcome = publish_at_random_times(&world, &publishers, f64::from(SCALE) / f64::from(requests)).await;

    assert_eq!(world.items("event").await.len(), outcome.accepted as usize, "no refused event is stored");
    let used_up = budgets.used_up().await;
    assert!(used_up.iter().all(|key| key.starts_with("limit#")), "{used_up:?}");
    outcome
}

/// Sends requests one after the other. `apart` is the average time between them in seconds.
async fn publish_at_random_times(world: &World, publishers: &[Tenant], apart: f64) -> Outcome {
    let (mut random, mut outcome) = (Rng::with_seed(5), Outcome::default());
    let until = world.clock.now().plus(Duration::from_secs(SECONDS.into()));
    while world.clock.now() < until {
        let publisher = &publishers[random.usize(..PUBLISHERS)];
        let reply = publisher.post("/events", &json!({"type": "a", "data": {}})).await;
        if reply.status == 202 {
            outcome.accepted += 1;
        } else {
            reply.is_error(429, "rate_limited");
            assert!(reply.headers.contains_key("retry-after"));
            outcome.refused += 1;
        }
        world.advance(Duration::from_secs_f64(2.0 * apart * random.f64()));
    }
    outcome
}

/// The rates are between much more and little more than the published events. At a rate in between, the bucket is full
/// for half of the requests, and every second request needs two writes.
#[tokio::test]
async fn an_organization_with_any_rate_makes_six_hundred_requests_a_second() {
    for rate in [100_000, 1_800, 1_200, 900, 700] {
        let outcome = publish(rate, 600).await;
        assert!(outcome.refused * 20 <= outcome.accepted, "with a rate of {rate}: {outcome:?}");
    }
}

#[tokio::test]
async fn requests_beyond_the_write_limit_of_the_item_are_refused_and_the_others_are_admitted_up_to_the_rate() {
    for rate in [100_000, 1_800, 1_200, 700, 400] {
        let outcome = publish(rate, 2_500).await;
        let allowed = (rate / SCALE * SECONDS + BURST).min(800 / SCALE * SECONDS);
        assert!(outcome.accepted >= allowed && outcome.refused > 0, "{allowed} with a rate of {rate}: {outcome:?}");
        assert!(outcome.accepted <= rate / SCALE * (SECONDS + 1) + BURST, "a rate of {rate}: {outcome:?}");
    }
}
