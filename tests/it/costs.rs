//! The costs of publishing and delivering, counted from the requests to AWS and compared with docs/storage.md.

mod fan_out;
mod portal;
mod reading;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::event_types;
use crate::meter::{Bill, Meter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::clock;

use crate::support::{Answer, Fate, Process, Receiver, Tenant, World, over_network_by_call, text};

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
        Self { process: world.process_over(&sdk, world.clock.clock()), meter, inserted }
    }

    /// The cost of a publish request after the key and the targets are cached.
    async fn publish(&self, tenant: &Tenant, path: &str, headers: &[(&str, &str)], body: &Value) -> Bill {
        let tenant = tenant.at(&self.process);
        tenant.post("/events", &json!({"type": "nobody.wants.this", "data": {}})).await.data(202);
        self.meter.take();
        tenant.call(http::Method::POST, path, headers, Some(body.to_string())).await.data(202);
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
async fn publishing_costs_what_the_docs_state() {
    // The number of endpoints, and the write units of the event.
    for (endpoints, event_units) in [(1, 1.0), (10, 1.0), (100, 3.0)] {
        let (world, _receiver, tenant) = subscribed(endpoints).await;
        let metered = Metered::new(&world);
        let bill = metered.publish(&tenant, "/events", &[], &event(1)).await;
        let count = u32::try_from(endpoints).unwrap();
        let (writes, sends) = ((count + 1).div_ceil(25), count.div_ceil(10));
        let mut expected = calls([("BatchWriteItem", writes), ("GetItem", 1), ("SendMessageBatch", sends)]);
        // Usage of this size is written immediately.
        let usage = u32::from(endpoints >= 100);
        expected.extend((usage > 0).then(|| ("UpdateItem".to_owned(), usage)));
        assert_eq!(bill.calls, expected, "{endpoints} endpoints");
        assert_eq!(bill.write_units, event_units + f64::from(count + usage), "{endpoints} endpoints");
        assert_eq!(bill.read_units, 1.0, "{endpoints} endpoints: the state");
        assert_eq!(bill.queue_requests, sends, "{endpoints} endpoints");
    }
}

/// Neither costs a call or, for an event of a kilobyte, a unit: the filter is in the target that the process remembers, and
/// the channels are in the event's item.
#[tokio::test]
async fn channels_and_filters_cost_publishing_nothing() {
    let with_channels = |channels: Value| {
        let mut event = event(1);
        event["channels"] = channels;
        event
    };
    let filter = json!({"data": {"members": {"name": {"given": [{"prefix": "Wil"}]}}}});
    for (fields, event, deliveries) in [
        (json!({}), event(1), 1.0),
        (json!({}), with_channels(json!(["a", "b"])), 1.0),
        (json!({"filter": filter}), event(1), 1.0),
        (json!({"filter": filter, "channels": ["b"]}), with_channels(json!(["a", "b"])), 1.0),
        (json!({"filter": {"type": ["other"]}}), event(1), 0.0),
        (json!({"channels": ["c"]}), with_channels(json!(["a", "b"])), 0.0),
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let mut all = fields.clone();
        all["url"] = json!(receiver.url());
        tenant.endpoint_with(all).await;
        let bill = Metered::new(&world).publish(&tenant, "/events", &[], &event).await;
        let mut expected = calls([("BatchWriteItem", 1), ("GetItem", 1)]);
        expected.extend((deliveries > 0.0).then(|| ("SendMessageBatch".to_owned(), 1)));
        assert_eq!(bill.calls, expected, "{fields}");
        assert_eq!((bill.write_units, bill.read_units), (1.0 + deliveries, 1.0), "{fields}: event and list, state");
    }
}

#[tokio::test]
async fn an_external_id_costs_one_write() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let mut named = event(1);
    named["external_id"] = json!("order-1");
    let bill = Metered::new(&world).publish(&tenant, "/events", &[], &named).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", 1), ("PutItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!((bill.write_units, bill.read_units), (3.0, 1.0));
}

#[tokio::test]
async fn a_raw_format_and_a_trace_context_cost_nothing() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let mut raw = event(1);
    raw["format"] = json!("raw");
    let bill = Metered::new(&world).publish(&tenant, "/events", &headers, &raw).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!((bill.write_units, bill.read_units), (2.0, 1.0));
}

#[tokio::test]
async fn a_schema_costs_publishing_nothing_once_it_is_known() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let schema = json!({"type": "object", "required": ["group", "members"]});
    event_types::create(&world, &json!({"name": "member.added", "schema": schema})).await;
    let metered = Metered::new(&world);
    for (reads, units) in [(3, 3.0), (1, 1.0)] {
        let bill = metered.publish(&tenant, "/events", &[], &event(1)).await;
        assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", reads), ("SendMessageBatch", 1)]));
        assert_eq!(
            (bill.write_units, bill.read_units),
            (2.0, units),
            "event and list; the state, at first type and schema"
        );
    }
    let batch = metered.publish(&tenant, "/events/batch", &[], &batch(10)).await;
    assert_eq!((batch.calls["GetItem"], batch.read_units), (1, 1.0));
}

