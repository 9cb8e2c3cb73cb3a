//! Only forms of the session's own pages change something.

use http::Method;
use serde_json::json;

use crate::support::{Browser, World};

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
    let large = "x".repeat(1024 * 1024);
    let fields = [("form_token", large.as_str())];
    let headers = [("sec-fetch-site", "same-origin")];
    assert_eq!(browser.send(Method::POST, &browser.path("/sign-out"), &headers, Some(&fields)).await.status, 413);
}
