//! Which message owns a delivery: SQS delivers a message twice, lets old receipts act or not, and gives a moved message
//! another id, and sweeps send further messages. At every step an unfinished delivery is marked in the table, or a message
//! with its ticket is in the queue.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::queue::schema::{MAX_RECEIVES, VISIBILITY_SECONDS};
use tokio::task::JoinHandle;

use crate::support::{Answer, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, over_network, text};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
const TICKET: &str = "0123456789abcdef";

/// A tenant with an endpoint and one event for it in the queue.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// The receiver gives these answers and then 200.
    async fn new(answers: impl IntoIterator<Item = Answer>, former_receipts_act: bool) -> Self {
        let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
        world.let_former_receipts_act(former_receipts_act);
        let tenant = world.tenant().await;
        let fields = json!({"url": receiver.url(), "retry_schedule": [10, 10, 10]});
        let endpoint = tenant.endpoint_with(fields).await;
        let id = tenant.publish_one().await;
        Self { world, tenant, endpoint, receiver, id }
    }

    /// The delivery's item, if it has one.
    async fn item(&self, name: &str) -> Option<String> {
        let items = self.world.items("delivery").await;
        let item = items.iter().find(|item| item["sk"] == AttributeValue::S(self.id.clone()))?;
        item.get(name).and_then(|value| value.as_s().ok()).cloned()
    }

    /// Stops the test if the delivery can be lost from here.
    #[track_caller]
    fn assert_kept(&self, status: Option<&str>, mark: Option<&str>, ticket: Option<&str>) {
        let is_final = status.is_some_and(|status| ["success", "exhausted", "failed"].contains(&status));
        let tickets: Vec<_> = self.world.messages().iter().filter_map(|body| self.ticket_of(body)).collect();
        let is_owned = tickets.iter().any(|found| found.as_deref() == ticket);
        assert!(is_final || mark.is_some() || is_owned, "{status:?} {mark:?} {ticket:?}, messages: {tickets:?}");
    }

    async fn check(&self) {
        let (status, mark, ticket) =
            (self.item("status").await, self.item("waiting_pk").await, self.item("ticket").await);
        self.assert_kept(status.as_deref(), mark.as_deref(), ticket.as_deref());
    }

    /// The ticket of a message for the delivery; `None` if it is for another one.
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

    /// Lets everything happen that happens by itself, and stops the test unless the delivery arrived.
    async fn arrives(&self) {
        self.check().await;
        self.tenant.set_status(&self.endpoint, "active").await;
        let ending = self.world.run_to_the_end().await;
        ending.keeps_the_promise(std::slice::from_ref(&self.id), &[&self.receiver]);
        assert_eq!(ending.record(&self.id).status, "success");
    }

    /// Starts to handle one message in a process of its own.
    fn start(&self) -> JoinHandle<usize> {
        start(self.world.another_process())
    }
}

fn start(process: Process) -> JoinHandle<usize> {
    tokio::spawn(async move { process.poll_at_most(1).await })
}

#[tokio::test]
async fn a_message_that_two_consumers_receive_survives_their_failed_attempts() {
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
        assert_eq!(scene.tenant.delivery(&scene.id).await["attempts"], 1, "one of them is recorded");
        scene.arrives().await;
        assert_eq!(scene.receiver.received().len(), 3);
    }
}

#[tokio::test]
async fn the_copy_that_lost_waits_behind_the_one_that_was_recorded() {
    let gate = Gate::closed();
    let scene = Scene::new([500, 500].map(|it| Answer::status(it).behind(&gate)), false).await;
    let other_copy = scene.world.messages().remove(0);
    scene.world.send(&other_copy).await;
    let (one, other) = (scene.start(), scene.start());
    scene.receiver.wait_for(2).await;
    gate.open();
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 1));
    assert_eq!(scene.world.in_the_queue().await, 2, "both copies stay");
    scene.world.advance(Duration::from_secs(10));
    assert_eq!(scene.world.drain().await, 1, "the retry is due, and the other copy comes two seconds later");
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
    scene.world.advance(Duration::from_secs(2));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.world.in_the_queue().await, 0);
    assert_eq!(scene.receiver.received().len(), 3);
}

/// Two receives; the first one's attempt fails after the second one parked the delivery and deleted the message.
#[tokio::test]
async fn a_failed_attempt_does_not_overwrite_that_the_delivery_was_parked_meanwhile() {
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
        assert_eq!(scene.world.in_the_queue().await, 0, "parked, and its message deleted");
        gate.open();
        attempting.await.unwrap();
        assert!(scene.item("waiting_pk").await.unwrap().starts_with("held"));
        scene.arrives().await;
    }
}

