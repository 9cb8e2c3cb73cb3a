//! The circuit breaker: an endpoint that keeps failing is suspended and probed, then resumed or disabled. Each change
//! is announced with an operational event.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::support::{Answer, Endpoint, Gate, Receiver, Tenant, World, text};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An endpoint without retries whose first `failures` requests fail.
pub(crate) async fn failing(world: &World, failures: usize) -> (Tenant, Endpoint, Receiver) {
    let receiver = Receiver::scripted(vec![Answer::status(500); failures]).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    (tenant, endpoint, receiver)
}

/// Suspends the endpoint by publishing and delivering: ten failures within more than a minute.
pub(crate) async fn suspend(world: &World, tenant: &Tenant) {
    for _ in 0..9 {
        tenant.publish().await;
    }
    world.drain().await;
    world.advance(seconds(61));
    tenant.publish().await;
    world.drain().await;
}

fn attribute<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Option<&'a String> {
    item.get(name).and_then(|value| value.as_s().ok())
}

fn types(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|request| request.header("x-webhook-event").to_owned()).collect()
}

#[tokio::test]
async fn ten_failures_over_a_minute_suspend_and_a_successful_probe_releases_the_oldest_first() {
    let world = World::new().await;
    let (tenant, _, receiver) = failing(&world, 11).await;
    suspend(&world, &tenant).await;
    assert_eq!(receiver.received().len(), 10);

    let mut parked = Vec::new();
    for _ in 0..3 {
        parked.extend(tenant.publish().await);
    }
    assert_eq!(world.drain().await, 0, "new deliveries are parked and not queued");

    world.sweep().await;
    assert_eq!(world.drain().await, 0, "no probe is due in the first minute");
    world.advance(seconds(61));
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.drain().await, 1, "two sweeps send one probe");
    assert_eq!(receiver.received().len(), 11);
    let probed = tenant.delivery(&parked[0]).await;
    assert_eq!((&probed["status"], &probed["attempts"]), (&json!("retrying"), &json!(1)));

    world.advance(seconds(61));
    world.sweep().await;
    assert_eq!(world.drain().await, 0, "the second probe waits twice as long");
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.drain().await, 1);
    assert_eq!(tenant.delivery_status(&parked[0]).await, "success");

    world.sweep().await;
    while world.process.poll_at_most(1).await > 0 {}
    let ids: Vec<_> = receiver.received()[11..].iter().map(|r| r.header("x-webhook-delivery").to_owned()).collect();
    assert_eq!(ids, parked);
    let after = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&after).await, "success");
}

/// The counters of the only endpoint: failures and timeouts, and whether it is suspended.
async fn counted(world: &World) -> (u32, u32, bool) {
    let counters = world.items("health").await.pop().unwrap_or_default();
    let number = |name: &str| counters.get(name).map_or(0, |value| value.as_n().unwrap().parse().unwrap());
    let endpoint = world.items("endpoint").await.remove(0);
    (number("failures"), number("timeouts"), endpoint.contains_key("suspended_since"))
}

#[tokio::test]
async fn a_random_mix_of_failures_and_successes_suspends_by_the_rule_of_the_bucket() {
    let mut random = 7_u64;
    let mut percent = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % 100
    };
    let first = World::new().await;
    let mut suspended = 0;
    for share in [30, 50, 60, 80] {
        let world = first.new_world().await;
        let fails: Vec<_> = (0..60).map(|_| percent() < share).collect();
        let answers = fails.iter().map(|fails| Answer::status(if *fails { 500 } else { 200 }));
        let receiver = Receiver::scripted(answers).await;
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        // The expected rule: a failure adds one, a success removes one, and ten that lasted a minute suspend.
        let (mut bucket, mut since) = (0_u32, 0);
        for (attempt, fails) in fails.into_iter().enumerate() {
            let now = 7 * attempt;
            if bucket == 0 {
                since = now;
            }
            bucket = if fails { bucket + 1 } else { bucket.saturating_sub(1) };
            let suspends = fails && bucket >= 10 && now - since >= 60;
            tenant.publish().await;
            // Each attempt runs in a new process with empty caches.
            assert_eq!(world.another_process().drain().await, 1);
            assert_eq!(counted(&world).await, (bucket, 0, suspends), "{share} %, attempt {attempt}");
            world.advance(seconds(7));
            if suspends {
                suspended += 1;
                break;
            }
        }
    }
    assert!((1..4).contains(&suspended), "{suspended} of four were suspended");
}

