//! Faults of every call that ingesting makes: each message is published once, or stays until it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::queue::schema::INGEST_VISIBILITY_SECONDS;

use super::{events, message, numbers};
use crate::support::{Call, Fate, Part, Receiver, Tenant, World, done, listed, over_network_by_call};

/// A world with three messages: two events, and one that is refused.
async fn prepared(sender: &World) -> (World, Receiver, Tenant) {
    let (world, receiver) = (sender.new_world().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    world
        .platform()
        .patch(&format!("/v1/organizations/{}", tenant.id), &json!({"external_id": "acme"}))
        .await
        .data(200);
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1, "burst": 100, "events_per_month": 1_000}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let mut named = message(&tenant, 2);
    named["organization"] = json!("ext:acme");
    named["external_id"] = json!("order-2");
    for message in [message(&tenant, 1), named, json!({"organization": tenant.id, "type": 7, "data": {}})] {
        world.send_to_ingest(&message.to_string()).await;
    }
    (world, receiver, tenant)
}

/// Ingests over a network with this fate for the calls of a kind, and then without faults. Returns the kinds of the calls.
async fn ingest_with(sender: &World, kind: &'static str, fate: Option<Fate>) -> BTreeSet<String> {
    let (world, receiver, tenant) = prepared(sender).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kinds = Arc::clone(&seen);
    let network = over_network_by_call(&world.sdk(), move |call: &Call| {
        kinds.lock().unwrap().insert(call.kind());
        fate.clone().filter(|_| call.kind() == kind).unwrap_or(Fate::Pass)
    });
    let process = world.process_over(&network, world.clock.clock());
    // If the messages cannot be deleted, they are received again.
    let _ = process.try_ingest().await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(INGEST_VISIBILITY_SECONDS.into()));
        world.process.ingest().await;
    }
    assert_eq!(world.ingest_messages(), [""; 0], "{kind}");
    let final_state = world.run_to_the_end().await;
    assert!(final_state.records.values().all(|record| record.status == "success"), "{kind}: {final_state:?}");
    assert_eq!(numbers(&receiver), [1, 2], "{kind}");
    assert_eq!(events(&tenant).await.len(), 2, "{kind}");
    let letters = world.take_ingest_dead_letters().await;
    // A letter whose answer is lost, or whose message is not deleted, is sent again.
    assert!(!letters.is_empty(), "{kind}");
    assert!(letters.iter().all(|(body, _)| serde_json::from_str::<Value>(body).unwrap()["type"] == 7), "{kind}");
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn every_message_is_published_once_after_every_fault_of_a_call() {
    let sender = World::new().await;
    let kinds = ingest_with(&sender, "", None).await;
    for expected in ["GetItem state", "PutItem idem", "SendMessage", "SendMessageBatch delivery", "DeleteMessageBatch"]
    {
        assert!(kinds.contains(expected), "{expected} is not in {kinds:?}");
    }
    let runs = kinds.into_iter().filter(|kind| !kind.starts_with("ReceiveMessage")).map(async |kind| {
        let kind: &'static str = kind.leak();
        let mut fates = vec![Fate::Error(500, "InternalFailure"), Fate::LoseAnswer];
        if kind.contains("Batch") {
            fates.push(Fate::Only(Part::Half));
        }
        for fate in fates {
            ingest_with(&sender, kind, Some(fate)).await;
        }
    });
    futures_util::future::join_all(runs).await;
}

/// The function's list is that of publishing without the reading of keys, and with its own queue.
#[tokio::test]
async fn ingesting_does_what_publishing_does_and_reads_no_key() {
    let (publish, ingest) = (listed("publish"), listed("ingest"));
    for (action, partitions) in &publish {
        let expected: BTreeSet<_> = partitions.iter().filter(|it| !["key", "used"].contains(&it.as_str())).collect();
        assert_eq!(ingest[action].iter().collect::<BTreeSet<_>>(), expected, "{action:?}");
    }
    let own = ["ChangeMessageVisibility", "DeleteMessage", "ReceiveMessage"].map(|name| (format!("sqs:{name}"), None));
    assert_eq!(ingest.len(), publish.len() + own.len());
    assert!(own.iter().all(|action| ingest.contains_key(action)));

    let (world, _receiver, _tenant) = prepared(&World::new().await).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen);
    let network = over_network_by_call(&world.sdk(), move |call: &Call| {
        calls.lock().unwrap().push(call.clone());
        Fate::Pass
    });
    world.process_over(&network, world.clock.clock()).ingest().await;
    for (action, partitions) in done(seen.lock().unwrap().clone()) {
        assert!(partitions.is_subset(&ingest[&action]), "{action:?}: {partitions:?}");
    }
}
