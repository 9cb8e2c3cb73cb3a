//! The pages of API keys and portal sessions.

use std::time::Duration;

use serde_json::json;

use super::events::{MARKUP, assert_escaped};
use crate::support::{Browser, Receiver, Reply, World, text};

/// The text that a page shows once.
fn secret(page: &Reply) -> String {
    assert_eq!(page.status, 200, "{}", page.html());
    let shown = page.html().split("id=\"secret\"").nth(1).unwrap().split("<code>").nth(1).unwrap();
    shown.split("</code>").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_issued_shown_once_rotated_and_revoked() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let issued = browser.fill(&browser.path("/access/keys/new"), &[("name", "billing"), ("role", "member")]).await;
    let key = secret(&issued);
    assert_eq!(issued.headers["cache-control"], "no-store");
    assert_eq!(tenant.with_key(&key).get("/webhooks/endpoints").await.status, 200);
    let list = browser.get(&browser.path("/access")).await;
    assert!(list.html().contains("billing") && !list.html().contains(&key));
    let keys = tenant.get("/api-keys").await.data(200);
    let id = text(&keys.as_array().unwrap().iter().find(|key| key["name"] == "billing").unwrap()["id"]).to_owned();
    let rotated = secret(&browser.post(&browser.path(&format!("/access/keys/{id}/rotate")), &[]).await);
    assert!(rotated != key);
    let again = browser.post(&browser.path(&format!("/access/keys/{id}/rotate")), &[]).await;
    assert_eq!(again.status, 409);
    assert_eq!(browser.post(&browser.path(&format!("/access/keys/{id}/revoke")), &[]).await.status, 303);
    assert_eq!(tenant.with_key(&key).get("/webhooks/endpoints").await.status, 401);
    assert_eq!(tenant.with_key(&rotated).get("/webhooks/endpoints").await.status, 200);
}

#[tokio::test]
async fn a_key_can_have_exact_scopes_and_an_end() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let end = world.clock.now().plus(Duration::from_secs(7_200)).rfc3339_seconds();
    let fields = [
        ("name", "reader"),
        ("role", "exact"),
        ("scopes", "events:read"),
        ("scopes", "endpoints:read"),
        ("expires_at", end.rsplit_once(':').unwrap().0),
    ];
    let key = tenant.with_key(&secret(&browser.fill(&browser.path("/access/keys/new"), &fields).await));
    assert_eq!((key.get("/events").await.status, key.get("/api-keys").await.status), (200, 403));
    world.advance(Duration::from_secs(7_200));
    assert_eq!(key.get("/events").await.status, 401);
}

#[tokio::test]
async fn a_form_that_is_wrong_keeps_what_was_entered_and_one_that_was_sent_works_once() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let path = browser.path("/access/keys/new");
    let before = tenant.get("/api-keys").await.data(200).as_array().unwrap().len();
    let wrong = [("name", "my key"), ("role", "member"), ("expires_at", "2001-01-01T00:00")];
    let wrong = browser.fill(&path, &wrong).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.html().contains("value=\"my key\"") && wrong.html().contains("id=\"f-expires_at-problem\""));
    let fields = [("name", "once"), ("role", "member"), ("form_id", "0123456789abcdef")];
    assert_eq!(browser.post(&path, &fields).await.status, 200);
    assert_eq!(browser.post(&path, &fields).await.status, 409);
    assert_eq!(browser.post(&path, &fields[..2]).await.status, 400);
    assert_eq!(tenant.get("/api-keys").await.data(200).as_array().unwrap().len(), before + 1);
}

#[tokio::test]
async fn a_colleague_gets_a_link_whose_session_is_listed_and_can_be_revoked() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let owner = Browser::signed_in(&tenant, &json!({"role": "owner", "actor": "own@acme.co"})).await;
    let fields = [("actor", "zoe@acme.co"), ("role", "member"), ("expires_in", "3600")];
    let link = secret(&owner.fill(&owner.path("/access/sessions/new"), &fields).await);
    let mut colleague = Browser::new(&world.process);
    colleague.open(&link).await;
    assert_eq!(colleague.get(&colleague.first).await.status, 200);
    let list = owner.get(&owner.path("/access/sessions")).await;
    for expected in ["zoe@acme.co", "own@acme.co", "This session"] {
        assert!(list.html().contains(expected), "{expected}");
    }
    assert!(!list.html().contains("token="));
    let sessions = tenant.get("/portal-sessions").await.data(200);
    let session = sessions.as_array().unwrap().iter().find(|session| session["actor"] == "zoe@acme.co").unwrap();
    let revoke = owner.path(&format!("/access/sessions/{}/revoke", text(&session["id"])));
    assert_eq!(owner.post(&revoke, &[]).await.status, 303);
    assert_eq!(colleague.get(&colleague.first).await.status, 401);
    let wrong = [("role", "publisher"), ("expires_in", "1")];
    assert_eq!(owner.fill(&owner.path("/access/sessions/new"), &wrong).await.status, 400);
}

