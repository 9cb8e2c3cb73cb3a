//! Jobs take turns, and delay nothing else that the sweep does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shared::clock::Clock;

use super::{PAGE, begin_recovery, exhausted, held, jobs, process_without_queries, publish, resume, seconds, summary};
use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Gate, Process, Receiver, World, eventually, over_network_by_call,
};

/// A process whose clock jumps an hour ahead when it stores the progress after the n-th page of a job, which ends its
/// run. Also returns the endpoint of each page.
fn process_for_n_pages(world: &World, nth: usize) -> (Process, Arc<Mutex<Vec<String>>>) {
    let recorded: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&recorded);
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() == "PutItem job, advanced" {
            let endpoint = call.body["Item"]["endpoint"]["S"].as_str().unwrap_or_default();
            seen.lock().unwrap().push(endpoint.to_owned());
        }
        Fate::Pass
    });
    let (clock, pages) = (world.clock.clock(), Arc::clone(&recorded));
    let clock = Clock::from_fn(move || {
        let is_late = pages.lock().unwrap().len() >= nth;
        clock.now().plus(if is_late { seconds(3_600) } else { Duration::ZERO })
    });
    (world.process_over(&network, clock), recorded)
}

/// Organizations take turns, and so do the jobs of each. Eight pages are in progress concurrently, so up to seven more
/// begin before the page at which the run's time ends is stored.
#[tokio::test]
async fn of_a_hundred_endpoints_that_are_resumed_together_each_gets_its_first_page_before_any_gets_a_second() {
    const WITH_BACKLOG: usize = 10;
    const ENDPOINTS: usize = 100;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let mut endpoints = Vec::new();
    for _ in 0..WITH_BACKLOG {
        endpoints.push(held(&tenant, &receiver, 0).await);
    }
    publish(&tenant, PAGE).await;
    while endpoints.len() < ENDPOINTS {
        endpoints.push(held(&tenant, &receiver, 0).await);
    }
    publish(&tenant, 1).await;
    for endpoint in &endpoints {
        resume(&world, &tenant, endpoint).await;
        // The earliest job gets the first turn.
        world.advance(Duration::from_millis(1));
    }
    // The only job of another organization has two pages. It does not wait for a hundred other jobs.
    let other = world.tenant().await;
    let own = held(&other, &receiver, PAGE + 1).await;
    resume(&world, &other, &own).await;

    let (sweeper, pages) = process_for_n_pages(&world, ENDPOINTS + 2);
    sweeper.sweep().await;
    let pages = pages.lock().unwrap().clone();
    let count = |endpoint: &Endpoint| pages.iter().filter(|page| **page == endpoint.id).count();
    assert!(endpoints.iter().all(|endpoint| count(endpoint) >= 1), "each gets its first page");
    assert!(endpoints.iter().filter(|endpoint| count(endpoint) > 1).count() <= 7, "before any gets its second");
    assert_eq!(count(&own), 2, "the other organization gets every second turn");
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, WITH_BACKLOG * PAGE + ENDPOINTS + PAGE + 1);
}

#[tokio::test]
async fn two_concurrent_sweeps_send_each_delivery_once_and_both_end() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 350).await;
    resume(&world, &tenant, &endpoint).await;
    let (failed, _failing) = exhausted(&world, &world.tenant().await, 120).await;
    drop(failed);
    let (one, two) = (world.another_process(), world.another_process());
    let (first, second) = tokio::join!(world.whole_sweep(&one), world.whole_sweep(&two));
    first.and(second).unwrap();
    assert_eq!(world.in_the_queue().await, 350);
    world.advance(seconds(10));
    world.drain().await;
    assert_eq!(receiver.received().len(), 350);
    world.advance(seconds(121));
    let (one, two) = (world.another_process(), world.another_process());
    tokio::join!(one.sweep(), two.sweep());
    assert_eq!(jobs(&tenant).await[0]["status"], "done");
    assert_eq!(world.drain().await, 0);
}

#[tokio::test]
async fn a_failing_release_does_not_stop_recoveries_and_due_deliveries() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (busy, quiet) = (world.tenant().await, world.tenant().await);
    let endpoint = held(&busy, &receiver, 30).await;
    let (failed, failed_receiver) = exhausted(&world, &quiet, 3).await;
    begin_recovery(&world, &quiet, &failed).await;
    let late = Receiver::scripted([Answer::status(500)]).await;
    let waiting = world.tenant().await;
    waiting.endpoint_with(json!({"url": late.url(), "retry_schedule": [3_600]})).await;
    waiting.publish().await;
    world.drain().await;
    world.advance(seconds(4_000));
    resume(&world, &busy, &endpoint).await;

    let held = format!("held#{}#", endpoint.id);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let partition = call.body["ExpressionAttributeValues"][":partition"]["S"].as_str();
        let is_release = partition.is_some_and(|partition| partition.starts_with(&held));
        if is_release { Fate::Error(400, "AccessDeniedException") } else { Fate::Pass }
    });
    world.process_on(&network).try_sweep().await.unwrap_err();
    world.drain().await;
    assert_eq!((failed_receiver.received().len(), late.received().len()), (6, 2));
    assert_eq!(receiver.received().len(), 0);
    world.sweep().await;
    world.advance(seconds(10));
    world.drain().await;
    assert_eq!(receiver.received().len(), 30);
}

