//! A message of a batch that panics, or takes long, does not affect the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::queue::schema::INGEST_VISIBILITY_SECONDS;

use super::{events, message, numbers, subscribed};
use crate::support::{Fate, Tenant, World, over_network_by_call};

#[tokio::test]
async fn a_panic_in_one_message_does_not_affect_others() {
    let (world, receiver, tenant) = subscribed().await;
    for number in 1..=3 {
        world.send_to_ingest(&message(&tenant, number).to_string()).await;
    }
    // The clock panics at its next use after the last claim. The first message whose events are planned uses it next.
    let (broken, claims) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let breaks = Arc::clone(&broken);
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() == "PutItem idem" && claims.fetch_add(1, Ordering::SeqCst) == 2 {
            breaks.store(true, Ordering::SeqCst);
        }
        Fate::Pass
    });
    let (clock, breaks) = (world.clock.clone(), Arc::clone(&broken));
    let clock = Clock::from_fn(move || {
        assert!(!breaks.swap(false, Ordering::SeqCst), "the clock panics");
        clock.now()
    });
    assert_eq!(world.process_over(&network, clock).ingest().await, 3, "the handler returns");
    assert!(!broken.load(Ordering::SeqCst), "a message panicked");
    assert_eq!((world.ingest_messages().len(), events(&tenant).await.len()), (1, 2));

    world.advance(Duration::from_secs(INGEST_VISIBILITY_SECONDS.into()));
    assert_eq!(world.process.ingest().await, 1, "only its message is left");
    assert!(world.ingest_messages().is_empty());
    world.run_to_the_end().await;
    assert_eq!(numbers(&receiver), [1, 2, 3]);
}

/// A message whose events may have 50,000 deliveries, and have none.
async fn large(world: &World) -> (Tenant, Value) {
    let tenant = world.tenant().await;
    world.make_endpoints(&tenant, 500, &["subscribed"]).await;
    let events = vec![json!({"type": "not.subscribed", "data": {}}); 100];
    let message = json!({"organization": tenant.id, "events": events});
    (tenant, message)
}

#[tokio::test]
async fn messages_for_which_no_time_is_left_are_visible_again_at_once() {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let ((tenant, large), other) = (large(&world).await, world.tenant().await);
    for message in [&large, &large, &message(&other, 1)] {
        world.send_to_ingest(&message.to_string()).await;
    }
    // Storing the events of a large message takes more time than the function has.
    let clock = world.clock.clone();
    let network = over_network_by_call(&world.sdk(), move |call| {
        let items = call.body["RequestItems"].as_object().into_iter().flatten();
        if call.operation == "BatchWriteItem" && items.flat_map(|(_, items)| items.as_array()).flatten().count() > 1 {
            clock.advance(Duration::from_secs(15));
        }
        Fate::Pass
    });
    let process = world.process_on(&network);
    assert_eq!(process.ingest().await, 3);
    assert_eq!(events(&other).await.len(), 1, "small messages are first");
    assert_eq!((world.ingest_messages().len(), events(&tenant).await.len()), (1, 100));
    assert_eq!(world.process.ingest().await, 1, "the rest is visible");
    assert!(world.ingest_messages().is_empty());
    assert_eq!(world.items("event").await.len(), 201);
}
