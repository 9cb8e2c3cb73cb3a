//! How many jobs an organization has open, and how many of them keep the sweep from the jobs of others.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::ids::{EventId, OrganizationId};
use shared::domain::job::{Job, Work};

use super::{held, jobs, publish, resume, seconds, summary};
use crate::meter::Meter;
use crate::support::{Budget, Budgets, Endpoint, Receiver, Reply, Tenant, UsedUp, World, text};

/// How many recoveries and replays of an organization are open at most.
const MOST: usize = 100;

/// Requests a recovery of its own span, which differs from that of others in the millisecond.
async fn recover(tenant: &Tenant, endpoint: &Endpoint, n: usize) -> Reply {
    let body = json!({"since": format!("2020-01-01T00:00:00.{n:03}Z")});
    tenant.post(&format!("{}/recover", endpoint.path()), &body).await
}

async fn replay(tenant: &Tenant, endpoint: &Endpoint, what: &str) -> Reply {
    let body = json!({"since": "2020-01-01T00:00:00Z", "what": what});
    tenant.post(&format!("{}/replay", endpoint.path()), &body).await
}

#[tokio::test]
async fn an_organization_has_a_hundred_open_recoveries_and_replays() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let (endpoint, others) = (tenant.endpoint(&receiver).await, other.endpoint(&receiver).await);
    let event = tenant.post("/events", &json!({"type": "a.b", "data": {}})).await.data(202);
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202);
    for n in 0..MOST {
        recover(&tenant, &endpoint, n).await.data(202);
    }
    let refused = recover(&tenant, &endpoint, MOST).await;
    refused.is_error(409, "conflict");
    let message = text(&refused.body["error"]["message"]).to_owned();
    assert!(["100", "GET …/jobs", "/cancel"].iter().all(|part| message.contains(part)), "{message}");
    for what in ["failed", "missed", "all"] {
        replay(&tenant, &endpoint, what).await.is_error(409, "conflict");
    }
    // A request with the id of an open job continues it, or replaces it after its first pass.
    recover(&tenant, &endpoint, 0).await.data(202);
    recover(&other, &others, MOST).await.data(202);

    let of_kind = |job: &&Value| job["kind"] == "recover";
    let cancelled = text(&jobs(&tenant).await.iter().find(of_kind).unwrap()["id"]).to_owned();
    tenant.post(&format!("/jobs/{cancelled}/cancel"), &json!({})).await.data(200);
    replay(&tenant, &endpoint, "failed").await.data(202);
    recover(&tenant, &endpoint, MOST).await.is_error(409, "conflict");
    world.advance(seconds(121));
    world.sweep().await;
    assert!(jobs(&tenant).await.iter().all(|job| job["status"] != "open"));
    recover(&tenant, &endpoint, MOST).await.data(202);
}

/// The first organization has more due jobs than its partition can be read in a second.
#[tokio::test]
async fn jobs_that_cannot_be_read_do_not_keep_the_sweep_from_those_of_other_organizations() {
    const HELD: usize = 10;
    const READABLE: f64 = 20.0;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (busy, quiet) = (world.tenant().await, world.tenant().await);
    let endpoint = busy.endpoint(&receiver).await;
    for n in 0..MOST {
        recover(&busy, &endpoint, n).await.data(202);
    }
    world.advance(seconds(121));
    let released = held(&quiet, &receiver, HELD).await;
    resume(&world, &quiet, &released).await;
    let budget = Budget { write_units: 1_000.0, read_units: READABLE };
    let process = Budgets::new(&world, budget, UsedUp::Throttled).process(&world);
    process.try_sweep().await.unwrap_err();
    assert_eq!(world.in_the_queue().await, HELD);
    assert_eq!(summary(&jobs(&quiet).await[0]), json!(["release", "open", HELD]));
    world.sweep().await;
    assert!(jobs(&busy).await.iter().all(|job| job["status"] == "done"));
}

/// The recoveries select the same deliveries by different spans. Each alone begins with 500.
#[tokio::test]
async fn the_recoveries_of_an_endpoint_send_2000_at_once_and_then_a_hundred_a_second_together() {
    const FAILED: usize = 3_000;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    publish(&tenant, FAILED).await;
    tenant.set_status(&endpoint, "disabled").await;
    world.advance(seconds(121));
    world.whole_sweep(&world.process).await.unwrap();
    tenant.set_status(&endpoint, "active").await;
    world.advance(seconds(1));
    let mut sent = 0;
    for n in 0..6 {
        let recovery = recover(&tenant, &endpoint, n).await.data(202);
        sent += recovery["recovered"].as_u64().unwrap();
        // Cancelling one and requesting another one sends no more.
        let [job] = &jobs(&tenant)
            .await
            .into_iter()
            .filter(|job| summary(job)[0] == "recover")
            .filter(|job| job["status"] == "open")
            .collect::<Vec<_>>()[..]
        else {
            panic!("one open recovery")
        };
        tenant.post(&format!("/jobs/{}/cancel", text(&job["id"])), &json!({})).await.data(200);
    }
    assert_eq!((sent, world.in_the_queue().await), (2_000, 2_000));
    let other = tenant.endpoint(&receiver).await;
    recover(&tenant, &other, 0).await.data(202);
    for n in 6..9 {
        recover(&tenant, &endpoint, n).await.data(202);
    }
    for step in 1..=3 {
        world.advance(seconds(10));
        world.sweep().await;
        let most = 2_000 + step * 1_000;
        let queued = world.in_the_queue().await;
        assert!(queued <= most.min(FAILED) && queued > 2_000, "{queued} after {step} steps");
    }
}

/// The removals of data are open, and the recovery is the oldest job.
#[tokio::test]
async fn a_page_of_more_than_a_thousand_jobs_reads_the_jobs_that_it_shows() {
    const REMOVALS: u32 = 1_050;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let recovery = recover(&tenant, &endpoint, 0).await.data(202);
    let (store, organization) = (world.store(), OrganizationId::parse(&tenant.id).unwrap());
    for n in 0..REMOVALS {
        world.advance(Duration::from_millis(1));
        let now = world.clock.now();
        let event = EventId::new(now, u64::from(n).to_be_bytes());
        let job = Job::new(&organization, Work::Expunge(event), now);
        store.request_job(&job).await.unwrap();
    }
    let (sdk, meter) = Meter::install(&world.sdk()).unwrap();
    let process = world.process_on(&sdk);
    let reader = tenant.at(&process);
    reader.get("/webhooks/endpoints").await.data(200);
    meter.take();
    let page = reader.get("/jobs?limit=20").await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 20);
    let bill = meter.take();
    assert!(bill.read_units <= 25.0, "{bill:?}");

    let (mut listed, mut query) = (Vec::new(), String::new());
    loop {
        let page = tenant.get(&format!("/jobs?limit=100{query}")).await;
        listed.extend(page.body["data"].as_array().unwrap().iter().cloned());
        match page.body["pagination"]["next_cursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(listed.len(), REMOVALS as usize + 1);
    assert!(listed.is_sorted_by(|one, other| text(&one["created_at"]) >= text(&other["created_at"])));
    assert_eq!(listed.last().unwrap()["id"], recovery["id"]);
}