/// Both recoveries are stopped before they store their progress, until everything else has happened.
#[tokio::test]
async fn recoveries_of_two_organizations_do_not_delay_due_deliveries_probes_and_backlog_metrics() {
    let world = World::new().await;
    let (one, two, third) = (world.tenant().await, world.tenant().await, world.tenant().await);
    let (first, _first_receiver) = exhausted(&world, &one, 150).await;
    let (second, _second_receiver) = exhausted(&world, &two, 150).await;
    let (late, probed) = (Receiver::scripted([Answer::status(500)]).await, Receiver::new().await);
    third.endpoint_with(json!({"url": late.url(), "event_types": [EVENT_TYPE], "retry_schedule": [3_600]})).await;
    third.publish().await;
    world.drain().await;
    let suspended = third.endpoint_with(json!({"url": probed.url(), "event_types": ["a.probe"]})).await;
    crate::telemetry::suspend(&world, &third.id, &suspended.id).await;
    third.at(&world.another_process()).post("/events", &json!({"type": "a.probe", "data": {}})).await.data(202);
    world.advance(seconds(86_400));
    world.clock.advance_to_backlog_metrics();
    for (tenant, endpoint) in [(&one, &first), (&two, &second)] {
        begin_recovery(&world, tenant, endpoint).await;
    }

    let (seen, gate) = (Arc::new(Mutex::new(Vec::new())), Gate::closed());
    let (calls, write_gate) = (Arc::clone(&seen), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        calls.lock().unwrap().push(call.kind());
        if call.kind() == "PutItem job, advanced" { Fate::Behind(write_gate.clone()) } else { Fate::Pass }
    });
    let count = |kind: &str| seen.lock().unwrap().iter().filter(|call| *call == kind).count();
    let others = async {
        eventually("everything else happens", async || {
            let backlog = count("Query waiting due, counted") > 0;
            count("PutItem job, advanced") == 2 && backlog && count("SendMessageBatch probe") == 1
        })
        .await;
        world.drain().await;
        assert_eq!((late.received().len(), probed.received().len()), (2, 1));
        gate.open();
    };
    let sweeper = world.process_on(&network);
    tokio::join!(async { sweeper.sweep().await }, others);
    for tenant in [&one, &two] {
        assert_eq!(summary(&jobs(tenant).await[0]), json!(["recover", "open", 150]));
    }
}

/// A page of the replay takes as long as a step, and the replay is always due. The run ends ten seconds before its
/// deadline.
#[tokio::test]
async fn a_release_that_begins_while_a_replay_finds_nothing_is_done_in_the_same_run() {
    const HELD: usize = 60;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (busy, other) = (world.tenant().await, world.tenant().await);
    publish(&busy, 1_600).await;
    let endpoint = busy.endpoint_with(json!({"url": receiver.url(), "event_types": ["nothing"]})).await;
    let released = held(&other, &receiver, HELD).await;
    world.advance(seconds(61));
    let body = json!({"since": "2020-01-01T00:00:00Z", "what": "missed"});
    let requested = busy.at(&process_without_queries(&world)).post(&format!("{}/replay", endpoint.path()), &body).await;
    requested.is_error(503, "unavailable");

    let (pages, first, resumed) = (Arc::new(AtomicU64::new(0)), Gate::closed(), Gate::closed());
    let (counter, reached, gate) = (Arc::clone(&pages), first.clone(), resumed.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_page = call.kind() == "PutItem job, advanced" && call.body["Item"]["kind"]["S"] == "replay";
        if is_page && counter.fetch_add(1, Ordering::SeqCst) == 0 {
            reached.open();
            return Fate::Behind(gate.clone());
        }
        Fate::Pass
    });
    let (clock, counted) = (world.clock.clock(), Arc::clone(&pages));
    let clock = Clock::from_fn(move || clock.now().plus(seconds(10 * counted.load(Ordering::SeqCst))));
    let (deadline, process) = (world.clock.now().plus(seconds(45)), world.process_over(&network, clock));
    let resuming = async {
        first.pass().await;
        resume(&world, &other, &released).await;
        resumed.open();
    };
    let (swept, ()) = tokio::join!(process.sweep_until(deadline), resuming);
    swept.unwrap();
    assert_eq!(pages.load(Ordering::SeqCst), 4, "the replay does a page in each step");
    assert_eq!(world.in_the_queue().await, HELD);
}
