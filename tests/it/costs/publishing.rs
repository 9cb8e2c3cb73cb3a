//! The costs of publishing.

use http::Method;
use serde_json::{Value, json};

use super::{Metered, batch, calls, event, subscribed};
use crate::event_types;
use crate::support::{Receiver, World};

#[tokio::test]
async fn publishing_costs_what_the_docs_state() {
    // The number of endpoints, and the write units of the event.
    for (endpoints, event_units) in [(1, 1.0), (10, 1.0), (100, 3.0)] {
        let (world, _receiver, tenant) = subscribed(endpoints).await;
        let metered = Metered::new(&world);
        let bill = metered.publish(&tenant, "/events", &[], &event(1)).await;
        let count = u32::try_from(endpoints).unwrap();
        let (writes, sends) = ((count + 1).div_ceil(25), count.div_ceil(10));
        let mut expected = calls([("BatchWriteItem", writes), ("GetItem", 1), ("SendMessageBatch", sends)]);
        // Usage of this size is written immediately.
        let usage = u32::from(endpoints >= 100);
        expected.extend((usage > 0).then(|| ("UpdateItem".to_owned(), usage)));
        assert_eq!(bill.calls, expected, "{endpoints} endpoints");
        assert_eq!(bill.write_units, event_units + f64::from(count + usage), "{endpoints} endpoints");
        assert_eq!(bill.read_units, 1.0, "{endpoints} endpoints: the state");
        assert_eq!(bill.queue_requests, sends, "{endpoints} endpoints");
    }
}

/// Neither costs a call or, for an event of a kilobyte, a unit: the filter is in the target that the process remembers, and
/// the channels are in the event's item.
#[tokio::test]
async fn channels_and_filters_cost_publishing_nothing() {
    let with_channels = |channels: Value| {
        let mut event = event(1);
        event["channels"] = channels;
        event
    };
    let filter = json!({"data": {"members": {"name": {"given": [{"prefix": "Wil"}]}}}});
    for (fields, event, deliveries) in [
        (json!({}), event(1), 1.0),
        (json!({}), with_channels(json!(["a", "b"])), 1.0),
        (json!({"filter": filter}), event(1), 1.0),
        (json!({"filter": filter, "channels": ["b"]}), with_channels(json!(["a", "b"])), 1.0),
        (json!({"filter": {"type": ["other"]}}), event(1), 0.0),
        (json!({"channels": ["c"]}), with_channels(json!(["a", "b"])), 0.0),
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let mut all = fields.clone();
        all["url"] = json!(receiver.url());
        tenant.endpoint_with(all).await;
        let bill = Metered::new(&world).publish(&tenant, "/events", &[], &event).await;
        let mut expected = calls([("BatchWriteItem", 1), ("GetItem", 1)]);
        expected.extend((deliveries > 0.0).then(|| ("SendMessageBatch".to_owned(), 1)));
        assert_eq!(bill.calls, expected, "{fields}");
        assert_eq!((bill.write_units, bill.read_units), (1.0 + deliveries, 1.0), "{fields}: event and list, state");
    }
}

#[tokio::test]
async fn an_external_id_costs_one_write() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let mut named = event(1);
    named["external_id"] = json!("order-1");
    let bill = Metered::new(&world).publish(&tenant, "/events", &[], &named).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", 1), ("PutItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!((bill.write_units, bill.read_units), (3.0, 1.0));
}

#[tokio::test]
async fn a_raw_format_and_a_trace_context_cost_nothing() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let mut raw = event(1);
    raw["format"] = json!("raw");
    let bill = Metered::new(&world).publish(&tenant, "/events", &headers, &raw).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!((bill.write_units, bill.read_units), (2.0, 1.0));
}

#[tokio::test]
async fn a_schema_costs_publishing_nothing_once_it_is_known() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let schema = json!({"type": "object", "required": ["group", "members"]});
    event_types::create(&world, &json!({"name": "member.added", "schema": schema})).await;
    let metered = Metered::new(&world);
    for (reads, units) in [(3, 3.0), (1, 1.0)] {
        let bill = metered.publish(&tenant, "/events", &[], &event(1)).await;
        assert_eq!(bill.calls, calls([("BatchWriteItem", 1), ("GetItem", reads), ("SendMessageBatch", 1)]));
        assert_eq!(
            (bill.write_units, bill.read_units),
            (2.0, units),
            "event and list; the state, at first type and schema"
        );
    }
    let batch = metered.publish(&tenant, "/events/batch", &[], &batch(10)).await;
    assert_eq!((batch.calls["GetItem"], batch.read_units), (1, 1.0));
}

#[tokio::test]
async fn an_idempotency_key_costs_one_write() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let bill = Metered::new(&world).publish(&tenant, "/events", &[("idempotency-key", "once")], &event(1)).await;
    // The event is written before the list of its delivery.
    assert_eq!(bill.calls, calls([("BatchWriteItem", 2), ("GetItem", 1), ("PutItem", 1), ("SendMessageBatch", 1)]));
    assert_eq!(bill.write_units, 3.0);
}

#[tokio::test]
async fn a_rate_limit_costs_one_write_for_a_request() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"events_per_second": 1_000}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let metered = Metered::new(&world);
    for (path, body, events) in [("/events", event(1), 1.0), ("/events/batch", batch(10), 10.0)] {
        let bill = metered.publish(&tenant, path, &[], &body).await;
        assert_eq!(bill.calls["UpdateItem"], 1, "{bill:?}");
        assert_eq!(bill.write_units, events + 1.0 + 1.0, "events, list, tokens");
        assert_eq!((bill.calls["GetItem"], bill.read_units), (1, 1.0), "the state, which contains the limits");
    }
}

#[tokio::test]
async fn a_batch_writes_each_event_and_one_list_for_each_endpoint() {
    let (world, _receiver, tenant) = subscribed(1).await;
    let bill = Metered::new(&world).publish(&tenant, "/events/batch", &[], &batch(100)).await;
    assert_eq!(bill.calls, calls([("BatchWriteItem", 5), ("GetItem", 1), ("SendMessageBatch", 10), ("UpdateItem", 1)]));
    assert_eq!((bill.write_units, bill.queue_requests), (100.0 + 2.0 + 1.0, 10), "events, list, usage");
    assert_eq!(bill.read_units, 1.0);
}
