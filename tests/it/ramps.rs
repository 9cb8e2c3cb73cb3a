//! The pace of jobs: a release is ramped up, and the others have a rate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, EVENT_TYPE, Endpoint, Fate, Process, Receiver, Tenant, World, over_network_by_call};

/// How many deliveries are visible first at each second.
type Schedule = Arc<Mutex<BTreeMap<u64, usize>>>;

async fn publish(tenant: &Tenant, count: usize) {
    for start in (0..count).step_by(100) {
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); (count - start).min(100)];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
}

/// An endpoint without retries, for which so many deliveries are held.
async fn held(tenant: &Tenant, receiver: &Receiver, count: usize) -> Endpoint {
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    tenant.set_status(&endpoint, "paused").await;
    publish(tenant, count).await;
    endpoint
}

/// A process, and when the messages that it sends are visible, in seconds from now.
fn watched(world: &World) -> (Process, Schedule) {
    let schedule = Schedule::default();
    let (seen, clock, start) = (Arc::clone(&schedule), world.clock.clock(), world.clock.now().to_millis());
    let network = over_network_by_call(&world.sdk(), move |call| {
        for entry in call.body["Entries"].as_array().into_iter().flatten() {
            let delay = entry["DelaySeconds"].as_u64().unwrap_or(0);
            let second = clock.now().since(start).as_secs() + delay;
            *seen.lock().unwrap().entry(second).or_default() += 1;
        }
        Fate::Pass
    });
    (world.process_on(&network), schedule)
}

/// How many deliveries are sent in each ten seconds, and most of them in one second.
fn tens(schedule: &Schedule) -> Vec<(usize, usize)> {
    let schedule = schedule.lock().unwrap();
    let last = schedule.keys().last().copied().unwrap_or(0);
    let ten = |start: u64| schedule.range(start..start + 10).map(|(_, count)| *count);
    (0..=last).step_by(10).map(|start| (ten(start).sum(), ten(start).max().unwrap_or(0))).collect()
}

#[tokio::test]
async fn a_resumed_endpoint_gets_ten_deliveries_at_once_then_ten_a_second_doubling_every_ten_seconds() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 3_300).await;
    let (process, schedule) = watched(&world);
    tenant.at(&process).set_status(&endpoint, "active").await;
    assert_eq!(tens(&schedule), [(10, 10)], "by the request");

    let start = world.clock.now();
    world.whole_sweep(&process).await.unwrap();
    let healthy = [(110, 20), (200, 20), (400, 40), (800, 80), (1_600, 160)];
    assert_eq!(tens(&schedule), healthy, "a run has five steps");
    world.advance(Duration::from_secs(60).saturating_sub(world.clock.now().since(start)));
    world.whole_sweep(&process).await.unwrap();
    assert_eq!(tens(&schedule)[5..], [(0, 0), (190, 20)], "the next run goes on, and this time does not count");
    assert_eq!(schedule.lock().unwrap().values().sum::<usize>(), 3_300);
}

#[tokio::test]
async fn failures_keep_the_rate_of_a_release_and_a_suspension_ends_it() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 1_000).await;
    tenant.set_status(&endpoint, "active").await;
    let start = world.clock.now();
    world.whole_sweep_beside_a_consumer(&world.process).await;
    let next = |minute: u64| Duration::from_secs(60 * minute).saturating_sub(world.clock.now().since(start));
    let held_now = async || {
        let marks = world.marks().await;
        marks.iter().filter(|(partition, _)| partition.starts_with("held#")).count()
    };
    // The first step begins beside the ten that are sent at once; the five steps that follow find more failures than before.
    assert_eq!(held_now().await, 1_000 - 10 - 5 * 100, "the rate stays");
    world.advance(next(1));
    world.whole_sweep_beside_a_consumer(&world.process).await;
    assert!(world.items("endpoint").await[0].contains_key("suspended_since"));
    let left = held_now().await;
    assert!(left >= 1_000 - 10 - 7 * 100, "{left}");
    let jobs = tenant.get("/jobs").await.data(200);
    assert_eq!(jobs[0]["status"], "done", "{jobs}");
}

#[tokio::test]
async fn a_rate_is_doubled_again_when_failures_do_not_rise_any_more() {
    // The last ten of the first step fail.
    let answers = [vec![Answer::status(200); 100], vec![Answer::status(500); 10]].concat();
    let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 500).await;
    let (process, schedule) = watched(&world);
    tenant.at(&process).set_status(&endpoint, "active").await;
    world.whole_sweep_beside_a_consumer(&process).await;
    assert_eq!(tens(&schedule), [(110, 20), (100, 10), (200, 20), (90, 10)]);
    world.advance(Duration::from_secs(10));
    world.drain().await;
    assert_eq!(receiver.received().len(), 500);
}

#[tokio::test]
async fn a_recovery_retries_500_at_once_and_a_hundred_a_second_then() {
    let receiver = Receiver::scripted(vec![Answer::status(500); 1_750]).await;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    publish(&tenant, 1_750).await;
    world.drain().await;
    world.advance(Duration::from_secs(1));
    let (process, schedule) = watched(&world);
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    tenant.at(&process).post(&format!("{}/recover", endpoint.path()), &body).await.data(202);
    assert_eq!(tens(&schedule), [(500, 500)]);
    world.whole_sweep(&process).await.unwrap();
    assert_eq!(tens(&schedule), [(1_500, 600), (250, 30)]);
}
