//! Subscriptions: event types, wildcards, editions and the catalogue, and the headers of the requests.

use serde_json::{Value, json};

use crate::support::{Receiver, Tenant, World, text};

/// The indexes of the receivers that get an event.
pub(crate) async fn who_gets(world: &World, tenant: &Tenant, receivers: &[Receiver], event: &Value) -> Vec<usize> {
    world.drain().await;
    let before: Vec<_> = receivers.iter().map(|receiver| receiver.received().len()).collect();
    tenant.post("/events", event).await.data(202);
    world.drain().await;
    (0..receivers.len()).filter(|index| receivers[*index].received().len() > before[*index]).collect()
}

pub(crate) async fn receivers_for(tenant: &Tenant, fields: &[Value]) -> Vec<Receiver> {
    let mut receivers = Vec::new();
    for fields in fields {
        let receiver = Receiver::new().await;
        let mut all = fields.clone();
        all["url"] = json!(receiver.url());
        tenant.endpoint_with(all).await;
        receivers.push(receiver);
    }
    receivers
}

#[tokio::test]
async fn endpoints_get_the_types_and_wildcards_that_they_subscribe_to() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let types = [
        json!(["*"]),
        json!(["order.*"]),
        json!(["order.paid"]),
        json!(["order.paid", "order.*", "*"]),
        json!(["webhook.*"]),
        json!(["*.paid", "order.*.made"]),
        json!(["*.*"]),
    ];
    let receivers = receivers_for(&tenant, &types.map(|types| json!({"event_types": types}))).await;
    for (event_type, expected) in [
        ("order.paid", vec![0, 1, 2, 3, 5, 6]),
        ("order.refund.made", vec![0, 1, 3, 5, 6]),
        ("order.refund.line.made", vec![0, 1, 3, 6]),
        ("order", vec![0, 3]),
        ("orders.paid", vec![0, 3, 5, 6]),
        ("member.added", vec![0, 3, 6]),
        ("webhook.own", vec![0, 3, 4, 6]),
    ] {
        let event = json!({"type": event_type, "data": {}});
        let got = who_gets(&world, &tenant, &receivers, &event).await;
        assert_eq!(got, expected, "{event_type}");
    }
    let ids: Vec<_> = receivers[3].received().iter().map(|request| request.header("webhook-id").to_owned()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "an endpoint with three matching subscriptions gets one delivery");
}

#[tokio::test]
async fn an_edition_restricts_an_endpoint_to_its_own_events() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let editions = [json!({}), json!({"edition_id": "eu"}), json!({"edition_id": "us"})];
    let receivers = receivers_for(&tenant, &editions).await;
    for (edition, expected) in
        [(json!("eu"), vec![0, 1]), (json!("us"), vec![0, 2]), (json!("EU"), vec![0]), (Value::Null, vec![0])]
    {
        let event = json!({"type": "order.paid", "data": {}, "edition_id": edition});
        assert_eq!(who_gets(&world, &tenant, &receivers, &event).await, expected, "{edition}");
    }
}

#[tokio::test]
async fn a_catalogue_refuses_other_types_with_a_list_of_its_own() {
    let world = World::with(&[("EVENT_TYPES", "member.added, member.removed")]).await;
    let tenant = world.tenant().await;
    let endpoint = |types: Value| json!({"name": "", "url": "https://example.com/", "event_types": types});
    let hook = |types: Value| json!({"url": "ftp://example.com/", "events": types});
    let paged = |types: Value| json!({"name": "", "url": "https://example.com/", "events": types});
    for (path, body, fields) in [
        ("/webhooks/endpoints", endpoint(json!(["order.paid"])), ["name", "event_types"]),
        ("/webhooks", hook(json!(["member.added", "order.*"])), ["url", "events"]),
        ("/v1/webhook-endpoints", paged(json!(["order.paid"])), ["name", "events"]),
    ] {
        let refused = tenant.post(path, &body).await;
        refused.is_error(400, "validation_failed");
        let named = refused.body["error"]["details"]["fields"].as_array().unwrap();
        let names: Vec<_> = named.iter().map(|field| text(&field["name"])).collect();
        assert_eq!(names, fields, "{path}");
        let message = text(&refused.body["error"]["message"]);
        assert!(message.contains("member.added, member.removed"), "{message}");
    }
    let refused = tenant.post("/events", &json!({"type": "order.paid", "data": {}})).await;
    refused.is_error(400, "validation_failed");
    assert!(text(&refused.body["error"]["message"]).contains("member.added, member.removed"), "{}", refused.body);
    for types in [json!(["*"]), json!(["member.*"]), json!(["member.added"]), json!(["webhook.created", "delivery.*"])]
    {
        let created = tenant.endpoint_with(json!({"url": "https://example.com/", "event_types": types})).await;
        let path = created.path();
        tenant.patch(&path, &json!({"event_types": ["order.paid"]})).await.is_error(400, "validation_failed");
        tenant.patch(&path, &json!({"event_types": types})).await.data(200);
    }
    let batch = json!({"events": [{"type": "member.added", "data": {}}, {"type": "order.paid", "data": {}}]});
    let results = tenant.post("/events/batch", &batch).await.data(202);
    assert_eq!([&results[0]["status"], &results[1]["status"]], ["accepted", "refused"]);
}

#[tokio::test]
async fn the_headers_of_an_endpoint_are_sent() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let headers = json!({"Authorization": "Bearer theirs", "X-Team": "growth", "accept": "*/*", "User-Agent": "mine"});
    tenant.endpoint_with(json!({"url": receiver.url(), "headers": headers})).await;
    tenant.publish_one().await;
    world.drain().await;
    let request = receiver.only();
    assert_eq!(request.header("authorization"), "Bearer theirs");
    assert_eq!(request.header("x-team"), "growth");
    assert_eq!(request.header("accept"), "*/*");
    assert_eq!(request.header("user-agent"), "mine");
    assert_eq!(request.header("content-type"), "application/json");
}
