//! API keys: issuing, rotating and revoking them, and what is stored of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Tenant, World, text};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Issues a key of the tenant. Returns its id and the tenant with this key.
async fn issue(tenant: &Tenant, body: &Value) -> (String, Tenant) {
    let issued = tenant.post("/api-keys", body).await.data(201);
    (text(&issued["id"]).to_owned(), tenant.with_key(text(&issued["revealed_key"])))
}

async fn read(tenant: &Tenant, id: &str) -> Value {
    let keys = tenant.get("/api-keys").await.data(200);
    keys.as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_both_work_for_a_day() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (id, old) = issue(&owner, &json!({"name": "Server", "role": "member"})).await;
    let rotated = owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.data(201);
    let new = owner.with_key(text(&rotated["revealed_key"]));
    assert_eq!((&rotated["role"], &rotated["name"]), (&json!("member"), &json!("Server")));
    let works = async |tenant: &Tenant| tenant.get("/events").await.status == 200;
    assert!(works(&old).await && works(&new).await);
    owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.is_error(409, "conflict");
    world.advance(DAY - Duration::from_secs(1));
    assert!(works(&old).await);
    world.advance(Duration::from_secs(1));
    old.get("/events").await.is_error(401, "unauthorized");
    assert!(works(&new).await);
    let elsewhere = world.another_process();
    old.at(&elsewhere).get("/events").await.is_error(401, "unauthorized");
    assert!(works(&new.at(&elsewhere)).await);
}

#[tokio::test]
async fn a_revoked_key_stops_working_immediately_in_this_process_and_within_a_minute_in_others() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (id, key) = issue(&owner, &json!({"name": "Server"})).await;
    let elsewhere = key.at(&world.another_process());
    elsewhere.get("/events").await.data(200);
    let revoked = owner.delete(&format!("/api-keys/{id}")).await.data(200);
    key.get("/events").await.is_error(401, "unauthorized");
    world.advance(Duration::from_secs(60));
    elsewhere.get("/events").await.is_error(401, "unauthorized");
    let again = owner.delete(&format!("/api-keys/{id}")).await.data(200);
    assert_eq!(again["revoked_at"], revoked["revoked_at"], "revoking twice changes nothing");
    owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.is_error(409, "conflict");
}

#[tokio::test]
async fn a_rotated_key_can_be_revoked_before_its_grace_period_ends() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (id, key) = issue(&owner, &json!({"name": "Server"})).await;
    owner.post(&format!("/api-keys/{id}/rotations"), &json!({})).await.data(201);
    owner.delete(&format!("/api-keys/{id}")).await.data(200);
    key.get("/events").await.is_error(401, "unauthorized");
}

#[tokio::test]
async fn a_key_with_invalid_fields_is_refused() {
    let world = World::new().await;
    let owner = world.tenant().await;
    for (name, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("name", Value::Null),
        ("role", json!("king")),
        ("endpoint", json!("main")),
        ("type", json!("publishable")),
        ("environment", json!("test")),
        ("allowed_origins", json!(["https://example.com"])),
    ] {
        let mut body = json!({"name": "n"});
        body[name] = value;
        let refused = owner.post("/api-keys", &body).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name, "{body}");
    }
}

#[tokio::test]
async fn renaming_a_key_changes_only_its_name() {
    let world = World::new().await;
    let (owner, other_tenant) = (world.tenant().await, world.tenant().await);
    let (id, _) = issue(&owner, &json!({"name": "Server"})).await;
    let path = format!("/api-keys/{id}");
    let mut expected = read(&owner, &id).await;
    expected["name"] = json!("Renamed");
    assert_eq!(owner.patch(&path, &json!({"name": "Renamed"})).await.data(200), expected);
    assert_eq!(owner.patch(&path, &json!({})).await.data(200), expected);
    owner.patch(&path, &json!({"name": null})).await.is_error(400, "validation_failed");
    owner.patch(&path, &json!({"role": "admin"})).await.is_error(400, "validation_failed");
    other_tenant.patch(&path, &json!({"name": "Mine"})).await.is_error(404, "not_found");
    other_tenant.delete(&path).await.is_error(404, "not_found");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_recorded_to_the_hour() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (id, key) = issue(&owner, &json!({"name": "Server"})).await;
    assert_eq!(read(&owner, &id).await["last_used_at"], Value::Null);
    key.get("/events").await.data(200);
    let first = read(&owner, &id).await["last_used_at"].clone();
    assert!(first.is_string());
    world.advance(Duration::from_secs(59 * 60));
    key.get("/events").await.data(200);
    assert_eq!(read(&owner, &id).await["last_used_at"], first, "there is one write an hour");
    world.advance(Duration::from_secs(60));
    key.get("/events").await.data(200);
    assert!(text(&read(&owner, &id).await["last_used_at"]) > text(&first));
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_stored() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let (_, key) = issue(&owner, &json!({"name": "Server"})).await;
    let scan = world.dynamodb().scan().table_name(world.table()).send().await.unwrap();
    let kept = format!("{:?}", scan.items());
    assert!(kept.contains("Server") && kept.contains(&key.key[key.key.len() - 4..]), "the preview is stored");
    for key in [&key.key, &owner.key, &world.platform().key] {
        assert!(!kept.contains(key.as_str()) && !kept.contains(&key[8..]));
    }
    let listed = owner.get("/api-keys").await.body.to_string();
    assert!(!listed.contains("revealed_key") && !listed.contains(&key.key));
}
