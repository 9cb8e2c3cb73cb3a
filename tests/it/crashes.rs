//! Processes that crash, run concurrently, or cannot reach the table or the queue. No delivery is lost, and repeated
//! requests have the same id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use shared::queue::schema::VISIBILITY_SECONDS;

use crate::support::{Answer, Fate, Gate, Process, Receiver, World, over_network};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);

/// The operations that record an attempt: a coalesced call, and a call of its own if the former fails.
const RECORD: [&str; 2] = ["BatchExecuteStatement", "PutItem"];

/// A process whose requests for these operations have this fate.
fn process_where(world: &World, operations: &'static [&str], fate: &Fate) -> Process {
    let fate = fate.clone();
    let fate = move |called: &str| if operations.contains(&called) { fate.clone() } else { Fate::Pass };
    world.process_on(&over_network(&world.sdk(), fate))
}

#[tokio::test]
async fn an_attempt_without_a_record_is_repeated_with_the_same_id_after_a_crash() {
    let (world, receiver, recording) = (World::new().await, Receiver::new().await, Gate::closed());
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let reached = recording.clone();
    let network = over_network(&world.sdk(), move |operation| {
        if operation != "BatchExecuteStatement" {
            return Fate::Pass;
        }
        reached.open();
        Fate::Behind(Gate::closed())
    });
    let doomed = world.process_on(&network);
    let handler = tokio::spawn(async move { doomed.poll().await });
    recording.pass().await;
    handler.abort();
    assert!(handler.await.unwrap_err().is_cancelled());
    receiver.only();
    assert_eq!(tenant.delivery_status(&id).await, "pending");

    assert_eq!(world.drain().await, 0, "its message is still hidden");
    world.advance(VISIBILITY);
    assert_eq!(world.drain().await, 1);
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    for name in ["webhook-id", "x-webhook-delivery", "x-webhook-attempt", "x-webhook-signature"] {
        assert_eq!(requests[0].header(name), requests[1].header(name), "{name}");
    }
    let delivery = tenant.delivery(&id).await;
    assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["success", 1]));
}

#[tokio::test]
async fn an_attempt_is_repeated_after_a_crash_during_it() {
    let (world, gate) = (World::new().await, Gate::closed());
    let receiver = Receiver::scripted([Answer::status(200).behind(&gate)]).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let doomed = world.another_process();
    let handler = tokio::spawn(async move { doomed.poll().await });
    receiver.wait_for(1).await;
    handler.abort();
    assert!(handler.await.unwrap_err().is_cancelled());
    let final_state = world.run_to_the_end().await;
    final_state.keeps_the_promise(std::slice::from_ref(&id), &[&receiver]);
    assert_eq!((final_state.record(&id).status.as_str(), final_state.repetitions(&[&receiver])), ("success", 1));
}

#[tokio::test]
async fn two_consumers_with_the_same_message_record_one_attempt() {
    for (status, expected, next) in [(200, "success", 0), (500, "retrying", 1)] {
        let (world, gate) = (World::new().await, Gate::closed());
        let receiver = Receiver::always(Answer::status(status).behind(&gate)).await;
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        let (one, other) = (world.another_process(), world.another_process());
        let one = tokio::spawn(async move { one.poll_at_most(1).await });
        receiver.wait_for(1).await;
        world.redeliver();
        world.advance(Duration::from_millis(100));
        let other = tokio::spawn(async move { other.poll_at_most(1).await });
        receiver.wait_for(2).await;
        gate.open();
        assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 1));

        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!([expected, 1]));
        assert_eq!(delivery["attempt_log"].as_array().unwrap().len(), 1);
        assert_eq!(world.in_the_queue().await, next, "the message stays for a retry");
        world.advance(Duration::from_secs(4));
        assert_eq!(world.drain().await, next);
        assert_eq!(receiver.received().len(), 2 + next);
    }
}

#[tokio::test]
async fn a_delivery_without_a_record_is_pending_and_its_next_attempt_is_the_first() {
    for (status, expected) in [(200, "success"), (500, "retrying")] {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(status)]).await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        world.delete_items("pending").await;
        assert_eq!(world.items("delivery").await, []);
        assert_eq!(tenant.delivery_status(&id).await, "pending", "its event lists it");
        world.drain().await;
        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!([expected, 1]));
        world.advance(Duration::from_secs(1));
        world.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "success");
    }
}

#[tokio::test]
async fn an_unreachable_table_delays_deliveries_and_loses_none() {
    // If reading fails, nothing is attempted. If recording fails, the attempt is repeated.
    for (operations, fate, attempts) in [
        (&["BatchGetItem"][..], Fate::Refuse, 1),
        (&RECORD, Fate::Refuse, 2),
        // The attempt is recorded, but the consumer gets no response. The message becomes visible again and is
        // acknowledged.
        (&RECORD, Fate::LoseAnswer, 1),
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        assert_eq!(process_where(&world, operations, &fate).drain().await, 1);
        world.advance(VISIBILITY);
        assert_eq!(world.drain().await, 1, "{operations:?} {fate:?}: the message stays in the queue");
        assert_eq!(receiver.received().len(), attempts, "{operations:?} {fate:?}");
        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["success", 1]));
        world.advance(VISIBILITY);
        assert_eq!(world.drain().await, 0);
    }
}

#[tokio::test]
async fn a_record_that_a_coalesced_call_does_not_write_is_written_by_a_call_of_its_own() {
    for fate in [Fate::Refuse, Fate::LoseAnswer, Fate::Error(400, "ThrottlingException")] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        let process = process_where(&world, &["BatchExecuteStatement"], &fate);
        assert_eq!(process.drain().await, 1);
        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["success", 1]), "{fate:?}");
        process.meter.write_all_usage().await;
        assert_eq!(world.usage().await[2], 1, "{fate:?}: the process knows that it recorded the attempt");
        world.advance(VISIBILITY);
        assert_eq!(world.drain().await, 0, "{fate:?}: its message is acknowledged");
        receiver.only();
    }
}

#[tokio::test]
async fn a_consumer_recognises_its_own_record_after_losing_the_response() {
    // In the second case the coalesced call is refused, and the call of its own loses its response.
    let refused = [Fate::Pass, Fate::Refuse];
    for ((status, expected), together) in
        [(200, "success"), (500, "retrying")].into_iter().flat_map(|it| refused.clone().map(|refused| (it, refused)))
    {
        let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(status)]).await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        let first = AtomicBool::new(true);
        let network = over_network(&world.sdk(), move |operation| match operation {
            "BatchExecuteStatement" if !matches!(together, Fate::Pass) => together.clone(),
            _ if RECORD.contains(&operation) && first.swap(false, Ordering::SeqCst) => Fate::LoseAnswer,
            _ => Fate::Pass,
        });
        world.process_on(&network).drain().await;
        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!([expected, 1]));

        world.advance(Duration::from_secs(1));
        world.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "success", "its message stayed until the retry");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_hidden_is_retried_after_its_visibility_timeout() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    process_where(&world, &["ChangeMessageVisibilityBatch"], &Fate::Refuse).drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "retrying");
    world.advance(Duration::from_secs(1));
    assert_eq!(world.drain().await, 0);
    world.advance(VISIBILITY);
    assert_eq!(world.drain().await, 1);
    assert_eq!(tenant.delivery_status(&id).await, "success");
}
