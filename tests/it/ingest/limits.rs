//! Rates of organizations: a message that exceeds one is published later, and never becomes a dead letter.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{message, numbers, subscribed};
use crate::support::EVENT_TYPE;

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