#[tokio::test]
async fn a_thousand_failures_over_six_seconds_suspend() {
    let world = World::new().await;
    let (tenant, _, receiver) = failing(&world, 1_001).await;
    let events = vec![json!({"type": crate::support::EVENT_TYPE, "data": {}}); 100];
    for _ in 0..10 {
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
    let drain = async |messages: usize| {
        for _ in 0..messages / 10 {
            // Each batch runs in another process, which counts all of its attempts in one write.
            assert_eq!(world.another_process().poll().await, 10);
        }
    };
    drain(990).await;
    world.advance(seconds(6));
    assert_eq!(counted(&world).await, (990, 0, false));
    drain(10).await;
    assert_eq!(counted(&world).await, (1_000, 0, true));
    assert_eq!(receiver.received().len(), 1_000);
}

#[tokio::test]
async fn ten_timeouts_over_six_seconds_suspend() {
    let (world, gate) = (World::new().await, Gate::closed());
    let hangs = Answer::status(200).behind(&gate);
    let script = [vec![hangs.clone(); 9], vec![Answer::status(500), Answer::status(200)]].concat();
    let receiver = Receiver::scripted_then(script, hangs).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "timeout_seconds": 1, "retry_schedule": []})).await;
    for (events, expected) in
        [(9, (9, 9, false)), (1, (10, 9, false)), (1, (9, 8, false)), (1, (10, 9, false)), (1, (11, 10, true))]
    {
        for _ in 0..events {
            tenant.publish().await;
        }
        world.advance(seconds(6));
        world.drain().await;
        assert_eq!(counted(&world).await, expected, "after {} requests", receiver.received().len());
    }
    gate.open();
    let parked = tenant.publish_one().await;
    world.advance(seconds(61));
    world.sweep().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&parked).await, "success");
    assert_eq!(counted(&world).await, (0, 0, false), "the end of the suspension empties the buckets");
}

/// A bucket counts failures together with the successes of all processes.
#[tokio::test]
async fn a_process_with_only_successes_counts_them_five_seconds_after_a_failure_in_another() {
    let world = World::new().await;
    let script = [vec![Answer::status(200)], vec![Answer::status(500); 10]].concat();
    let receiver = Receiver::scripted(script).await;
    let (tenant, other) = (world.tenant().await, world.another_process());
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    tenant.publish().await;
    assert_eq!(other.drain().await, 1, "the process caches the endpoint as healthy");
    for _ in 0..10 {
        tenant.publish().await;
    }
    world.drain().await;
    assert_eq!(counted(&world).await, (10, 0, false));
    for (expected, wait) in [(10, 5), (9, 1), (8, 0)] {
        tenant.publish().await;
        assert_eq!(other.drain().await, 1);
        assert_eq!(counted(&world).await, (expected, 0, false));
        world.advance(seconds(wait));
    }
}

#[tokio::test]
async fn a_new_url_resets_the_counters_of_an_endpoint() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = failing(&world, 9).await;
    for _ in 0..9 {
        tenant.publish().await;
    }
    world.drain().await;
    assert_eq!(counted(&world).await, (9, 0, false));
    let moved = json!({"url": format!("{}/elsewhere", receiver.url())});
    tenant.patch(&endpoint.path(), &moved).await.data(200);
    assert_eq!(counted(&world).await, (0, 0, false));
    receiver.then([Answer::status(500)]);
    world.advance(seconds(61));
    tenant.publish().await;
    world.drain().await;
    assert_eq!(counted(&world).await, (1, 0, false));
}

#[tokio::test]
async fn expired_counters_are_ignored() {
    let world = World::new().await;
    let (tenant, _, _receiver) = failing(&world, 10).await;
    for (events, wait, expected) in [(9, 31 * 86_400, 9), (1, 0, 1)] {
        for _ in 0..events {
            tenant.publish().await;
        }
        world.drain().await;
        assert_eq!(counted(&world).await, (expected, 0, false));
        world.advance(seconds(wait));
    }
}

