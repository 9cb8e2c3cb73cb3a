//! Event types of the catalogue.

use http::Method;
use serde_json::json;

use super::{App, created, invalid, refused};
use crate::support::{World, text};

const TYPES: &str = "/api/v1/event-type";

#[tokio::test]
async fn an_event_type_is_created_changed_archived_revived_and_removed() {
    let world = World::new().await;
    let client = world.platform();
    let schema = json!({"type": "object", "examples": [{"amount": 1}], "required": ["amount"]});
    let body = json!({"name": "order.paid", "description": "Paid", "groupName": "orders", "schemas": {"1": schema}});
    let kind = created(&client.post(TYPES, &body).await);
    let expected = json!({"name": "order.paid", "description": "Paid", "groupName": "orders", "archived": false,
        "deprecated": false, "schemas": {"1": schema}});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&kind[name], value, "{name}");
    }
    let path = format!("{TYPES}/order.paid");
    assert_eq!(client.get(&path).await.body, kind);
    refused(&client.post(TYPES, &body).await, 409, "event_type_exists");
    assert_eq!(client.patch(&path, &json!({"deprecated": true})).await.body["deprecated"], json!(true));
    let put = client.call(Method::PUT, &path, &[], Some(json!({"description": "New"}).to_string())).await;
    assert_eq!((put.status, &put.body["description"], &put.body["groupName"]), (200, &json!("New"), &json!(null)));
    let put = client.call(Method::PUT, &format!("{TYPES}/a"), &[], Some(r#"{"description": ""}"#.to_owned())).await;
    assert_eq!((put.status, &put.body["description"]), (201, &json!("")));

    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.body["archived"], json!(true));
    let names = async |query: &str| {
        let page = client.get(&format!("{TYPES}{query}")).await.body;
        page["data"].as_array().unwrap().iter().map(|kind| text(&kind["name"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a"]);
    assert_eq!(names("?include_archived=true&order=descending").await, ["order.paid", "a"]);
    created(&client.post(TYPES, &body).await);
    assert_eq!(names("?iterator=a").await, ["order.paid"]);
    assert_eq!(names("?iterator=-order.paid").await, ["a"]);
    assert_eq!(client.delete(&format!("{path}?expunge=true")).await.status, 204);
    refused(&client.get(&path).await, 404, "not_found");
    invalid(&client.post(TYPES, &json!({"name": "a..b", "schemas": []})).await, &["name", "schemas"]);
}

#[tokio::test]
async fn a_message_that_violates_the_schema_of_its_type_names_the_place_in_the_payload() {
    let world = World::new().await;
    let app = App::new(&world).await;
    let schema = json!({"properties": {"amount": {"type": "number"}}});
    created(&app.client.post(TYPES, &json!({"name": "order.paid", "description": "", "schemas": {"1": schema}})).await);
    let refused = app.post("/msg", &json!({"eventType": "order.paid", "payload": {"amount": "x"}})).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["detail"][0]["loc"], json!(["body", "payload", "amount"]));
}

#[tokio::test]
async fn the_webhooks_of_an_openapi_document_are_imported() {
    let world = World::new().await;
    let client = world.platform();
    let path = format!("{TYPES}/import/openapi");
    let spec = json!({"openapi": "3.1.0", "webhooks": {"order.paid": {"post": {}}}});
    let dry = client.post(&path, &json!({"spec": spec, "dryRun": true})).await;
    assert_eq!((dry.status, &dry.body), (200, &json!({"data": {"modified": ["order.paid"]}})));
    refused(&client.get(&format!("{TYPES}/order.paid")).await, 404, "not_found");
    assert_eq!(client.post(&path, &json!({"specRaw": spec.to_string()})).await.body, dry.body);
    assert_eq!(client.get(&format!("{TYPES}/order.paid")).await.status, 200);
    invalid(&client.post(&path, &json!({"replaceAll": true})).await, &["spec", "replaceAll"]);
}
