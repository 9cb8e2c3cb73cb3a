//! Lists: filters, and cursors that stay valid while new items arrive.

mod numbered;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::event::channel::Channels;
use shared::domain::event::event_type::EventType;
use shared::domain::ids::{EndpointId, EventId, OrganizationId};
use shared::store::{PendingList, Store};

use crate::support::{Answer, Endpoint, Receiver, Tenant, World, delivery_ids, pending_ids, text};

fn ids(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()).collect()
}

/// Publishes events of this type, one second apart. Returns the ids of the events and their deliveries.
async fn publish(world: &World, tenant: &Tenant, event_type: &str, count: usize) -> Vec<(String, String)> {
    let mut created = Vec::new();
    for _ in 0..count {
        let event = tenant.post("/events", &json!({"type": event_type, "data": {}})).await.data(202);
        created.push((text(&event["id"]).to_owned(), text(&event["webhook_deliveries"][0]["id"]).to_owned()));
        world.advance(Duration::from_secs(1));
    }
    created
}

/// Reads all pages from this path on, and calls `between` after each page.
async fn follow(tenant: &Tenant, path: &str, mut between: impl AsyncFnMut()) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = tenant.get(&format!("{path}{cursor}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        pages.push(ids(&reply.body["data"]));
        let pagination = &reply.body["pagination"];
        assert_eq!(pagination["has_more"], !pagination["next_cursor"].is_null());
        let Some(next) = pagination["next_cursor"].as_str() else { return pages };
        cursor = format!("&cursor={next}");
        between().await;
    }
}

#[tokio::test]
async fn cursors_stay_valid_while_new_items_arrive() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let mut created = publish(&world, &tenant, "a", 7).await;
    created.reverse();
    let (events, deliveries): (Vec<_>, Vec<_>) = created.into_iter().unzip();
    let lists = [
        ("/events?limit=3".to_owned(), &events),
        (format!("/events?limit=3&endpoint_id={}", endpoint.id), &events),
        ("/events?limit=3&type=a".to_owned(), &events),
        (format!("{}/deliveries?limit=3", endpoint.path()), &deliveries),
        (format!("{}/deliveries?limit=3&event_type=a", endpoint.path()), &deliveries),
    ];
    for (path, expected) in lists {
        let arriving = async || {
            tenant.post("/events", &json!({"type": "b", "data": {}})).await.data(202);
            world.drain().await;
        };
        let first = ids(&tenant.get(&path.replace("limit=3", "limit=100")).await.data(200));
        let seen = follow(&tenant, &path, arriving).await.concat();
        assert_eq!(seen, first, "{path}: no item is duplicated, missing or new");
        let old: Vec<_> = seen.into_iter().filter(|id| expected.contains(id)).collect();
        assert_eq!(&old, expected, "{path}: newest first");
    }
    let exact = format!("{}/deliveries?limit=7&event_type=a", endpoint.path());
    assert_eq!(follow(&tenant, &exact, async || {}).await.len(), 1, "a full last page has no next page");
}

/// Copies the newest event with times one millisecond apart. The copies have the same partition.
async fn copy_event(world: &World, count: u64) -> Vec<String> {
    let events = world.items("event").await;
    let event = events.iter().max_by_key(|event| event["sk"].as_s().unwrap()).unwrap();
    let (time, rest) = event["sk"].as_s().unwrap().trim_start_matches("wevt_").split_at(12);
    let published = u64::from_str_radix(time, 16).unwrap();
    let ids: Vec<_> = (1..=count).map(|later| format!("wevt_{:012x}{rest}", published + later)).collect();
    for id in &ids {
        let mut copy = event.clone();
        copy.insert("sk".to_owned(), AttributeValue::S(id.clone()));
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(copy)).send().await.unwrap();
    }
    ids
}

#[tokio::test]
async fn pages_are_complete_if_the_newest_events_are_in_one_partition() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut all = Vec::new();
    for _ in 0..20 {
        world.advance(Duration::from_secs(1));
        all.push(text(&tenant.publish_data(&json!({})).await["id"]).to_owned());
    }
    // These are the newest events, so the events of all other partitions follow them.
    all.extend(copy_event(&world, 60).await);
    world.advance(Duration::from_secs(1));
    all.reverse();
    for limit in [7, 30, 50] {
        assert_eq!(follow(&tenant, &format!("/events?limit={limit}"), async || {}).await.concat(), all, "{limit}");
    }
}