/// The attempts take more than two seconds of real time, and more than 45 together.
#[tokio::test]
async fn slow_attempts_move_an_endpoint_to_the_slow_lane_until_their_time_is_lost_again() {
    const SLOW: usize = 25;
    let (world, gate) = (World::new().await, Gate::closed());
    let receiver = Receiver::scripted(vec![Answer::status(200).behind(&gate); SLOW]).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let lane = async || attribute(&world.items("endpoint").await[0], "lane").cloned();
    for _ in 0..SLOW {
        tenant.publish().await;
    }
    let answer_late = async {
        receiver.wait_for(SLOW).await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        gate.open();
    };
    let polls = futures_util::future::join_all((0..SLOW.div_ceil(10)).map(|_| world.process.poll()));
    assert_eq!(tokio::join!(polls, answer_late).0.iter().sum::<usize>(), SLOW);
    // A second of slow time is lost in 20 s. What a process has not written yet is written with the next attempt.
    for (wait, expected) in [(1, Some("slow")), (700, Some("slow")), (510, None)] {
        world.advance(seconds(wait));
        tenant.publish().await;
        world.drain().await;
        assert_eq!(lane().await.as_deref(), expected, "after {wait} s more");
    }
    world.advance(seconds(1));
    tenant.publish().await;
    world.drain().await;
    assert!(!world.items("endpoint").await[0].contains_key("failing_until"));
}

#[tokio::test]
async fn a_message_in_flight_is_parked_when_its_endpoint_is_suspended() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [70, 70, 70]})).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.extend(tenant.publish().await);
    }
    world.drain().await;
    world.advance(seconds(80));
    world.drain().await;
    assert_eq!(
        receiver.received().len(),
        20,
        "the second round of attempts suspends, and its messages wait for the third"
    );

    world.advance(seconds(80));
    assert_eq!(world.drain().await, 10);
    assert_eq!(receiver.received().len(), 20);
    let items = world.items("delivery").await;
    let held =
        |item: &&HashMap<_, _>| -> bool { attribute(item, "waiting_pk").is_some_and(|pk| pk.starts_with("held#")) };
    assert_eq!(items.iter().filter(held).count(), 10);
    assert_eq!(tenant.delivery(&ids[0]).await["attempts"], 2);
    world.advance(seconds(400));
    assert_eq!(world.drain().await, 0, "nothing is left in the queue");
}

#[tokio::test]
async fn five_days_without_success_disable_the_endpoint_and_fail_its_parked_deliveries() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = failing(&world, 1_000).await;
    let listener = Receiver::new().await;
    let types_wanted = json!(["webhook.*", "delivery.exhausted"]);
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": types_wanted})).await;
    suspend(&world, &tenant).await;
    let parked = tenant.publish_one().await;
    world.advance(Duration::from_secs(5 * 86_400));
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 11, "the endpoint is not disabled before another probe");
    world.advance(seconds(121));
    world.sweep().await;
    let read = tenant.read_endpoint(&endpoint).await;
    assert_eq!((&read["status"], &read["disabled_reason"]), (&json!("disabled"), &json!("failing")));
    world.sweep().await;
    world.drain().await;
    let failed = tenant.delivery(&parked).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("endpoint_disabled")));
    assert_eq!(receiver.received().len(), 11);

    let mut seen = types(&listener);
    seen.sort();
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
    assert_eq!((count("webhook.suspended"), count("webhook.disabled"), count("delivery.exhausted")), (1, 1, 10));
    let disabled = listener.received().into_iter().find(|r| r.header("x-webhook-event") == "webhook.disabled").unwrap();
    let disabled = disabled.json();
    assert_eq!(disabled["data"]["id"], json!(endpoint.id));
    assert_eq!(disabled["data"]["disabled_reason"], "failing");
}

#[tokio::test]
async fn the_owner_can_resume_a_suspended_endpoint() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = failing(&world, 10).await;
    let listener = Receiver::new().await;
    tenant.endpoint_with(json!({"url": listener.url(), "event_types": ["webhook.resumed", "webhook.suspended"]})).await;
    suspend(&world, &tenant).await;
    let parked = tenant.publish_one().await;
    assert_eq!(text(&tenant.read_endpoint(&endpoint).await["status"]), "active");
    tenant.set_status(&endpoint, "active").await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&parked).await, "success");
    world.sweep().await;
    world.drain().await;
    assert_eq!(types(&listener), ["webhook.suspended"]);
}

#[tokio::test]
async fn an_operational_event_never_causes_another_about_the_same_endpoint() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let own = json!({"url": receiver.url(), "event_types": ["*", "delivery.exhausted"], "retry_schedule": []});
    tenant.endpoint_with(own).await;
    tenant.publish().await;
    for _ in 0..5 {
        world.drain().await;
        world.advance(seconds(1));
        world.sweep().await;
    }
    assert_eq!(types(&receiver), ["member.added", "delivery.exhausted"]);
}
