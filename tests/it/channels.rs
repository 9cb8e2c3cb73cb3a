//! Channels of events and endpoints.

use serde_json::{Value, json};

use crate::subscriptions::{receivers_for, who_gets};
use crate::support::{Answer, Receiver, World, delivery_ids, text};

fn event(channels: &Value) -> Value {
    json!({"type": "order.paid", "data": {}, "channels": channels})
}

#[tokio::test]
async fn an_endpoint_with_channels_gets_events_that_share_one_and_one_without_gets_all() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let fields = [
        json!({}),
        json!({"channels": []}),
        json!({"channels": ["eu"]}),
        json!({"channels": ["us", "eu"]}),
        json!({"channels": ["eu"], "event_types": ["order.refunded"]}),
    ];
    let receivers = receivers_for(&tenant, &fields).await;
    for (channels, expected) in [
        (json!(["eu"]), vec![0, 1, 2, 3]),
        (json!(["us", "asia"]), vec![0, 1, 3]),
        (json!(["EU"]), vec![0, 1]),
        (json!([]), vec![0, 1]),
        (Value::Null, vec![0, 1]),
    ] {
        assert_eq!(who_gets(&world, &tenant, &receivers, &event(&channels)).await, expected, "{channels}");
    }
}

#[tokio::test]
async fn channels_are_shown_and_apply_to_each_event_of_a_batch() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "channels": ["b", "a"]})).await;
    let events = [event(&json!(["c"])), event(&json!(["x", "a"])), event(&Value::Null), event(&json!(["d", "d"]))];
    let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    let deliveries: Vec<_> = (0..3).map(|index| delivery_ids(&results[index]["event"]).len()).collect();
    assert_eq!(deliveries, [0, 1, 0]);
    assert_eq!(results[3]["error"]["details"]["fields"][0]["name"], "channels");
    for (index, channels) in [(0, json!(["c"])), (1, json!(["x", "a"])), (2, json!([]))] {
        let read = tenant.get(&format!("/events/{}", text(&results[index]["event"]["id"]))).await.data(200);
        assert_eq!(read["channels"], channels);
    }
    let listed = tenant.get("/events").await.data(200);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|event| event["channels"].clone()).collect();
    assert_eq!(listed, [json!([]), json!(["x", "a"]), json!(["c"])]);
    world.drain().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn changed_channels_apply_to_the_next_event_of_every_process() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let elsewhere = tenant.at(&world.another_process());
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/", "channels": ["a"]})).await;
    for (change, deliveries) in [
        (json!({}), 1),
        (json!({"channels": ["b"]}), 0),
        (json!({"channels": ["b", "a"]}), 1),
        (json!({"channels": ["c"]}), 0),
        (json!({"channels": null}), 1),
    ] {
        tenant.patch(&endpoint.path(), &change).await.data(200);
        for publisher in [&tenant, &elsewhere] {
            let published = publisher.post("/events", &event(&json!(["a"]))).await.data(202);
            assert_eq!(delivery_ids(&published).len(), deliveries, "{change}");
        }
    }
}

#[tokio::test]
async fn test_events_and_operational_events_reach_an_endpoint_with_channels() {
    let (world, watcher) = (World::new().await, Receiver::new().await);
    let gone = Receiver::always(Answer::status(410)).await;
    let tenant = world.tenant().await;
    let fields = json!({"url": watcher.url(), "event_types": ["webhook.*"], "channels": ["a"]});
    let endpoint = tenant.endpoint_with(fields).await;
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    tenant.endpoint_with(json!({"url": gone.url(), "event_types": ["member.added"]})).await;
    tenant.publish_one().await;
    world.drain().await;
    world.sweep().await;
    world.drain().await;
    let mut types: Vec<_> = watcher.received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect();
    types.sort_unstable();
    assert_eq!(types, ["webhook.created", "webhook.created", "webhook.disabled", "webhook.test"]);
}
