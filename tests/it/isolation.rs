//! A task that crashes its process causes at most one repeated request for each other task of its batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::{CONSUMER_TIMEOUT_SECONDS, MAX_RECEIVES, VISIBILITY_SECONDS};

use crate::support::{Answer, EVENT_TYPE, Fate, Gate, Process, Receiver, Tenant, World, over_network_by_call};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// The number of tasks in a batch with the one that crashes the process.
const OTHERS: usize = 9;
/// The number of runs after which all other tasks are delivered. Each run delivers about half of the remaining ones.
const MOST_RUNS: usize = 30;
/// The duration of a response in real time. It is long enough that all requests of a batch arrive before the first one
/// is recorded.
const SLOW: Duration = Duration::from_millis(100);

/// The number of messages that a process completes before it stops isolating.
const MANY: usize = 30;
/// The duration of the lease of a delivery that was sent to the queue.
const LEASE: Duration = Duration::from_secs(15 * 60);

/// Processes a batch in a process of its own, which ends when the request of the deadly task arrives. Returns whether
/// it ended.
async fn poll_until_the_end(world: &World, deadly: &Receiver, ends: usize) -> bool {
    poll_in(&world.another_process(), Lane::Fast, deadly, ends).await
}

/// Processes a batch of a lane in this process, like [`poll_until_the_end`].
async fn poll_in(process: &Process, lane: Lane, deadly: &Receiver, ends: usize) -> bool {
    tokio::select! {
        biased;
        _ = deadly.wait_for(ends + 1) => true,
        _ = process.poll_of(lane, 10) => false,
    }
}

/// Receivers of a second tenant and one event for all of them.
struct Others {
    tenant: Tenant,
    receivers: Vec<Receiver>,
    deliveries: Vec<String>,
}

impl Others {
    async fn publish(world: &World, lane: Lane) -> Self {
        let (tenant, mut receivers) = (world.tenant().await, Vec::new());
        for _ in 0..OTHERS {
            let receiver = Receiver::always(Answer::status(200).after(SLOW)).await;
            let endpoint = tenant.endpoint(&receiver).await;
            world.set_lane(&tenant, &endpoint, lane).await;
            receivers.push(receiver);
        }
        let deliveries = tenant.publish().await;
        Self { tenant, receivers, deliveries }
    }

    /// The number of requests, and how many of them are recorded. A request without a record will be repeated.
    async fn requested_and_recorded(&self) -> (usize, usize) {
        let mut recorded = 0;
        for id in &self.deliveries {
            recorded += usize::from(self.tenant.delivery_status(id).await == "success");
        }
        (self.receivers.iter().map(|receiver| receiver.received().len()).sum(), recorded)
    }
}

/// A tenant and a receiver whose requests end the process that makes them.
async fn with_deadly_receiver(world: &World) -> (Tenant, Receiver) {
    (world.tenant().await, Receiver::always(Answer::status(200).behind(&Gate::closed())).await)
}

#[tokio::test]
async fn a_task_that_crashes_its_process_repeats_other_tasks_at_most_once() {
    let world = World::new().await;
    let (owner, deadly) = with_deadly_receiver(&world).await;
    owner.endpoint(&deadly).await;
    let poison = owner.publish_one().await;
    let Others { tenant, receivers, deliveries } = Others::publish(&world, Lane::Fast).await;
    let (mut runs, mut ends, mut left) = (0, 0, OTHERS);
    while left > 0 {
        runs += 1;
        assert!(runs <= MOST_RUNS, "{left} deliveries are not completed");
        while poll_until_the_end(&world, &deadly, ends).await {
            ends += 1;
        }
        world.advance(VISIBILITY);
        left = 0;
        for id in &deliveries {
            left += usize::from(tenant.delivery_status(id).await != "success");
        }
    }
    let most = receivers.iter().map(|receiver| receiver.received().len()).max().unwrap();
    assert!(most <= 2, "a receiver had {most} requests");

    // Later tasks are attempted before the deadly one and are not repeated.
    let requests = |receiver: &Receiver| receiver.received().len();
    let before: Vec<_> = receivers.iter().map(requests).collect();
    tenant.publish().await;
    for _ in 0..4 {
        while poll_until_the_end(&world, &deadly, ends).await {
            ends += 1;
        }
        world.advance(VISIBILITY);
    }
    let expected: Vec<_> = before.iter().map(|requests| requests + 1).collect();
    assert_eq!(receivers.iter().map(requests).collect::<Vec<_>>(), expected);
    for event in tenant.get("/events").await.data(200).as_array().unwrap() {
        assert!(event["webhook_deliveries"].as_array().unwrap().iter().all(|it| it["status"] == "success"), "{event}");
    }

    world.receive_in_vain(MAX_RECEIVES).await;
    world.drain().await;
    assert!(world.take_dead_letters().await.iter().any(|message| message.contains(&poison)));
    assert_eq!(owner.delivery_status(&poison).await, "pending");
}

