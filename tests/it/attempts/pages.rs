//! The cost of a page of attempts, counted from the requests to DynamoDB.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::meter::{Bill, Meter};
use crate::support::{Answer, Receiver, Tenant, World, delivery_ids, text};

/// The cost of a page in a process that has cached key and organization.
async fn page(world: &World, tenant: &Tenant, path: &str) -> (usize, Bill) {
    let (sdk, meter) = Meter::install(&world.sdk()).unwrap();
    let process = world.process_on(&sdk);
    let reader = tenant.at(&process);
    reader.get("/webhooks/endpoints").await.data(200);
    meter.take();
    let shown = reader.call(Method::GET, path, &[], None).await.data(200).as_array().unwrap().len();
    (shown, meter.take())
}

/// Each delivery has a record and two attempts with items.
#[tokio::test]
async fn a_page_of_an_endpoints_attempts_queries_each_partition_for_its_share() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1, 1]})).await;
    let events = json!({"events": vec![json!({"type": "a", "data": {}}); 100]});
    tenant.post("/events/batch", &events).await.data(202);
    for _ in 0..3 {
        world.drain().await;
        world.advance(Duration::from_secs(2));
    }
    let path = format!("{}/attempts", endpoint.path());
    let (shown, bill) = page(&world, &tenant, &format!("{path}?limit=50")).await;
    assert_eq!(shown, 50);
    assert!((32..=48).contains(&bill.calls["Query"]), "{bill:?}");
    assert!(bill.read_units <= 60.0, "{bill:?}");
    // The filter matches nothing, and the list is read to its end.
    let (shown, bill) = page(&world, &tenant, &format!("{path}?trigger=test")).await;
    assert_eq!(shown, 0);
    assert!(bill.read_units <= 200.0, "{bill:?}");
}

/// Held deliveries have records without attempts.
#[tokio::test]
async fn a_page_ends_after_the_most_examined_records_and_goes_on_there() {
    let world = World::new().await;
    let receiver = Receiver::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    tenant.set_status(&endpoint, "paused").await;
    let events = json!({"events": vec![json!({"type": "a", "data": {}}); 100]});
    for _ in 0..21 {
        tenant.post("/events/batch", &events).await.data(202);
    }
    let path = format!("{}/attempts", endpoint.path());
    let reply = tenant.get(&path).await;
    assert_eq!((&reply.body["data"], &reply.body["pagination"]["has_more"]), (&json!([]), &json!(true)));
    let (shown, bill) = page(&world, &tenant, &path).await;
    assert!(shown == 0 && bill.read_units <= 512.0, "{bill:?}");
    let next = text(&reply.body["pagination"]["next_cursor"]);
    let rest = tenant.get(&format!("{path}?cursor={next}")).await;
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(rest.body["pagination"]["has_more"], json!(false));
}

#[tokio::test]
async fn a_page_of_a_deliverys_attempts_reads_only_the_items_that_it_shows() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": vec![1; 16]})).await;
    let event = tenant.publish_data(&json!({})).await;
    for _ in 0..17 {
        world.drain().await;
        world.advance(Duration::from_secs(3));
    }
    let path = format!("/webhooks/deliveries/{}/attempts", delivery_ids(&event)[0]);
    // The event, the record, the endpoint and the resends, and 1 R for each item.
    for (limit, items) in [(1, 2.0), (5, 6.0), (100, 16.0)] {
        let (shown, bill) = page(&world, &tenant, &format!("{path}?limit={limit}")).await;
        assert_eq!(shown, 17.min(limit));
        assert!(bill.read_units <= 4.0 + items, "{limit}: {bill:?}");
    }
    let path = format!("/events/{}/attempts?limit=5", text(&event["id"]));
    let (_, bill) = page(&world, &tenant, &path).await;
    assert!(bill.read_units <= 4.0 + 6.0, "{bill:?}");
}

/// An event with more deliveries than a page reads. Each has an attempt in its record, one in an item, and resends, whose
/// results are only in items. The filters match nothing.
#[tokio::test]
async fn a_page_of_an_events_attempts_reads_at_most_a_hundred_deliveries_and_two_hundred_items() {
    const ENDPOINTS: usize = 120;
    const RESENDS: usize = 3;
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let limits = json!({"max_endpoints": ENDPOINTS}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    for _ in 0..ENDPOINTS {
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1]})).await;
    }
    let event = tenant.publish_data(&json!({})).await;
    for _ in 0..2 {
        world.drain().await;
        world.advance(Duration::from_secs(3));
    }
    for id in delivery_ids(&event) {
        for _ in 0..RESENDS {
            tenant.post(&format!("/webhooks/deliveries/{id}/resend"), &json!({})).await.data(202);
        }
    }
    world.drain().await;
    let path = format!("/events/{}/attempts", text(&event["id"]));
    for (filter, items) in [("trigger=test", 0.0), ("trigger=resend&response_status=404", 200.0), ("error=dns", 200.0)]
    {
        let (shown, bill) = page(&world, &tenant, &format!("{path}?{filter}&limit=100")).await;
        assert_eq!(shown, 0, "{filter}");
        // The event with its 120 endpoints, and the record, the endpoint and the resends of a hundred deliveries.
        assert!(bill.read_units <= 4.0 + 300.0 + items, "{filter}: {bill:?}");
        let mut pages = 0;
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let reply = tenant.get(&format!("{path}?{filter}&limit=100{cursor}")).await;
            next = reply.body["pagination"]["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}"));
            pages += 1;
            assert!(pages <= 5, "{filter}: the list ends");
        }
        assert!(pages >= 2, "{filter}");
    }
}