/// The same with a success: that the receiver took it is worth more than that it was parked.
#[tokio::test]
async fn a_success_overwrites_that_the_delivery_was_parked_meanwhile() {
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

/// A consumer that remembers the endpoint as active receives the message after another one parked the delivery, and before
/// that one deletes the message.
#[tokio::test]
async fn a_parked_delivery_is_not_attempted_by_a_consumer_that_remembers_an_active_endpoint() {
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
    assert_eq!(scene.receiver.received().len(), 1, "only the first event");
    assert!(scene.item("waiting_pk").await.unwrap().starts_with("held"));
    scene.arrives().await;
}

/// The write that makes a message the owner of its delivery may still be in progress when the message is received.
#[tokio::test]
async fn a_young_message_with_another_ticket_is_hidden_until_its_ticket_must_have_been_written() {
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
    // Its own message attempts it; the other one is deleted.
    assert_eq!(scene.world.drain().await, 2);
    assert_eq!(scene.world.in_the_queue().await, 0);
    assert_eq!(scene.receiver.received().len(), 2);
}

/// A parked delivery is leased, and its lease renewed: two messages with one ticket, of which either may be lost.
#[tokio::test]
async fn two_messages_of_one_lease_own_the_delivery_together() {
    let scene = Scene::new([Answer::status(500)], false).await;
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    scene.world.drain().await;
    let first = scene.item("ticket").await;
    scene.tenant.set_status(&scene.endpoint, "active").await;
    let leased = scene.item("ticket").await;
    assert_ne!(leased, first, "a lease draws a ticket");
    scene.world.advance(Duration::from_secs(15 * 60 + 1));
    scene.world.sweep().await;
    assert_eq!(scene.item("ticket").await, leased, "a renewal keeps it");
    let tickets: Vec<_> = scene.world.messages().iter().map(|body| scene.ticket_of(body)).collect();
    assert_eq!(tickets, [Some(leased.clone()), Some(leased)]);
    scene.start().await.unwrap();
    scene.check().await;
    scene.start().await.unwrap();
    assert_eq!(scene.world.in_the_queue().await, 2, "each waits for the retry");
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
    assert_eq!(scene.world.in_the_queue().await, 2, "both wait for the retry");
    scene.world.advance(Duration::from_secs(10));
    assert_eq!(scene.world.drain().await, 1, "not both at the same instant");
    scene.world.advance(Duration::from_secs(2));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.receiver.received().len(), 2);
    assert_eq!(scene.world.in_the_queue().await, 0);
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_sends_twice_and_loses_nothing() {
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
    // The whole schedule is used, and not twice.
    let ending = scene.world.run_to_the_end().await;
    assert_eq!(ending.record(&scene.id).status, "exhausted");
    assert_eq!(ending.record(&scene.id).attempts, 4);
}

#[tokio::test]
async fn a_message_that_was_moved_back_from_the_dead_letter_queue_still_owns_its_delivery() {
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
    assert_eq!(scene.world.drain().await, 0, "it was received too often");
    scene.world.redrive().await;
    scene.world.advance(Duration::from_secs(121));
    assert_eq!(scene.world.drain().await, 1);
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
}

/// The publisher's message waits in a backlog while the delivery is parked and released.
#[tokio::test]
async fn a_message_of_before_a_lease_is_not_acknowledged_too_early_and_attempts_nothing() {
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
async fn a_wait_of_31_s_to_15_min_is_a_delayed_copy_that_owns_the_delivery_and_is_not_in_flight() {
    let scene = delayed(false).await;
    scene.world.drain().await;
    let ticket = scene.item("ticket").await;
    assert!(ticket.is_some() && scene.item("waiting_pk").await.is_none());
    let tickets: Vec<_> = scene.world.messages().iter().map(|body| scene.ticket_of(body)).collect();
    assert_eq!(tickets, [Some(ticket)], "the former message is deleted");
    assert_eq!(scene.world.in_flight().await, 0);
    let due = Timestamp::parse(text(&scene.tenant.delivery(&scene.id).await["next_attempt_at"])).unwrap();
    scene.world.advance(due.since(scene.world.clock.now()).saturating_sub(Duration::from_millis(1)));
    assert_eq!(scene.world.drain().await, 0);
    scene.world.advance(Duration::from_secs(1));
    assert_eq!(scene.world.drain().await, 1);
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
}

/// The first consumer sends a copy and dies before the record; the message comes back and is attempted again, and its
/// copy is recorded. Neither copy that no record names is attempted.
#[tokio::test]
async fn a_copy_that_no_record_names_is_acknowledged() {
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
    assert_eq!(scene.world.messages().len(), 2, "an orphan, and the copy that owns the delivery");
    scene.check().await;
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 3, "two failures, of which one is recorded, and the success");
}

/// A copy is received before the write that makes it the owner: it waits, and is not deleted.
#[tokio::test]
async fn a_copy_that_comes_before_its_record_waits_for_it() {
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
        assert_eq!(scene.start().await.unwrap(), 1, "the copy");
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
