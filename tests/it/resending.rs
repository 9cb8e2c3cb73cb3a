//! Manual retries, recoveries and test events: when they are allowed and when they are refused.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, Receiver, Tenant, World};

type Items = Vec<HashMap<String, AttributeValue>>;

/// An endpoint without retries, and its exhausted delivery.
async fn exhausted(world: &World, tenant: &Tenant, receiver: &Receiver) -> (Endpoint, String) {
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "exhausted");
    world.advance(Duration::from_secs(6));
    (endpoint, id)
}

/// The paths of a manual retry, one for each dialect that has it.
fn retries(id: &str) -> [String; 2] {
    [format!("/webhooks/deliveries/{id}/retry"), format!("/v1/webhook-deliveries/{id}/retry")]
}

fn since() -> Value {
    json!({"since": "2020-01-01T00:00:00Z"})
}

/// The stored items of deliveries and jobs.
async fn stored(world: &World) -> [Items; 2] {
    [world.items("delivery").await, world.items("job").await]
}

#[tokio::test]
async fn a_retry_for_a_disabled_endpoint_is_a_conflict_and_changes_nothing() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let (endpoint, id) = exhausted(&world, &tenant, &receiver).await;
    tenant.delete(&endpoint.path()).await.data(200);
    let before = stored(&world).await;
    for path in retries(&id) {
        let reply = tenant.post(&path, &json!({})).await;
        reply.is_error(409, "conflict");
        assert_eq!(reply.body["error"]["message"], "the endpoint is disabled");
    }
    tenant.post(&format!("{}/recover", endpoint.path()), &since()).await.is_error(409, "conflict");
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.is_error(409, "conflict");
    assert_eq!(stored(&world).await, before);
    assert_eq!(world.messages(), [""; 0]);

    tenant.set_status(&endpoint, "active").await;
    tenant.post(&retries(&id)[0], &json!({})).await.data(202);
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
}

#[tokio::test]
async fn retrying_a_delivery_that_got_410_is_refused_and_keeps_its_record() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(410)).await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    world.advance(Duration::from_secs(6));
    let before = stored(&world).await;
    for path in retries(&id) {
        tenant.post(&path, &json!({})).await.is_error(409, "conflict");
    }
    world.drain().await;
    assert_eq!(stored(&world).await, before);
    let delivery = tenant.delivery(&id).await;
    assert_eq!(json!([delivery["error"], delivery["response_status"]]), json!(["http_status", 410]));
}

#[tokio::test]
async fn a_delivery_of_a_deleted_endpoint_cannot_be_retried() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let (endpoint, id) = exhausted(&world, &tenant, &receiver).await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    let before = stored(&world).await;
    for path in retries(&id) {
        tenant.post(&path, &json!({})).await.is_error(404, "not_found");
    }
    assert_eq!(stored(&world).await, before);
}

#[tokio::test]
async fn a_suspended_organization_cannot_retry_recover_or_test() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let (endpoint, id) = exhausted(&world, &tenant, &receiver).await;
    let organization = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&organization, &json!({"status": "suspended"})).await.data(200);
    world.advance(Duration::from_secs(6));
    let before = stored(&world).await;
    let of_platform = |path: &str| format!("{organization}{path}");
    for path in retries(&id) {
        tenant.post(&path, &json!({})).await.is_error(403, "forbidden");
    }
    for (action, body) in [("recover", since()), ("test", json!({}))] {
        let path = format!("{}/{action}", endpoint.path());
        tenant.post(&path, &body).await.is_error(403, "forbidden");
        world.platform().post(&of_platform(&path), &body).await.is_error(403, "forbidden");
    }
    world.platform().post(&of_platform(&retries(&id)[0]), &json!({})).await.is_error(403, "forbidden");
    assert_eq!(stored(&world).await, before);

    world.platform().patch(&organization, &json!({"status": "active"})).await.data(200);
    world.advance(Duration::from_secs(6));
    tenant.post(&retries(&id)[0], &json!({})).await.data(202);
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
}

#[tokio::test]
async fn a_retry_for_a_paused_endpoint_is_parked_until_it_is_active() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for path in 0..2 {
        let receiver = Receiver::scripted([Answer::status(500)]).await;
        let (endpoint, id) = exhausted(&world, &tenant, &receiver).await;
        tenant.set_status(&endpoint, "paused").await;
        world.advance(Duration::from_secs(6));
        assert_eq!(tenant.post(&retries(&id)[path], &json!({})).await.status, 202);
        world.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "retrying");
        receiver.only();
        tenant.set_status(&endpoint, "active").await;
        world.advance(Duration::from_secs(6));
        world.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "success");
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    }
}
