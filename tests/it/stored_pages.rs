//! Going through all of an endpoint's stored deliveries, page by page, as `send_all` does.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::ids::{DeliveryId, EndpointId};

use crate::support::{EVENT_TYPE, Receiver, Tenant, World, delivery_ids};

const PAGE: usize = 7;
const BATCH: usize = 9;

async fn publish(tenant: &Tenant) -> Vec<String> {
    let events = vec![json!({"type": EVENT_TYPE, "data": {}}); BATCH];
    let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])).collect()
}

/// Stores an item again with another value.
async fn spoil(world: &World, mut item: HashMap<String, AttributeValue>, name: &str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn pages_lead_through_all_partitions_from_the_newest_to_the_oldest_and_leave_out_what_cannot_be_read() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    // Each id, and whether it has a record.
    let mut expected = Vec::new();
    for is_delivered in [true, false, true, false, true, false] {
        expected.extend(publish(&tenant).await.into_iter().map(|id| (id, is_delivered)));
        if is_delivered {
            world.drain().await;
        } else {
            world.purge().await;
        }
        world.advance(Duration::from_secs(61));
    }
    tenant.set_status(&endpoint, "paused").await;
    expected.extend(publish(&tenant).await.into_iter().map(|id| (id, true)));
    world.advance(Duration::from_secs(1));

    // A record that no list names, and a list of what has no record.
    let (unreadable, _) = expected.remove(expected.len() - 2);
    let id = AttributeValue::S(unreadable);
    let record = world.items("delivery").await.into_iter().find(|item| item["sk"] == id).unwrap();
    spoil(&world, record, "status", AttributeValue::S("unreadable".to_owned())).await;
    let last = expected[2 * BATCH - 1].0.clone();
    let of_last = |item: &HashMap<_, _>| item["sk"] == AttributeValue::S(format!("{last}#pending"));
    let list = world.items("pending").await.into_iter().find(of_last).unwrap();
    spoil(&world, list, "type", AttributeValue::S(String::new())).await;
    expected.drain(BATCH..2 * BATCH);
    expected.sort_by(|(one, _), (two, _)| two.cmp(one));

    let (store, endpoint) = (world.store(), EndpointId::parse(&endpoint.id).unwrap());
    let (mut found, mut unreadable) = (Vec::new(), 0);
    let mut before = Some(DeliveryId::first_at(world.clock.now()));
    while let Some(from) = before {
        let page = store.stored_before(endpoint, from, PAGE).await.unwrap();
        assert!(page.deliveries.len() <= PAGE && page.deliveries.iter().all(|(_, delivery)| delivery.id < from));
        assert!(page.last.is_none_or(|last| last < from), "each page goes on");
        found.extend(page.deliveries.into_iter().map(|(is_recorded, it)| (it.id.to_string(), is_recorded)));
        unreadable += page.unreadable.len();
        before = page.last;
    }
    assert_eq!(found, expected);
    assert!(unreadable >= 2, "{unreadable}");
}
