//! Jobs: the API for their owners, and how the sweep does them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, eventually, over_network,
    over_network_by_call, text,
};

/// The maximum number of deliveries in a page of a job.
const PAGE: usize = 100;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Publishes this number of events.
async fn publish(tenant: &Tenant, count: usize) {
    for start in (0..count).step_by(100) {
        let events = vec![json!({"type": EVENT_TYPE, "data": {}}); (count - start).min(100)];
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    }
}

/// A paused endpoint with this number of held deliveries.
async fn held(tenant: &Tenant, receiver: &Receiver, count: usize) -> Endpoint {
    let endpoint = tenant.endpoint(receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    publish(tenant, count).await;
    endpoint
}

/// A process whose queries fail. It can change endpoints but finds no deliveries, so the sweep does all pages of its
/// jobs.
fn process_without_queries(world: &World) -> Process {
    let fate = |operation: &str| if operation == "Query" { Fate::Refuse } else { Fate::Pass };
    world.process_over(&over_network(&world.sdk(), fate), world.clock.clock())
}

async fn resume(world: &World, tenant: &Tenant, endpoint: &Endpoint) {
    tenant.at(&process_without_queries(world)).set_status(endpoint, "active").await;
}

/// Begins a recovery of which the sweep does all pages, and returns its job's id.
async fn begin_recovery(world: &World, tenant: &Tenant, endpoint: &Endpoint) -> String {
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let path = format!("{}/recover", endpoint.path());
    tenant.at(&process_without_queries(world)).post(&path, &body).await.is_error(503, "unavailable");
    let jobs = jobs(tenant).await;
    let of_endpoint = |job: &&Value| job["kind"] == "recover" && job["endpoint_id"] == json!(endpoint.id);
    text(&jobs.iter().find(of_endpoint).unwrap()["id"]).to_owned()
}

/// An endpoint with this number of exhausted deliveries. Its receiver accepts all further requests.
async fn exhausted(world: &World, tenant: &Tenant, count: usize) -> (Endpoint, Receiver) {
    let receiver = Receiver::scripted(vec![Answer::status(500); count]).await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    publish(tenant, count).await;
    world.drain().await;
    world.advance(seconds(1));
    (endpoint, receiver)
}

async fn jobs(tenant: &Tenant) -> Vec<Value> {
    tenant.get("/jobs").await.data(200).as_array().unwrap().clone()
}

fn summary(job: &Value) -> Value {
    json!(["kind", "status", "deliveries"].map(|name| &job[name]))
}

#[tokio::test]
async fn jobs_are_listed_latest_first_with_their_progress_and_for_thirty_days_after_their_end() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let first = held(&tenant, &receiver, 3).await;
    tenant.set_status(&first, "active").await;
    world.advance(seconds(1));
    let second = held(&tenant, &receiver, 2).await;
    tenant.set_status(&second, "disabled").await;

    let listed = jobs(&tenant).await;
    let ids: Vec<_> = listed.iter().map(|job| text(&job["endpoint_id"])).collect();
    assert_eq!(ids, [&second.id, &first.id]);
    assert_eq!(summary(&listed[0]), json!(["fail_held", "open", 0]));
    assert_eq!(summary(&listed[1]), json!(["release", "open", 3]));
    assert_eq!(tenant.get(&format!("/jobs/{}", text(&listed[1]["id"]))).await.data(200), listed[1]);

    let page = tenant.get("/jobs?limit=1").await;
    assert_eq!(page.body["data"], json!([listed[0]]));
    let cursor = text(&page.body["pagination"]["next_cursor"]).to_owned();
    let rest = tenant.get(&format!("/jobs?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest.body["data"], &rest.body["pagination"]["has_more"]), (&json!([listed[1]]), &json!(false)));
    tenant.get("/jobs?cursor=x").await.is_error(400, "validation_failed");

    world.sweep().await;
    world.advance(seconds(121));
    world.sweep().await;
    let ended = jobs(&tenant).await;
    assert_eq!(
        ended.iter().map(summary).collect::<Vec<_>>(),
        [json!(["fail_held", "done", 2]), json!(["release", "done", 3])]
    );
    assert!(ended.iter().all(|job| job["ended_at"].is_string()));
    world.advance(seconds(30 * 86_400));
    assert_eq!(jobs(&tenant).await, [Value::Null; 0], "30 days have passed");
}

#[tokio::test]
async fn a_cancelled_recovery_retries_nothing_more_and_can_be_requested_again() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (endpoint, receiver) = exhausted(&world, &tenant, 2).await;
    let id = begin_recovery(&world, &tenant, &endpoint).await;
    let path = format!("/jobs/{id}/cancel");
    let cancelled = tenant.post(&path, &json!({})).await.data(200);
    assert_eq!(summary(&cancelled), json!(["recover", "cancelled", 0]));
    tenant.post(&path, &json!({})).await.is_error(409, "conflict");
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);

    world.advance(seconds(1));
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let again = tenant.post(&format!("{}/recover", endpoint.path()), &body).await.data(202);
    assert_eq!(json!([again["id"], again["recovered"], again["joined"]]), json!([id, 2, null]));
    world.drain().await;
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn releases_and_failings_of_held_deliveries_cannot_be_cancelled() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let released = held(&tenant, &receiver, 1).await;
    resume(&world, &tenant, &released).await;
    let failed = held(&tenant, &receiver, 1).await;
    tenant.set_status(&failed, "disabled").await;
    for job in jobs(&tenant).await {
        let refused = tenant.post(&format!("/jobs/{}/cancel", text(&job["id"])), &json!({})).await;
        refused.is_error(409, "conflict");
        assert!(text(&refused.body["error"]["message"]).contains(text(&job["kind"])), "{}", refused.body);
    }
    assert!(jobs(&tenant).await.iter().all(|job| job["status"] == "open"));
}

