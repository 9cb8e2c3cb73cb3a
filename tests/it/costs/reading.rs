//! The cost of the health and the statistics of endpoints, and of filtered lists.

use std::time::Duration;

use serde_json::json;
use shared::domain::delivery::attempt::Cause;
use shared::domain::ids::EndpointId;
use shared::domain::statistics::{Hour, Statistics};
use shared::domain::time::Timestamp;

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

/// The statistics of an hour with this many of the possible durations and errors.
fn hour_with(durations: usize, errors: usize) -> Statistics {
    let mut hour = Statistics { last_success_at: Some(Timestamp::from_unix_seconds(0)), ..Statistics::default() };
    let Statistics { succeeded, exhausted, failed, successful_attempts, .. } = &mut hour;
    [succeeded, exhausted, failed, successful_attempts].into_iter().for_each(|number| *number = 12_345);
    hour.durations.iter_mut().take(durations).for_each(|number| *number = 12_345);
    for counts in [&mut hour.delivery_errors, &mut hour.attempt_errors] {
        counts.iter_mut().take(errors).for_each(|(_, number)| *number = 12_345);
    }
    hour
}

/// A page of charts while all its endpoints fail: the list of endpoints, and the statistics of the last 24 hours of each.
#[tokio::test]
async fn a_page_of_charts_costs_what_the_docs_state_although_all_its_endpoints_fail() {
    const ENDPOINTS: usize = 50;
    for (hour, units_of_hours) in [(hour_with(12, 3), 1.0), (hour_with(20, Cause::ALL.len()), 1.5)] {
        let world = World::new().await;
        let (tenant, endpoints, _receiver) = endpoints(&world, ENDPOINTS, ENDPOINTS).await;
        let now = Hour::of(world.clock.now()).start();
        let store = world.store();
        for endpoint in &endpoints {
            let endpoint = EndpointId::parse(&endpoint.id).unwrap();
            for hours in 0..25 {
                let at = Hour::of(now.minus(Duration::from_secs(hours * 3_600)));
                store.add_statistics(endpoint, at, &hour).await.unwrap();
            }
        }
        let metered = Metered::new(&world);
        let reader = tenant.at(&metered.process);
        reader.get("/jobs").await.data(200);
        metered.meter.take();
        let list = reader.get("/webhooks/endpoints?limit=50").await.data(200);
        assert!(list.as_array().unwrap().iter().all(|endpoint| endpoint["health"]["state"] == "failing"));
        let of_list = metered.meter.take();
        for endpoint in &endpoints {
            let shown = reader.get(&format!("{}/stats", endpoint.path())).await.data(200);
            assert_eq!(shown["intervals"].as_array().unwrap().len(), 24);
            assert_eq!(shown["intervals"][1]["deliveries"]["success"], 12_345);
        }
        let of_statistics = metered.meter.take();
        // The list: 1 unit for each 4 KB of a partition, and half a unit for the health of each endpoint. Ids decide at random
        // which partitions have over 4 KB. A chart: half a unit for the endpoint, and for each 4 KB of its hours.
        assert!((41.0..=46.0).contains(&of_list.read_units), "{of_list:?}");
        assert_eq!(of_statistics.read_units, 50.0 * (0.5 + units_of_hours), "{of_statistics:?}");
    }
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
