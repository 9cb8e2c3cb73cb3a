//! Usage by organization and day: it is counted correctly, written rarely and never counted twice.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::tenancy::usage::Day;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Fate, Gate, Process, Receiver, Tenant, World, eventually, over_network, troubled};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BATCH: usize = 100;

/// The usage of the last days in the API, summed up because a test may run at midnight.
async fn used(tenant: &Tenant) -> [u64; 3] {
    let days = tenant.get("/usage").await.data(200);
    let sum = |name| days.as_array().unwrap().iter().map(|day| day[name].as_u64().unwrap()).sum();
    ["events", "deliveries", "attempts"].map(sum)
}

fn day(at: Timestamp) -> String {
    Day::of(at).to_string()
}

fn batch(events: usize) -> Value {
    json!({"events": vec![json!({"type": "a.b", "data": {}}); events]})
}

/// A process and the number of its calls by operation.
fn counting(world: &World) -> (Process, Arc<Mutex<BTreeMap<String, usize>>>) {
    let calls: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let record = Arc::clone(&calls);
    let network = over_network(&world.sdk(), move |operation| {
        *record.lock().unwrap().entry(operation.to_owned()).or_default() += 1;
        Fate::Pass
    });
    (world.process_on(&network), calls)
}

#[tokio::test]
async fn events_deliveries_and_attempts_are_counted_for_the_organization_and_its_day() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    tenant.post("/events/batch", &json!({"events": [{"type": "a.b", "data": {}}, {"type": "?"}]})).await.data(202);
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    assert_eq!(used(&tenant).await, [3, 5, 0]);
    world.drain().await;
    assert_eq!(used(&tenant).await, [3, 5, 5]);
    world.advance(Duration::from_secs(1));
    world.drain().await;
    assert_eq!(used(&tenant).await, [3, 5, 6], "a retry is another attempt");
    assert_eq!(used(&other).await, [0, 0, 0]);
}

#[tokio::test]
async fn days_are_in_order_without_gaps_and_an_attempt_counts_on_its_own_day() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [DAY.as_secs()]})).await;
    let first = world.clock.now();
    tenant.publish().await;
    world.drain().await;
    world.advance(2 * DAY);
    world.sweep().await;
    world.drain().await;
    let (from, to) = (day(first), day(world.clock.now()));
    let days = tenant.get(&format!("/usage?from={from}&to={to}")).await.data(200);
    let between = day(first.plus(DAY));
    let expected = [(&from, [1, 1, 1]), (&between, [0, 0, 0]), (&to, [0, 0, 1])]
        .map(|(date, [e, d, a])| json!({"object": "usage", "date": date, "events": e, "deliveries": d, "attempts": a}));
    assert_eq!(days, json!(expected));
    let month = tenant.get("/usage").await.data(200);
    assert_eq!(month.as_array().unwrap().len(), 30);
    assert_eq!((&month[29]["date"], &month[0]["date"]), (&json!(to), &json!(day(world.clock.now().minus(29 * DAY)))));
    assert_eq!(tenant.get(&format!("/usage?to={from}")).await.data(200)[29], expected[0]);
}

#[tokio::test]
async fn an_error_lists_all_invalid_days() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (query, names) in [
        ("from=yesterday&to=2026-02-30&by=day", vec!["from", "to", "by"]),
        ("from=2026-03-02&to=2026-03-01", vec!["from"]),
        ("from=2025-01-01&to=2026-01-02", vec!["from"]),
    ] {
        let reply = tenant.get(&format!("/usage?{query}")).await;
        reply.is_error(400, "validation_failed");
        let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
        assert_eq!(fields.iter().map(|field| field["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    }
    assert_eq!(tenant.get("/usage?from=2025-01-01&to=2026-01-01").await.data(200).as_array().unwrap().len(), 366);
}

#[tokio::test]
async fn a_suspended_organization_can_read_its_usage() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    let path = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    assert_eq!(used(&tenant).await, [1, 1, 0]);
}

/// The publish function's process counts separately, so this is the sum of both.
#[tokio::test]
async fn counting_costs_at_most_a_tenth_of_a_write_for_each_delivery() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let ((publish, by_publish), (deliver, by_deliver)) = (counting(&world), counting(&world));
    let writes =
        || [&by_publish, &by_deliver].map(|calls| calls.lock().unwrap().get("UpdateItem").copied().unwrap_or_default());
    const DELIVERIES: usize = 300;
    for _ in 0..DELIVERIES {
        tenant.at(&publish).publish_one().await;
        // Batches of one message cost the most.
        assert_eq!(deliver.poll_at_most(1).await, 1);
    }
    let writes: usize = writes().iter().sum();
    assert!(writes > 0 && writes <= DELIVERIES / 10, "{writes}");
    publish.meter.write_all_usage().await;
    deliver.meter.write_all_usage().await;
    let all = u64::try_from(DELIVERIES).unwrap();
    assert_eq!(world.usage().await, [all, all, all]);
}

#[tokio::test]
async fn a_large_count_is_written_before_the_response_and_a_small_one_later() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let publish = |events| {
        let (tenant, body) = (&tenant, batch(events));
        async move { tenant.post("/events/batch", &body).await.data(202) }
    };
    publish(BATCH).await;
    assert_eq!(world.usage().await, [100, 100, 0]);
    publish(60).await;
    assert_eq!(world.usage().await, [100, 100, 0]);
    publish(3).await;
    assert_eq!(world.usage().await, [160, 160, 0]);
    world.advance(Duration::from_secs(601));
    publish(1).await;
    assert_eq!(world.usage().await, [163, 163, 0], "a count is kept in memory for at most ten minutes");
    world.process.meter.write_all_usage().await;
    assert_eq!(world.usage().await, [164, 164, 0]);
}

