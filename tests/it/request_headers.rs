//! The headers of an endpoint in the requests that it receives.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Map, Value, json};
use shared::domain::endpoint::headers::REFUSED_HEADERS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{RawServer, Tenant, World, text};

/// Headers that an endpoint may set. Each one replaces the default of the sender or its HTTP client.
const ALLOWED: [(&str, &str); 32] = [
    ("User-Agent", "Acme/1.0 (+https://acme.example)"),
    ("Accept", "application/json, text/plain;q=0.5"),
    ("Accept-Charset", "utf-8"),
    ("Accept-Encoding", "gzip, br"),
    ("Accept-Language", "de-CH"),
    ("Access-Control-Request-Method", "POST"),
    ("Authorization", "Bearer s3cr\"et=="),
    ("Cache-Control", "no-store"),
    ("Content-Disposition", "attachment; filename=\"a b.json\""),
    ("Content-Language", "en"),
    ("Content-Location", "/events"),
    ("Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ=="),
    ("Content-Range", "bytes 0-1/2"),
    ("Cookie", "a=b; c=d"),
    ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("Early-Data", "1"),
    ("Forwarded", "for=192.0.2.1"),
    ("From", "webhooks@acme.example"),
    ("If-Match", "\"xyz\""),
    ("Idempotency-Key", "1"),
    ("Max-Forwards", "3"),
    ("Origin", "https://acme.example"),
    ("Pragma", "no-cache"),
    ("Prefer", "return=minimal"),
    ("Range", "bytes=0-1"),
    ("Referer", "https://acme.example/"),
    ("Sec-Fetch-Mode", "cors"),
    ("Via", "1.1 acme"),
    ("X-Empty", ""),
    ("X-Inner", "two  spaces\tand a tab"),
    ("X-Utf-8", "caf\u{e9} \u{1f426}"),
    ("!#$%&'*+-.^_`|~9", "every kind of sign"),
];

/// A receiver that keeps the head of the latest request.
async fn listener() -> (RawServer, Arc<Mutex<String>>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&heard);
    let server = RawServer::serving(move |mut stream| {
        let hears = Arc::clone(&hears);
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                stream.read_buf(&mut request).await?;
            }
            let request = String::from_utf8(request).unwrap();
            hears.lock().unwrap().replace_range(.., request.split_once("\r\n\r\n").unwrap().0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await
        }
    })
    .await;
    (server, heard)
}

/// The headers of the latest request. The names are in lower case.
fn headers(heard: &Mutex<String>) -> Vec<(String, String)> {
    let head = heard.lock().unwrap().clone();
    let lines = head.split("\r\n").skip(1);
    lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn send(world: &World, tenant: &Tenant, url: &str, own: &[(&str, &str)]) {
    let own: Map<_, _> = own.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let endpoint = tenant.endpoint_with(json!({"url": url, "headers": own})).await;
    assert_eq!(tenant.read_endpoint(&endpoint).await["headers"], Value::Object(own));
    let id = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
}

#[tokio::test]
async fn an_endpoint_without_headers_gets_only_the_default_headers() {
    let (world, (server, heard)) = (World::new().await, listener().await);
    send(&world, &world.tenant().await, &server.url(), &[]).await;
    let headers = headers(&heard);
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-webhook-attempt",
        "x-webhook-delivery",
        "x-webhook-event",
        "x-webhook-signature",
    ];
    assert_eq!(names, expected);
    let value = |wanted: &str| &headers.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert_eq!((value("accept").as_str(), value("content-type").as_str()), ("*/*", "application/json"));
    assert_eq!(value("user-agent"), shared::sender::USER_AGENT);
}

#[tokio::test]
async fn every_accepted_header_is_sent_once_and_unchanged() {
    let (world, (server, heard)) = (World::new().await, listener().await);
    let tenant = world.tenant().await;
    for own in ALLOWED.chunks(16) {
        send(&world, &tenant, &server.url(), own).await;
        let sent = headers(&heard);
        for (name, value) in own {
            let found: Vec<_> = sent.iter().filter(|(sent, _)| *sent == name.to_ascii_lowercase()).collect();
            assert_eq!(found, [&(name.to_ascii_lowercase(), (*value).to_owned())], "{name}");
        }
    }
}

#[tokio::test]
async fn every_forbidden_header_is_refused_with_its_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let url = "https://receiver.example/";
    let prefixed = ["Proxy-Authorization", "proxy-connection", "Webhook-Id", "webhook-x", "X-Webhook-Attempt"];
    let spelled = ["Keep-Alive", "TRAILER", "Te", "Content-Encoding", "HTTP2-Settings"];
    for name in REFUSED_HEADERS.iter().chain(&prefixed).chain(&spelled) {
        let headers = json!({ *name: "x" });
        let organizations = json!({"name": "n", "url": url, "event_types": ["*"], "headers": headers});
        let endpoints = json!({"name": "n", "url": url, "headers_json": headers});
        for (path, body, field) in
            [("/webhooks/endpoints", organizations, "headers"), ("/v1/endpoints", endpoints, "headers_json")]
        {
            let refused = tenant.call(Method::POST, path, &[], Some(body.to_string())).await;
            refused.is_error(400, "validation_failed");
            let blamed = &refused.body["error"]["details"]["fields"][0];
            assert_eq!(blamed["name"], field, "{name}");
            assert!(blamed.to_string().contains(name), "{name}: {}", text(&refused.body["error"]["message"]));
        }
    }
}
