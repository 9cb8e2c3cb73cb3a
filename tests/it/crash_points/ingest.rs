//! Cuts of the ingest function. A message that was not deleted is received again, and completes what was left undone.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::json;
use shared::queue::schema::INGEST_VISIBILITY_SECONDS;

use super::scene::{Scene, cut_everywhere};
use super::{batch, resume_all};
use crate::ingest::faults::use_up_rate;
use crate::ingest::message;
use crate::support::{EVENT_TYPE, Process, World};

/// Sends these messages to the ingest queue, for one active and one paused endpoint.
async fn with_messages(world: World, messages: impl Fn(&Scene) -> Vec<String>) -> Scene {
    let (mut scene, _) = Scene::with_endpoint(world, json!({"event_types": [EVENT_TYPE]}), []).await;
    let receiver = crate::support::Receiver::new().await;
    super::scene::endpoint(&scene.tenant, &receiver, json!({"event_types": [EVENT_TYPE], "status": "paused"})).await;
    scene.receivers.push(receiver);
    for message in messages(&scene) {
        scene.world.send_to_ingest(&message).await;
    }
    scene
}

async fn ingest(process: &Process, _: &Scene) {
    process.ingest().await;
}

/// Receives the messages again, and expects this many events, each delivered to both endpoints by one attempt.
async fn ingest_again(scene: &mut Scene, events: usize) {
    for _ in 0..4 {
        scene.world.advance(Duration::from_secs(INGEST_VISIBILITY_SECONDS.into()));
        scene.world.process.ingest().await;
    }
    assert!(scene.world.ingest_messages().is_empty());
    let wanted = AttributeValue::S(EVENT_TYPE.to_owned());
    let stored = scene.world.items("event").await.into_iter().filter(|event| event["type"] == wanted);
    assert_eq!(stored.count(), events);
    let published: Vec<_> = scene.world.records().await.into_keys().collect();
    assert_eq!(published.len(), 2 * events);
    scene.expect(published, &["success"], 1);
    resume_all(scene, None).await;
}

#[tokio::test]
async fn messages_of_events_survive_every_cut() {
    let prepare = async |world: World| {
        with_messages(world, |scene| (1..=3).map(|number| message(&scene.tenant, number).to_string()).collect()).await
    };
    let afterwards = async |scene: &mut Scene, _: Option<()>| ingest_again(scene, 3).await;
    let calls = cut_everywhere(prepare, ingest, afterwards).await;
    assert!(calls >= 7, "receive, three claims, events, deliveries, send, delete: {calls}");
}

/// No message is published at once. All are hidden.
#[tokio::test]
async fn messages_beyond_the_rate_survive_every_cut() {
    let prepare = async |world: World| {
        let messages =
            |scene: &Scene| (1..=3).map(|number| message(&scene.tenant, number).to_string()).collect::<Vec<_>>();
        let scene = with_messages(world, messages).await;
        let path = format!("/v1/organizations/{}/limits", scene.tenant.id);
        let limits = json!({"events_per_second": 1, "burst": 100}).to_string();
        scene.world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
        use_up_rate(&scene.tenant).await;
        scene
    };
    let afterwards = async |scene: &mut Scene, _: Option<()>| ingest_again(scene, 3).await;
    let calls = cut_everywhere(prepare, ingest, afterwards).await;
    assert!(calls >= 8, "receive, three claims, three withdrawn, hide: {calls}");
}

#[tokio::test]
async fn a_message_with_a_list_of_events_survives_every_cut() {
    let prepare = async |world: World| {
        let list = |scene: &Scene| {
            let mut message = batch(12);
            message["organization"] = json!(scene.tenant.id);
            vec![message.to_string()]
        };
        with_messages(world, list).await
    };
    let afterwards = async |scene: &mut Scene, _: Option<()>| ingest_again(scene, 12).await;
    assert!(cut_everywhere(prepare, ingest, afterwards).await >= 6);
}

#[tokio::test]
async fn a_refused_message_is_a_dead_letter_after_every_cut() {
    let prepare = async |world: World| with_messages(world, |_| vec!["{}".to_owned()]).await;
    let afterwards = async |scene: &mut Scene, _: Option<()>| {
        ingest_again(scene, 0).await;
        // A letter is sent twice if the process dies before it acknowledges the message.
        let letters = scene.world.take_ingest_dead_letters().await;
        assert!((1..=2).contains(&letters.len()) && letters.iter().all(|(body, _)| body == "{}"), "{letters:?}");
    };
    assert_eq!(cut_everywhere(prepare, ingest, afterwards).await, 3, "receive, dead letter, delete");
}
