//! The headers of pages: what they may load, and who may show them.

use http::Method;
use serde_json::json;

use crate::support::{Browser, Receiver, World};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[tokio::test]
async fn every_response_has_exactly_these_headers() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    for (path, status) in [
        (browser.first.as_str(), 200),
        ("/portal/nonsense/endpoints", 404),
        ("/portal/nowhere/at/all", 404),
        ("/portal/sign-in?token=x", 410),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        let request_id = reply.headers["x-request-id"].to_str().unwrap().to_owned();
        let headers: Vec<_> =
            reply.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut expected = vec![
            ("cache-control", "no-store"),
            ("content-security-policy", POLICY),
            ("content-type", "text/html; charset=utf-8"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-request-id", &request_id),
        ];
        let mut found = headers.clone();
        found.sort_unstable();
        found.retain(|(name, _)| *name != "content-length");
        expected.sort_unstable();
        assert_eq!(found, expected, "{path}");
    }
}

#[tokio::test]
async fn only_the_platforms_origins_may_frame_the_portal_and_the_logo_is_loaded_from_its_own() {
    let settings = [
        ("PORTAL_ORIGINS", "https://app.example.com,https://b.example:8443"),
        ("PORTAL_LOGO_URL", "https://cdn.example.com/logo.svg"),
        ("PORTAL_NAME", "Acme <hooks>"),
    ];
    let world = World::with(&settings).await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    let reply = browser.get(&browser.first).await;
    let policy = POLICY
        .replace("frame-ancestors 'none'", "frame-ancestors https://app.example.com https://b.example:8443")
        .replace("img-src 'self'", "img-src 'self' https://cdn.example.com");
    assert_eq!(reply.headers["content-security-policy"], policy);
    assert!(reply.headers.get("x-frame-options").is_none(), "it cannot name origins");
    assert!(reply.html().contains("<img src=\"https://cdn.example.com/logo.svg\""));
    assert!(reply.html().contains("Acme &lt;hooks&gt;"));
}

/// Nothing in a page is inline, so that the policy can forbid it.
#[tokio::test]
async fn a_page_has_no_inline_script_or_style_and_escapes_what_tenants_write() {
    const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    world.platform().patch(&format!("/v1/organizations/{}", tenant.id), &json!({"name": MARKUP})).await.data(200);
    tenant.endpoint_with(json!({"url": format!("{}?q=%3Cscript%3E'", receiver.url()), "name": MARKUP})).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner", "actor": MARKUP})).await;
    let page = browser.get(&browser.first).await;
    let html = page.html();
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    for inline in [" style=", " onclick=", "<style", "javascript:", " onerror="] {
        let inline = format!("{inline}\"");
        assert!(!html.contains(&inline), "{inline}");
    }
    assert_eq!(html.matches("<script").count(), 1);
}

#[tokio::test]
async fn unknown_methods_and_paths_get_a_page() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "owner"})).await;
    for (method, path, status) in [
        (Method::GET, "/portal/sign-in/more".to_owned(), 404),
        (Method::DELETE, "/portal/sign-in".to_owned(), 405),
        (Method::OPTIONS, browser.first.clone(), 405),
    ] {
        let reply = browser.send(method.clone(), &path, &[], None).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(reply.html().starts_with("<!DOCTYPE html>"), "{method} {path}");
    }
}