#[tokio::test]
async fn many_messages_that_were_received_without_result_are_attempted_concurrently() {
    let (world, gate) = (World::new().await, Gate::closed());
    let at_once = (0..MANY).map(|_| Answer::status(200));
    let receiver = Receiver::scripted_then(at_once, Answer::status(200).behind(&gate)).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let events = vec![json!({"type": EVENT_TYPE, "data": {}}); MANY + 10];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    assert_eq!(world.take_messages().await.len(), MANY + 10);
    world.advance(VISIBILITY);
    let process = world.another_process();
    for _ in 0..MANY / 10 {
        assert_eq!(process.poll().await, 10);
    }
    assert_eq!(receiver.received().len(), MANY);
    let handling = tokio::spawn(async move { process.poll().await });
    receiver.wait_for(MANY + 10).await;
    gate.open();
    assert_eq!(handling.await.unwrap(), 10);
    assert_eq!(world.in_the_queue().await, 0);
}

#[tokio::test]
async fn a_task_is_isolated_when_its_lease_is_renewed() {
    let world = World::new().await;
    let (owner, deadly) = with_deadly_receiver(&world).await;
    let endpoint = owner.endpoint(&deadly).await;
    owner.set_status(&endpoint, "paused").await;
    owner.publish_one().await;
    owner.set_status(&endpoint, "active").await;
    assert!(poll_until_the_end(&world, &deadly, 0).await, "the released delivery ends its process");

    world.advance(LEASE);
    assert_eq!(world.take_messages().await.len(), 1, "its first message is hidden");
    world.sweep().await;
    let others = Others::publish(&world, Lane::Fast).await;
    assert!(poll_until_the_end(&world, &deadly, 1).await, "its second message ends another process");
    assert_eq!(others.requested_and_recorded().await, (OTHERS, OTHERS));
}

#[tokio::test]
async fn a_task_that_was_received_without_result_is_isolated_in_the_lane_it_is_forwarded_to() {
    let world = World::new().await;
    let (owner, deadly) = with_deadly_receiver(&world).await;
    let endpoint = owner.endpoint(&deadly).await;
    owner.publish_one().await;
    world.set_lane(&owner, &endpoint, Lane::Slow).await;
    assert_eq!(world.take_messages().await.len(), 1);
    world.advance(VISIBILITY);
    assert_eq!(world.another_process().poll().await, 1, "the message is forwarded");

    let others = Others::publish(&world, Lane::Slow).await;
    assert!(poll_in(&world.another_process(), Lane::Slow, &deadly, 0).await);
    assert_eq!(others.requested_and_recorded().await, (OTHERS, OTHERS));
}

/// Asserts that a process still isolates a deadly task after it has processed many messages without an attempt, because
/// too little time was left or because it forwarded them to the slow lane.
async fn is_isolated_after_many_without_an_attempt(lane: Lane) {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let events = vec![json!({"type": EVENT_TYPE, "data": {}}); MANY];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    world.set_lane(&tenant, &endpoint, lane).await;
    assert_eq!(world.take_messages().await.len(), MANY);
    world.advance(VISIBILITY);
    let (is_late, clock) = (Arc::new(AtomicBool::new(false)), world.clock.clone());
    let late = Arc::clone(&is_late);
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.operation == "BatchGetItem" && late.swap(false, Ordering::SeqCst) {
            // Less time is left than the endpoint's timeout.
            clock.advance(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS) - 10));
        }
        Fate::Pass
    });
    let process = world.process_on(&network);
    for _ in 0..MANY / 10 {
        is_late.store(lane == Lane::Fast, Ordering::SeqCst);
        assert_eq!(process.poll().await, 10);
    }
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(world.messages_of(lane).len(), MANY);
    world.purge().await;

    let (owner, deadly) = with_deadly_receiver(&world).await;
    owner.endpoint(&deadly).await;
    owner.publish_one().await;
    let others = Others::publish(&world, Lane::Fast).await;
    assert_eq!(world.take_messages().await.len(), 1 + OTHERS);
    world.advance(VISIBILITY);
    assert!(poll_in(&process, Lane::Fast, &deadly, 0).await);
    let (requested, recorded) = others.requested_and_recorded().await;
    assert_eq!(requested, recorded);
}

#[tokio::test]
async fn tasks_that_are_postponed_because_of_the_deadline_do_not_end_isolation() {
    is_isolated_after_many_without_an_attempt(Lane::Fast).await;
}

#[tokio::test]
async fn tasks_that_are_forwarded_do_not_end_isolation() {
    is_isolated_after_many_without_an_attempt(Lane::Slow).await;
}

#[tokio::test]
async fn isolated_tasks_without_time_left_are_visible_immediately_and_not_read_again() {
    let (world, gate) = (World::new().await, Gate::closed());
    let receiver = Receiver::scripted([Answer::status(200).behind(&gate)]).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let events = vec![json!({"type": EVENT_TYPE, "data": {}}); 10];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    assert_eq!(world.take_messages().await.len(), 10);
    world.advance(VISIBILITY);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let network = over_network_by_call(&world.sdk(), move |call| {
        seen.lock().unwrap().push(call.operation.clone());
        Fate::Pass
    });
    let process = world.process_on(&network);
    let handling = tokio::spawn(async move { process.poll().await });
    receiver.wait_for(1).await;
    world.advance(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS) - 1));
    gate.open();
    assert_eq!(handling.await.unwrap(), 10);
    let count = |operation: &str| calls.lock().unwrap().iter().filter(|call| *call == operation).count();
    assert_eq!(count("BatchGetItem"), 2, "one for the batch and one for the attempted task");
    assert_eq!(count("ChangeMessageVisibilityBatch"), 1);
    assert_eq!(world.visible_in_the_queue().await, 9);
    world.drain().await;
    assert_eq!(receiver.received().len(), 10);
}