#[tokio::test]
async fn a_tenant_can_neither_read_nor_cancel_another_tenants_jobs() {
    let world = World::new().await;
    let (owner, other_tenant) = (world.tenant().await, world.tenant().await);
    let (endpoint, _receiver) = exhausted(&world, &owner, 1).await;
    let id = begin_recovery(&world, &owner, &endpoint).await;
    assert_eq!(jobs(&other_tenant).await, [Value::Null; 0]);
    let as_owner = owner.with_key(&other_tenant.key);
    for tenant in [&other_tenant, &as_owner] {
        tenant.get(&format!("/jobs/{id}")).await.is_error(404, "not_found");
        tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.is_error(404, "not_found");
    }
    as_owner.get("/jobs").await.is_error(404, "not_found");
    assert_eq!(jobs(&owner).await[0]["status"], "open");
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_a_page_is_done_stays_cancelled() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (endpoint, _receiver) = exhausted(&world, &tenant, 150).await;
    let id = begin_recovery(&world, &tenant, &endpoint).await;
    let (reached, gate) = (Gate::closed(), Gate::closed());
    let (write_reached, write_gate) = (reached.clone(), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() != "PutItem job, advanced" {
            return Fate::Pass;
        }
        write_reached.open();
        Fate::Behind(write_gate.clone())
    });
    let sweeper = world.process_over(&network, world.clock.clock());
    let cancel = async {
        reached.pass().await;
        tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.data(200);
        gate.open();
    };
    tokio::join!(async { sweeper.sweep().await }, cancel);
    world.advance(seconds(121));
    world.sweep().await;
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["recover", "cancelled", 0]));
    assert_eq!(world.in_the_queue().await, PAGE, "the page that was in progress");
}

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
    world.process_over(&network, world.clock.clock()).try_sweep().await.unwrap_err();
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
    let sweeper = world.process_over(&network, world.clock.clock());
    tokio::join!(async { sweeper.sweep().await }, others);
    for tenant in [&one, &two] {
        assert_eq!(summary(&jobs(tenant).await[0]), json!(["recover", "open", 150]));
    }
}

/// Makes a delivery's record unreadable, and returns the former record.
async fn make_unreadable(world: &World, id: &str) -> std::collections::HashMap<String, AttributeValue> {
    let item = world.items("delivery").await.into_iter().find(|item| item["sk"] == AttributeValue::S(id.to_owned()));
    let item = item.unwrap();
    let mut unreadable = item.clone();
    unreadable.insert("status".to_owned(), AttributeValue::S("unreadable".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(unreadable)).send().await.unwrap();
    item
}

#[tokio::test]
async fn an_unreadable_delivery_does_not_stop_the_later_ones_and_keeps_its_release_open() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 0).await;
    let oldest = tenant.publish_one().await;
    publish(&tenant, 2 * PAGE).await;
    let item = make_unreadable(&world, &oldest).await;
    resume(&world, &tenant, &endpoint).await;
    world.advance(seconds(121));
    world.whole_sweep(&world.process).await.unwrap();
    assert_eq!(world.in_the_queue().await, 2 * PAGE);
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["release", "open", 2 * PAGE]));

    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * PAGE + 1);
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["release", "done", 2 * PAGE + 1]));
}

