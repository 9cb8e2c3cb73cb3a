//! Tickets: which message owns a delivery. SQS can deliver a message twice, honor or ignore earlier receipts, and give
//! a moved message another id, and sweeps send additional messages. After every step an unfinished delivery is marked
//! in the table, or a message with its ticket is in the queue.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::queue::schema::{MAX_RECEIVES, VISIBILITY_SECONDS};
use tokio::task::JoinHandle;

use crate::support::{Answer, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, over_network, text};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
const TICKET: &str = "0123456789abcdef";

/// A tenant with an endpoint and one queued event for it.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// The receiver gives these responses and then 200.
    async fn new(answers: impl IntoIterator<Item = Answer>, former_receipts_act: bool) -> Self {
        let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
        world.let_former_receipts_act(former_receipts_act);
        let tenant = world.tenant().await;
        let fields = json!({"url": receiver.url(), "retry_schedule": [10, 10, 10]});
        let endpoint = tenant.endpoint_with(fields).await;
        let id = tenant.publish_one().await;
        Self { world, tenant, endpoint, receiver, id }
    }

    /// An attribute of the delivery's item, if the item exists and has it.
    async fn item(&self, name: &str) -> Option<String> {
        let items = self.world.items("delivery").await;
        let item = items.iter().find(|item| item["sk"] == AttributeValue::S(self.id.clone()))?;
        item.get(name).and_then(|value| value.as_s().ok()).cloned()
    }

    /// Asserts that the delivery is final, marked in the table or owned by a queued message.
    #[track_caller]
    fn assert_unchanged(&self, status: Option<&str>, mark: Option<&str>, ticket: Option<&str>) {
        let is_final = status.is_some_and(|status| ["success", "exhausted", "failed"].contains(&status));
        let tickets: Vec<_> = self.world.messages().iter().filter_map(|body| self.ticket_of(body)).collect();
        let is_owned = tickets.iter().any(|found| found.as_deref() == ticket);
        assert!(is_final || mark.is_some() || is_owned, "{status:?} {mark:?} {ticket:?}, messages: {tickets:?}");
    }

    async fn check(&self) {
        let (status, mark, ticket) =
            (self.item("status").await, self.item("waiting_pk").await, self.item("ticket").await);
        self.assert_unchanged(status.as_deref(), mark.as_deref(), ticket.as_deref());
    }

    /// The ticket of a message for the delivery, or `None` if the message is for another one.
    fn ticket_of(&self, body: &str) -> Option<Option<String>> {
        let task: Value = serde_json::from_str(body).unwrap();
        let task = &task["deliver_v1"];
        (task["delivery"] == self.id.as_str()).then(|| task["ticket"].as_str().map(str::to_owned))
    }

    /// A task for the delivery with another ticket.
    fn task(&self, ticket: &str) -> String {
        let mut task: Value = serde_json::from_str(&self.world.messages()[0]).unwrap();
        task["deliver_v1"]["ticket"] = json!(ticket);
        task.to_string()
    }

    /// Advances the world until nothing is left to do, and asserts that the delivery arrived.
    async fn arrives(&self) {
        self.check().await;
        self.tenant.set_status(&self.endpoint, "active").await;
        let final_state = self.world.run_to_the_end().await;
        final_state.keeps_the_promise(std::slice::from_ref(&self.id), &[&self.receiver]);
        assert_eq!(final_state.record(&self.id).status, "success");
    }

    /// Starts to process one message in a process of its own.
    fn start(&self) -> JoinHandle<usize> {
        start(self.world.another_process())
    }
}

fn start(process: Process) -> JoinHandle<usize> {
    tokio::spawn(async move { process.poll_at_most(1).await })
}

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
    let parking = start(scene.world.process_over(&network, scene.world.clock.clock()));
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

