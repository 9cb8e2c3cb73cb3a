//! Rates of organizations: a message that exceeds one is published later, and never becomes a dead letter.

use std::time::Duration;

use http::Method;
use serde_json::json;
use shared::queue::schema::INGEST_VISIBILITY_SECONDS;

use super::{message, numbers, subscribed};
use crate::support::{EVENT_TYPE, Fate, Receiver, Tenant, World, over_network};

#[tokio::test]
async fn a_message_beyond_the_rate_waits_and_is_published_later() {
    let (world, receiver, tenant) = subscribed().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let full =
        json!({"organization": tenant.id, "events": vec![json!({"type": EVENT_TYPE, "data": {"number": 0}}); 100]});
    world.ingest(&[full]).await;
    world.ingest(&[message(&tenant, 1)]).await;
    assert_eq!((world.ingest_messages().len(), world.process.ingest().await), (1, 0), "it is hidden");
    world.advance(Duration::from_secs(1));
    assert_eq!(world.process.ingest().await, 1);
    assert!(world.ingest_messages().is_empty());
    world.drain().await;
    assert_eq!(numbers(&receiver).iter().sum::<u64>(), 1);
    assert!(world.take_ingest_dead_letters().await.is_empty());
}

/// 90 messages at one event a second: each is received more seldom the longer it waits.
#[tokio::test]
async fn messages_far_beyond_the_rate_are_received_seldom_and_all_published() {
    let (world, receiver, tenant) = subscribed().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let full =
        json!({"organization": tenant.id, "events": vec![json!({"type": EVENT_TYPE, "data": {"number": 0}}); 100]});
    world.ingest(&[full]).await;
    for number in 1..=90 {
        world.send_to_ingest(&message(&tenant, number).to_string()).await;
    }
    let (mut received, mut seconds) = (0, 0);
    while !world.ingest_messages().is_empty() {
        loop {
            match world.process.ingest().await {
                0 => break,
                messages => received += messages,
            }
        }
        world.advance(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds < 600, "{} messages are left", world.ingest_messages().len());
    }
    assert!((90..=600).contains(&received), "{received} receives");
    world.drain().await;
    assert_eq!(numbers(&receiver)[100..], (1..=90).collect::<Vec<_>>());
    assert!(world.take_ingest_dead_letters().await.is_empty());
}

/// An organization whose rate is used up for some time, and a message of it that was refused once.
async fn refused_once() -> (World, Receiver, Tenant, String) {
    let (world, receiver, tenant) = subscribed().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    use_up(&tenant).await;
    let first = world.send_to_ingest_as(&tenant.id, &message(&tenant, 1).to_string()).await;
    assert_eq!(world.process.ingest().await, 1);
    assert_eq!(world.waiting_for_ingest().await, (1, 0), "hidden, delayed");
    (world, receiver, tenant, first)
}

/// Publishes as many events, with the number 0, as the rate allows.
async fn use_up(tenant: &Tenant) {
    while tenant.post("/events", &json!({"type": EVENT_TYPE, "data": {"number": 0}})).await.status == 202 {}
}

/// The numbers of the other events that arrived.
fn numbers_of_messages(receiver: &Receiver) -> Vec<u64> {
    numbers(receiver).into_iter().filter(|number| *number > 0).collect()
}

#[tokio::test]
async fn a_message_that_is_refused_twice_waits_as_a_delayed_copy_and_is_not_in_flight() {
    let (world, receiver, tenant, first) = refused_once().await;
    for seconds in [6, 12, 18] {
        world.advance(Duration::from_secs(1));
        use_up(&tenant).await;
        assert_eq!(world.process.ingest().await, 1);
        assert_eq!(world.waiting_for_ingest().await, (0, 1), "hidden, delayed");
        let [copy] = &world.ingest_messages()[..] else { panic!("one message") };
        let copy: serde_json::Value = serde_json::from_str(copy).unwrap();
        let mut expected = message(&tenant, 1);
        expected["idempotency_key"] = json!(format!("sqs:{first}"));
        assert_eq!(copy, expected);
        // Each refusal makes the wait longer, since copies carry their number.
        world.advance(Duration::from_secs(seconds - 1));
        assert_eq!(world.process.ingest().await, 0);
    }
    world.advance(Duration::from_secs(1));
    assert_eq!(world.process.ingest().await, 1);
    assert!(world.ingest_messages().is_empty() && world.take_ingest_dead_letters().await.is_empty());
    world.drain().await;
    assert_eq!(numbers_of_messages(&receiver), [1]);
}

#[tokio::test]
async fn a_message_and_its_copy_publish_one_event() {
    let (world, receiver, tenant, _) = refused_once().await;
    world.advance(Duration::from_secs(1));
    use_up(&tenant).await;
    // The process dies before the message is deleted, or SQS delivers it again.
    let network =
        over_network(&world.sdk(), |name| if name == "DeleteMessageBatch" { Fate::Refuse } else { Fate::Pass });
    world.process_on(&network).try_ingest().await.unwrap_err();
    assert_eq!(world.waiting_for_ingest().await, (1, 1), "hidden, delayed");
    for _ in 0..3 {
        world.advance(Duration::from_secs(INGEST_VISIBILITY_SECONDS.into()));
        world.process.ingest().await;
    }
    assert!(world.ingest_messages().is_empty() && world.take_ingest_dead_letters().await.is_empty());
    world.drain().await;
    assert_eq!(numbers_of_messages(&receiver), [1]);
}

#[tokio::test]
async fn a_message_that_cannot_be_copied_is_hidden() {
    let (world, receiver, tenant, _) = refused_once().await;
    world.advance(Duration::from_secs(1));
    use_up(&tenant).await;
    let network = over_network(&world.sdk(), |name| if name == "SendMessage" { Fate::Refuse } else { Fate::Pass });
    assert_eq!(world.process_on(&network).ingest().await, 1);
    assert_eq!(world.waiting_for_ingest().await, (1, 0), "hidden, delayed");
    world.advance(Duration::from_secs(6));
    assert_eq!(world.process.ingest().await, 1);
    world.drain().await;
    assert_eq!(numbers_of_messages(&receiver), [1]);
}
