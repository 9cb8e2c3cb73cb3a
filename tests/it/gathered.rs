//! Calls that serve several requests of a process at once: what goes wrong for one of them is nobody else's trouble.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Call, EVENT_TYPE, Fate, Gate, Part, Process, Receiver, Reply, Tenant, World, delivery_ids,
    over_network_by_call,
};

/// More rounds than it takes until requests come so close together that they share a call.
const MOST_ROUNDS: usize = 50;
const BATCH: usize = 10;
/// The types of one publisher's event and of all others'.
const UNLUCKY: &str = "order.unlucky";
const LUCKY: &str = "order.lucky";

/// Plays rounds, each in a world of its own, until requests shared a call in one. Who comes when is the machine's
/// business; what comes of it has to be right in each of them.
async fn until_shared(round: impl AsyncFn(World) -> bool) {
    let world = World::new().await;
    for _ in 0..MOST_ROUNDS {
        if Box::pin(round(world.anew().await)).await {
            return;
        }
    }
    panic!("no call is ever shared");
}

/// The calls that a process made.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// A process whose calls are noted and have this fate; it knows which number of its operation a call is, from 0.
    fn of_process(world: &World, fate: impl Fn(&Call, usize) -> Fate + Send + Sync + 'static) -> (Process, Self) {
        let calls = Self::default();
        let noted = calls.clone();
        let network = over_network_by_call(&world.sdk(), move |call| {
            let number = noted.of(&call.operation).len();
            noted.0.lock().unwrap().push(call.clone());
            fate(call, number)
        });
        (world.process_over(&network, world.clock.clock()), calls)
    }

    fn of(&self, operation: &str) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// The deliveries that each call for several records is about.
    fn recorded(&self) -> Vec<Vec<String>> {
        self.of("BatchExecuteStatement")
            .iter()
            .map(|call| call.inserted().map(|item| sort_key(&item)).collect())
            .collect()
    }
}

fn sort_key(item: &Value) -> String {
    item["sk"]["S"].as_str().unwrap().to_owned()
}

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

/// Publishers of as many organizations, the last of whom is unlucky.
struct Publishers {
    tenants: Vec<Tenant>,
    receiver: Receiver,
}

impl Publishers {
    async fn new(world: &World) -> Self {
        let receiver = Receiver::new().await;
        let mut tenants = Vec::new();
        for _ in 0..6 {
            let tenant = world.tenant().await;
            tenant.endpoint(&receiver).await;
            tenants.push(tenant);
        }
        Self { tenants, receiver }
    }

    /// All publish at once. The last one gets this answer, and the others are accepted.
    async fn publish(&self, process: &Process, last: u16) -> Vec<String> {
        let mut replies = self.publish_of(process, "k", 0).await;
        if last != 202 {
            replies.pop().unwrap().is_error(last, "unavailable");
        }
        replies.into_iter().flat_map(|reply| delivery_ids(&reply.data(202))).collect()
    }

    /// All publish at once, and some may be accepted.
    async fn publish_as_far_as_possible(&self, process: &Process) {
        for reply in self.publish_of(process, "k", 0).await {
            if reply.status != 202 {
                reply.is_error(503, "unavailable");
            }
        }
    }

    /// All publish so much data at once, with this key.
    async fn publish_of(&self, process: &Process, key: &str, bytes: usize) -> Vec<Reply> {
        let publish = |(at, tenant): (usize, &Tenant)| {
            let event_type = if at + 1 == self.tenants.len() { UNLUCKY } else { LUCKY };
            let body = json!({"type": event_type, "data": {"text": "x".repeat(bytes)}}).to_string();
            let (tenant, key) = (tenant.at(process), key.to_owned());
            async move { tenant.call(Method::POST, "/events", &[("idempotency-key", &key)], Some(body)).await }
        };
        join_all(self.tenants.iter().enumerate().map(publish)).await
    }

    /// Stops the test unless each accepted delivery comes. What was sent although its publisher was told otherwise may
    /// come twice.
    async fn comes_at_least_once(&self, world: &World, accepted: &[String]) {
        let ending = world.run_to_the_end().await;
        ending.keeps_the_promise(accepted, &[&self.receiver]);
    }

    /// Stops the test unless each accepted delivery comes once, and what was not accepted is when it is asked for again.
    async fn everything_comes(&self, world: &World, accepted: &[String]) {
        assert_eq!(world.drain().await, accepted.len());
        let again = self.publish(&world.process, 202).await;
        assert!(accepted.iter().all(|id| again.contains(id)), "a request that is repeated publishes nothing anew");
        let ending = world.run_to_the_end().await;
        ending.keeps_the_promise(&again, &[&self.receiver]);
        assert_eq!((ending.repetitions(&[&self.receiver]), self.receiver.received().len()), (0, self.tenants.len()));
    }
}

/// Whether the call is about what is left of several publishers, the unlucky one among them.
fn is_shared(call: &Call) -> bool {
    let text = call.body.to_string();
    text.contains(UNLUCKY) && text.contains(LUCKY)
}