#[tokio::test]
async fn an_idempotency_key_costs_one_write() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let bill = Metered::new(&world).publish(&tenant, "/events", &[("idempotency-key", "once")], &event(1)).await;
    // The event is written before the list of its delivery.
    assert_eq!(bill.calls, calls([("BatchWriteItem", 2), ("GetItem", 1), ("PutItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!(bill.write_units, 3.0);
}

#[tokio::test]
async fn a_rate_limit_costs_one_write_for_a_request() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1_000}).to_string();
    world.platform().call(http::Method::PUT, &path, &[], Some(limits)).await.data(200);
    let metered = Metered::new(&world);
    for (path, body, events) in [("/events", event(1), 1.0), ("/events/batch", batch(10), 10.0)] {
        let bill = metered.publish(&tenant, path, &[], &body).await;
        assert_eq!(bill.calls["UpdateItem"], 1, "{bill:?}");
        assert_eq!(bill.write_units, events + 1.0 + 1.0, "events, list, tokens");
        assert_eq!((bill.calls["GetItem"], bill.read_units), (1, 1.0), "the state, which contains the limits");
    }
}

#[tokio::test]
async fn a_batch_writes_each_event_and_one_list_for_each_endpoint() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let bill = Metered::new(&world).publish(&tenant, "/events/batch", &[], &batch(100)).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 5), ("GetItem", 1), ("SendMessageBatch", 10), ("UpdateItem", 1)]));
    assert_eq!((bill.write_units, bill.queue_requests), (100.0 + 2.0 + 1.0, 10), "events, list, usage");
    assert_eq!(bill.read_units, 1.0);
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
        assert_eq!(bill.read_units, 10.0 + 1.0 + 1.0 + state + counters, "after {wait} s: {bill:?}");
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
    assert_eq!(deliver(0).await, [3, 2], "the failure, and the state for an operational event");
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

#[tokio::test]
async fn the_cost_of_a_page_of_deliveries_does_not_depend_on_the_number_of_deliveries_and_endpoints() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let metered = Metered::new(&world);
    let endpoints = tenant.get("/webhooks/endpoints").await.data(200);
    let path = format!("/webhooks/endpoints/{}/deliveries?limit=10", text(&endpoints[0]["id"]));
    let reader = tenant.at(&metered.process);
    let mut bills = Vec::new();
    for _ in 0..3 {
        for _ in 0..3 {
            tenant.post("/events/batch", &batch(100)).await.data(202);
            world.drain().await;
        }
        metered.meter.take();
        assert_eq!(reader.get(&path).await.data(200).as_array().unwrap().len(), 10);
        bills.push(metered.meter.take());
    }
    let [first, .., last] = &bills[..] else { panic!("several") };
    assert!(last.read_units <= first.read_units * 1.1, "{bills:?}");
    assert_eq!(last.calls["Query"], 16, "one for each partition");
}

/// The events were published one by one, so each delivery has a list and a record.
#[tokio::test]
async fn a_page_queries_each_partition_for_its_share_and_few_partitions_again() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for number in 0..150 {
        tenant.post("/events", &event(number)).await.data(202);
    }
    world.drain().await;
    let metered = Metered::new(&world);
    let reader = tenant.at(&metered.process);
    let endpoints = reader.get("/webhooks/endpoints").await.data(200);
    let deliveries = format!("/webhooks/endpoints/{}/deliveries?limit=50", text(&endpoints[0]["id"]));
    let of_endpoint = format!("/events?limit=50&endpoint_id={}", text(&endpoints[0]["id"]));
    // The last list also reads the events by their ids (50), and what replays may have added (25).
    let lists = [(deliveries.as_str(), 20.0, 0), ("/events?limit=50", 80.0, 2), (&of_endpoint, 155.0, 4)];
    for (path, most, batches) in lists {
        metered.meter.take();
        assert_eq!(reader.get(path).await.data(200).as_array().unwrap().len(), 50);
        let bill = metered.meter.take();
        assert!(bill.read_units <= most, "{path}: {bill:?}");
        assert!((16..=24).contains(&bill.calls["Query"]), "{path}: {bill:?}");
        assert_eq!(bill.calls.get("BatchGetItem").copied().unwrap_or_default(), batches, "{path}: {bill:?}");
    }
}

/// Each event has 256 KiB, and 196 KiB compressed. A query reads five of them, and a response contains at most twenty.
/// A page ends earlier if one partition has more than five of the newest twenty, since ids are random.
#[tokio::test]
async fn a_page_of_large_events_reads_only_the_bodies_that_it_contains() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for _ in 0..100 {
        let random = std::iter::repeat_with(|| STANDARD.encode(clock::secret_bytes::<1_200>()));
        let text: String = random.take(163).collect();
        tenant.post("/events", &json!({"type": "a", "data": {"text": text}})).await.data(202);
    }
    let metered = Metered::new(&world);
    let reader = tenant.at(&metered.process);
    reader.get("/webhooks/endpoints").await.data(200);
    for (path, possible, most) in
        [("/events?limit=100", 5..=20, 3_200.0), ("/events?limit=100&type=none", 0..=0, 2_048.0)]
    {
        metered.meter.take();
        let shown = reader.get(path).await.data(200).as_array().unwrap().len();
        assert!(possible.contains(&shown), "{path}: {shown}");
        let bill = metered.meter.take();
        let calls = ["Query", "BatchGetItem"].map(|name| bill.calls.get(name).copied().unwrap_or_default());
        let records_and_endpoints = if shown > 0 { 2 } else { 0 };
        let bodies = u32::try_from(shown.div_ceil(8)).unwrap();
        assert_eq!(calls, [16, bodies + records_and_endpoints], "{path}: {shown}, {bill:?}");
        assert!(bill.read_units <= most, "{path}: {bill:?}");
    }
}
