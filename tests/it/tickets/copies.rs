//! Delayed copies: a retry that waits as a message of its own.

use std::time::Duration;

use serde_json::json;
use shared::domain::time::Timestamp;

use super::{Scene, start};
use crate::support::{Answer, Fate, Gate, Receiver, World, over_network, text};

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
    let doomed = start(scene.world.process_on(&network));
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
        let recording = start(scene.world.process_on(&network));
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
    scene.world.process_on(&network).drain().await;
    assert_eq!(scene.world.in_flight().await, 1);
    assert_eq!(scene.item("ticket").await, None);
    scene.world.advance(Duration::from_secs(40));
    assert_eq!(scene.world.drain().await, 1);
    scene.arrives().await;
    assert_eq!(scene.receiver.received().len(), 2);
}
