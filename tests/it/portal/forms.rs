//! Only forms of the session's own pages change something.

use http::Method;
use serde_json::json;

use crate::support::{Browser, Receiver, World};

#[tokio::test]
async fn a_form_needs_the_token_of_its_session_and_the_origin_of_the_portal() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (browser, other) = (
        Browser::signed_in(&tenant, &json!({"role": "owner"})).await,
        Browser::signed_in(&tenant, &json!({"role": "owner"})).await,
    );
    let (own, foreign) = (browser.form_token().await, other.form_token().await);
    let path = browser.path("/sign-out");
    let same = ("sec-fetch-site", "same-origin");
    for (headers, token) in [
        (vec![same], ""),
        (vec![same], foreign.as_str()),
        (vec![same], browser.token()),
        (vec![], own.as_str()),
        (vec![("sec-fetch-site", "same-site")], &own),
        (vec![("sec-fetch-site", "cross-site")], &own),
        (vec![("sec-fetch-site", "none")], &own),
        (vec![("origin", "http://evil.example")], &own),
        (vec![("origin", "null")], &own),
        (vec![same, ("origin", "http://evil.example")], &own),
        (vec![("sec-fetch-site", "cross-site"), ("origin", "http://localhost")], &own),
        (vec![("origin", "http://localhost:8080")], &own),
        (vec![("origin", "https://localhost")], &own),
    ] {
        let reply = browser.send(Method::POST, &path, &headers, Some(&[("form_token", token)])).await;
        assert_eq!(reply.status, 403, "{headers:?} {token}");
    }
    assert_eq!(browser.send(Method::POST, &path, &[same], None).await.status, 415);
    assert_eq!(browser.get(&browser.first).await.status, 200, "nothing has happened");
    let fields = [("form_token", own.as_str())];
    let allowed = browser.send(Method::POST, &path, &[("origin", "http://localhost")], Some(&fields)).await;
    assert_eq!(allowed.status, 200);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    let sign_out = browser.path("/sign-out");
    for (path, bytes, status) in [
        (sign_out.as_str(), 1024 * 1024, 413),
        (&sign_out, 512 * 1024, 413),
        (&sign_out, 500 * 1024, 403),
        ("/portal/sign-in", 4 * 1024, 413),
        ("/portal/sign-in", 3 * 1024, 403),
    ] {
        let fields = [("form_token", "x".repeat(bytes))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let headers = [("sec-fetch-site", "same-origin")];
        assert_eq!(browser.send(Method::POST, path, &headers, Some(&fields)).await.status, status, "{path} {bytes}");
    }
}

#[tokio::test]
async fn a_double_click_sends_a_delivery_once_more() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    let page = browser.path(&format!("/deliveries/{delivery}"));
    let shown = browser.get(&page).await;
    let id = shown.html().split("name=\"form_id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for _ in 0..2 {
        let sent = browser.post(&format!("{page}/resend"), &[("form_id", &id)]).await;
        assert_eq!(sent.headers["location"], format!("{page}?sent=again"));
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), 2, "the first attempt and one more");
}
