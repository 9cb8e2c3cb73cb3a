//! The cost of the health and the statistics of endpoints, and of filtered lists.

use std::time::Duration;

use serde_json::json;

use super::{Metered, event, subscribed};
use crate::support::{Answer, Endpoint, Receiver, World, text};

/// An organization with so many endpoints, the first of which have failed.
async fn endpoints(world: &World, count: usize, failing: usize) -> (crate::support::Tenant, Vec<Endpoint>, Receiver) {
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let mut endpoints = Vec::new();
    for number in 0..count {
        let event_type = if number < failing { "member.added" } else { "never" };
        let fields = json!({"url": receiver.url(), "event_types": [event_type], "retry_schedule": []});
        endpoints.push(tenant.endpoint_with(fields).await);
    }
    tenant.publish().await;
    world.drain().await;
    (tenant, endpoints, receiver)
}

#[tokio::test]
async fn a_page_of_endpoints_reads_half_a_unit_more_for_each_that_failed() {
    for failing in [0, 3] {
        let world = World::new().await;
        let (tenant, ..) = endpoints(&world, 10, failing).await;
        let metered = Metered::new(&world);
        let reader = tenant.at(&metered.process);
        reader.get("/jobs").await.data(200);
        metered.meter.take();
        reader.get("/webhooks/endpoints").await.data(200);
        let bill = metered.meter.take();
        let batches = bill.calls.get("BatchGetItem").copied().unwrap_or_default();
        assert_eq!((bill.calls["Query"], batches), (16, u32::from(failing > 0)), "{bill:?}");
        assert_eq!(bill.read_units, 16.0 + 0.5 * failing as f64, "{bill:?}");
    }
}

#[tokio::test]
async fn reading_an_endpoint_reads_half_a_unit_for_its_last_success_and_one_for_its_failures() {
    for failing in [0, 1] {
        let world = World::new().await;
        let (tenant, endpoints, _receiver) = endpoints(&world, 1, failing).await;
        let metered = Metered::new(&world);
        let reader = tenant.at(&metered.process);
        reader.get("/jobs").await.data(200);
        metered.meter.take();
        reader.get(&endpoints[0].path()).await.data(200);
        let bill = metered.meter.take();
        assert_eq!(bill.read_units, 1.5 + failing as f64, "{bill:?}");
    }
}

/// A page of charts: the list of endpoints, and the statistics of the last 24 hours of each. In each hour, attempts of each
/// endpoint succeed and fail, with different durations.
#[tokio::test]
async fn the_statistics_of_fifty_endpoints_for_a_day_read_at_most_a_hundred_units() {
    const ENDPOINTS: usize = 50;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let takes = [0, 12, 30, 60, 100];
    let answers = (0..).map(|number: usize| {
        let status = [200, 200, 200, 500, 404][number % 5];
        Answer::status(status).after(Duration::from_millis(takes[number / 7 % 5]))
    });
    let receiver = Receiver::scripted(answers.take(ENDPOINTS * 25 * 3)).await;
    let mut endpoints = Vec::new();
    for _ in 0..ENDPOINTS {
        let fields = json!({"url": receiver.url(), "retry_schedule": [1]});
        endpoints.push(tenant.endpoint_with(fields).await);
    }
    for _ in 0..25 {
        tenant.post("/events/batch", &json!({"events": [event(1), event(2)]})).await.data(202);
        world.drain().await;
        world.advance(Duration::from_secs(2));
        world.drain().await;
        world.advance(Duration::from_secs(60 * 60));
    }
    world.process.meter.write_all_usage().await;
    assert!(world.items("stats").await.len() > ENDPOINTS * 20);

    let metered = Metered::new(&world);
    let reader = tenant.at(&metered.process);
    reader.get("/jobs").await.data(200);
    metered.meter.take();
    let list = reader.get("/webhooks/endpoints?limit=50").await.data(200);
    let of_list = metered.meter.take();
    for endpoint in list.as_array().unwrap() {
        let path = format!("/webhooks/endpoints/{}/stats", text(&endpoint["id"]));
        let statistics = reader.get(&path).await.data(200);
        assert!(statistics["total"]["attempts"]["success"].as_u64().unwrap() > 0);
    }
    let of_statistics = metered.meter.take();
    assert_eq!(of_statistics.calls["Query"], 50, "one for each endpoint");
    // Half a unit for the endpoint, and for each 4 KB of its hours.
    let units = of_list.read_units + of_statistics.read_units;
    assert!(units <= 100.0, "{of_list:?}, {of_statistics:?}");
}

#[tokio::test]
async fn a_list_for_an_external_id_reads_few_units_in_a_large_organization() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for number in 0..300 {
        let mut event = event(number);
        event["external_id"] = json!(format!("order-{number}"));
        tenant.post("/events", &event).await.data(202);
        world.advance(Duration::from_millis(20));
    }
    world.drain().await;
    let metered = Metered::new(&world);
    let reader = tenant.at(&metered.process);
    let endpoints = reader.get("/webhooks/endpoints").await.data(200);
    let deliveries = format!("/webhooks/endpoints/{}/deliveries", text(&endpoints[0]["id"]));
    for (path, most) in [(deliveries.as_str(), 11.0), ("/events", 14.0)] {
        metered.meter.take();
        let found = reader.get(&format!("{path}?external_id=order-7")).await.data(200);
        assert_eq!(found.as_array().unwrap().len(), 1, "{path}");
        let bill = metered.meter.take();
        assert!(bill.read_units <= most, "{path}: {bill:?}");
    }
}

/// Filters that admit nothing: the list ends its page after it has examined 2,000 deliveries.
#[tokio::test]
async fn a_filter_that_admits_nothing_examines_a_bounded_number_of_deliveries() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for number in 0..30 {
        let events: Vec<_> = (0..100).map(|index| event(100 * number + index)).collect();
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        world.advance(Duration::from_millis(20));
    }
    world.drain().await;
    let metered = Metered::new(&world);
    let reader = tenant.at(&metered.process);
    let endpoints = reader.get("/webhooks/endpoints").await.data(200);
    let id = text(&endpoints[0]["id"]);
    for query in ["channel=x", "response_status=5xx", "error=timeout"] {
        for path in
            [format!("/webhooks/endpoints/{id}/deliveries?{query}"), format!("/events?endpoint_id={id}&{query}")]
        {
            metered.meter.take();
            let reply = reader.get(&path).await;
            assert_eq!((reply.status, &reply.body["data"]), (200, &json!([])), "{path}");
            assert_eq!(reply.body["pagination"]["has_more"], true, "{path}");
            let bill = metered.meter.take();
            assert!(bill.read_units <= 512.0 + 16.0, "{path}: {bill:?}");
        }
    }
}