/// The write that stores a message's ticket may still be in progress when the message is received.
#[tokio::test]
async fn a_young_message_with_another_ticket_is_hidden_for_two_minutes() {
    let scene = Scene::new([Answer::status(500)], false).await;
    let task = scene.task(TICKET);
    scene.world.drain().await;
    scene.world.purge().await;
    scene.world.send(&task).await;
    scene.world.advance(Duration::from_secs(60));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.world.in_the_queue().await, 1, "hidden");
    scene.receiver.only();
    let mut item = scene.world.items("delivery").await.remove(0);
    item.insert("ticket".to_owned(), AttributeValue::S(TICKET.to_owned()));
    scene.world.dynamodb().put_item().table_name(scene.world.table()).set_item(Some(item)).send().await.unwrap();
    scene.world.advance(Duration::from_secs(59));
    assert_eq!(scene.world.drain().await, 0);
    scene.world.advance(Duration::from_secs(1));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
    assert_eq!(scene.world.in_the_queue().await, 0);
}

#[tokio::test]
async fn an_old_message_with_another_ticket_is_acknowledged() {
    let scene = Scene::new([Answer::status(500)], false).await;
    let task = scene.task(TICKET);
    scene.world.drain().await;
    scene.world.send(&task).await;
    scene.world.advance(Duration::from_secs(121));
    // The delivery's own message is attempted, and the other one is deleted.
    assert_eq!(scene.world.drain().await, 2);
    assert_eq!(scene.world.in_the_queue().await, 0);
    assert_eq!(scene.receiver.received().len(), 2);
}

/// A parked delivery is leased and its lease renewed. Both messages have the same ticket, so either may be lost.
#[tokio::test]
async fn two_messages_of_one_lease_own_the_delivery_together() {
    let scene = Scene::new([Answer::status(500)], false).await;
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    scene.world.drain().await;
    let first = scene.item("ticket").await;
    scene.tenant.set_status(&scene.endpoint, "active").await;
    let leased = scene.item("ticket").await;
    assert_ne!(leased, first, "a lease draws a new ticket");
    scene.world.advance(Duration::from_secs(15 * 60 + 1));
    scene.world.sweep().await;
    assert_eq!(scene.item("ticket").await, leased, "a renewed lease keeps the ticket");
    let tickets: Vec<_> = scene.world.messages().iter().map(|body| scene.ticket_of(body)).collect();
    assert_eq!(tickets, [Some(leased.clone()), Some(leased)]);
    scene.start().await.unwrap();
    scene.check().await;
    scene.start().await.unwrap();
    assert_eq!(scene.world.in_the_queue().await, 2, "both messages wait for the retry");
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
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
    let unlucky = tenant.at(&world.process_over(&network, world.clock.clock()));
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

#[tokio::test]
async fn a_redriven_message_still_owns_its_delivery() {
    let scene = Scene::new([Answer::status(500)], false).await;
    scene.world.drain().await;
    let broken = over_network(&scene.world.sdk(), |operation| match operation {
        "BatchGetItem" => Fate::Refuse,
        _ => Fate::Pass,
    });
    let broken = scene.world.process_over(&broken, scene.world.clock.clock());
    scene.world.advance(VISIBILITY);
    broken.drain().await;
    scene.world.advance(VISIBILITY);
    scene.world.receive_in_vain(MAX_RECEIVES).await;
    assert_eq!(scene.world.drain().await, 0, "the message moved to the dead-letter queue");
    scene.world.redrive().await;
    scene.world.advance(Duration::from_secs(121));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
}

/// The publish request's message waits in a backlog while the delivery is parked and released.
#[tokio::test]
async fn a_message_from_before_a_lease_causes_no_attempt() {
    let scene = Scene::new([], false).await;
    let publishers = scene.world.messages().remove(0);
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    scene.world.drain().await;
    scene.tenant.set_status(&scene.endpoint, "active").await;
    scene.world.send(&publishers).await;
    assert_eq!(scene.world.messages().len(), 2);
    assert_eq!(scene.world.drain().await, 2);
    scene.receiver.only();
    scene.arrives().await;
    scene.receiver.only();
}

/// A scene whose first retry waits as a delayed copy.
async fn delayed(former_receipts_act: bool) -> Scene {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    world.let_former_receipts_act(former_receipts_act);
    let tenant = world.tenant().await;
    let fields = json!({"url": receiver.url(), "retry_schedule": [40, 40]});
    let endpoint = tenant.endpoint_with(fields).await;
    let id = tenant.publish_one().await;
    Scene { world, tenant, endpoint, receiver, id }
}

#[tokio::test]
async fn a_delayed_copy_owns_the_delivery_and_is_not_in_flight() {
    let scene = delayed(false).await;
    scene.world.drain().await;
    let ticket = scene.item("ticket").await;
    assert!(ticket.is_some() && scene.item("waiting_pk").await.is_none());
    let tickets: Vec<_> = scene.world.messages().iter().map(|body| scene.ticket_of(body)).collect();
    assert_eq!(tickets, [Some(ticket)], "the original message is deleted");
    assert_eq!(scene.world.in_flight().await, 0);
    let due = Timestamp::parse(text(&scene.tenant.delivery(&scene.id).await["next_attempt_at"])).unwrap();
    scene.world.advance(due.since(scene.world.clock.now()).saturating_sub(Duration::from_millis(1)));
    assert_eq!(scene.world.drain().await, 0);
    scene.world.advance(Duration::from_secs(1));
    assert_eq!(scene.world.drain().await, 1);
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
}

/// The first consumer sends a copy and dies before it records the attempt. The message is received and attempted again,
/// and the record gets the ticket of its new copy. The first copy has no record and is not attempted.
#[tokio::test]
async fn a_copy_whose_ticket_is_not_recorded_is_acknowledged() {
    let scene = delayed(false).await;
    let network = over_network(&scene.world.sdk(), |operation| match operation {
        "BatchExecuteStatement" | "PutItem" => Fate::Hang,
        _ => Fate::Pass,
    });
    let doomed = start(scene.world.process_over(&network, scene.world.clock.clock()));
    while scene.world.messages().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    doomed.abort();
    scene.world.redeliver();
    scene.receiver.then([Answer::status(500)]);
    assert_eq!(scene.start().await.unwrap(), 1);
    assert_eq!(scene.world.messages().len(), 2, "the first copy and the one that owns the delivery");
    scene.check().await;
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 3, "two failures, one of them recorded, and the success");
}

