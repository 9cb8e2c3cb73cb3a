//! Applications are organizations.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{APPS, App, created, ids, invalid, refused, walk};
use crate::support::{World, text};

#[tokio::test]
async fn an_application_is_an_organization_whose_events_are_raw() {
    let world = World::new().await;
    let client = world.platform();
    let body = json!({"name": "Acme", "uid": "acme-1", "metadata": {"a": "b"}, "rateLimit": 3, "nonsense": 1});
    let app = created(&client.post(APPS, &body).await);
    let id = text(&app["id"]).strip_prefix("app_").unwrap().to_owned();
    assert_eq!((&app["name"], &app["uid"], &app["metadata"]), (&json!("Acme"), &json!("acme-1"), &json!({"a": "b"})));
    let organization = client.get(&format!("/v1/organizations/org_{id}")).await.data(200);
    assert_eq!((&organization["external_id"], &organization["default_format"]), (&json!("acme-1"), &json!("raw")));
    for path in [format!("{APPS}/app_{id}"), format!("{APPS}/acme-1"), format!("{APPS}/acme-1/")] {
        assert_eq!(client.get(&path).await.body, app, "{path}");
    }
    let supplied = "550e8400-e29b-41d4-a716-446655440000";
    client.post("/v1/organizations", &json!({"id": supplied, "name": "Supplied"})).await.data(201);
    let found = client.get(&format!("{APPS}/app_{supplied}")).await.body;
    assert_eq!(found["id"], json!(format!("app_{supplied}")));
}

#[tokio::test]
async fn put_creates_or_replaces_and_patch_tells_null_from_absent() {
    let world = World::new().await;
    let client = world.platform();
    let put = async |path: &str, body: &serde_json::Value| {
        client.call(Method::PUT, &format!("{APPS}/{path}"), &[], Some(body.to_string())).await
    };
    let made = created(&put("acme", &json!({"name": "One", "metadata": {"a": "b"}})).await);
    assert_eq!(made["uid"], "acme");
    let replaced = put("acme", &json!({"name": "Two"})).await;
    assert_eq!(replaced.status, 200);
    assert_eq!((&replaced.body["id"], &replaced.body["uid"]), (&made["id"], &json!("acme")));
    assert_eq!(replaced.body["metadata"], json!({}));
    refused(&put("app_01h2xcejqtf2nbrexx3vqjhp41", &json!({"name": "x"})).await, 404, "not_found");

    let path = format!("{APPS}/acme");
    let patched = client.patch(&path, &json!({"metadata": {"c": "d"}})).await.body;
    assert_eq!((&patched["name"], &patched["metadata"]), (&json!("Two"), &json!({"c": "d"})));
    let patched = client.patch(&path, &json!({"uid": null, "name": "Three"})).await.body;
    assert_eq!((&patched["name"], &patched["uid"]), (&json!("Three"), &json!(null)));
    refused(&client.get(&path).await, 404, "not_found");
}

#[tokio::test]
async fn a_taken_uid_is_a_conflict_unless_the_existing_application_is_asked_for() {
    let world = World::new().await;
    let client = world.platform();
    let body = json!({"name": "One", "uid": "one"});
    let first = created(&client.post(APPS, &body).await);
    refused(&client.post(APPS, &body).await, 409, "conflict");
    let found = client.post(&format!("{APPS}?get_if_exists=true"), &body).await;
    assert_eq!((found.status, &found.body), (200, &first));
    created(&client.post(&format!("{APPS}/?get_if_exists=true"), &json!({"name": "Two", "uid": "two"})).await);
    for uid in ["app_x", "ep_x", "msg_x", "atmpt_x", "a b"] {
        invalid(&client.post(APPS, &json!({"name": "x", "uid": uid})).await, &["uid"]);
    }
    invalid(&client.post(APPS, &json!({"metadata": 7})).await, &["name", "metadata"]);
}

#[tokio::test]
async fn a_deleted_application_is_gone_and_its_uid_is_free() {
    let world = World::new().await;
    let client = world.platform();
    let body = json!({"name": "One", "uid": "one"});
    let first = created(&client.post(APPS, &body).await);
    let path = format!("{APPS}/{}", text(&first["id"]));
    assert_eq!(client.delete(&path).await.status, 204);
    for path in [path.as_str(), &format!("{APPS}/one"), &format!("{path}/endpoint")] {
        refused(&client.get(path).await, 404, "not_found");
    }
    refused(&client.delete(&path).await, 404, "not_found");
    assert_eq!(ids(&client.get(APPS).await.body), [""; 0]);
    let second = created(&client.post(APPS, &body).await);
    assert_ne!(second["id"], first["id"]);
}

#[tokio::test]
async fn the_list_of_applications_is_walked_in_both_directions_and_orders() {
    let world = World::new().await;
    let client = world.platform();
    let mut all = Vec::new();
    for number in 0..5 {
        world.advance(Duration::from_millis(number % 2));
        all.push(text(&created(&client.post(APPS, &json!({"name": "x"})).await)["id"]).to_owned());
        if number == 2 {
            let deleted = App::new(&world).await;
            deleted.delete("").await;
        }
    }
    assert_eq!(walk(&client, APPS).await, all);
    let mut newest_first = all.clone();
    newest_first.reverse();
    assert_eq!(walk(&client, &format!("{APPS}?order=descending")).await, newest_first);
    // A position need not be that of an application.
    let between = format!("{}zzzzzzzzzz", &all[1][..20]);
    let after = ids(&client.get(&format!("{APPS}?iterator={between}")).await.body);
    let before = ids(&client.get(&format!("{APPS}?iterator=-{between}")).await.body);
    assert_eq!([before, after].concat(), all);
    for query in ["limit=0", "limit=251", "limit=x", "iterator=ep_1", "iterator=one", "order=up"] {
        let name = query.split('=').next().unwrap();
        invalid(&client.get(&format!("{APPS}?{query}")).await, &[name]);
    }
    assert_eq!(client.get(&format!("{APPS}?limit=250&exclude_apps_with_no_endpoints=x")).await.status, 200);
}