/// A person who is signed in, a link that nobody has used, and the same of sessions that were created in the first one.
#[tokio::test]
async fn a_revoked_key_ends_the_sessions_that_come_from_it() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let issued = owner.post("/api-keys", &json!({"name": "stolen", "role": "owner"})).await.data(201);
    let stolen = owner.with_key(text(&issued["revealed_key"]));
    let first = Browser::signed_in(&stolen, &json!({"role": "owner"})).await;
    let link = text(&stolen.post("/portal-sessions", &json!({"role": "owner"})).await.data(201)["url"]).to_owned();
    let fields = [("actor", "zoe@acme.co"), ("role", "owner"), ("expires_in", "86400")];
    let invite = async || secret(&first.fill(&first.path("/access/sessions/new"), &fields).await);
    let (second_link, unused) = (invite().await, invite().await);
    let mut second = Browser::new(&world.process);
    second.open(&second_link).await;
    let unaffected = Browser::signed_in(&owner, &json!({"role": "owner"})).await;
    let other_process = world.another_process();
    for browser in [&first, &second, &unaffected] {
        assert_eq!(browser.at(&other_process).get(&browser.first).await.status, 200);
    }

    owner.delete(&format!("/api-keys/{}", text(&issued["id"]))).await.data(200);
    for browser in [&first, &second] {
        assert_eq!(browser.at(&other_process).get(&browser.first).await.status, 401, "at once, in every process");
    }
    assert_eq!(unaffected.at(&other_process).get(&unaffected.first).await.status, 200);
    for link in [&link, &unused] {
        let mut late = Browser::new(&world.process);
        late.open(link).await;
        assert_eq!(late.cookie, "", "the link does not sign in");
    }
    let listed = owner.get("/portal-sessions").await.data(200);
    let statuses: Vec<_> = listed.as_array().unwrap().iter().map(|session| text(&session["status"])).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "revoked").count(), 4, "{listed}");
    assert_eq!(statuses.iter().filter(|status| **status == "active").count(), 1, "{listed}");
}

#[tokio::test]
async fn sessions_end_with_the_day_for_which_a_rotated_key_works() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let issued = owner.post("/api-keys", &json!({"name": "old", "role": "owner"})).await.data(201);
    owner.post(&format!("/api-keys/{}/rotations", text(&issued["id"])), &json!({})).await.data(201);
    world.advance(Duration::from_secs(12 * 60 * 60));
    let old = owner.with_key(text(&issued["revealed_key"]));
    let browser = Browser::signed_in(&old, &json!({"role": "member", "expires_in": 86_400})).await;
    for (hours, status) in [(11, 200), (1, 401)] {
        world.advance(Duration::from_secs(hours * 60 * 60));
        assert_eq!(browser.get(&browser.first).await.status, status);
    }
    assert_eq!(owner.get("/portal-sessions").await.data(200)[0]["status"], "expired");
}

#[tokio::test]
async fn only_owners_of_the_organization_come_here() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let id = |list: &serde_json::Value| text(&list[0]["id"]).to_owned();
    Browser::signed_in(&other, &json!({"role": "member"})).await;
    let key = id(&other.get("/api-keys").await.data(200));
    let session = id(&other.get("/portal-sessions").await.data(200));
    let posts = [
        "/access/keys/new".to_owned(),
        "/access/sessions/new".to_owned(),
        format!("/access/keys/{key}/rotate"),
        format!("/access/keys/{key}/revoke"),
        format!("/access/sessions/{session}/revoke"),
    ];
    for role in ["member", "admin"] {
        let browser = Browser::signed_in(&tenant, &json!({"role": role})).await;
        assert!(!browser.get(&browser.first).await.html().contains("/access\""), "{role}");
        for path in ["/access", "/access/keys/new", "/access/sessions", "/access/sessions/new"] {
            assert_eq!(browser.get(&browser.path(path)).await.status, 403, "{role} {path}");
        }
        for path in &posts {
            assert_eq!(browser.post(&browser.path(path), &[]).await.status, 403, "{role} {path}");
        }
    }
    let owner = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    for path in &posts[2..] {
        assert_eq!(owner.post(&owner.path(path), &[]).await.status, 404, "another organization's: {path}");
    }
    assert_eq!(other.get("/webhooks/endpoints").await.status, 200, "its key still works");
}

#[tokio::test]
async fn names_of_keys_and_persons_are_shown_as_text() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.post("/api-keys", &json!({"name": MARKUP})).await.data(201);
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner", "actor": MARKUP})).await;
    for path in ["/access", "/access/sessions"] {
        let page = browser.get(&browser.path(path)).await;
        assert!(page.html().contains("&lt;script&gt;"), "{path}");
        assert_escaped(page.html());
    }
    let fields = [("name", MARKUP), ("role", MARKUP), ("expires_at", MARKUP)];
    assert_escaped(browser.fill(&browser.path("/access/keys/new"), &fields).await.html());
}

#[tokio::test]
async fn a_sign_in_link_can_be_for_chosen_endpoints() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let mut ids = Vec::new();
    for name in ["Orders", "Invoices"] {
        ids.push(tenant.endpoint_with(json!({"url": receiver.url(), "name": name})).await.id);
    }
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let path = browser.path("/access/sessions/new");
    let form = browser.get(&path).await;
    assert!(ids.iter().all(|id| form.html().contains(&format!("name=\"endpoints\" value=\"{id}\""))));
    let fields = [("role", "member"), ("expires_in", "3600"), ("endpoints", ids[1].as_str())];
    let mut colleague = Browser::new(&world.process);
    colleague.open(&secret(&browser.fill(&path, &fields).await)).await;
    let list = colleague.get(&colleague.first).await;
    assert!(list.html().contains("Invoices") && !list.html().contains("Orders"), "{}", list.html());
    let unknown = [("role", "member"), ("expires_in", "3600"), ("endpoints", "nonsense"), ("actor", "zoe")];
    let refused = browser.fill(&path, &unknown).await;
    assert_eq!(refused.status, 400);
    assert!(refused.html().contains("f-endpoints-problem") && refused.html().contains("value=\"zoe\""));
}
