//! Coalesced calls of concurrent publish requests.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use super::{Calls, until_shared};
use crate::support::{Call, EVENT_TYPE, Fate, Gate, Part, Process, Receiver, Reply, Tenant, World, delivery_ids};

/// The event type of the publisher whose items fail. All others use `LUCKY`.
const UNLUCKY: &str = "order.unlucky";
const LUCKY: &str = "order.lucky";

/// Publishers of different organizations. The items of the last one fail.
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

    /// Publishes for all concurrently. Asserts that the last one gets this status and the others are accepted.
    async fn publish(&self, process: &Process, last: u16) -> Vec<String> {
        let mut replies = self.publish_of(process, "k", 0).await;
        if last != 202 {
            replies.pop().unwrap().is_error(last, "unavailable");
        }
        replies.into_iter().flat_map(|reply| delivery_ids(&reply.data(202))).collect()
    }

    /// Publishes for all concurrently. Each request is accepted or gets a 503.
    async fn publish_as_far_as_possible(&self, process: &Process) {
        for reply in self.publish_of(process, "k", 0).await {
            if reply.status != 202 {
                reply.is_error(503, "unavailable");
            }
        }
    }

    /// Publishes this much data for all concurrently, with this key.
    async fn publish_of(&self, process: &Process, key: &str, bytes: usize) -> Vec<Reply> {
        let publish = |(at, tenant): (usize, &Tenant)| {
            let event_type = if at + 1 == self.tenants.len() { UNLUCKY } else { LUCKY };
            let body = json!({"type": event_type, "data": {"text": "x".repeat(bytes)}}).to_string();
            let (tenant, key) = (tenant.at(process), key.to_owned());
            async move { tenant.call(Method::POST, "/events", &[("idempotency-key", &key)], Some(body)).await }
        };
        join_all(self.tenants.iter().enumerate().map(publish)).await
    }

    /// Asserts that each accepted delivery arrives. Deliveries whose publisher got an error may arrive twice.
    async fn comes_at_least_once(&self, world: &World, accepted: &[String]) {
        let final_state = world.run_to_the_end().await;
        final_state.keeps_the_promise(accepted, &[&self.receiver]);
    }

    /// Asserts that each accepted delivery arrives once, and that a retry completes the others.
    async fn everything_comes(&self, world: &World, accepted: &[String]) {
        assert_eq!(world.drain().await, accepted.len());
        let again = self.publish(&world.process, 202).await;
        assert!(accepted.iter().all(|id| again.contains(id)), "a retry of an accepted request publishes nothing");
        let final_state = world.run_to_the_end().await;
        final_state.keeps_the_promise(&again, &[&self.receiver]);
        assert_eq!(
            (final_state.repetitions(&[&self.receiver]), self.receiver.received().len()),
            (0, self.tenants.len())
        );
    }
}

/// Whether the call contains items of several publishers, including the one whose items fail.
fn is_shared(call: &Call) -> bool {
    let text = call.body.to_string();
    text.contains(UNLUCKY) && text.contains(LUCKY)
}

/// Publishes while an operation does not process the items of the last publisher, in its first calls or in all of them.
async fn one_is_left_out(operation: &'static str, part: Part, is_always: bool, last: u16) {
    until_shared(async |world| {
        let publishers = Publishers::new(&world).await;
        let (process, calls) = Calls::of_process(&world, move |call, number| {
            let is_part = call.operation == operation && (is_always || number < 3);
            if is_part { Fate::Only(part) } else { Fate::Pass }
        });
        let accepted = publishers.publish(&process, last).await;
        publishers.everything_comes(&world, &accepted).await;
        calls.of(operation).iter().any(is_shared)
    })
    .await;
}

#[tokio::test]
async fn unprocessed_items_of_one_publisher_do_not_affect_others() {
    one_is_left_out("BatchWriteItem", Part::Without(UNLUCKY), false, 202).await;
    one_is_left_out("BatchWriteItem", Part::Without(UNLUCKY), true, 503).await;
}