#[tokio::test]
async fn a_retried_request_is_counted_once() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let event = json!({"type": "a.b", "data": {}}).to_string();
    let publish = |process: &Process, key: &'static str| {
        let (tenant, event) = (tenant.at(process), event.clone());
        async move { tenant.call(Method::POST, "/events", &[("idempotency-key", key)], Some(event)).await }
    };
    for _ in 0..3 {
        publish(&world.process, "whole").await.data(202);
    }
    assert_eq!(used(&tenant).await, [1, 1, 0]);

    for (key, operation) in [("unwritten", "BatchWriteItem"), ("unsent", "SendMessage")] {
        let broken = over_network(
            &world.sdk(),
            move |called| {
                if called.starts_with(operation) { Fate::Refuse } else { Fate::Pass }
            },
        );
        let broken = world.process_on(&broken);
        let before = used(&tenant).await;
        publish(&broken, key).await.is_error(503, "unavailable");
        broken.meter.write_all_usage().await;
        assert_eq!(used(&tenant).await, before, "a request that was not accepted is not counted");
        for _ in 0..3 {
            publish(&world.process, key).await.data(202);
        }
        assert_eq!(used(&tenant).await, [before[0] + 1, before[1] + 1, 0], "{key}");
    }
}

/// Both processes attempt the delivery before either records it. Usually their records are equal to the millisecond.
#[tokio::test]
async fn an_attempt_that_two_processes_record_is_counted_once() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    const ROUNDS: usize = 5;
    for round in 1..=ROUNDS {
        tenant.publish().await;
        let message = world.take_messages().await.remove(0);
        for _ in 0..2 {
            world.send(&message).await;
        }
        let gate = Gate::closed();
        let [first, second] = [(); 2].map(|()| {
            let gate = gate.clone();
            let fate =
                move |it: &str| if it == "BatchExecuteStatement" { Fate::Behind(gate.clone()) } else { Fate::Pass };
            world.process_on(&over_network(&world.sdk(), fate))
        });
        let both = async || {
            eventually("both attempts arrive", async || receiver.received().len() == 2 * round).await;
            gate.open();
        };
        assert_eq!(tokio::join!(first.poll_at_most(1), second.poll_at_most(1), both()), (1, 1, ()));
        first.meter.write_all_usage().await;
        second.meter.write_all_usage().await;
    }
    let all = u64::try_from(ROUNDS).unwrap();
    assert_eq!(used(&tenant).await, [all, all, all]);
}

#[tokio::test]
async fn a_refused_count_is_written_later_and_an_uncertain_one_is_not_written_again() {
    let throttled = Fate::Error(400, "ThrottlingException");
    for (fate, at_first, in_the_end) in [
        (Fate::Refuse, 0, 101),
        (throttled, 0, 101),
        (Fate::LoseAnswer, 100, 101),
        (Fate::TimeOut, 0, 1),
        (Fate::Error(500, "InternalServerError"), 0, 1),
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        // The writes of usage are the only UpdateItem calls here.
        let (network, on, tries) = troubled(&world.sdk(), |call| call.operation == "UpdateItem", fate);
        let process = world.process_on(&network);
        tenant.at(&process).post("/events/batch", &batch(BATCH)).await.data(202);
        assert_eq!(tries.load(Ordering::SeqCst), 1, "the SDK does not retry the write");
        assert_eq!(world.usage().await[0], at_first);
        on.store(false, Ordering::SeqCst);
        tenant.at(&process).publish().await;
        process.meter.write_all_usage().await;
        assert_eq!(world.usage().await, [in_the_end, in_the_end, 0]);
    }
}

#[tokio::test]
async fn usage_is_stored_for_400_days() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    used(&tenant).await;
    let items = world.items("usage").await;
    let expires_at: i64 = items[0]["expires_at"].as_n().unwrap().parse().unwrap();
    let start = Day::of(world.clock.now()).start();
    assert_eq!((items.len(), expires_at), (1, start.plus(400 * DAY).unix_seconds()));
}
