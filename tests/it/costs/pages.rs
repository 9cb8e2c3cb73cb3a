//! The costs of pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shared::clock;

use super::{Metered, batch, event, subscribed};
use crate::support::text;

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