/// A copy is received before the write that stores its ticket. It is hidden and not deleted.
#[tokio::test]
async fn a_copy_that_is_received_before_its_ticket_is_recorded_is_hidden() {
    for former_receipts_act in [false, true] {
        let scene = delayed(former_receipts_act).await;
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(45));
        scene.receiver.then([Answer::status(500)]);
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (there, held) = (reached.clone(), gate.clone());
        let network = over_network(&scene.world.sdk(), move |operation| {
            if operation != "PutItem" {
                return Fate::Pass;
            }
            there.open();
            Fate::Behind(held.clone())
        });
        let recording = start(scene.world.process_over(&network, scene.world.clock.clock()));
        reached.pass().await;
        scene.world.advance(Duration::from_secs(45));
        assert_eq!(scene.start().await.unwrap(), 1, "the copy is received");
        gate.open();
        recording.await.unwrap();
        scene.check().await;
        scene.arrives().await;
        assert_eq!(scene.receiver.received().len(), 3);
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_sent_leaves_the_message_hidden() {
    let scene = delayed(false).await;
    let network = over_network(&scene.world.sdk(), |operation| match operation {
        "SendMessageBatch" => Fate::Refuse,
        _ => Fate::Pass,
    });
    scene.world.process_over(&network, scene.world.clock.clock()).drain().await;
    assert_eq!(scene.world.in_flight().await, 1);
    assert_eq!(scene.item("ticket").await, None);
    scene.world.advance(Duration::from_secs(40));
    assert_eq!(scene.world.drain().await, 1);
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
}
