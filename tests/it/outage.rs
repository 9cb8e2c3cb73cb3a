//! While the table is unreachable, no message becomes a dead letter. Afterwards everything is delivered within one
//! hour. The module `outage_model` simulates 100,000 messages.

use std::time::Duration;

use serde_json::json;
use shared::queue::schema::VISIBILITY_SECONDS;

use crate::support::{Call, EVENT_TYPE, Fate, Receiver, World, over_network_by_call};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const TENANTS: usize = 4;
/// The number of events of a publish request.
const BATCH: usize = 25;

/// Publishes this many requests of each tenant, makes the table unreachable for this time, and checks that all messages
/// are delivered.
async fn survives(outage: Duration, requests: usize) {
    let world = World::new().await;
    let mut receivers = Vec::new();
    for _ in 0..TENANTS {
        let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
        tenant.endpoint(&receiver).await;
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); BATCH];
        for _ in 0..requests {
            tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        }
        receivers.push(receiver);
    }
    let all = TENANTS * requests * BATCH;
    let fate = |call: &Call| if call.service == "dynamodb" { Fate::Refuse } else { Fate::Pass };
    let cut_off = world.process_on(&over_network_by_call(&world.sdk(), fate));
    let began = world.clock.now();
    while world.clock.now().since(began) < outage {
        assert_eq!(cut_off.drain().await, all);
        world.advance(VISIBILITY);
    }
    assert!(receivers.iter().all(|receiver| receiver.received().is_empty()));

    let ended = world.clock.now();
    while world.in_the_queue().await > 0 {
        let left = world.in_the_queue().await;
        assert!(world.clock.now().since(ended) < HOUR, "{left} messages are left");
        world.another_process().drain().await;
        world.advance(VISIBILITY);
    }
    assert_eq!(world.take_dead_letters().await, [""; 0]);
    for receiver in &receivers {
        assert_eq!(receiver.received().len(), requests * BATCH);
    }
    let records = world.records().await;
    assert_eq!(records.len(), all);
    assert!(records.values().all(|record| (record.status.as_str(), record.attempts) == ("success", 1)));
}

#[tokio::test]
async fn a_day_without_the_table_causes_no_dead_letters() {
    survives(DAY, 1).await;
}

#[tokio::test]
async fn thousands_of_messages_are_delivered_within_the_hour_after_an_outage() {
    survives(3 * VISIBILITY, 20).await;
}
