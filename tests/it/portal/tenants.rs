//! Sessions of one tenant see nothing of another.

use serde_json::json;

use crate::support::{Browser, Receiver, World, text};

#[tokio::test]
async fn the_pages_of_another_organization_are_not_found() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (own, other) = (world.tenant().await, world.tenant().await);
    other.endpoint_with(json!({"url": receiver.url(), "name": "Others"})).await;
    let browser = Browser::signed_in(&own, &json!({"role": "owner"})).await;
    let unknown = "org_00000000000000000000000000";
    let mut pages = Vec::new();
    for id in [other.id.as_str(), unknown, "ext:acme", "nonsense"] {
        for page in ["", "/endpoints"] {
            let reply = browser.get(&format!("/portal/{id}{page}")).await;
            assert_eq!(reply.status, 404, "{id}{page}");
            pages.push(reply.html().split("<main").nth(1).unwrap().split("Request").next().unwrap().to_owned());
        }
        assert_eq!(browser.post(&format!("/portal/{id}/sign-out"), &[]).await.status, 404, "{id}");
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "an organization that exists looks like one that does not");
}

#[tokio::test]
async fn a_tenants_session_does_not_open_the_operators_pages() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    assert_eq!(browser.get("/portal/operator").await.status, 404);
}

#[tokio::test]
async fn an_operator_sees_all_organizations_also_suspended_ones() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (first, second) = (world.tenant().await, world.tenant().await);
    second.endpoint_with(json!({"url": receiver.url(), "name": "Orders"})).await;
    let session = world.platform().post("/v1/portal-sessions", &json!({})).await.data(201);
    let mut operator = Browser::new(&world.process);
    operator.open(text(&session["url"])).await;
    assert_eq!(operator.first, "/portal/operator");
    let list = operator.get(&operator.first).await;
    assert_eq!(list.status, 200);
    assert!([&first, &second].iter().all(|tenant| list.html().contains(&format!("/portal/{}/endpoints", tenant.id))));
    let path = format!("/v1/organizations/{}", second.id);
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    let page = operator.get(&format!("/portal/{}/endpoints", second.id)).await;
    assert_eq!((page.status, page.html().contains("Orders")), (200, true));
    let ended = world.process_with(&[("OPERATOR_PORTAL", "false")]);
    let mut elsewhere = Browser::new(&ended);
    elsewhere.cookie.clone_from(&operator.cookie);
    assert_eq!(elsewhere.get("/portal/operator").await.status, 401, "the setting ends operators' sessions");
}

#[tokio::test]
async fn a_bound_session_sees_only_its_endpoints() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let own = tenant.endpoint_with(json!({"url": receiver.url(), "name": "Own endpoint"})).await;
    tenant.endpoint_with(json!({"url": receiver.url(), "name": "Other endpoint"})).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin", "endpoints": [own.id]})).await;
    let page = browser.get(&browser.first).await;
    assert_eq!(page.status, 200);
    assert!(page.html().contains("Own endpoint") && !page.html().contains("Other endpoint"));
}

#[tokio::test]
async fn an_api_key_does_not_open_pages_and_a_cookie_does_not_call_the_api() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let bearer = format!("Bearer {}", tenant.key);
    let visitor = Browser::new(&world.process);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(visitor.send(http::Method::GET, &browser.first, &headers, None).await.status, 401);
    browser.get(&format!("/v1/organizations/{}", tenant.id)).await.is_error(401, "unauthorized");
}
