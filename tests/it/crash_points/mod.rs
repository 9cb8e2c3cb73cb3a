//! Crash points: the tests cut a process before each call that changes the table, the queue or a receiver, and after
//! each such call before its response. Afterwards healthy processes run until nothing is left to do. No delivery may be
//! lost, and only an attempt whose record was cut off may be repeated.

mod attempts;
mod catalogue;
mod due;
mod ingest;
mod jobs;
mod publishing;
mod recoveries;
mod refused;
mod replays;
mod resends;
mod scene;
mod suspension;
mod svix;

use serde_json::{Value, json};

use crate::support::{
    EVENT_TYPE, Endpoint, Fate, Process, Tenant, delivery_ids, over_network, over_network_by_call, text, without_lists,
};
use scene::Scene;

/// The calls that count the first failure of an endpoint: one sets `failing_until`, and one writes the counters.
const NOTES: usize = 2;

async fn poll(process: &Process, _: &Scene) {
    process.poll().await;
}

async fn sweep(process: &Process, _: &Scene) {
    process.sweep().await;
}

/// Another process sweeps at the same time.
async fn two_sweeps(process: &Process, scene: &Scene) {
    let other = scene.world.another_process();
    let begun = scene.begun.clone();
    scene.beside.lock().unwrap().push(tokio::spawn(async move {
        begun.pass().await;
        other.sweep().await;
    }));
    process.sweep().await;
}

async fn nothing(_: &mut Scene, _: Option<()>) {}

async fn resume_all(scene: &mut Scene, _: Option<()>) {
    let endpoints = scene.tenant.get("/webhooks/endpoints").await.data(200);
    for endpoint in endpoints.as_array().unwrap().iter().filter(|endpoint| endpoint["status"] == "paused") {
        let path = format!("/webhooks/endpoints/{}", text(&endpoint["id"]));
        scene.tenant.patch(&path, &json!({"status": "active"})).await.data(200);
    }
}

/// Publishes this many events in one request.
async fn publish(scene: &mut Scene, count: usize, status: &'static [&'static str], attempts: usize) {
    let results = scene.tenant.post("/events/batch", &batch(count)).await.data(202);
    scene.expect(batch_ids(&results), status, attempts);
}

fn batch(count: usize) -> Value {
    json!({"events": vec![json!({"type": EVENT_TYPE, "data": {}}); count]})
}

fn batch_ids(results: &Value) -> Vec<String> {
    results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])).collect()
}

/// The tenant at a process for which this operation is refused.
fn without(scene: &Scene, operation: &'static str) -> Tenant {
    let fate = move |called: &str| if called == operation { Fate::Refuse } else { Fate::Pass };
    let network = over_network(&scene.world.sdk(), fate);
    scene.tenant.at(&scene.world.process_on(&network))
}

/// The tenant at a process that cannot list events and deliveries, so the sweep does all pages of its jobs.
fn without_listing(scene: &Scene) -> Tenant {
    let network = over_network_by_call(&scene.world.sdk(), without_lists);
    scene.tenant.at(&scene.world.process_on(&network))
}

async fn only_endpoint(scene: &Scene) -> Endpoint {
    let endpoints = scene.tenant.get("/webhooks/endpoints").await.data(200);
    Endpoint { id: text(&endpoints[0]["id"]).to_owned(), secret: String::new() }
}
