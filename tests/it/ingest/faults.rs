//! Faults of every call that ingesting makes: each message is published once, or stays until it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::{Value, json};
use shared::queue::schema::INGEST_VISIBILITY_SECONDS;

use super::event_bridge::event;
use super::{message, numbers};
use crate::support::{
    Call, EVENT_TYPE, Fate, Part, Receiver, Tenant, World, done, listed, over_network_by_call, recorded,
};

/// The number of worlds that run concurrently.
const CONCURRENT_RUNS: usize = 8;

/// The burst of the organization.
const BURST: usize = 100;

/// Publishes as many events as the burst allows. No endpoint receives them.
pub(crate) async fn use_up_rate(tenant: &Tenant) {
    let events = vec![json!({"type": "nobody.wants.this", "data": {}}); BURST];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
}

/// What the ingest queue contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queued {
    /// Two events, one of a bus, and a message that is refused.
    Events,
    /// A list of events.
    List,
    /// Events for which the organization's rate has no room yet.
    BeyondRate,
}

impl Queued {
    const ALL: [Self; 3] = [Self::Events, Self::List, Self::BeyondRate];

    fn messages(self, tenant: &Tenant) -> Vec<Value> {
        let list = |count: u32| (1..=count).map(|number| json!({"type": EVENT_TYPE, "data": {"number": number}}));
        match self {
            Self::Events => {
                let mut named = message(tenant, 2);
                named["organization"] = json!("ext:acme");
                named["external_id"] = json!("order-2");
                let of_bus = event("e3", json!([tenant.id]), json!({"number": 3}));
                vec![message(tenant, 1), named, of_bus, json!({"organization": tenant.id, "type": 7, "data": {}})]
            }
            Self::List => vec![json!({"organization": tenant.id, "events": list(30).collect::<Vec<_>>()})],
            Self::BeyondRate => (1..=3).map(|number| message(tenant, number)).collect(),
        }
    }

    /// The numbers of the events.
    const fn last_number(self) -> u64 {
        match self {
            Self::Events | Self::BeyondRate => 3,
            Self::List => 30,
        }
    }

    /// A world with the messages.
    async fn prepared(self, sender: &World) -> (World, Receiver, Tenant) {
        let (world, receiver) = (sender.new_world().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": receiver.url(), "event_types": [EVENT_TYPE, "order.paid"]})).await;
        let platform = world.platform();
        let path = format!("/v1/organizations/{}", tenant.id);
        platform.patch(&path, &json!({"external_id": "acme"})).await.data(200);
        let limits = json!({"events_per_second": 1, "burst": BURST, "events_per_month": 1_000}).to_string();
        platform.call(Method::PUT, &format!("{path}/limits"), &[], Some(limits)).await.data(200);
        if self == Self::BeyondRate {
            use_up_rate(&tenant).await;
        }
        for message in self.messages(&tenant) {
            world.send_to_ingest(&message.to_string()).await;
        }
        (world, receiver, tenant)
    }
}

/// Ingests over a network with this fate for the calls of a kind, and then without faults. Returns the kinds of the calls.
async fn ingest_with(sender: &World, queued: Queued, kind: &'static str, fate: Option<Fate>) -> BTreeSet<String> {
    let (world, receiver, _tenant) = queued.prepared(sender).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (kinds, spoilt) = (Arc::clone(&seen), fate.clone());
    let network = over_network_by_call(&world.sdk(), move |call: &Call| {
        kinds.lock().unwrap().insert(call.kind());
        spoilt.clone().filter(|_| call.kind() == kind).unwrap_or(Fate::Pass)
    });
    let process = world.process_on(&network);
    // If the messages cannot be deleted, they are received again.
    let _ = process.try_ingest().await;
    for _ in 0..6 {
        world.advance(Duration::from_secs(INGEST_VISIBILITY_SECONDS.into()));
        world.process.ingest().await;
    }
    let context = format!("{queued:?}, {kind}: {fate:?}");
    assert_eq!(world.ingest_messages(), [""; 0], "{context}");
    let final_state = world.run_to_the_end().await;
    assert!(final_state.records.values().all(|record| record.status == "success"), "{context}: {final_state:?}");
    assert_eq!(numbers(&receiver), (1..=queued.last_number()).collect::<Vec<_>>(), "{context}");
    let used_up = if queued == Queued::BeyondRate { BURST } else { 0 };
    assert_eq!(world.items("event").await.len(), numbers(&receiver).len() + used_up, "{context}");
    let letters = world.take_ingest_dead_letters().await;
    // A letter whose answer is lost, or whose message is not deleted, is sent again.
    assert_eq!(letters.is_empty(), queued != Queued::Events, "{context}");
    assert!(letters.iter().all(|(body, _)| serde_json::from_str::<Value>(body).unwrap()["type"] == 7), "{context}");
    seen.lock().unwrap().clone()
}

/// The faults of a call of this kind, permanent in the first run.
fn fates(kind: &str) -> Vec<Fate> {
    let throttled = if kind.contains("Message") { "RequestThrottled" } else { "ThrottlingException" };
    let mut fates = vec![
        Fate::Error(400, "AccessDeniedException"),
        Fate::Error(400, throttled),
        Fate::Error(500, "InternalFailure"),
        Fate::Break,
        Fate::TimeOut,
        Fate::LoseAnswer,
    ];
    if kind.contains("Batch") {
        fates.push(Fate::Only(Part::Half));
    }
    if kind.contains("MessageBatch") || kind.contains("VisibilityBatch") {
        fates.extend([Fate::Only(Part::Nothing), Fate::Only(Part::NothingBySender)]);
    }
    fates
}

/// The kinds of calls without faults. Receiving is not one of the function's calls.
async fn kinds_of(sender: &World, queued: Queued) -> BTreeSet<String> {
    let mut kinds = ingest_with(sender, queued, "", None).await;
    kinds.retain(|kind| !kind.starts_with("ReceiveMessage"));
    kinds
}

#[tokio::test]
async fn every_message_is_published_once_after_every_fault_of_a_call() {
    let sender = World::new().await;
    let mut known = BTreeSet::new();
    for queued in Queued::ALL {
        let kinds = kinds_of(&sender, queued).await;
        // The other messages add calls, and events that share a call.
        let mut runs = Vec::new();
        for kind in kinds.iter().filter(|kind| !known.contains(*kind) || kind.contains("Batch")) {
            let kind: &'static str = kind.clone().leak();
            runs.extend(fates(kind).into_iter().map(|fate| ingest_with(&sender, queued, kind, Some(fate))));
        }
        stream::iter(runs).buffer_unordered(CONCURRENT_RUNS).for_each(async |_| {}).await;
        known.extend(kinds);
    }
    for expected in [
        "GetItem state",
        "PutItem idem",
        "SendMessage",
        "SendMessageBatch delivery",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
    ] {
        assert!(known.contains(expected), "{expected} is not in {known:?}");
    }
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

    let (world, _receiver, _tenant) = Queued::Events.prepared(&World::new().await).await;
    let (network, calls) = recorded(&world.sdk());
    world.process_on(&network).ingest().await;
    for (action, partitions) in done(calls.lock().unwrap().clone()) {
        assert!(partitions.is_subset(&ingest[&action]), "{action:?}: {partitions:?}");
    }
}
