//! Forwarding: the consumer of the fast lane sends messages for slow endpoints on to the slow lane, and nothing is lost or
//! attempted twice on the way.

use std::time::Duration;

use serde_json::json;
use shared::domain::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;
use tokio::task::JoinSet;

use crate::support::{
    Answer, Endpoint, Fate, Fuse, Gate, Part, Process, Receiver, Tenant, World, eventually, over_network, text,
};
use crate::suspension::{failing, suspend};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// From this age on a message with another ticket than the record's is acknowledged.
const OLD: Duration = Duration::from_secs(121);
/// How many batches of a lane are attempted at the same time in the test of isolation, as with `MaximumConcurrency: 2`.
const CONCURRENCY: usize = 2;

/// An endpoint in the slow lane, with one event for it in the fast lane's queue.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// The receiver gives these answers and then 200. The first event was published before the endpoint became slow.
    async fn new(schedule: &[u32], answers: impl IntoIterator<Item = Answer>) -> Self {
        let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
        let id = tenant.publish_one().await;
        world.set_lane(&tenant, &endpoint, Lane::Slow).await;
        Self { world, tenant, endpoint, receiver, id }
    }

    /// How many messages each lane's queue holds, hidden ones included: of the fast lane, and of the slow one.
    fn queued(&self) -> [usize; 2] {
        Lane::ALL.map(|lane| self.world.messages_of(lane).len())
    }

    /// Handles one batch of a lane in a process that remembers nothing.
    async fn poll(&self, lane: Lane) -> usize {
        self.world.another_process().poll_of(lane, 10).await
    }

    /// A process that reaches table and queues over a network that treats each operation so.
    fn process(&self, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Process {
        self.world.process_over(&over_network(&self.world.sdk(), fate), self.world.clock.clock())
    }

    /// Lets everything happen that happens by itself, and stops the test unless the delivery arrived after so many requests.
    async fn arrives(&self, requests: usize) {
        let ending = self.world.run_to_the_end().await;
        ending.keeps_the_promise(std::slice::from_ref(&self.id), &[&self.receiver]);
        assert_eq!(ending.record(&self.id).status, "success");
        assert_eq!(self.receiver.received().len(), requests);
    }
}

#[tokio::test]
async fn the_fast_lane_forwards_a_message_for_a_slow_endpoint_byte_for_byte_and_attempts_nothing() {
    let scene = Scene::new(&[], []).await;
    let before = scene.world.messages_of(Lane::Fast);
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [0, 1]);
    assert_eq!(scene.world.messages_of(Lane::Slow), before);
    assert_eq!(scene.receiver.received().len(), 0);
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
    assert_eq!(scene.queued(), [0, 0]);
}

#[tokio::test]
async fn the_slow_lane_attempts_what_it_gets_for_an_endpoint_that_is_fast_again() {
    let scene = Scene::new(&[], []).await;
    scene.poll(Lane::Fast).await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Fast).await;
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    scene.receiver.only();
    assert_eq!(scene.queued(), [0, 0]);
}

#[tokio::test]
async fn copies_in_one_batch_are_forwarded_once() {
    let scene = Scene::new(&[], []).await;
    scene.world.send(&scene.world.messages()[0]).await;
    assert_eq!(scene.poll(Lane::Fast).await, 2);
    assert_eq!(scene.queued(), [0, 1]);
    scene.arrives(1).await;
}

#[tokio::test]
async fn what_is_not_to_be_attempted_is_not_forwarded() {
    for (change, status, expected) in [("paused", "pending", 1), ("disabled", "failed", 0)] {
        let scene = Scene::new(&[], []).await;
        scene.tenant.set_status(&scene.endpoint, change).await;
        assert_eq!(scene.poll(Lane::Fast).await, 1);
        assert_eq!(scene.queued(), [0, 0], "{change}");
        assert_eq!(scene.tenant.delivery_status(&scene.id).await, status);
        let held = scene.world.marks().await.iter().filter(|(partition, _)| partition.starts_with("held")).count();
        assert_eq!(held, expected);
    }
}

