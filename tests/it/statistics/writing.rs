//! When a process writes the statistics that it counted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use shared::domain::statistics::Hour;

use super::{HOUR, total};
use crate::support::{Call, Fate, Receiver, Tenant, World, counted, text, troubled};

/// Whether the call writes statistics.
fn writes_statistics(call: &Call) -> bool {
    call.kind() == "UpdateItem stats"
}

#[tokio::test]
async fn a_refused_count_is_written_later_and_an_uncertain_one_is_not_written_again() {
    for (fate, at_first, in_the_end) in [
        (Fate::Refuse, 0, 2),
        (Fate::Error(400, "ThrottlingException"), 0, 2),
        (Fate::LoseAnswer, 1, 2),
        (Fate::TimeOut, 0, 1),
        (Fate::Error(500, "InternalServerError"), 0, 1),
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let (network, on, tries) = troubled(&world.sdk(), writes_statistics, fate.clone());
        let process = world.process_on(&network);
        let written = async || {
            process.meter.write_all_usage().await;
            total(&tenant, &endpoint).await["attempts"]["success"].as_u64().unwrap()
        };
        tenant.publish().await;
        process.drain().await;
        assert_eq!((written().await, tries.load(Ordering::SeqCst)), (at_first, 1), "{fate:?}: without retries");
        on.store(false, Ordering::SeqCst);
        tenant.publish().await;
        process.drain().await;
        assert_eq!(written().await, in_the_end, "{fate:?}");
    }
}

/// Batches of one message cost the most.
#[tokio::test]
async fn counting_costs_at_most_a_two_hundredth_of_a_write_for_each_delivery_to_a_busy_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (network, writes) = counted(&world.sdk(), writes_statistics);
    let process = world.process_on(&network);
    const DELIVERIES: usize = 600;
    for _ in 0..DELIVERIES {
        tenant.publish_one().await;
        assert_eq!(process.poll_at_most(1).await, 1);
    }
    let written = writes.load(Ordering::SeqCst);
    assert!((1..=DELIVERIES / 200).contains(&written), "{written}");
    process.meter.write_all_usage().await;
    assert_eq!(total(&tenant, &endpoint).await["deliveries"]["success"], DELIVERIES);
}

#[tokio::test]
async fn statistics_that_cannot_be_written_do_not_delay_deliveries_and_are_kept() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (network, on, _) = troubled(&world.sdk(), writes_statistics, Fate::Refuse);
    let process = world.process_on(&network);
    for _ in 0..2 {
        tenant.publish().await;
        assert_eq!(process.drain().await, 1);
        world.advance(Duration::from_secs(601));
    }
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(total(&tenant, &endpoint).await["attempts"]["success"], 0);
    on.store(false, Ordering::SeqCst);
    process.meter.write_all_usage().await;
    assert_eq!(total(&tenant, &endpoint).await["attempts"]["success"], 2);
}

async fn endpoints(tenant: &Tenant, receiver: &Receiver, count: usize) {
    for _ in 0..count {
        tenant.endpoint(receiver).await;
    }
}

/// The deliveries that the items of statistics say have failed.
async fn failed(world: &World) -> usize {
    let items = world.items("stats").await;
    items.iter().filter_map(|item| item.get("d_f")?.as_n().ok()?.parse::<usize>().ok()).sum()
}

/// A process of the API may never get another request.
#[tokio::test]
async fn a_request_that_expunges_an_event_writes_what_it_counted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    endpoints(&tenant, &receiver, 40).await;
    let event = tenant.publish_data(&json!({})).await;
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    assert_eq!((world.items("stats").await.len(), failed(&world).await), (40, 40));
}

/// 40 jobs fail a delivery each, and another one 230.
#[tokio::test]
async fn a_sweep_writes_large_counts_while_it_runs_and_all_others_at_its_end() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let mut all = Vec::new();
    for number in 0..41 {
        let fields = json!({"url": receiver.url(), "event_types": [format!("n{}.x", number / 40)], "status": "paused"});
        all.push(tenant.endpoint_with(fields).await);
    }
    tenant.post("/events", &json!({"type": "n0.x", "data": {}})).await.data(202);
    for count in [100, 100, 30] {
        let events = vec![json!({"type": "n1.x", "data": {}}); count];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
    for endpoint in &all {
        tenant.set_status(endpoint, "disabled").await;
    }
    let (network, writes) = counted(&world.sdk(), writes_statistics);
    let process = world.process_on(&network);
    process.sweep().await;
    assert_eq!((world.items("stats").await.len(), failed(&world).await), (41, 270));
    assert_eq!(writes.load(Ordering::SeqCst), 42, "the large count is written when it has 200");
}

#[tokio::test]
async fn a_sweep_without_time_keeps_its_counts_for_the_next_one() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    let process = world.another_process();
    process.drain().await;
    process.sweep_until(world.clock.now().plus(Duration::from_secs(2))).await.unwrap();
    assert!(world.items("stats").await.is_empty());
    // The run itself leaves ten seconds for the writes.
    process.sweep_until(world.clock.now().plus(Duration::from_secs(5))).await.unwrap();
    assert_eq!(world.items("stats").await.len(), 1);
}

/// Lambda leaves little time to a process that it ends.
#[tokio::test]
async fn a_process_that_ends_reads_each_organization_of_its_old_counts_once() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenants = [world.tenant().await, world.tenant().await];
    for tenant in &tenants {
        endpoints(tenant, &receiver, 20).await;
        tenant.publish().await;
    }
    let (network, reads) = counted(&world.sdk(), |call| call.kind() == "GetItem state");
    let process = world.process_on(&network);
    process.drain().await;
    world.advance(Duration::from_secs(13 * 60));
    let before = reads.load(Ordering::SeqCst);
    process.meter.write_all_usage().await;
    assert_eq!((world.items("stats").await.len(), reads.load(Ordering::SeqCst) - before), (40, 2));
}

/// Another process writes a later success before, or an earlier one.
#[tokio::test]
async fn a_count_that_is_written_later_does_not_set_the_last_success_back() {
    // The seconds until the other process writes.
    for (is_later, waits) in [(true, 1_800), (true, 300), (false, 0)] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let next = Hour::of(world.clock.now()).start().plus(HOUR);
        world.advance(next.since(world.clock.now()) + Duration::from_secs(60));
        let (late, other) = (world.another_process(), world.another_process());
        let mut succeeded_at = Vec::new();
        for (process, passed) in if is_later { [(&late, waits), (&other, 30)] } else { [(&other, 60), (&late, 1_200)] }
        {
            tenant.publish().await;
            process.drain().await;
            succeeded_at.push(world.clock.now());
            other.meter.write_all_usage().await;
            world.advance(Duration::from_secs(passed));
        }
        late.meter.write_all_usage().await;
        let shown = tenant.read_endpoint(&endpoint).await["health"]["last_success_at"].clone();
        let shown = shared::domain::time::Timestamp::parse(text(&shown)).unwrap();
        assert!(succeeded_at[1].since(shown) < Duration::from_secs(1), "{shown}, not {}", succeeded_at[1]);
        assert_eq!(total(&tenant, &endpoint).await["attempts"]["success"], 2);
        assert_eq!(world.items("stats").await.len(), 1);
    }
}
