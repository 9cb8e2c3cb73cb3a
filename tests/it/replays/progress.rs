//! Replays as jobs: pages, rate, progress, cancelling, and concurrent processes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{OLD_ENOUGH, all_time, arrived, replay};
use crate::support::{EVENT_TYPE, Endpoint, Fate, Process, Receiver, Tenant, World, over_network_by_call, text};

/// More deliveries than the request itself sends.
pub(super) const MANY: usize = 620;

/// An endpoint that missed this many events.
pub(super) async fn missed(world: &World, count: usize) -> (Tenant, Endpoint, Receiver) {
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    for start in (0..count).step_by(100) {
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); (count - start).min(100)];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        world.advance(Duration::from_secs(1));
    }
    let endpoint = tenant.endpoint(&receiver).await;
    world.advance(OLD_ENOUGH);
    (tenant, endpoint, receiver)
}

/// A process in which the call of this kind with number `nth`, counted from 0, and all later ones are refused.
fn without(world: &World, kind: &'static str, nth: usize) -> Process {
    let seen = AtomicUsize::new(0);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_refused = call.kind() == kind && seen.fetch_add(1, Ordering::SeqCst) >= nth;
        if is_refused { Fate::Refuse } else { Fate::Pass }
    });
    world.process_on(&network)
}

async fn job(tenant: &Tenant, id: &Value) -> Value {
    tenant.get(&format!("/jobs/{}", text(id))).await.data(200)
}

fn once_each(receiver: &Receiver, count: usize) {
    let mut arrived = arrived(receiver);
    arrived.sort();
    arrived.dedup();
    assert_eq!((arrived.len(), receiver.received().len()), (count, count));
}

#[tokio::test]
async fn a_replay_sends_500_at_once_and_a_hundred_a_second_then_and_shows_how_far_it_is() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, MANY).await;
    let began = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(json!([began["status"], began["deliveries"], began["replay"]["per_second"]]), json!(["open", 500, 0]));
    assert_eq!(began["replay"]["what"], "missed");
    assert!(text(&began["replay"]["processed_until"]) < text(&began["replay"]["until"]));
    let a_minute_before = world.clock.now().minus(Duration::from_secs(60)).rfc3339();
    assert_eq!(text(&began["replay"]["until"]), a_minute_before);
    let joined = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!((&joined["id"], &joined["created_at"]), (&began["id"], &began["created_at"]), "the same request joins");
    world.drain().await;
    assert_eq!(receiver.received().len(), 500);

    world.sweep().await;
    let ended = job(&tenant, &began["id"]).await;
    assert_eq!(
        json!([ended["status"], ended["deliveries"], ended["replay"]["per_second"]]),
        json!(["done", MANY, 100])
    );
    assert_eq!(ended["replay"]["processed_until"], ended["replay"]["until"]);
    world.drain().await;
    assert_eq!(receiver.received().len(), 500 + 20, "the first second's share of the rest is visible at once");
    world.run_to_the_end().await;
    once_each(&receiver, MANY);
    world.process.meter.write_all_usage().await;
    assert_eq!(world.usage().await, [MANY as u64; 3]);
}

#[tokio::test]
async fn a_cancelled_replay_sends_nothing_more_and_keeps_what_it_sent() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, MANY).await;
    let began = replay(&tenant, &endpoint, &all_time("missed")).await;
    let cancelled = tenant.post(&format!("/jobs/{}/cancel", text(&began["id"])), &json!({})).await.data(200);
    assert_eq!(json!([cancelled["status"], cancelled["deliveries"]]), json!(["cancelled", 500]));
    assert!(text(&cancelled["replay"]["processed_until"]) < text(&cancelled["replay"]["until"]));
    world.run_to_the_end().await;
    once_each(&receiver, 500);
    let rest = replay(&tenant, &endpoint, &all_time("missed")).await;
    world.run_to_the_end().await;
    assert_eq!(job(&tenant, &rest["id"]).await["deliveries"], MANY - 500);
    once_each(&receiver, MANY);
}

