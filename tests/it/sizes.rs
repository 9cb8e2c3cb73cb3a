//! Responses stay within Lambda's limit of 6 MB for a JSON string, even for large data.

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::ids::EndpointId;

use crate::support::{EVENT_TYPE, Receiver, Reply, Tenant, World, text};

const LAMBDA_BYTES: usize = 6_000_000;
/// More events than fit into one response.
const EVENTS: usize = 26;

/// The number of bytes that Lambda returns for a response.
fn response_bytes(reply: &Reply) -> usize {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = reply.status.into();
    response.headers = reply.headers.clone();
    response.body = Some(Body::Text(std::str::from_utf8(&reply.bytes).unwrap().to_owned()));
    serde_json::to_vec(&response).unwrap().len()
}

/// Data of the maximum size: in one, half of the bytes are quotes, and in the other, most bytes are newlines.
fn large_data() -> [String; 2] {
    [json!({"list": vec![""; 80_000]}).to_string(), format!("{{{}}}", "\n".repeat(240_000))]
}

/// Publishes events with this data and returns their ids.
async fn publish_large(tenant: &Tenant, data: &str) -> Vec<String> {
    let body = format!(r#"{{"type": "{EVENT_TYPE}", "data": {data}}}"#);
    let mut ids = Vec::new();
    for _ in 0..EVENTS {
        let event = tenant.call(Method::POST, "/events", &[], Some(body.clone())).await.data(202);
        ids.push(text(&event["id"]).to_owned());
    }
    ids
}

#[tokio::test]
async fn the_response_to_a_batch_has_few_bytes_for_each_event_and_delivery() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for _ in 0..5 {
        tenant.endpoint(&receiver).await;
    }
    let event = json!({"type": "a".repeat(128), "data": {"long": "x".repeat(10_000)}});
    let reply = tenant.post("/events/batch", &json!({"events": vec![event; 100]})).await;
    let results = reply.body["data"].as_array().unwrap();
    assert!(
        results.iter().all(|result| result["event"]["delivery_ids"].as_array().unwrap().len() == 5),
        "{}",
        reply.body
    );
    let (bytes_of_head, bytes_of_event, bytes_of_delivery) = (500, 450, 42);
    let most = bytes_of_head + 100 * (bytes_of_event + 5 * bytes_of_delivery);
    assert!(response_bytes(&reply) <= most, "{}", response_bytes(&reply));
    assert!(100 * (bytes_of_event + 500 * bytes_of_delivery) < LAMBDA_BYTES);
}

#[tokio::test]
async fn pages_of_large_events_are_short_and_cover_all_events() {
    let world = World::new().await;
    for data in large_data() {
        pages_go_on_until_all_have_come(&world.tenant().await, &data).await;
    }
}

async fn pages_go_on_until_all_have_come(tenant: &Tenant, data: &str) {
    let mut published = publish_large(tenant, data).await;
    published.reverse();
    let (mut listed, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let reply = tenant.get(&format!("/events?limit=100{cursor}")).await;
        assert!(response_bytes(&reply) < LAMBDA_BYTES, "{}", response_bytes(&reply));
        let ids = reply.body["data"].as_array().unwrap().iter().map(|event| text(&event["id"]).to_owned());
        listed.extend(ids);
        pages += 1;
        let pagination = &reply.body["pagination"];
        assert_eq!(pagination["has_more"], json!(!pagination["next_cursor"].is_null()));
        match &pagination["next_cursor"] {
            Value::Null => break,
            next => cursor = format!("&cursor={}", text(next)),
        }
    }
    assert_eq!(listed, published);
    assert!(pages > 1 && pages < EVENTS / 4, "{pages}");
}

/// The headers' values consist of quotes. A quote takes four bytes in JSON inside a JSON string.
#[tokio::test]
async fn endpoints_with_many_headers_have_short_pages_and_lists_without_pages_are_refused() {
    const ENDPOINTS: usize = 90;
    let world = World::new().await;
    // The items are copied, which encrypted ones are not for.
    let tenant = world.tenant().await.at(&world.process_without_keys());
    let headers: Value = (0..16).map(|number| (format!("x-{number}"), json!("\"".repeat(1_000)))).collect();
    let mut created = vec![tenant.endpoint_with(json!({"url": "https://example.com/", "headers": headers})).await.id];
    // Creating each endpoint with a request takes long. Lists do not depend on the partition of an endpoint.
    let item = world.items("endpoint").await.remove(0);
    for _ in 1..ENDPOINTS {
        let id = EndpointId::new(world.clock.now(), clock::id_bytes()).to_string();
        let key = AttributeValue::S(id.clone());
        let item = item.clone().into_iter().chain([("sk".to_owned(), key)]).collect();
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
        created.push(id);
    }
    let first = tenant.get("/webhooks/endpoints?limit=100").await;
    assert!(response_bytes(&first) < LAMBDA_BYTES, "{}", response_bytes(&first));
    let cursor = text(&first.body["pagination"]["next_cursor"]);
    let second = tenant.get(&format!("/webhooks/endpoints?limit=100&cursor={cursor}")).await;
    assert_eq!(second.body["pagination"]["has_more"], false);
    tenant.get("/v1/endpoints").await.is_error(422, "quota_exceeded");
    let hooks = tenant.get("/webhooks").await;
    assert_eq!((hooks.status, hooks.body.as_array().unwrap().len()), (200, ENDPOINTS), "this dialect shows no headers");
    let listed = [first.data(200), second.data(200)];
    let ids = listed.iter().flat_map(|page| page.as_array().unwrap()).map(|endpoint| text(&endpoint["id"]).to_owned());
    assert_eq!(ids.collect::<Vec<_>>(), created);
}

#[tokio::test]
async fn a_numbered_page_that_is_too_large_is_refused_and_a_smaller_one_is_returned() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    publish_large(&tenant, &large_data()[0]).await;
    let path = format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id);
    let refused = tenant.get(&path).await;
    refused.is_error(400, "validation_failed");
    assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "page_size");
    let page = tenant.get(&format!("{path}?page_size=5")).await;
    assert_eq!((page.status, page.body["results"].as_array().unwrap().len()), (200, 5));
    assert!(response_bytes(&page) < LAMBDA_BYTES, "{}", response_bytes(&page));
}