/// The fast lane hides a message that comes before its time, and forwards it when it is due.
#[tokio::test]
async fn a_retry_that_waits_in_the_fast_lane_keeps_its_time_when_the_endpoint_becomes_slow() {
    let scene = Scene::new(&[10], [Answer::status(500)]).await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Fast).await;
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Slow).await;
    scene.world.redeliver();
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [1, 0], "hidden again");
    scene.world.advance(Duration::from_secs(9));
    assert_eq!(scene.world.drain().await, 0);
    // A message that comes early waits two seconds longer, behind its possible copy.
    scene.world.advance(Duration::from_secs(4));
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!((scene.queued(), scene.world.in_flight().await), ([0, 1], 0));
    scene.arrives(2).await;
}

#[tokio::test]
async fn a_forwarded_probe_stays_a_probe() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = failing(&world, 10).await;
    suspend(&world, &tenant).await;
    let parked = tenant.publish_one().await;
    world.advance(Duration::from_secs(61));
    world.sweep().await;
    world.set_lane(&tenant, &endpoint, Lane::Slow).await;
    assert_eq!(world.another_process().poll().await, 1);
    assert_eq!(receiver.received().len(), 10, "it is forwarded");
    assert_eq!(world.another_process().poll_of(Lane::Slow, 10).await, 1);
    assert_eq!(tenant.delivery_status(&parked).await, "success", "and attempted though the endpoint is suspended");
}

#[tokio::test]
async fn a_message_that_cannot_be_forwarded_stays_and_comes_back_after_its_visibility_timeout() {
    let broken = [
        Fate::Refuse,
        Fate::TimeOut,
        Fate::Break,
        Fate::Error(400, "RequestThrottled"),
        Fate::Error(400, "AWS.SimpleQueueService.NonExistentQueue"),
        Fate::Only(Part::Nothing),
        Fate::Only(Part::NothingBySender),
    ];
    for fate in broken {
        let scene = Scene::new(&[], []).await;
        let sends = fate.clone();
        let unlucky = scene.process(move |it| if it == "SendMessageBatch" { sends.clone() } else { Fate::Pass });
        assert_eq!(unlucky.poll().await, 1);
        assert_eq!((scene.queued(), scene.world.in_flight().await), ([1, 0], 1), "{fate:?}");
        assert_eq!(scene.receiver.received().len(), 0);
        scene.world.advance(VISIBILITY);
        assert_eq!(scene.poll(Lane::Fast).await, 1);
        assert_eq!(scene.queued(), [0, 1]);
        scene.arrives(1).await;
    }
}

/// The consumer dies between the send and the acknowledgement, or its acknowledgement fails: the message and its forwarded
/// copy have the same ticket.
#[tokio::test]
async fn a_message_that_was_forwarded_and_not_acknowledged_is_attempted_once() {
    let scene = Scene::new(&[], []).await;
    let unlucky = scene.process(|it| if it == "DeleteMessageBatch" { Fate::Refuse } else { Fate::Pass });
    assert!(unlucky.try_poll().await.is_err());
    assert_eq!(scene.queued(), [1, 1]);
    scene.world.advance(VISIBILITY);
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [0, 2], "forwarded a second time");
    assert_eq!(scene.poll(Lane::Slow).await, 2);
    scene.arrives(1).await;
}

#[tokio::test]
async fn a_forwarded_send_whose_answer_is_lost_sends_twice_and_attempts_once() {
    let scene = Scene::new(&[], []).await;
    let lost = std::sync::atomic::AtomicBool::new(false);
    let unlucky = scene.process(move |it| {
        let is_first = it == "SendMessageBatch" && !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
        if is_first { Fate::LoseAnswer } else { Fate::Pass }
    });
    assert_eq!(unlucky.poll().await, 1);
    assert_eq!(scene.queued(), [0, 2]);
    scene.arrives(1).await;
}

/// A forwarded message is younger for SQS than the one that it replaces. That can only delay its acknowledgement.
#[tokio::test]
async fn a_forwarded_message_is_hidden_for_two_minutes_while_another_ticket_owns_the_delivery() {
    let scene = Scene::new(&[], []).await;
    let publishers = scene.world.messages().remove(0);
    scene.world.advance(OLD);
    scene.poll(Lane::Fast).await;
    let forwarded = scene.world.messages_of(Lane::Slow);
    scene.tenant.set_status(&scene.endpoint, "paused").await;
    scene.world.send(&publishers).await;
    scene.poll(Lane::Fast).await;
    let silent = scene.process(|it| if it == "SendMessageBatch" { Fate::Refuse } else { Fate::Pass });
    let status = scene.tenant.at(&silent).patch(&scene.endpoint.path(), &json!({"status": "active"})).await.status;
    assert_eq!(status, 200);
    assert_eq!(scene.world.messages_of(Lane::Slow), forwarded, "leased, and the message for it is not sent");
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    assert_eq!((scene.queued(), scene.world.in_flight().await), ([0, 1], 1), "hidden");
    scene.world.advance(OLD);
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    assert_eq!(scene.queued(), [0, 0], "acknowledged");
    assert_eq!(scene.receiver.received().len(), 0);
    // The sweep sends the message of the lease.
    scene.arrives(1).await;
}

