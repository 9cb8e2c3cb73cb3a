//! Messages with and without the ticket of their delivery.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::queue::schema::{MAX_RECEIVES, VISIBILITY_SECONDS};

use super::Scene;
use crate::support::{Answer, Fate, over_network};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
const TICKET: &str = "0123456789abcdef";

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
async fn a_redriven_message_still_owns_its_delivery() {
    let scene = Scene::new([Answer::status(500)], false).await;
    scene.world.drain().await;
    let broken = over_network(&scene.world.sdk(), |operation| match operation {
        "BatchGetItem" => Fate::Refuse,
        _ => Fate::Pass,
    });
    let broken = scene.world.process_on(&broken);
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