/// PendingList deliveries are in the lists of publish requests, attempted ones have records. The ids of a batch are from
/// one millisecond.
#[tokio::test]
async fn pages_of_pending_and_attempted_deliveries_are_complete_for_every_limit() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let mut all = Vec::new();
    for _ in 0..2 {
        let event = |n: usize| json!({"type": if n.is_multiple_of(2) { "a" } else { "b" }, "data": {}});
        let batch = json!({"events": (0..12).map(event).collect::<Vec<_>>()});
        let results = tenant.post("/events/batch", &batch).await.data(202);
        all.extend(results.as_array().unwrap().iter().flat_map(|result| delivery_ids(&result["event"])));
        all.push(tenant.publish_one().await);
        world.process.poll_at_most(7).await;
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    let attempted: BTreeSet<_> =
        receiver.received().iter().map(|request| request.header("x-webhook-delivery").to_owned()).collect();
    assert_eq!((all.len(), attempted.len()), (26, 14));
    let pending: Vec<_> = all.iter().filter(|id| !attempted.contains(*id)).cloned().collect();
    let path = format!("{}/deliveries", endpoint.path());
    for limit in [1, 2, 3, 5, 11, 25, 26, 27] {
        let pages = follow(&tenant, &format!("{path}?limit={limit}"), async || {}).await;
        assert!(pages[..pages.len() - 1].iter().all(|page| page.len() == limit), "{pages:?}");
        assert_eq!(pages.concat(), all, "pages of {limit}");
        let listed = follow(&tenant, &format!("{path}?limit={limit}&status=pending"), async || {}).await;
        assert_eq!(listed.concat(), pending, "pages of {limit} pending deliveries");
    }
    let numbered = format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id);
    for (status, count) in [("", 26), ("?status=pending", 12), ("?status=success", 14)] {
        assert_eq!(tenant.get(&format!("{numbered}{status}")).await.body["count"], count, "{status}");
    }
}

