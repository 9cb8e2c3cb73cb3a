//! The costs of publishing and delivering, counted from the requests to AWS and compared with docs/storage.md.

mod fan_out;
mod pages;
mod portal;
mod publishing;
mod reading;
mod svix;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::meter::{Bill, Meter};
use crate::support::{Answer, Fate, Process, Receiver, Tenant, World, over_network_by_call};

/// A process whose costs are counted.
struct Metered {
    process: Process,
    meter: Meter,
    /// The number of records that were written by coalesced calls.
    inserted: Arc<AtomicUsize>,
}

impl Metered {
    fn new(world: &World) -> Self {
        let inserted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&inserted);
        let network = over_network_by_call(&world.sdk(), move |call| {
            counter.fetch_add(call.inserted().count(), Ordering::SeqCst);
            Fate::Pass
        });
        let (sdk, meter) = Meter::install(&network).unwrap();
        Self { process: world.process_on(&sdk), meter, inserted }
    }

    /// The cost of a publish request after the key and the targets are cached.
    async fn publish(&self, tenant: &Tenant, path: &str, headers: &[(&str, &str)], body: &Value) -> Bill {
        let tenant = tenant.at(&self.process);
        tenant.post("/events", &json!({"type": "nobody.wants.this", "data": {}})).await.data(202);
        self.meter.take();
        let reply = tenant.call(http::Method::POST, path, headers, Some(body.to_string())).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        self.meter.take()
    }

    /// The cost of the next batch of messages.
    async fn deliver(&self, messages: usize) -> Bill {
        self.meter.take();
        assert_eq!(self.process.poll().await, messages);
        self.meter.take()
    }
}

/// An event with about 1,000 bytes of JSON like that of real applications.
pub(crate) fn event(number: u32) -> Value {
    let member = |n: u32| {
        json!({
            "id": format!("mbr_{:08x}", n.wrapping_mul(2_654_435_761)),
            "email": format!("member.{n}@example.com"),
            "name": {"given": "Wilhelmina", "family": format!("Pemberton-{n}")},
            "joined_at": format!("2026-0{}-1{}T08:{:02}:00.000Z", n % 9 + 1, n % 10, n % 60),
        })
    };
    let members: Vec<_> = (0..7).map(|n| member(7 * number + n)).collect();
    json!({"type": "member.added", "data": {"group": format!("grp_{number}"), "members": members}})
}

fn batch(events: u32) -> Value {
    json!({"events": (0..events).map(event).collect::<Vec<_>>()})
}

fn calls<const N: usize>(expected: [(&str, u32); N]) -> std::collections::BTreeMap<String, u32> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

async fn subscribed(endpoints: usize) -> (World, Receiver, Tenant) {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for _ in 0..endpoints {
        tenant.endpoint(&receiver).await;
    }
    (world, receiver, tenant)
}

#[test]
fn the_measured_event_has_about_a_kilobyte() {
    let bytes = event(7)["data"].to_string().len();
    assert!((1_000..=1_100).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_delivery_costs_one_write_and_one_read() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let metered = Metered::new(&world);
    for number in 0..20 {
        tenant.post("/events", &event(number)).await.data(202);
    }
    metered.deliver(10).await;
    assert_eq!(metered.inserted.swap(0, Ordering::SeqCst), 10);
    let mut bill = metered.deliver(10).await;
    // Records that are requested while a call is in flight share the next one.
    let records = bill.calls.remove("BatchExecuteStatement").unwrap_or_default();
    assert!((1..=10).contains(&records), "{records}");
    assert_eq!(metered.inserted.load(Ordering::SeqCst), 10, "each record once");
    assert_eq!(bill.calls, calls([("BatchGetItem", 1), ("DeleteMessageBatch", 1), ("ReceiveMessage", 1)]));
    assert_eq!((bill.write_units, bill.read_units, bill.queue_requests), (10.0, 10.0, 2));
}

#[tokio::test]
async fn a_failing_endpoint_costs_at_most_one_write_a_second_in_addition_to_its_records() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [25]})).await;
    let metered = Metered::new(&world);
    tenant.publish().await;
    let bill = metered.deliver(1).await;
    let first = [
        ("BatchExecuteStatement", 1),
        ("BatchGetItem", 1),
        ("ChangeMessageVisibilityBatch", 1),
        ("GetItem", 2),
        ("PutItem", 2),
        ("ReceiveMessage", 1),
    ];
    assert_eq!(bill.calls, calls(first), "failing_until is set in the endpoint, and the failure is counted");
    assert_eq!((bill.write_units, bill.read_units, bill.queue_requests), (3.0, 5.0, 2));

    for _ in 0..2 {
        tenant.post("/events/batch", &batch(10)).await.data(202);
    }
    for (reads, writes) in [(0, 0), (1, 1)] {
        let bill = metered.deliver(10).await;
        let counted = ["GetItem", "PutItem"].map(|name| bill.calls.get(name).copied().unwrap_or_default());
        assert_eq!(counted, [reads, writes]);
        assert_eq!(bill.write_units, 10.0 + f64::from(writes), "ten records, and one write of their failures");
        world.advance(Duration::from_secs(1));
    }
    let counters = world.items("health").await.remove(0);
    assert_eq!(counters["failures"].as_n().unwrap(), "21");
}

