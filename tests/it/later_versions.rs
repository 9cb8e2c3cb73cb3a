//! Items that a later version wrote, with names that this version does not know.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::job::SETTLED;

use crate::support::{Endpoint, Receiver, Tenant, World};

/// Gives an attribute of the endpoint's items of a kind a name that no version knows.
async fn rename(world: &World, entity: &str, endpoint: &Endpoint, attribute: &str) {
    let mut items = world.items(entity).await;
    items.retain(|item| ["endpoint", "sk"].iter().any(|name| item.get(*name) == Some(&text(&endpoint.id))));
    assert!(!items.is_empty());
    for mut item in items {
        item.insert(attribute.to_owned(), text("of_a_later_version"));
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn disabled(tenant: &Tenant, receiver: &Receiver) -> Endpoint {
    let endpoint = tenant.endpoint(receiver).await;
    tenant.set_status(&endpoint, "disabled").await;
    endpoint
}

#[tokio::test]
async fn an_endpoint_that_was_disabled_for_an_unknown_reason_is_listed_and_can_be_enabled() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = disabled(&tenant, &receiver).await;
    rename(&world, "endpoint", &endpoint, "disabled_reason").await;
    let listed = tenant.get("/webhooks/endpoints").await.data(200);
    assert_eq!([&listed[0]["status"], &listed[0]["disabled_reason"]], [&json!("disabled"), &Value::Null]);
    tenant.patch(&endpoint.path(), &json!({"name": "renamed"})).await.data(200);
    tenant.set_status(&endpoint, "active").await;
    tenant.publish().await;
    world.drain().await;
    receiver.only();
}

/// A job with an unknown name is left for the later version: it is not shown, and changes nothing for the others.
#[tokio::test]
async fn a_job_with_an_unknown_name_does_not_hide_or_stop_the_other_jobs() {
    for attribute in ["kind", "status", "from_id"] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let [first, second] = [disabled(&tenant, &receiver).await, disabled(&tenant, &receiver).await];
        let jobs = tenant.get("/jobs").await.data(200);
        let unknown = jobs.as_array().unwrap().iter().find(|job| job["endpoint_id"] == json!(first.id)).unwrap();
        rename(&world, "job", &first, attribute).await;
        let id = unknown["id"].as_str().unwrap();
        let listed = tenant.get("/jobs").await.data(200);
        let endpoints: Vec<_> = listed.as_array().unwrap().iter().map(|job| &job["endpoint_id"]).collect();
        assert_eq!(endpoints, [&json!(second.id)], "{attribute}");
        tenant.get(&format!("/jobs/{id}")).await.is_error(404, "not_found");
        tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.is_error(404, "not_found");
        for _ in 0..2 {
            world.sweep().await;
            world.advance(SETTLED);
        }
        let ended = tenant.get("/jobs").await.data(200);
        assert_eq!(ended[0]["status"], "done", "{attribute}");
        let items = world.items("job").await;
        assert!(items.iter().any(|item| item[attribute] == text("of_a_later_version")), "{attribute}: it is stored");
    }
}

#[tokio::test]
async fn a_replay_of_an_unknown_kind_of_deliveries_is_not_listed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let path = format!("{}/replay", endpoint.path());
    tenant.post(&path, &json!({"since": "2020-01-01T00:00:00Z", "what": "failed"})).await.data(202);
    rename(&world, "job", &endpoint, "what").await;
    assert_eq!(tenant.get("/jobs").await.data(200), json!([]));
    let tasks = tenant.get("/api/v1/background-task").await;
    assert_eq!((tasks.status, &tasks.body["data"]), (200, &json!([])));
}