#[tokio::test]
async fn a_replay_that_fails_at_any_page_goes_on_and_counts_each_delivery_once() {
    for (kind, nth) in [
        ("PutItem job, advanced", 0),
        ("SendMessageBatch delivery", 7),
        ("PutItem delivery, new: due", 33),
        ("PutItem appended", 114),
        ("Query event", 20),
        ("PutItem job, done", 0),
    ] {
        let world = World::new().await;
        let (tenant, endpoint, receiver) = missed(&world, 130).await;
        let path = format!("{}/replay", endpoint.path());
        let reply = tenant.at(&without(&world, kind, nth)).post(&path, &all_time("missed")).await;
        reply.is_error(503, "unavailable");
        world.advance(Duration::from_secs(1));
        world.run_to_the_end().await;
        once_each(&receiver, 130);
        let jobs = tenant.get("/jobs").await.data(200);
        assert_eq!(json!([jobs[0]["status"], jobs[0]["deliveries"]]), json!(["done", 130]), "{kind} {nth}");
    }
}

/// The request and two runs of the sweep fail. What they did is counted.
#[tokio::test]
async fn a_replay_that_fails_several_times_counts_each_delivery_once() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, 130).await;
    let path = format!("{}/replay", endpoint.path());
    let refused = without(&world, "PutItem delivery, new: due", 33);
    tenant.at(&refused).post(&path, &all_time("missed")).await.is_error(503, "unavailable");
    for (kind, nth) in [("SendMessageBatch delivery", 5), ("PutItem job, done", 0)] {
        without(&world, kind, nth).try_sweep().await.unwrap_err();
        world.advance(Duration::from_secs(31));
    }
    world.run_to_the_end().await;
    once_each(&receiver, 130);
    let jobs = tenant.get("/jobs").await.data(200);
    assert_eq!(json!([jobs[0]["status"], jobs[0]["deliveries"]]), json!(["done", 130]));
}

#[tokio::test]
async fn a_replay_that_ended_early_shows_how_far_it_was() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, MANY).await;
    let began = replay(&tenant, &endpoint, &all_time("missed")).await;
    tenant.set_status(&endpoint, "disabled").await;
    world.sweep().await;
    let ended = job(&tenant, &began["id"]).await;
    assert_eq!(json!([ended["status"], ended["deliveries"]]), json!(["done", 500]));
    assert_eq!(ended["replay"]["processed_until"], began["replay"]["processed_until"]);
    assert!(text(&ended["replay"]["processed_until"]) < text(&ended["replay"]["until"]));
    tenant.set_status(&endpoint, "active").await;
    // The same request does not join a replay that ended early.
    let rest = replay(&tenant, &endpoint, &all_time("missed")).await;
    world.run_to_the_end().await;
    assert_eq!(job(&tenant, &rest["id"]).await["deliveries"], MANY - 500);
    assert!(receiver.received().len() <= MANY);
}

#[tokio::test]
async fn two_sweeps_at_once_make_each_delivery_once() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = missed(&world, 250).await;
    let path = format!("{}/replay", endpoint.path());
    tenant.at(&without(&world, "Query event", 0)).post(&path, &all_time("missed")).await.is_error(503, "unavailable");
    let (one, other) = (world.another_process(), world.another_process());
    let (one, other) = tokio::join!(one.try_sweep(), other.try_sweep());
    one.and(other).unwrap();
    world.run_to_the_end().await;
    once_each(&receiver, 250);
    let jobs = tenant.get("/jobs").await.data(200);
    assert_eq!(json!([jobs[0]["status"], jobs[0]["deliveries"]]), json!(["done", 250]));
    assert_eq!(world.items("delivery").await.len(), 250);
}

/// A page in which no event concerns the endpoint ends too, so a replay of a quiet endpoint does not hold up others.
#[tokio::test]
async fn a_page_without_deliveries_ends_after_400_events() {
    let world = World::new().await;
    let (tenant, receiver) = (world.tenant().await, Receiver::new().await);
    for _ in 0..9 {
        let events = vec![json!({"type": "other", "data": {}}); 100];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "event_types": [EVENT_TYPE]})).await;
    world.advance(OLD_ENOUGH);
    let left: Arc<Mutex<Vec<_>>> = Arc::default();
    let seen = Arc::clone(&left);
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() == "PutItem job, advanced" {
            seen.lock().unwrap().push(call.body["Item"]["step_left"]["N"].as_str().unwrap().to_owned());
        }
        Fate::Pass
    });
    let process = world.process_on(&network);
    let job = replay(&tenant.at(&process), &endpoint, &all_time("missed")).await;
    assert_eq!(json!([job["status"], job["deliveries"]]), json!(["done", 0]));
    let pages = left.lock().unwrap().clone();
    assert_eq!(pages, ["460", "420"], "two pages of 400 events, each as 40 deliveries, and one that ends the job");
}