#[tokio::test]
async fn what_dynamodb_leaves_undone_for_one_publisher_is_done_for_the_others() {
    for (is_always, last) in [(false, 202), (true, 503)] {
        until_shared(async |world| {
            let publishers = Publishers::new(&world).await;
            let (process, calls) = Calls::of_process(&world, move |call, number| match call.operation.as_str() {
                "BatchWriteItem" if is_always || number < 3 => Fate::Only(Part::Without(UNLUCKY)),
                _ => Fate::Pass,
            });
            let accepted = publishers.publish(&process, last).await;
            publishers.everything_comes(&world, &accepted).await;
            calls.of("BatchWriteItem").iter().any(is_shared)
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_that_sqs_does_not_take_of_one_publisher_keeps_no_other_out() {
    for (part, is_always, last) in [
        (Part::Without(UNLUCKY), false, 202),
        (Part::Without(UNLUCKY), true, 503),
        (Part::WithoutBySender(UNLUCKY), true, 503),
    ] {
        until_shared(async |world| {
            let publishers = Publishers::new(&world).await;
            let (process, calls) = Calls::of_process(&world, move |call, number| match call.operation.as_str() {
                "SendMessageBatch" if is_always || number < 3 => Fate::Only(part),
                _ => Fate::Pass,
            });
            let accepted = publishers.publish(&process, last).await;
            publishers.everything_comes(&world, &accepted).await;
            calls.of("SendMessageBatch").iter().any(is_shared)
        })
        .await;
    }
}

/// Only a call for several that fails as a whole fails for all of them.
#[tokio::test]
async fn what_fails_for_all_who_share_it_is_finished_by_their_repetitions() {
    for operation in ["BatchWriteItem", "SendMessageBatch"] {
        for fate in [Fate::Refuse, Fate::LoseAnswer] {
            until_shared(async |world| {
                let publishers = Publishers::new(&world).await;
                let sharing = fate.clone();
                let (process, calls) = Calls::of_process(&world, move |call, _| {
                    if call.operation == operation && is_shared(call) { sharing.clone() } else { Fate::Pass }
                });
                publishers.publish_as_far_as_possible(&process).await;
                let accepted = publishers.publish(&world.process, 202).await;
                publishers.comes_at_least_once(&world, &accepted).await;
                calls.of(operation).iter().any(is_shared)
            })
            .await;
        }
    }
}

/// One chunk is full and refused, and what is left over is still being written.
#[tokio::test]
async fn who_is_told_of_a_failure_has_nothing_under_way_any_more() {
    let world = World::new().await;
    let (receiver, tenant) = (Receiver::new().await, world.tenant().await);
    for _ in 0..30 {
        tenant.endpoint(&receiver).await;
    }
    let written = Gate::closed();
    let gate = written.clone();
    let (process, calls) = Calls::of_process(&world, move |call, _| match call.operation.as_str() {
        "BatchWriteItem" if items(call) == 25 => Fate::Refuse,
        "BatchWriteItem" => Fate::Behind(gate.clone()),
        _ => Fate::Pass,
    });
    let body = json!({"type": EVENT_TYPE, "data": {}}).to_string();
    let publish = async |tenant: Tenant| {
        tenant.call(Method::POST, "/events", &[("idempotency-key", "k")], Some(body.clone())).await
    };
    let mut publishing = Box::pin(publish(tenant.at(&process)));
    let is_refused = async {
        while calls.of("BatchWriteItem").len() < 2 {
            tokio::task::yield_now().await;
        }
        // Often enough to be told, if the rest were not waited for.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut publishing => panic!("it is answered while something is under way"),
        () = is_refused => {}
    }
    written.open();
    publishing.await.is_error(503, "unavailable");
    assert_eq!(delivery_ids(&publish(tenant.at(&world.process)).await.data(202)).len(), 30);
    let ending = world.run_to_the_end().await;
    assert_eq!((ending.repetitions(&[&receiver]), receiver.received().len()), (0, 30));
}

fn items(call: &Call) -> usize {
    call.body["RequestItems"].as_object().unwrap().values().map(|items| items.as_array().unwrap().len()).sum()
}

/// SQS takes 256 KiB at a time.
#[tokio::test]
async fn large_messages_of_several_publishers_are_sent_in_batches_that_sqs_takes() {
    until_shared(async |world| {
        let publishers = Publishers::new(&world).await;
        let (process, calls) = Calls::of_process(&world, |_, _| Fate::Pass);
        let rounds = join_all(["a", "b", "c"].map(|key| publishers.publish_of(&process, key, 47 * 1024))).await;
        let accepted: Vec<_> = rounds.into_iter().flatten().flat_map(|reply| delivery_ids(&reply.data(202))).collect();
        let sends = calls.of("SendMessageBatch");
        let bytes = |call: &Call| {
            let entries = call.body["Entries"].as_array().unwrap();
            entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().len()).sum::<usize>()
        };
        assert!(sends.iter().all(|call| bytes(call) <= 256 * 1024));
        assert_eq!(world.in_the_queue().await, accepted.len());
        sends.iter().any(|call| bytes(call) > 200 * 1024)
    })
    .await;
}

/// The endpoint comes to be after the first query was performed and before it was answered. Those who publish then must
/// not take its answer for theirs.
#[tokio::test]
async fn who_shares_a_query_of_endpoints_sees_one_that_was_made_before() {
    until_shared(async |world| {
        let (receiver, tenant) = (Receiver::new().await, world.tenant().await);
        tenant.endpoint(&receiver).await;
        let (performed, answered) = (Gate::closed(), Gate::closed());
        let held = Fate::AnswerBehind { performed: performed.clone(), gate: answered.clone() };
        // The one before lets the process remember the key.
        let (process, calls) = Calls::of_process(&world, move |call, number| match call.operation.as_str() {
            "Query" if number == 1 => held.clone(),
            _ => Fate::Pass,
        });
        let at_process = tenant.at(&process);
        assert_eq!(at_process.publish().await.len(), 1);
        let meanwhile = async {
            performed.pass().await;
            tenant.endpoint(&receiver).await;
            let open = async {
                // Both find the key remembered, so nothing keeps them from coming to the query.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                answered.open();
            };
            tokio::join!(at_process.publish(), at_process.publish(), open)
        };
        let (first, (second, third, ())) = tokio::join!(at_process.publish(), meanwhile);
        assert_eq!([first.len(), second.len(), third.len()], [1, 2, 2]);
        calls.of("Query").len() == 3
    })
    .await;
}
