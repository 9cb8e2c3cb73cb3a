//! One message that is received twice.

use std::time::Duration;

use serde_json::json;

use super::{Scene, start};
use crate::support::{Answer, Fate, Gate, Receiver, World, over_network};

#[tokio::test]
async fn a_message_that_two_consumers_receive_is_not_lost_if_both_attempts_fail() {
    for former_receipts_act in [false, true] {
        let gate = Gate::closed();
        let scene = Scene::new([500, 500].map(|it| Answer::status(it).behind(&gate)), former_receipts_act).await;
        let one = scene.start();
        scene.receiver.wait_for(1).await;
        scene.world.redeliver();
        let other = scene.start();
        scene.receiver.wait_for(2).await;
        gate.open();
        assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 1));
        assert_eq!(scene.tenant.delivery(&scene.id).await["attempts"], 1, "one attempt is recorded");
        scene.arrives().await;
        assert_eq!(scene.receiver.received().len(), 3);
    }
}

#[tokio::test]
async fn the_copy_whose_attempt_was_not_recorded_waits_longer_than_the_other() {
    let gate = Gate::closed();
    let scene = Scene::new([500, 500].map(|it| Answer::status(it).behind(&gate)), false).await;
    let other_copy = scene.world.messages().remove(0);
    scene.world.send(&other_copy).await;
    let (one, other) = (scene.start(), scene.start());
    scene.receiver.wait_for(2).await;
    gate.open();
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 1));
    assert_eq!(scene.world.in_the_queue().await, 2, "both copies stay in the queue");
    scene.world.advance(Duration::from_secs(10));
    assert_eq!(scene.world.drain().await, 1, "the retry is due, and the other copy is visible two seconds later");
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
    scene.world.advance(Duration::from_secs(2));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.world.in_the_queue().await, 0);
    assert_eq!(scene.receiver.received().len(), 3);
}

/// The message is received twice. The attempt of the first consumer fails after the second one has parked the delivery
/// and deleted the message.
#[tokio::test]
async fn a_failed_attempt_does_not_overwrite_concurrent_parking() {
    for (former_receipts_act, was_attempted) in [(false, false), (true, false), (false, true), (true, true)] {
        let gate = Gate::closed();
        let behind = Answer::status(500).behind(&gate);
        let answers = if was_attempted { vec![Answer::status(500), behind] } else { vec![behind] };
        let requests = answers.len();
        let scene = Scene::new(answers, former_receipts_act).await;
        if was_attempted {
            scene.world.drain().await;
            scene.world.advance(Duration::from_secs(10));
        }
        let attempting = scene.start();
        scene.receiver.wait_for(requests).await;
        scene.tenant.set_status(&scene.endpoint, "paused").await;
        scene.world.redeliver();
        assert_eq!(scene.start().await.unwrap(), 1);
        assert_eq!(scene.world.in_the_queue().await, 0, "the delivery is parked and its message deleted");
        gate.open();
        attempting.await.unwrap();
        assert!(scene.item("waiting_pk").await.unwrap().starts_with("held"));
        scene.arrives().await;
    }
}

/// The message is received twice. A success is recorded even if the delivery was parked, because the receiver has it.
#[tokio::test]
async fn a_success_overwrites_concurrent_parking() {
    let gate = Gate::closed();
    let scene = Scene::new([Answer::status(200).behind(&gate)], false).await;
    let attempting = scene.start();
    scene.receiver.wait_for(1).await;
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    scene.world.redeliver();
    scene.start().await.unwrap();
    gate.open();
    attempting.await.unwrap();
    let delivery = scene.tenant.delivery(&scene.id).await;
    assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["success", 1]));
    assert_eq!(scene.item("waiting_pk").await, None);
    scene.arrives().await;
    scene.receiver.only();
}

#[tokio::test]
async fn a_late_success_is_added_to_the_failure_that_was_recorded_first() {
    let gate = Gate::closed();
    let scene = Scene::new([Answer::status(200).behind(&gate), Answer::status(500)], false).await;
    let succeeding = scene.start();
    scene.receiver.wait_for(1).await;
    scene.world.redeliver();
    scene.start().await.unwrap();
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "retrying");
    gate.open();
    succeeding.await.unwrap();
    let delivery = scene.tenant.delivery(&scene.id).await;
    assert_eq!(json!(["status", "attempts"].map(|name| &delivery[name])), json!(["success", 2]));
    let statuses: Vec<_> =
        delivery["attempt_log"].as_array().unwrap().iter().map(|entry| entry["response_status"].clone()).collect();
    assert_eq!(statuses, [500, 200]);
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
}

/// A consumer with the active endpoint in its cache receives the message after another one parked the delivery and
/// before that one deletes the message.
#[tokio::test]
async fn a_consumer_with_an_active_endpoint_in_its_cache_does_not_attempt_a_parked_delivery() {
    let scene = Scene::new([], false).await;
    let remembering = scene.world.another_process();
    remembering.drain().await;
    let scene = Scene { id: scene.tenant.publish_one().await, ..scene };
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    let (parked, gate) = (Gate::closed(), Gate::closed());
    let (reached, held) = (parked.clone(), gate.clone());
    let network = over_network(&scene.world.sdk(), move |operation| {
        if operation != "DeleteMessageBatch" {
            return Fate::Pass;
        }
        reached.open();
        Fate::Behind(held.clone())
    });
    let parking = start(scene.world.process_on(&network));
    parked.pass().await;
    scene.world.redeliver();
    let handling = start(remembering);
    assert_eq!(handling.await.unwrap(), 1);
    gate.open();
    parking.await.unwrap();
    assert_eq!(scene.receiver.received().len(), 1, "only the first event is attempted");
    assert!(scene.item("waiting_pk").await.unwrap().starts_with("held"));
    scene.arrives().await;
}

#[tokio::test]
async fn copies_in_one_batch_are_processed_once_and_each_is_hidden_or_acknowledged() {
    let scene = Scene::new([Answer::status(500)], false).await;
    let copy = scene.world.messages().remove(0);
    scene.world.send(&copy).await;
    assert_eq!(scene.world.drain().await, 2);
    scene.receiver.only();
    assert_eq!(scene.world.in_the_queue().await, 2, "both copies wait for the retry");
    scene.world.advance(Duration::from_secs(10));
    assert_eq!(scene.world.drain().await, 1, "only one copy is visible");
    scene.world.advance(Duration::from_secs(2));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.receiver.received().len(), 2);
    assert_eq!(scene.world.in_the_queue().await, 0);
}

#[tokio::test]
async fn a_send_whose_response_is_lost_sends_twice_and_loses_nothing() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let lost = std::sync::atomic::AtomicBool::new(false);
    let network = over_network(&world.sdk(), move |operation| {
        let is_first = operation == "SendMessageBatch" && !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
        if is_first { Fate::LoseAnswer } else { Fate::Pass }
    });
    let unlucky = tenant.at(&world.process_on(&network));
    let id = unlucky.publish_one().await;
    assert_eq!(world.messages().len(), 2);
    let scene = Scene { world, tenant, endpoint, receiver, id };
    let (one, other) = (scene.start(), scene.start());
    one.await.unwrap();
    other.await.unwrap();
    scene.check().await;
    assert_eq!(scene.tenant.delivery(&scene.id).await["attempts"], 1);
    // The two messages together make each attempt of the schedule once.
    let final_state = scene.world.run_to_the_end().await;
    assert_eq!(final_state.record(&scene.id).status, "exhausted");
    assert_eq!(final_state.record(&scene.id).attempts, 4);
}
