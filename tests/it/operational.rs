//! Only the service publishes operational events, and they contain nothing that their readers may not know.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use shared::domain::event::operational::OPERATIONAL_EVENTS;
use tokio::net::TcpListener;

use crate::support::{Answer, Receiver, World, delivery_ids, text};

#[tokio::test]
async fn only_the_service_publishes_operational_events() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let fields = json!({"url": receiver.url(), "event_types": ["webhook.disabled", "webhook.*", "delivery.*"]});
    let endpoint = tenant.endpoint_with(fields).await;
    world.drain().await;
    let before = receiver.received().len();
    for name in OPERATIONAL_EVENTS {
        let message = format!("must not be {name}, which only the service itself publishes");
        for caller in [&tenant, &world.platform()] {
            let path = format!("/v1/organizations/{}", tenant.id);
            let event = json!({"type": name, "data": {}});
            let refused = caller.post(&format!("{path}/events"), &event).await;
            refused.is_error(400, "validation_failed");
            assert_eq!(refused.body["error"]["details"]["fields"], json!([{"name": "type", "message": message}]));

            let batch = caller.post(&format!("{path}/events/batch"), &json!({"events": [event]})).await.data(202);
            assert_eq!(batch[0]["status"], "refused");
            assert_eq!(batch[0]["error"]["details"]["fields"][0]["message"], message);

            let test = format!("{path}{}/test", endpoint.path());
            let refused = caller.post(&test, &json!({"event_type": name})).await;
            refused.is_error(400, "validation_failed");
            assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "event_type");
        }
    }
    // The first type to which the endpoint subscribes cannot be the type of a test event.
    let test = tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    assert_eq!(test["latest_delivery"]["event_type"], "webhook.test");
    world.drain().await;
    let types: Vec<_> = receiver.received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect();
    assert_eq!(types[before..], ["webhook.test"]);
    // A publisher may use a type that only resembles an operational event's.
    let events = json!({"type": "webhook.disabled_by_us", "data": {}});
    assert_eq!(delivery_ids(&tenant.post("/events", &events).await.data(202)).len(), 1);
}

#[tokio::test]
async fn an_operational_event_contains_only_the_origin_of_an_endpoints_url() {
    let (world, watcher) = (World::new().await, Receiver::new().await);
    let gone = Receiver::always(Answer::status(410)).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": watcher.url(), "event_types": ["webhook.*"]})).await;
    let url = format!("{}/path-token?token=query-token", gone.url());
    tenant.endpoint_with(json!({"url": url, "event_types": ["member.added"]})).await;
    tenant.publish().await;
    world.drain().await;
    world.sweep().await;
    world.drain().await;
    let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let announced: Vec<(String, Value)> = watcher
        .received()
        .iter()
        .filter(|it| !text(&it.json()["data"]["name"]).is_empty() && it.json()["data"]["url"] == json!(origin))
        .map(|it| (it.header("x-webhook-event").to_owned(), it.json()["data"].clone()))
        .collect();
    let types: Vec<_> = announced.iter().map(|(event_type, _)| event_type.as_str()).collect();
    assert_eq!(types, ["webhook.created", "webhook.disabled"]);
    for request in watcher.received() {
        assert!(!String::from_utf8_lossy(&request.body).contains("token"), "{:?}", request.json());
    }
}

#[tokio::test]
async fn an_exhausted_delivery_is_announced_with_what_exactly_failed() {
    let (world, watcher) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": watcher.url(), "event_types": ["delivery.exhausted"]})).await;
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let fields = json!({"url": format!("http://{unused}/"), "event_types": ["member.added"], "retry_schedule": []});
    tenant.endpoint_with(fields).await;
    tenant.publish().await;
    world.drain().await;
    world.sweep().await;
    world.drain().await;
    let data = watcher.only().json()["data"].clone();
    let shown = ["error", "error_detail", "docs_url"].map(|name| &data[name]);
    assert_eq!(json!(shown), json!(["connect", "connection_refused", "/docs#connection_refused"]));
}
