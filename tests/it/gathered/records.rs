//! The records of first attempts that end together.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Calls, sort_key, until_shared};
use crate::support::{Answer, EVENT_TYPE, Fate, Gate, Part, Process, Receiver, Tenant, World, delivery_ids};

const BATCH: usize = 10;

/// Deliveries in the queue whose receiver answers all at once, when the gate opens.
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

    /// Lets a process handle the batch.
    async fn handle(&self, process: &Process) {
        let all_at_once = async {
            self.receiver.wait_for(BATCH).await;
            self.gate.open();
        };
        assert_eq!(tokio::join!(process.poll(), all_at_once).0, BATCH);
    }

    /// Stops the test unless each attempt was recorded once and counted once, and so many came twice.
    async fn is_recorded(&self, world: &World, processes: &[&Process], repetitions: usize) {
        for id in &self.ids {
            let delivery = self.tenant.delivery(id).await;
            let log = delivery["attempt_log"].as_array().unwrap().len();
            assert_eq!((&delivery["status"], &delivery["attempts"], log), (&json!("success"), &json!(1), 1), "{id}");
        }
        for process in processes {
            process.core.write_all_usage().await;
        }
        assert_eq!(world.usage().await[2], BATCH as u64);
        assert_eq!(world.in_the_queue().await, 0);
        let ending = world.run_to_the_end().await;
        assert_eq!(ending.repetitions(&[&self.receiver]), repetitions);
    }
}

#[tokio::test]
async fn a_record_that_another_process_made_spoils_no_other_of_its_call() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 200).await;
        let message = world.messages().remove(BATCH / 2);
        let (process, calls) = Calls::of_process(&world, |_, _| Fate::Pass);
        let other_is_faster = async {
            batch.receiver.wait_for(BATCH).await;
            world.send(&message).await;
            assert_eq!(world.process.poll_at_most(1).await, 1);
            let made: Vec<_> =
                world.items("delivery").await.iter().map(|it| it["sk"].as_s().unwrap().clone()).collect();
            batch.gate.open();
            made
        };
        let (handled, made) = tokio::join!(process.poll(), other_is_faster);
        assert_eq!((handled, made.len()), (BATCH, 1));
        batch.is_recorded(&world, &[&process, &world.process], 1).await;
        calls.recorded().iter().any(|recorded| recorded.len() > 1 && recorded.contains(&made[0]))
    })
    .await;
}

#[tokio::test]
async fn records_that_dynamodb_does_not_make_together_are_made_alone() {
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
async fn a_lost_answer_about_several_records_repeats_no_attempt_and_loses_none() {
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

/// A record that is taken for somebody else's would drop the message, and nobody would try again.
#[tokio::test]
async fn a_lost_answer_about_several_failed_attempts_loses_no_retry() {
    until_shared(async |world| {
        let batch = Batch::new(&world, 500).await;
        let (process, calls) = Calls::of_process(&world, |call, number| {
            let is_lost = call.operation == "BatchExecuteStatement" && number == 0;
            if is_lost { Fate::LoseAnswer } else { Fate::Pass }
        });
        batch.handle(&process).await;
        let ending = world.run_to_the_end().await;
        for id in &batch.ids {
            assert_eq!((ending.record(id).status.as_str(), ending.record(id).attempts), ("success", 2), "{id}");
        }
        assert_eq!(ending.repetitions(&[&batch.receiver]), 0);
        calls.recorded()[0].len() > 1
    })
    .await;
}

/// DynamoDB refuses a call as a whole that has the same key twice.
#[tokio::test]
async fn two_messages_for_one_delivery_make_one_record_and_lose_no_other() {
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
