//! The work and the space that filters may take.

use http::Method;
use serde_json::{Value, json};

use super::create;
use crate::support::{Receiver, World, delivery_ids, text};
use crate::telemetry::Counted;

/// A filter that takes more steps for [`long`] than it may.
fn costly() -> Value {
    json!({"data": {"a": vec![json!({"wildcard": "*b*"}); 190]}})
}

/// An event of 256 KB that does not match [`costly`].
fn long() -> Value {
    json!({"type": "a", "data": {"a": "a".repeat(260_000), "n": 1}})
}

#[tokio::test]
async fn a_filter_that_would_take_too_long_counts_as_matching_and_affects_no_other() {
    let (world, receiver, plain) = (World::new().await, Receiver::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let mut hostile = Vec::new();
    for _ in 0..20 {
        hostile.push(tenant.endpoint_with(json!({"url": receiver.url(), "filter": costly()})).await);
    }
    let exact = |n: u32| json!({"url": plain.url(), "filter": {"data": {"n": [n]}}});
    tenant.endpoint_with(exact(1)).await;
    tenant.endpoint_with(exact(2)).await;
    let (counted, guard) = Counted::start();
    let published = tenant.post("/events", &long()).await.data(202);
    drop(guard);
    assert_eq!(delivery_ids(&published).len(), 21, "all costly ones and the one that matches");
    assert_eq!(counted.counters().get("CostlyFilters"), Some(&20));
    world.drain().await;
    assert_eq!((receiver.received().len(), plain.received().len()), (20, 1));

    let tested = tenant.post(&format!("{}/filter-test", hostile[0].path()), &long()).await.data(200);
    assert_eq!(tested["filter"], json!({"matches": true, "undecided": true, "mismatches": []}));
    let (counted, _guard) = Counted::start();
    let short = tenant.post("/events", &json!({"type": "a", "data": {"a": "a", "n": 3}})).await.data(202);
    assert!(delivery_ids(&short).is_empty(), "the filters are compared with other events");
    assert_eq!(counted.counters().get("CostlyFilters"), None);
}

#[tokio::test]
async fn filters_count_towards_the_size_of_the_fan_out() {
    let world = World::with(&[("MAX_ENDPOINTS", "8000")]).await;
    let tenant = world.tenant().await;
    // 256 values, which count with 48 bytes each, in 1,038 bytes.
    let filter = format!(r#"{{"data":{{"a":[{}]}}}}"#, vec!["\"\""; 256].join(","));
    let created = create(&tenant, &filter).await.data(201);
    let state = world.items("state").await;
    let bytes: usize = state[0]["fanout_bytes"].as_n().unwrap().parse().unwrap();
    assert_eq!(bytes, 205 + filter.len() + 48 * 258);
    let path = format!("/webhooks/endpoints/{}", text(&created["id"]));
    tenant.patch(&path, &json!({"filter": null})).await.data(200);
    let types: Vec<_> = (0..64).map(|number| format!("{number:02}{}", "x".repeat(126))).collect();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    // 8,648 bytes each, of 4 MiB.
    world.make_endpoints(&tenant, 484, &types).await;
    let change = format!(r#"{{"filter":{filter}}}"#);
    let refused = tenant.call(Method::PATCH, &path, &[], Some(change)).await;
    refused.is_error(422, "quota_exceeded");
    create(&tenant, &filter).await.is_error(422, "quota_exceeded");
    tenant.patch(&path, &json!({"filter": {"type": ["a"]}})).await.data(200);
}

/// A text of 2.1 KB takes a filter like [`costly`] some 100,000 steps: the filters of one event have enough of them, those of a
/// hundred events have not.
#[tokio::test]
async fn the_filters_of_all_events_of_a_request_share_its_steps() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for _ in 0..6 {
        let costly = json!({"url": "http://127.0.0.1:9/", "filter": costly(), "status": "paused"});
        tenant.endpoint_with(costly).await;
    }
    let event = json!({"type": "a", "data": {"a": "a".repeat(2_100)}});
    let undecided = async |count: usize| {
        let (counted, _guard) = Counted::start();
        tenant.post("/events/batch", &json!({"events": vec![&event; count]})).await.data(202);
        counted.counters().get("CostlyFilters").copied().unwrap_or_default()
    };
    assert_eq!(undecided(1).await, 0);
    let of_batch = undecided(100).await;
    assert!((1..=600).contains(&of_batch), "{of_batch}");
    // So do those of all messages of a batch of the ingest queue.
    let half = json!({"organization": tenant.id, "events": vec![&event; 50]}).to_string();
    world.send_to_ingest(&half).await;
    world.send_to_ingest(&half).await;
    let (counted, _guard) = Counted::start();
    assert_eq!(world.process.ingest().await, 2);
    assert_eq!(counted.counters().get("CostlyFilters").copied(), Some(of_batch));
}
