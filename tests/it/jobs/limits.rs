//! How many jobs an organization has open, and how many of them keep the sweep from the jobs of others.

use serde_json::{Value, json};

use super::{held, jobs, resume, seconds, summary};
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