/// Publishes batches of a hundred events of type `a`, one millisecond apart.
async fn publish_batches(world: &World, tenant: &Tenant, batches: usize) {
    let batch = json!({"events": vec![json!({"type": "a", "data": {}}); 100]});
    for _ in 0..batches {
        tenant.post("/events/batch", &batch).await.data(202);
        world.advance(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_page_examines_at_most_two_thousand_records_if_its_filter_matches_nothing() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    publish_batches(&world, &tenant, 21).await;
    let newest_first = |mut ids: Vec<String>| {
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids
    };
    let events = world.items("event").await.iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
    let deliveries =
        world.items("pending").await.iter().flat_map(|list| pending_ids(list).collect::<Vec<_>>()).collect();
    let (events, deliveries) = (newest_first(events), newest_first(deliveries));
    assert_eq!((events.len(), deliveries.len()), (2_100, 2_100));
    for (path, examined) in [
        ("/events?type=none".to_owned(), &events),
        (format!("/events?type=none&endpoint_id={}", endpoint.id), &events),
        (format!("{}/deliveries?status=failed", endpoint.path()), &deliveries),
        (format!("{}/deliveries?event_type=none", endpoint.path()), &deliveries),
    ] {
        let first = tenant.get(&path).await;
        assert_eq!(first.body["data"], json!([]), "{path}");
        assert_eq!(first.body["pagination"]["next_cursor"], json!(examined[1_999]), "{path}");
        let second = tenant.get(&format!("{path}&cursor={}", examined[1_999])).await;
        assert_eq!(second.body["pagination"], json!({"limit": 50, "has_more": false, "next_cursor": null}), "{path}");
    }
}

/// Stores lists of deliveries as publish requests of a hundred events each would, one millisecond apart and before now.
/// Their events do not exist.
async fn store_deliveries(world: &World, tenant: &Tenant, endpoint: &Endpoint, lists: u32) {
    let store = Store::new(&world.sdk(), world.table(), Duration::from_secs(86_400));
    let organization = OrganizationId::parse(&tenant.id).unwrap();
    let endpoint = EndpointId::parse(&endpoint.id).unwrap();
    for number in 1..=lists {
        let published = world.clock.now().minus(Duration::from_millis(number.into()));
        let first = EventId::new(published, [0; 8]);
        let deliveries = (0..100).filter_map(|index| first.nth(index).delivery(0)).collect();
        let event_type = EventType::parse("a").unwrap();
        let list = PendingList {
            organization: organization.clone(),
            endpoint,
            event_type,
            channels: Channels::default(),
            deliveries,
        };
        store.put_list_if_absent(&list).await.unwrap();
    }
}

#[tokio::test]
async fn deliveries_are_filtered_by_status_type_and_time() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let mut created = publish(&world, &tenant, "a", 1).await;
    world.drain().await;
    created.extend(publish(&world, &tenant, "b", 1).await);
    world.drain().await;
    created.extend(publish(&world, &tenant, "a", 1).await);
    let ids_of: Vec<_> = created.into_iter().map(|(_, delivery)| delivery).collect();
    let created = tenant.delivery(&ids_of[1]).await["created_at"].clone();
    let middle = text(&created);
    for (query, expected) in [
        (String::new(), vec![2, 1, 0]),
        ("status=exhausted".to_owned(), vec![0]),
        ("status=success".to_owned(), vec![1]),
        ("status=pending".to_owned(), vec![2]),
        ("status=failed".to_owned(), vec![]),
        ("event_type=a".to_owned(), vec![2, 0]),
        ("event_type=a&status=pending".to_owned(), vec![2]),
        (format!("since={middle}"), vec![2, 1]),
        (format!("until={middle}"), vec![0]),
        (format!("since={middle}&until={middle}"), vec![]),
        (format!("since={middle}&until=2026-01-01T00:00:00Z"), vec![]),
        ("since=2199-01-01T00:00:00Z".to_owned(), vec![]),
        (format!("since={middle}&event_type=a"), vec![2]),
        ("since=2026-01-01T00:00:00%2B01:00".to_owned(), vec![2, 1, 0]),
    ] {
        let listed = tenant.get(&format!("{}/deliveries?{query}", endpoint.path())).await.data(200);
        let expected: Vec<_> = expected.into_iter().map(|index: usize| ids_of[index].clone()).collect();
        assert_eq!(ids(&listed), expected, "{query}");
    }
}

#[tokio::test]
async fn an_error_lists_all_invalid_parameters() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let (deliveries, pages) =
        (format!("{}/deliveries", endpoint.path()), format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id));
    for (path, query, names) in [
        (
            deliveries.as_str(),
            "limit=0&status=lost&since=yesterday&until=-1&event_type=a..b&foo=1",
            "limit status event_type since until foo",
        ),
        (&deliveries, "limit=101", "limit"),
        (&deliveries, "cursor=nonsense", "cursor"),
        (&pages, "status=lost&ordering=name&page=0&page_size=1001", "status ordering page page_size"),
        (
            "/v1/webhook-endpoints",
            "is_active=perhaps&ordering=url&page=x&page_size=0",
            "is_active ordering page page_size",
        ),
        ("/events", "limit=x&type=a%2Bb&endpoint_id=we_1", "limit type endpoint_id"),
        ("/events", "cursor=wevt_1", "cursor"),
        ("/webhooks/endpoints", "limit=-1", "limit"),
        ("/api-keys", "limit=1.5", "limit"),
        ("/v1/endpoints", "organization_id=org_1", "organization_id"),
    ] {
        let refused = tenant.get(&format!("{path}?{query}")).await;
        refused.is_error(400, "validation_failed");
        let named: BTreeSet<_> = refused.body["error"]["details"]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| text(&field["name"]))
            .collect();
        assert_eq!(named, names.split(' ').collect(), "{path}?{query}");
    }
    for accepted in ["limit=1", "limit=100"] {
        tenant.get(&format!("{deliveries}?{accepted}")).await.data(200);
    }
}
