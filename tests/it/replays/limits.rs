//! What a page of a replay reads at most, and events that cannot be read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::clock;

use super::{OLD_ENOUGH, all_time, count, publish, replay};
use crate::meter::Meter;
use crate::support::{EVENT_TYPE, Fate, Gate, Receiver, World, eventually, over_network_by_call};

/// The number of queries that read a page of an endpoint's failed deliveries, one for each partition.
const SHARDS: usize = 8;

/// An event of this many kilobytes that do not compress.
fn large(kilobytes: usize, n: usize) -> Value {
    let random = std::iter::repeat_with(|| STANDARD.encode(clock::secret_bytes::<768>()));
    json!({"type": EVENT_TYPE, "data": {"n": n, "text": random.take(kilobytes).collect::<String>()}})
}

/// Each event has 250 KB, and 190 KB compressed. The first queries of a page read up to 1 MB of each of the 16
/// partitions; then the page ends. The bodies are read eight at a time, up to 4 MB.
#[tokio::test]
async fn a_page_of_large_events_and_a_dry_run_read_a_limited_number_of_units() {
    const EVENTS: usize = 130;
    const MOST_OF_A_PAGE: f64 = 2_048.0 + 24.0 * 24.0 + 40.0;
    const MOST_COUNTED: f64 = 8_192.0;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for n in 0..EVENTS {
        publish(&tenant, large(244, n)).await;
    }
    let filter = json!({"data": {"n": [{"numeric": ["<", 0]}]}});
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "filter": filter})).await;
    world.advance(OLD_ENOUGH);
    let pages: Arc<Mutex<Vec<f64>>> = Arc::default();
    let (meter, process) = {
        let (network, meter) = Meter::install(&world.sdk()).unwrap();
        let (pages, counted) = (Arc::clone(&pages), meter.clone());
        let network = over_network_by_call(&network, move |call| {
            if call.kind() == "PutItem job, advanced" {
                pages.lock().unwrap().push(counted.take().read_units);
            }
            Fate::Pass
        });
        (meter, world.process_on(&network))
    };
    let reader = tenant.at(&process);
    reader.get("/webhooks/endpoints").await.data(200);
    meter.take();
    let path = format!("{}/replay", endpoint.path());
    let counted = reader.post(&format!("{path}?dry_run=true"), &all_time("missed")).await.data(200);
    assert_eq!(json!([counted["deliveries"], counted["has_more"]]), json!([0, true]));
    let bill = meter.take();
    assert!(bill.read_units <= MOST_COUNTED + MOST_OF_A_PAGE, "{bill:?}");

    let job = replay(&reader, &endpoint, &all_time("missed")).await;
    assert_eq!(json!([job["status"], job["deliveries"]]), json!(["open", 0]), "after five pages");
    process.sweep().await;
    let job = tenant.get("/jobs").await.data(200)[0].clone();
    assert_eq!(json!([job["status"], job["deliveries"]]), json!(["done", 0]));
    let pages = pages.lock().unwrap().clone();
    assert!(pages.len() >= EVENTS / 24 && pages.iter().all(|units| *units <= MOST_OF_A_PAGE), "{pages:?}");
}

#[tokio::test]
async fn a_large_event_that_cannot_be_read_is_left_out() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for n in 0..3 {
        publish(&tenant, large(20, n)).await;
    }
    let filter = json!({"data": {"n": [{"numeric": [">=", 0]}]}});
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "filter": filter})).await;
    world.advance(OLD_ENOUGH);
    let mut item = world.items("event").await.remove(0);
    item.insert("compressed_large".to_owned(), AttributeValue::B(Blob::new(vec![7; 6_000])));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    assert_eq!(count(&tenant, &endpoint, &all_time("missed")).await.0, 2);
    let job = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(json!([job["status"], job["deliveries"]]), json!(["done", 2]));
    world.drain().await;
    assert_eq!(receiver.received().len(), 2);
}

/// A dry run takes the most read units before it begins, and returns those that it has not used.
#[tokio::test]
async fn an_organization_has_ten_dry_runs_at_a_time() {
    const MOST: usize = 10;
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let (endpoint, others) = (tenant.endpoint(&receiver).await, other.endpoint(&receiver).await);
    let (gate, begun) = (Gate::closed(), Arc::new(AtomicUsize::new(0)));
    let (held, begins) = (gate.clone(), Arc::clone(&begun));
    let network = over_network_by_call(&world.sdk(), move |call| {
        if !call.kind().starts_with("Query waiting failed") {
            return Fate::Pass;
        }
        begins.fetch_add(1, Ordering::SeqCst);
        Fate::Behind(held.clone())
    });
    let process = world.process_on(&network);
    let path = format!("{}/replay?dry_run=true", endpoint.path());
    let failed = all_time("failed");
    let reader = tenant.at(&process);
    let counts = futures_util::future::join_all((0..MOST).map(|_| reader.post(&path, &failed)));
    let meanwhile = async {
        eventually("all have begun", async || begun.load(Ordering::SeqCst) >= MOST * SHARDS).await;
        let refused = tenant.post(&path, &failed).await;
        refused.is_error(429, "rate_limited");
        assert_eq!(refused.body["error"]["details"]["limit"], "dry_runs");
        assert_eq!(refused.headers["retry-after"], "10");
        other.post(&format!("{}/replay?dry_run=true", others.path()), &failed).await.data(200);
        gate.open();
    };
    let (counted, ()) = tokio::join!(counts, meanwhile);
    counted.into_iter().for_each(|reply| drop(reply.data(200)));
    for _ in 0..MOST {
        tenant.post(&path, &failed).await.data(200);
    }
}
