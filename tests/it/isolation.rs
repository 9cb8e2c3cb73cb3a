//! A task that ends its process: it costs the tasks of its batch one repetition each, and some minutes.

use std::time::Duration;

use serde_json::json;
use shared::queue::schema::{MAX_RECEIVES, VISIBILITY_SECONDS};

use crate::support::{Answer, EVENT_TYPE, Gate, Receiver, World};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// How many tasks are with the one that ends its process.
const OTHERS: usize = 9;
/// So many runs are enough for the others to be delivered: about half of those that are left are in each run.
const MOST_RUNS: usize = 30;
/// An answer takes so long, in real time, that no request of a batch is recorded before all have arrived.
const SLOW: Duration = Duration::from_millis(100);

/// Handles a batch in a process of its own, which ends when the request for the deadly task comes. Says whether it did.
async fn poll_until_the_end(world: &World, deadly: &Receiver, ends: usize) -> bool {
    let process = world.another_process();
    tokio::select! {
        biased;
        _ = deadly.wait_for(ends + 1) => true,
        _ = process.poll() => false,
    }
}

#[tokio::test]
async fn a_task_that_ends_its_process_costs_each_task_beside_it_one_repetition() {
    let (world, never) = (World::new().await, Gate::closed());
    let deadly = Receiver::always(Answer::status(200).behind(&never)).await;
    let owner = world.tenant().await;
    owner.endpoint(&deadly).await;
    let poison = owner.publish_one().await;
    let tenant = world.tenant().await;
    let mut receivers = Vec::new();
    for _ in 0..OTHERS {
        let receiver = Receiver::always(Answer::status(200).after(SLOW)).await;
        tenant.endpoint(&receiver).await;
        receivers.push(receiver);
    }
    let others = tenant.publish().await;
    let (mut runs, mut ends, mut left) = (0, 0, OTHERS);
    while left > 0 {
        runs += 1;
        assert!(runs <= MOST_RUNS, "{left} are not delivered");
        while poll_until_the_end(&world, &deadly, ends).await {
            ends += 1;
        }
        world.advance(VISIBILITY);
        left = 0;
        for id in &others {
            left += usize::from(tenant.delivery_status(id).await != "success");
        }
    }
    let most = receivers.iter().map(|receiver| receiver.received().len()).max().unwrap();
    assert!(most <= 2, "a receiver had {most} requests");

    // What comes later is attempted before it, and not repeated.
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
async fn many_messages_that_were_received_in_vain_are_attempted_at_the_same_time() {
    const ALONE: usize = 30;
    let (world, gate) = (World::new().await, Gate::closed());
    let at_once = (0..ALONE).map(|_| Answer::status(200));
    let receiver = Receiver::scripted_then(at_once, Answer::status(200).behind(&gate)).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let events = vec![json!({"type": EVENT_TYPE, "data": {}}); ALONE + 10];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    assert_eq!(world.take_messages().await.len(), ALONE + 10);
    world.advance(VISIBILITY);
    let process = world.another_process();
    for _ in 0..ALONE / 10 {
        assert_eq!(process.poll().await, 10);
    }
    assert_eq!(receiver.received().len(), ALONE);
    let handling = tokio::spawn(async move { process.poll().await });
    receiver.wait_for(ALONE + 10).await;
    gate.open();
    assert_eq!(handling.await.unwrap(), 10);
    assert_eq!(world.in_the_queue().await, 0);
}