#[tokio::test]
async fn a_message_that_sqs_rejects_does_not_affect_other_publishers() {
    one_is_left_out("SendMessageBatch", Part::Without(UNLUCKY), false, 202).await;
    one_is_left_out("SendMessageBatch", Part::Without(UNLUCKY), true, 503).await;
    one_is_left_out("SendMessageBatch", Part::WithoutBySender(UNLUCKY), true, 503).await;
}

/// A coalesced call that fails completely fails for all its requests.
#[tokio::test]
async fn a_failed_coalesced_call_is_completed_by_retries_of_its_requests() {
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

/// One full chunk is refused while the remaining items are still being written.
#[tokio::test]
async fn a_failed_request_responds_after_all_its_writes_have_ended() {
    let world = World::new().await;
    let (receiver, tenant) = (Receiver::new().await, world.tenant().await);
    for _ in 0..30 {
        tenant.endpoint(&receiver).await;
    }
    let written = Gate::closed();
    let gate = written.clone();
    let (process, calls) = Calls::of_process(&world, move |call, _| match call.operation.as_str() {
        // The event is written first, then the lists of its deliveries.
        "BatchWriteItem" if items(call) == 1 => Fate::Pass,
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
        while calls.of("BatchWriteItem").len() < 3 {
            tokio::task::yield_now().await;
        }
        // The response would arrive in these rounds if the request did not wait for the remaining write.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut publishing => panic!("the request responded while a write was in progress"),
        () = is_refused => {}
    }
    written.open();
    publishing.await.is_error(503, "unavailable");
    assert_eq!(delivery_ids(&publish(tenant.at(&world.process)).await.data(202)).len(), 30);
    let final_state = world.run_to_the_end().await;
    assert_eq!((final_state.repetitions(&[&receiver]), receiver.received().len()), (0, 30));
}

fn items(call: &Call) -> usize {
    call.body["RequestItems"].as_object().unwrap().values().map(|items| items.as_array().unwrap().len()).sum()
}

/// SQS accepts at most 256 KiB in a call.
#[tokio::test]
async fn large_messages_of_several_publishers_are_sent_in_batches_that_sqs_accepts() {
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

/// The endpoint is created after the second read of these keys was performed and before its response. Requests that start
/// then must not use this response.
async fn a_coalesced_read_finds_an_endpoint_that_was_created_before(operation: &'static str, keys: &'static str) {
    let is_read = move |call: &Call| call.operation == operation && call.body.to_string().contains(keys);
    until_shared(async |world| {
        let (receiver, tenant) = (Receiver::new().await, world.tenant().await);
        tenant.endpoint(&receiver).await;
        let (performed, answered) = (Gate::closed(), Gate::closed());
        let waits = Fate::AnswerBehind { performed: performed.clone(), gate: answered.clone() };
        // The first request makes the process cache the key.
        let reads = AtomicUsize::new(0);
        let (process, calls) = Calls::of_process(&world, move |call, _| {
            if is_read(call) && reads.fetch_add(1, Relaxed) == 1 { waits.clone() } else { Fate::Pass }
        });
        let at_process = tenant.at(&process);
        assert_eq!(at_process.publish().await.len(), 1);
        // Longer than targets are cached, and shorter than keys are.
        world.advance(Duration::from_secs(31));
        let meanwhile = async {
            performed.pass().await;
            tenant.endpoint(&receiver).await;
            let open = async {
                // The key is in the cache, so both requests reach the query.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                answered.open();
            };
            tokio::join!(at_process.publish(), at_process.publish(), open)
        };
        let (_, (second, third, ())) = tokio::join!(at_process.publish(), meanwhile);
        assert_eq!([second.len(), third.len()], [2, 2]);
        calls.of(operation).iter().filter(|call| is_read(call)).count() == 3
    })
    .await;
}

#[tokio::test]
async fn requests_that_share_a_query_of_targets_find_an_endpoint_that_was_created_before() {
    a_coalesced_read_finds_an_endpoint_that_was_created_before("Query", "fanout#").await;
}

#[tokio::test]
async fn requests_that_share_a_read_of_the_state_find_an_endpoint_that_was_created_before() {
    a_coalesced_read_finds_an_endpoint_that_was_created_before("GetItem", "state#").await;
}
