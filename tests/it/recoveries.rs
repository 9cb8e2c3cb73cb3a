//! Recovering everything that an endpoint missed.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::{
    Answer, Endpoint, Fate, Receiver, Tenant, World, delivery_ids, over_network, over_network_by_call, text,
};

/// Publishes so many events, a hundred at once, and lets them fail.
async fn fail(world: &World, tenant: &Tenant, count: usize) {
    for start in (0..count).step_by(100) {
        let size = (count - start).min(100);
        let events: Vec<_> = (0..size).map(|index| json!({"type": "a", "data": {"n": start + index}})).collect();
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        world.drain().await;
    }
    world.advance(Duration::from_secs(1));
}

async fn recover(tenant: &Tenant, endpoint: &Endpoint, body: &Value) -> Value {
    tenant.post(&format!("{}/recover", endpoint.path()), body).await.data(202)
}

fn all() -> Value {
    json!({"since": "2020-01-01T00:00:00Z"})
}

#[tokio::test]
async fn more_than_can_be_asked_for_at_once_follows_with_the_sweep_and_nothing_twice() {
    const COUNT: usize = 620;
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(&world, &tenant, COUNT).await;
    assert_eq!(receiver.received().len(), COUNT);

    let recovery = recover(&tenant, &endpoint, &all()).await;
    assert_eq!((&recovery["recovered"], &recovery["finished"]), (&json!(500), &json!(false)));
    world.drain().await;
    assert_eq!(receiver.received().len(), COUNT + 500);
    for _ in 0..3 {
        // In less time than it takes to suspend the endpoint.
        world.advance(Duration::from_secs(1));
        world.sweep().await;
        world.drain().await;
    }
    let mut attempts = BTreeMap::new();
    for request in receiver.received() {
        *attempts.entry(request.header("x-webhook-delivery").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(attempts.len(), COUNT);
    assert!(attempts.values().all(|count| *count == 2), "what failed again is not asked for again");
}

#[tokio::test]
async fn a_recovery_that_dies_on_its_way_is_finished_by_the_sweep() {
    let (world, receiver) = (World::new().await, Receiver::scripted((0..120).map(|_| Answer::status(500))).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(&world, &tenant, 120).await;
    recover(&tenant, &endpoint, &all()).await;
    // The messages are lost, as if the process had died before it sent them.
    world.purge().await;
    world.advance(Duration::from_secs(15 * 60));
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 240);
    let listed = tenant.get(&format!("{}/deliveries?status=success&limit=100", endpoint.path())).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn only_what_is_asked_for_is_recovered() {
    let (world, receiver) = (World::new().await, Receiver::scripted((0..3).map(|_| Answer::status(500))).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        let event = tenant.publish_data(&json!({})).await;
        deliveries.push((text(&event["created_at"]).to_owned(), delivery_ids(&event).remove(0)));
        world.drain().await;
        world.advance(Duration::from_secs(1));
    }
    // One that fails because its endpoint is disabled.
    let failed = tenant.publish_one().await;
    tenant.set_status(&endpoint, "disabled").await;
    world.advance(Duration::from_secs(5));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&failed).await, "failed");
    tenant.post(&format!("{}/recover", endpoint.path()), &all()).await.is_error(409, "conflict");
    tenant.set_status(&endpoint, "active").await;
    world.advance(Duration::from_secs(5));

    let middle = deliveries[1].0.clone();
    for (body, recovered) in [
        (json!({"since": "2199-01-01T00:00:00Z"}), 0),
        (json!({"since": middle, "until": deliveries[2].0, "statuses": ["failed"]}), 0),
        (json!({"since": middle, "until": deliveries[2].0}), 1),
        (json!({"since": middle, "until": deliveries[2].0}), 0),
        (json!({"since": "2020-01-01T00:00:00Z", "statuses": ["failed"]}), 1),
        (json!({"since": "2020-01-01T00:00:00Z", "statuses": ["failed", "exhausted"]}), 2),
        (all(), 0),
    ] {
        let recovery = recover(&tenant, &endpoint, &body).await;
        assert_eq!((&recovery["recovered"], &recovery["finished"]), (&json!(recovered), &json!(true)), "{body}");
        world.drain().await;
    }
    assert!(tenant.deliveries(&endpoint).await.iter().all(|delivery| delivery["status"] == "success"));
    for (body, name) in [
        (json!({}), "since"),
        (json!({"since": "yesterday"}), "since"),
        (json!({"since": middle, "until": middle}), "until"),
        (json!({"since": middle, "statuses": ["success"]}), "statuses"),
        (json!({"since": middle, "statuses": []}), "statuses"),
        (json!({"since": middle, "endpoint": "x"}), "endpoint"),
    ] {
        let refused = tenant.post(&format!("{}/recover", endpoint.path()), &body).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name, "{body}");
    }
}

/// Three endpoints, each with a recovery that is left to the sweep. The oldest one's item cannot be read.
async fn three_under_way(world: &World, tenant: &Tenant) -> Vec<(Endpoint, Receiver)> {
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        let receiver = Receiver::scripted([Answer::status(500)]).await;
        let fields = json!({"url": receiver.url(), "retry_schedule": []});
        endpoints.push((tenant.endpoint_with(fields).await, receiver));
    }
    fail(world, tenant, 1).await;
    let refuse = |operation: &str| if operation == "Query" { Fate::Refuse } else { Fate::Pass };
    let hasty = world.process_over(&over_network(&world.sdk(), refuse), world.clock.clock());
    for (endpoint, _) in &endpoints {
        tenant.at(&hasty).post(&format!("{}/recover", endpoint.path()), &all()).await.is_error(503, "unavailable");
        world.advance(Duration::from_secs(1));
    }
    let oldest = AttributeValue::S(endpoints[0].0.id.clone());
    let mut item = world.items("recovery").await.into_iter().find(|item| item["endpoint"] == oldest).unwrap();
    item.insert("from_id".to_owned(), AttributeValue::S("unreadable".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    endpoints
}

#[tokio::test]
async fn neither_an_unreadable_nor_a_failing_recovery_stops_the_others() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoints = three_under_way(&world, &tenant).await;
    let arrived = || endpoints.iter().map(|(_, receiver)| receiver.received().len()).collect::<Vec<_>>();
    assert_eq!(arrived(), [1, 1, 1]);

    let dead = format!("dead#{}", endpoints[1].0.id);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_failing = call.body["ExpressionAttributeValues"][":partition"]["S"] == *dead;
        if is_failing { Fate::Error(400, "AccessDeniedException") } else { Fate::Pass }
    });
    world.process_over(&network, world.clock.clock()).try_sweep().await.unwrap_err();
    world.drain().await;
    assert_eq!(arrived(), [1, 1, 2]);

    world.sweep().await;
    world.drain().await;
    assert_eq!(arrived(), [1, 2, 2]);
    assert_eq!(world.items("recovery").await.len(), 1, "what cannot be read is left as it is");
}
