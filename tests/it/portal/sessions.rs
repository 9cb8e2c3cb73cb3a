//! Portal sessions through the API: their rights, their list, and what is stored of them.

use std::time::Duration;

use serde_json::json;

use crate::support::{Receiver, Tenant, World, text};

const SESSIONS: &str = "/portal-sessions";

async fn key(owner: &Tenant, mut fields: serde_json::Value) -> Tenant {
    fields["name"] = json!("caller");
    owner.with_key(text(&owner.post("/api-keys", &fields).await.data(201)["revealed_key"]))
}

#[tokio::test]
async fn a_session_never_has_rights_that_its_creator_lacks() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let owner = world.tenant().await;
    let endpoint = owner.endpoint(&receiver).await.id;
    let scopes = ["organization:read", "endpoints:read", "deliveries:read", "events:read", "keys:write"];
    let issuer = key(&owner, json!({"scopes": scopes})).await;
    let in_an_hour = world.clock.now().plus(Duration::from_secs(3_600)).rfc3339();
    let expiring = key(&owner, json!({"role": "owner", "expires_at": in_an_hour})).await;
    let admin = key(&owner, json!({"role": "admin"})).await;
    for (caller, body, status) in [
        (&issuer, json!({"role": "member"}), 201),
        (&issuer, json!({"role": "admin"}), 403),
        (&issuer, json!({"role": "owner"}), 403),
        (&issuer, json!({"role": "member", "endpoints": [endpoint]}), 201),
        (&expiring, json!({"role": "owner", "expires_in": 3_600}), 201),
        (&expiring, json!({"role": "owner", "expires_in": 3_601}), 403),
        (&expiring, json!({"role": "member"}), 403),
        (&owner, json!({"role": "owner", "expires_in": 86_400}), 201),
        (&admin, json!({"role": "member"}), 403),
    ] {
        let reply = caller.post(SESSIONS, &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
    }
}

#[tokio::test]
async fn an_invalid_session_is_refused_with_the_names_of_its_fields() {
    let world = World::with(&[("PORTAL_ORIGINS", "https://app.example.com")]).await;
    let owner = world.tenant().await;
    for (body, names) in [
        (json!({}), vec!["role"]),
        (json!({"role": "publisher"}), vec!["role"]),
        (json!({"role": "member", "expires_in": 59, "theme": "red"}), vec!["expires_in", "theme"]),
        (json!({"role": "member", "endpoints": []}), vec!["endpoints"]),
        (json!({"role": "member", "return_url": "https://app.example.com.evil.example/"}), vec!["return_url"]),
        (json!({"role": "member", "return_url": "javascript:alert(1)"}), vec!["return_url"]),
        (json!({"role": "member", "actor": ""}), vec!["actor"]),
    ] {
        let reply = owner.post(SESSIONS, &body).await;
        reply.is_error(400, "validation_failed");
        let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
        assert_eq!(fields.iter().map(|field| text(&field["name"])).collect::<Vec<_>>(), names, "{body}");
    }
    let unknown = json!({"role": "member", "endpoints": ["we_0190a1b2c3d47e5f8a9b0c1d2e3f0000"]});
    owner.post(SESSIONS, &unknown).await.is_error(400, "validation_failed");
    let back = json!({"role": "member", "return_url": "https://app.example.com/settings"});
    assert_eq!(owner.post(SESSIONS, &back).await.data(201)["return_url"], "https://app.example.com/settings");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_in_pages_and_revoked_for_good() {
    let world = World::new().await;
    let (owner, other) = (world.tenant().await, world.tenant().await);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let created = owner.post(SESSIONS, &json!({"role": "member"})).await.data(201);
        ids.insert(0, text(&created["id"]).to_owned());
        world.advance(Duration::from_secs(1));
    }
    let (mut listed, mut path) = (Vec::new(), format!("{SESSIONS}?limit=2"));
    loop {
        let page = owner.get(&path).await;
        assert_eq!(page.status, 200);
        let sessions = page.body["data"].as_array().unwrap();
        assert!(sessions.iter().all(|session| session.get("url").is_none()));
        listed.extend(sessions.iter().map(|session| text(&session["id"]).to_owned()));
        let Some(cursor) = page.body["pagination"]["next_cursor"].as_str() else { break };
        path = format!("{SESSIONS}?limit=2&cursor={cursor}");
    }
    assert_eq!(listed, ids);
    other.delete(&format!("{SESSIONS}/{}", ids[0])).await.is_error(404, "not_found");
    let revoked = owner.delete(&format!("{SESSIONS}/{}", ids[0])).await.data(200);
    assert_eq!(revoked["status"], "revoked");
    world.advance(Duration::from_secs(60));
    let again = owner.delete(&format!("{SESSIONS}/{}", ids[0])).await.data(200);
    assert_eq!(again["revoked_at"], revoked["revoked_at"]);
    world.advance(Duration::from_secs(300));
    let statuses = owner.get(SESSIONS).await.data(200);
    let statuses: Vec<_> = statuses.as_array().unwrap().iter().map(|session| text(&session["status"])).collect();
    assert_eq!(statuses, ["revoked", "expired", "expired"], "a link that nobody used has expired");
}

#[tokio::test]
async fn only_the_hash_of_a_link_is_stored() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let created = owner.post(SESSIONS, &json!({"role": "member"})).await.data(201);
    let token = text(&created["url"]).rsplit_once("token=").unwrap().1;
    let secret = token.rsplit_once('.').unwrap().1;
    assert_eq!(secret.len(), 64);
    assert!(world.all_items().await.iter().all(|item| !format!("{item:?}").contains(secret)));
}

#[tokio::test]
async fn a_suspended_organization_gets_no_session() {
    let world = World::new().await;
    let (owner, platform) = (world.tenant().await, world.platform());
    platform.patch(&format!("/v1/organizations/{}", owner.id), &json!({"status": "suspended"})).await.data(200);
    owner.post(SESSIONS, &json!({"role": "member"})).await.is_error(403, "forbidden");
}

#[tokio::test]
async fn an_operator_gets_a_session_only_if_the_deployment_allows_it() {
    let world = World::with(&[("OPERATOR_PORTAL", "false")]).await;
    let owner = world.tenant().await;
    world.platform().post("/v1/portal-sessions", &json!({})).await.is_error(403, "forbidden");
    owner.post("/v1/portal-sessions", &json!({})).await.is_error(403, "forbidden");
    let allowing = world.process_with(&[("OPERATOR_PORTAL", "true")]);
    let session = world.platform().at(&allowing).post("/v1/portal-sessions", &json!({})).await.data(201);
    assert!(session["organization_id"].is_null());
    owner.at(&allowing).post("/v1/portal-sessions", &json!({})).await.is_error(403, "forbidden");
}

/// Forwarded headers, which a caller can choose, do not decide about the host in a link.
#[tokio::test]
async fn the_link_has_the_host_of_the_request() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let headers = [("host", "hooks.example.com"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")];
    let body = json!({"role": "member"}).to_string();
    let created = owner.call(http::Method::POST, SESSIONS, &headers, Some(body)).await.data(201);
    assert!(text(&created["url"]).starts_with("http://hooks.example.com/portal/sign-in?token="), "{created}");
}
