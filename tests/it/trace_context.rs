//! The trace context of a publish request reaches every receiver unchanged, and is stored only if there is one.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::{Answer, EVENT_TYPE, Received, Receiver, Tenant, World};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE";

async fn publish(tenant: &Tenant, path: &str, headers: &[(&str, &str)], bytes: usize) {
    let event = json!({"type": EVENT_TYPE, "data": {"x": "x".repeat(bytes)}});
    let body = if path == "/events" { event } else { json!({"events": [event, event]}) };
    tenant.call(Method::POST, path, headers, Some(body.to_string())).await.data(202);
}

fn context(request: &Received) -> [Option<&str>; 2] {
    ["traceparent", "tracestate"].map(|name| Some(request.headers.get(name)?.to_str().unwrap()))
}

#[tokio::test]
async fn each_attempt_carries_the_trace_context_of_the_publish_request() {
    for (path, bytes, count) in [("/events", 1, 1), ("/events", 100_000, 1), ("/events/batch", 1, 2)] {
        let world = World::new().await;
        let receiver = Receiver::scripted(vec![Answer::status(500); count]).await;
        let (tenant, later) = (world.tenant().await, Receiver::new().await);
        tenant.endpoint(&receiver).await;
        let paused = tenant.endpoint_with(json!({"url": later.url(), "status": "paused"})).await;
        publish(&tenant, path, &[("traceparent", PARENT), ("tracestate", STATE)], bytes).await;
        world.drain().await;
        world.advance(Duration::from_secs(1));
        world.drain().await;
        tenant.set_status(&paused, "active").await;
        world.drain().await;
        let received = [receiver.received(), later.received()].concat();
        assert_eq!(received.len(), 3 * count, "two attempts, and one of the endpoint that was paused");
        received.iter().for_each(|request| assert_eq!(context(request), [Some(PARENT), Some(STATE)]));
    }
}

#[tokio::test]
async fn malformed_trace_contexts_are_ignored() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let table = [
        (vec![], [None, None]),
        (vec![("traceparent", PARENT)], [Some(PARENT), None]),
        (vec![("traceparent", PARENT), ("tracestate", "UPPER=1")], [Some(PARENT), None]),
        (vec![("traceparent", PARENT), ("tracestate", "")], [Some(PARENT), None]),
        (vec![("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")], [Some(PARENT), Some("a=1,b=2")]),
        (vec![("traceparent", "00-x-y-01"), ("tracestate", STATE)], [None, None]),
        (vec![("traceparent", "é")], [None, None]),
        (vec![("traceparent", PARENT), ("traceparent", PARENT)], [None, None]),
        (vec![("tracestate", STATE)], [None, None]),
    ];
    for (seen, (headers, expected)) in table.into_iter().enumerate() {
        publish(&tenant, "/events", &headers, 1).await;
        world.drain().await;
        assert_eq!(context(&receiver.received()[seen]), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_trace_context_replaces_the_endpoints_own_headers() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let own = json!({"traceparent": "own", "tracestate": "own"});
    tenant.endpoint_with(json!({"url": receiver.url(), "headers": own})).await;
    publish(&tenant, "/events", &[("traceparent", PARENT), ("tracestate", STATE)], 1).await;
    publish(&tenant, "/events", &[], 1).await;
    world.drain().await;
    let received = receiver.received();
    let mut contexts: Vec<_> = received.iter().map(context).collect();
    contexts.sort_unstable();
    assert_eq!(contexts, [[Some(PARENT), Some(STATE)], [Some("own"), Some("own")]]);
}

#[tokio::test]
async fn an_event_without_options_stores_and_sends_nothing_of_them() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    publish(&tenant, "/events", &[], 1).await;
    let names = ["format", "content_type", "traceparent", "tracestate"];
    let item = world.items("event").await.remove(0);
    let message = world.messages().remove(0);
    for name in names {
        assert!(!item.contains_key(name) && !message.contains(name), "{name}: {message}");
    }
    publish(&tenant, "/events", &[("traceparent", PARENT)], 1).await;
    let all = world.items("event").await;
    assert_eq!(all.iter().filter(|item| item.contains_key("traceparent")).count(), 1);
    assert!(all.iter().all(|item| !item.contains_key("tracestate")));
}