/// A delayed copy is received before the write that makes it the owner. It is forwarded only after that.
#[tokio::test]
async fn a_copy_that_comes_before_its_record_is_not_forwarded_until_it_owns_the_delivery() {
    let scene = Scene::new(&[40, 40], [Answer::status(500), Answer::status(500)]).await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Fast).await;
    scene.poll(Lane::Fast).await;
    scene.world.advance(Duration::from_secs(45));
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (there, held) = (reached.clone(), gate.clone());
    let recording = scene.process(move |operation| {
        if operation != "PutItem" {
            return Fate::Pass;
        }
        there.open();
        Fate::Behind(held.clone())
    });
    let recording = tokio::spawn(async move { recording.poll().await });
    reached.pass().await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Slow).await;
    scene.world.advance(Duration::from_secs(45));
    assert_eq!(scene.poll(Lane::Fast).await, 1, "the copy");
    assert_eq!(scene.world.messages_of(Lane::Slow).len(), 0, "the record names another ticket: it is hidden");
    gate.open();
    recording.await.unwrap();
    scene.world.advance(OLD);
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [0, 1]);
    scene.arrives(3).await;
}

/// The process dies anywhere between the receive and the acknowledgement.
#[tokio::test]
async fn the_order_of_forwarding_is_to_send_and_then_to_acknowledge() {
    // Receive, send, delete.
    for (calls, expected) in [(1, [1, 0]), (2, [1, 1]), (3, [0, 1])] {
        let scene = Scene::new(&[], []).await;
        let fuse = Fuse::after(calls);
        fuse.run(fuse.process(&scene.world).poll()).await;
        assert_eq!(scene.queued(), expected, "{calls}");
        scene.arrives(1).await;
    }
}

/// More messages than both lanes attempt at once, for an endpoint that does not answer.
#[tokio::test]
async fn a_slow_endpoint_keeps_nothing_from_a_healthy_endpoint_of_another_tenant() {
    let (world, gate) = (World::new().await, Gate::closed());
    let (hanging, healthy) = (Receiver::always(Answer::status(200).behind(&gate)).await, Receiver::new().await);
    let (slow, other) = (world.tenant().await, world.tenant().await);
    let endpoint = slow.endpoint_with(json!({"url": hanging.url(), "timeout_seconds": 30})).await;
    other.endpoint(&healthy).await;
    let events = json!({"events": vec![json!({"type": "a.b", "data": {}}); 100]});
    let publish = async || slow.post("/events/batch", &events).await.data(202);
    // One half of 600 is in the fast lane when the endpoint becomes slow, the other half is published after.
    for _ in 0..3 {
        publish().await;
    }
    world.set_lane(&slow, &endpoint, Lane::Slow).await;
    for _ in 0..3 {
        publish().await;
    }
    let process = world.another_process();
    let mut consumers = JoinSet::new();
    for lane in [Lane::Fast, Lane::Slow].repeat(CONCURRENCY) {
        let process = process.clone();
        consumers.spawn(async move {
            loop {
                if process.poll_of(lane, 10).await == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    hanging.wait_for(10 * CONCURRENCY).await;
    eventually("the fast lane is empty", async || world.messages_of(Lane::Fast).is_empty()).await;
    for _ in 0..20 {
        other.publish_one().await;
    }
    healthy.wait_for(20).await;
    assert_eq!(hanging.received().len(), 10 * CONCURRENCY, "none has ended");
    assert_eq!(world.messages_of(Lane::Slow).len(), 600);
    gate.open();
    eventually("the slow lane is empty", async || world.messages().is_empty()).await;
    assert_eq!(hanging.received().len(), 600);
    consumers.shutdown().await;
    let newest = slow.deliveries(&endpoint).await.remove(0);
    assert_eq!(text(&newest["status"]), "success");
}