#[tokio::test]
async fn a_delivery_that_cannot_be_leased_does_not_stop_the_later_ones() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 0).await;
    let oldest = tenant.publish_one().await;
    publish(&tenant, 2 * PAGE).await;
    resume(&world, &tenant, &endpoint).await;
    let id = oldest.clone();
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_lease = call.operation == "PutItem" && call.body["Item"]["sk"]["S"] == json!(id);
        if is_lease { Fate::Error(400, "AccessDeniedException") } else { Fate::Pass }
    });
    world.whole_sweep(&world.process_over(&network, world.clock.clock())).await.unwrap_err();
    assert_eq!(world.in_the_queue().await, 2 * PAGE);
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * PAGE + 1);
}

#[tokio::test]
async fn a_release_stops_leasing_when_messages_cannot_be_sent() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 50).await;
    resume(&world, &tenant, &endpoint).await;
    let refuse = |operation: &str| if operation == "SendMessageBatch" { Fate::Refuse } else { Fate::Pass };
    let sweeper = world.process_over(&over_network(&world.sdk(), refuse), world.clock.clock());
    sweeper.try_sweep().await.unwrap_err();
    let still_held = world.marks().await.iter().filter(|(partition, _)| partition.starts_with("held#")).count();
    assert_eq!(still_held, 40, "one chunk of ten is leased");
}

#[tokio::test]
async fn a_lease_that_is_renewed_lasts_longer_each_time() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 1).await;
    tenant.set_status(&endpoint, "active").await;
    for minutes in [15, 30, 60, 60] {
        assert_eq!(world.take_messages().await.len(), 1);
        world.purge().await;
        world.advance(seconds(60 * minutes - 1));
        world.sweep().await;
        assert_eq!(world.in_the_queue().await, 0, "{minutes} minutes have not passed");
        world.advance(seconds(1));
        world.sweep().await;
    }
    world.drain().await;
    receiver.only();
}

#[tokio::test]
async fn after_the_loss_of_a_queue_its_deliveries_are_sent_again_but_not_parked_or_final_ones() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [600]})).await;
    let retrying = tenant.publish_one().await;
    world.drain().await;
    let delivered = tenant.publish_one().await;
    world.drain().await;
    let pending = tenant.publish_one().await;
    let paused = held(&world.tenant().await, &receiver, 1).await;
    world.purge().await;
    assert_eq!(world.in_the_queue().await, 0, "the queue is lost");
    world.advance(seconds(1));

    let requested = pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    assert_eq!(requested, 2, "a job for each endpoint");
    world.sweep().await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2);
    assert!([&retrying, &pending].iter().all(|id| messages.iter().any(|message| message.contains(*id))));
    assert!(messages.iter().all(|message| message.contains("ticket")), "each message has a ticket");
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["send_all", "open", 2]));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&pending).await, "success");
    assert_eq!(tenant.delivery_status(&retrying).await, "retrying", "its schedule stays");
    // The second pass finds no delivery that this job has not sent.
    world.advance(seconds(121));
    world.sweep().await;
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["send_all", "done", 2]));
    world.advance(seconds(600));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&retrying).await, "success");
    assert_eq!(tenant.delivery_status(&delivered).await, "success");
    assert_eq!(receiver.received().len(), 4, "no attempt is repeated");
    assert!(world.marks().await.iter().any(|(partition, _)| partition.starts_with(&format!("held#{}", paused.id))));
}

#[tokio::test]
async fn sending_everything_again_without_a_loss_repeats_no_attempt() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    publish(&tenant, PAGE + 50).await;
    world.advance(seconds(1));
    pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * (PAGE + 50));
    world.drain().await;
    world.advance(seconds(121));
    world.drain().await;
    assert_eq!(receiver.received().len(), PAGE + 50);
    assert_eq!(world.in_the_queue().await, 0);
}

#[tokio::test]
async fn a_send_all_can_be_cancelled() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.purge().await;
    world.advance(seconds(1));
    pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    let id = text(&jobs(&tenant).await[0]["id"]).to_owned();
    tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.data(200);
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 0);
}
