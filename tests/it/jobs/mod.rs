//! Jobs: the API for their owners, and how the sweep does them.

mod failures;
mod limits;
mod owners;
mod send_all;
mod turns;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Process, Receiver, Tenant, World, over_network_by_call, text, without_lists,
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

/// A process that cannot list events and deliveries. It can change endpoints and count jobs, but the sweep does all pages
/// of its jobs.
fn process_without_queries(world: &World) -> Process {
    world.process_on(&over_network_by_call(&world.sdk(), without_lists))
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
