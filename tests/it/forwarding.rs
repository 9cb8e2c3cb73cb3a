//! The consumer of the fast lane forwards messages for slow endpoints to the slow lane. No delivery is lost or
//! attempted twice.

use std::time::Duration;

use serde_json::json;
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;
use tokio::task::JoinSet;

use crate::support::{
    Answer, Endpoint, Fate, Fuse, Gate, Part, Process, Receiver, Tenant, World, eventually, over_network, text,
};
use crate::suspension::{failing, suspend};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// At this age, a message whose ticket differs from the record's is acknowledged.
const OLD: Duration = Duration::from_secs(121);
/// The number of batches of each lane that are processed concurrently, as with `MaximumConcurrency: 2`.
const CONCURRENCY: usize = 2;

/// An endpoint in the slow lane and one event for it in the fast lane's queue.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// The receiver gives these responses and then 200. The event is published before the endpoint moves to the slow
    /// lane.
    async fn new(schedule: &[u32], answers: impl IntoIterator<Item = Answer>) -> Self {
        let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
        let id = tenant.publish_one().await;
        world.set_lane(&tenant, &endpoint, Lane::Slow).await;
        Self { world, tenant, endpoint, receiver, id }
    }

    /// The numbers of messages in the queues of the fast and the slow lane, including hidden ones.
    fn queued(&self) -> [usize; 2] {
        Lane::ALL.map(|lane| self.world.messages_of(lane).len())
    }

    /// Processes one batch of a lane in a new process with empty caches.
    async fn poll(&self, lane: Lane) -> usize {
        self.world.another_process().poll_of(lane, 10).await
    }

    /// A process with a network on which each operation has the fate that the function returns.
    fn process(&self, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Process {
        self.world.process_on(&over_network(&self.world.sdk(), fate))
    }

    /// Advances the world until nothing is left to do, and asserts that the delivery arrived after this many requests.
    async fn arrives(&self, requests: usize) {
        let final_state = self.world.run_to_the_end().await;
        final_state.keeps_the_promise(std::slice::from_ref(&self.id), &[&self.receiver]);
        assert_eq!(final_state.record(&self.id).status, "success");
        assert_eq!(self.receiver.received().len(), requests);
    }
}

#[tokio::test]
async fn the_fast_lane_forwards_a_message_for_a_slow_endpoint_unchanged_and_does_not_attempt_it() {
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
async fn the_slow_lane_attempts_messages_for_an_endpoint_that_is_fast_again() {
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
async fn deliveries_that_are_not_attempted_are_not_forwarded() {
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

/// The fast lane hides a message that is received too early, and forwards it when it is due.
#[tokio::test]
async fn a_waiting_retry_keeps_its_time_when_the_endpoint_moves_to_the_slow_lane() {
    let scene = Scene::new(&[10], [Answer::status(500)]).await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Fast).await;
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Slow).await;
    scene.world.redeliver();
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [1, 0], "the message is hidden again");
    scene.world.advance(Duration::from_secs(9));
    assert_eq!(scene.world.drain().await, 0);
    // A message that is received too early is hidden for two more seconds, so that its possible copy comes first.
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
    assert_eq!(receiver.received().len(), 10, "the probe is forwarded");
    assert_eq!(world.another_process().poll_of(Lane::Slow, 10).await, 1);
    assert_eq!(
        tenant.delivery_status(&parked).await,
        "success",
        "the probe is attempted although the endpoint is suspended"
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_forwarded_is_visible_after_its_visibility_timeout() {
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

/// The consumer dies between send and acknowledgement, or the acknowledgement fails. The message and its forwarded copy
/// have the same ticket.
#[tokio::test]
async fn a_forwarded_message_that_is_not_acknowledged_is_attempted_once() {
    let scene = Scene::new(&[], []).await;
    let unlucky = scene.process(|it| if it == "DeleteMessageBatch" { Fate::Refuse } else { Fate::Pass });
    assert!(unlucky.try_poll(Lane::Fast).await.is_err());
    assert_eq!(scene.queued(), [1, 1]);
    scene.world.advance(VISIBILITY);
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [0, 2], "the message is forwarded a second time");
    assert_eq!(scene.poll(Lane::Slow).await, 2);
    scene.arrives(1).await;
}

#[tokio::test]
async fn a_forwarding_send_whose_response_is_lost_sends_twice_and_attempts_once() {
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

/// SQS reports a later send time for a forwarded message than for the original. This can only delay its
/// acknowledgement.
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
    assert_eq!(scene.world.messages_of(Lane::Slow), forwarded, "the delivery is leased and its message is not sent");
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    assert_eq!((scene.queued(), scene.world.in_flight().await), ([0, 1], 1), "the message is hidden");
    scene.world.advance(OLD);
    assert_eq!(scene.poll(Lane::Slow).await, 1);
    assert_eq!(scene.queued(), [0, 0], "the message is acknowledged");
    assert_eq!(scene.receiver.received().len(), 0);
    // The sweep sends the message of the lease.
    scene.arrives(1).await;
}

/// A delayed copy is received before its ticket is written. It is forwarded only after the write.
#[tokio::test]
async fn a_delayed_copy_is_not_forwarded_before_it_owns_the_delivery() {
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
    assert_eq!(scene.poll(Lane::Fast).await, 1, "the copy is received");
    assert_eq!(scene.world.messages_of(Lane::Slow).len(), 0, "the record has another ticket, so the copy is hidden");
    gate.open();
    recording.await.unwrap();
    scene.world.advance(OLD);
    assert_eq!(scene.poll(Lane::Fast).await, 1);
    assert_eq!(scene.queued(), [0, 1]);
    scene.arrives(3).await;
}

/// The process dies at any point between receive and acknowledgement.
#[tokio::test]
async fn forwarding_sends_the_message_before_it_acknowledges() {
    // The calls are receive, send and delete.
    for (calls, expected) in [(1, [1, 0]), (2, [1, 1]), (3, [0, 1])] {
        let scene = Scene::new(&[], []).await;
        let fuse = Fuse::after(calls);
        fuse.run(fuse.process(&scene.world).poll()).await;
        assert_eq!(scene.queued(), expected, "{calls}");
        scene.arrives(1).await;
    }
}

/// An endpoint that does not respond has more messages than both lanes process concurrently.
#[tokio::test]
async fn a_slow_endpoint_does_not_delay_a_healthy_endpoint_of_another_tenant() {
    let (world, gate) = (World::new().await, Gate::closed());
    let (hanging, healthy) = (Receiver::always(Answer::status(200).behind(&gate)).await, Receiver::new().await);
    let (slow, other) = (world.tenant().await, world.tenant().await);
    let endpoint = slow.endpoint_with(json!({"url": hanging.url(), "timeout_seconds": 30})).await;
    other.endpoint(&healthy).await;
    let events = json!({"events": vec![json!({"type": "a.b", "data": {}}); 100]});
    let publish = async || slow.post("/events/batch", &events).await.data(202);
    // 300 of 600 messages are in the fast lane when the endpoint moves to the slow lane. The others are published
    // afterwards.
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
    assert_eq!(hanging.received().len(), 10 * CONCURRENCY, "no attempt has ended");
    assert_eq!(world.messages_of(Lane::Slow).len(), 600);
    gate.open();
    eventually("the slow lane is empty", async || world.messages().is_empty()).await;
    assert_eq!(hanging.received().len(), 600);
    consumers.shutdown().await;
    let newest = slow.deliveries(&endpoint).await.remove(0);
    assert_eq!(text(&newest["status"]), "success");
}