/// Ten deliveries at a time, with the default schedule. Each costs four records, three items of attempts and a mark, and a
/// share of the counters.
#[tokio::test]
async fn a_delivery_that_fails_four_times_costs_eight_and_a_half_writes() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "event_types": ["member.*"]})).await;
    let metered = Metered::new(&world);
    tenant.post("/events/batch", &batch(10)).await.data(202);
    let mut write_units = 0.0;
    for wait in [0, 1, 5, 31] {
        world.advance(Duration::from_secs(wait));
        // This request caches that no endpoint subscribes to exhausted deliveries.
        let unwanted = json!({"type": "nobody.wants.this", "data": {}});
        tenant.at(&metered.process).post("/events", &unwanted).await.data(202);
        let bill = metered.deliver(10).await;
        // The records and the counters; the endpoint, because a failure removes it from the cache; the state after five
        // seconds; and once the endpoint again, to set `failing_until`.
        let (state, counters) = (f64::from(u8::from(wait != 1)), f64::from(u8::from(wait == 0)));
        // What ends here could be announced to the platform, whose own organization does not exist.
        let platform = f64::from(u8::from(wait == 31));
        assert_eq!(bill.read_units, 10.0 + 1.0 + 1.0 + state + counters + platform, "after {wait} s: {bill:?}");
        write_units += bill.write_units;
    }
    assert!(world.records().await.values().all(|record| record.status == "exhausted"));
    // The counters are written four times, and `failing_until` once.
    assert_eq!(write_units, 10.0 * 8.0 + 4.0 + 1.0);
}

#[tokio::test]
async fn a_success_costs_more_until_ten_minutes_after_a_failure() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let metered = Metered::new(&world);
    let deliver = async |seconds| {
        world.advance(Duration::from_secs(seconds));
        tenant.publish().await;
        let mut bill = metered.deliver(1).await;
        ["GetItem", "PutItem"].map(|name| bill.calls.remove(name).unwrap_or_default())
    };
    assert_eq!(deliver(0).await, [4, 2], "the failure, and two states for an operational event");
    assert_eq!(deliver(10).await, [1, 1], "the success removes the failure from the bucket");
    assert_eq!(deliver(10).await, [1, 0], "the bucket is empty");
    assert_eq!(deliver(600).await, [2, 1], "failing_until is removed");
    assert_eq!(deliver(10).await, [0, 0]);
}

#[tokio::test]
async fn a_manual_retry_costs_a_few_units() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(410)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    tenant.set_status(&endpoint, "active").await;
    let metered = Metered::new(&world);
    let tenant = tenant.at(&metered.process);
    tenant.get("/webhooks/endpoints").await.data(200);
    metered.meter.take();
    tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await.data(202);
    let bill = metered.meter.take();
    assert_eq!(bill.calls, calls([("GetItem", 2), ("Query", 1), ("PutItem", 1), ("SendMessageBatch", 1)]));
    // The record, and the move of its mark.
    assert_eq!((bill.write_units, bill.read_units), (3.0, 3.0));
}
