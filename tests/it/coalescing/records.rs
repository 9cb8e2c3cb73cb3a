//! Coalesced records of first attempts that end at the same time.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Calls, sort_key, until_shared};
use crate::support::{Answer, EVENT_TYPE, Fate, Gate, Part, Process, Receiver, Tenant, World, delivery_ids};

const BATCH: usize = 10;

/// Queued deliveries whose receiver sends all responses when the gate opens.
struct Batch {
    tenant: Tenant,
    receiver: Receiver,
    gate: Gate,
    ids: Vec<String>,
}

impl Batch {
    async fn new(world: &World, status: u16) -> Self {
        let gate = Gate::closed();
        let receiver = Receiver::scripted(vec![Answer::status(status).behind(&gate); BATCH]).await;
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); BATCH];
        let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        let ids = results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])).collect();
        Self { tenant, receiver, gate, ids }
    }

    /// Processes the batch in this process.
    async fn handle(&self, process: &Process) {
        let all_at_once = async {
            self.receiver.wait_for(BATCH).await;
            self.gate.open();
        };
        assert_eq!(tokio::join!(process.poll(), all_at_once).0, BATCH);
    }

    /// Asserts that each attempt was recorded and counted once, and that this many requests were repeated.
    async fn is_recorded(&self, world: &World, processes: &[&Process], repetitions: usize) {
        for id in &self.ids {
            let delivery = self.tenant.delivery(id).await;
            let log = delivery["attempt_log"].as_array().unwrap().len();
            assert_eq!((&delivery["status"], &delivery["attempts"], log), (&json!("success"), &json!(1), 1), "{id}");
        }
        for process in processes {
            process.meter.write_all_usage().await;
        }
        assert_eq!(world.usage().await[2], BATCH as u64);
        assert_eq!(world.in_the_queue().await, 0);
        let final_state = world.run_to_the_end().await;
        assert_eq!(final_state.repetitions(&[&self.receiver]), repetitions);
    }
}

#[tokio::test]
async fn an_existing_record_does_not_affect_others_in_a_coalesced_call() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 200).await;
        let message = world.messages().remove(BATCH / 2);
        let (process, calls) = Calls::of_process(&world, |_, _| Fate::Pass);
        let other_is_faster = async {
            batch.receiver.wait_for(BATCH).await;
            world.send(&message).await;
            assert_eq!(world.process.poll_at_most(1).await, 1);
            let written: Vec<_> =
                world.items("delivery").await.iter().map(|it| it["sk"].as_s().unwrap().clone()).collect();
            batch.gate.open();
            written
        };
        let (handled, written) = tokio::join!(process.poll(), other_is_faster);
        assert_eq!((handled, written.len()), (BATCH, 1));
        batch.is_recorded(&world, &[&process, &world.process], 1).await;
        calls.recorded().iter().any(|recorded| recorded.len() > 1 && recorded.contains(&written[0]))
    })
    .await;
}

#[tokio::test]
async fn records_that_a_coalesced_call_does_not_write_are_written_individually() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 200).await;
        let (process, calls) = Calls::of_process(&world, |call, _| match call.inserted().count() {
            0 => Fate::Pass,
            _ => Fate::Only(Part::Half),
        });
        batch.handle(&process).await;
        let undone: BTreeSet<_> = calls.recorded().iter().flat_map(|ids| ids[ids.len() / 2..].to_vec()).collect();
        let alone: Vec<_> = calls.of("PutItem").iter().map(|call| sort_key(&call.body["Item"])).collect();
        assert_eq!((alone.len(), alone.into_iter().collect()), (undone.len(), undone));
        batch.is_recorded(&world, &[&process], 0).await;
        calls.recorded().iter().any(|recorded| recorded.len() > 2)
    })
    .await;
}

#[tokio::test]
async fn a_lost_response_of_a_coalesced_call_repeats_and_loses_no_attempt() {
    for loses_always in [false, true] {
        until_shared(async |world| {
            let batch = Batch::new(&world, 200).await;
            let (process, calls) = Calls::of_process(&world, move |call, number| {
                let is_lost = call.operation == "BatchExecuteStatement" && (loses_always || number % 2 == 0);
                if is_lost { Fate::LoseAnswer } else { Fate::Pass }
            });
            batch.handle(&process).await;
            batch.is_recorded(&world, &[&process], 0).await;
            calls.recorded().iter().any(|recorded| recorded.len() > 1)
        })
        .await;
    }
}

/// If the consumer took its own record for another process's, it would acknowledge the message and nothing would retry
/// the delivery.
#[tokio::test]
async fn a_lost_response_about_failed_attempts_loses_no_retry() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 500).await;
        let (process, calls) = Calls::of_process(&world, |call, number| {
            let is_lost = call.operation == "BatchExecuteStatement" && number == 0;
            if is_lost { Fate::LoseAnswer } else { Fate::Pass }
        });
        batch.handle(&process).await;
        let final_state = world.run_to_the_end().await;
        for id in &batch.ids {
            assert_eq!(
                (final_state.record(id).status.as_str(), final_state.record(id).attempts),
                ("success", 2),
                "{id}"
            );
        }
        assert_eq!(final_state.repetitions(&[&batch.receiver]), 0);
        calls.recorded()[0].len() > 1
    })
    .await;
}

/// DynamoDB rejects a call that contains the same key twice.
#[tokio::test]
async fn two_messages_for_one_delivery_write_one_record_and_affect_no_other() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 200).await;
        batch.receiver.then([Answer::status(200).behind(&batch.gate)]);
        let messages = world.take_messages().await;
        world.purge().await;
        let (process, calls) = Calls::of_process(&world, |_, _| Fate::Pass);
        world.send(&messages[0]).await;
        let all_at_once = async {
            batch.receiver.wait_for(1).await;
            for message in &messages {
                world.send(message).await;
            }
            let last_come = async {
                batch.receiver.wait_for(BATCH + 1).await;
                batch.gate.open();
            };
            tokio::join!(process.poll(), last_come).0
        };
        assert_eq!(tokio::join!(process.poll(), all_at_once), (1, BATCH));
        batch.is_recorded(&world, &[&process], 1).await;
        let is_twice_in = |ids: &Vec<String>| ids.iter().collect::<BTreeSet<_>>().len() < ids.len();
        calls.recorded().iter().any(is_twice_in)
    })
    .await;
}
