//! Input is used exactly as it is written, or refused with the field's name. Nothing is guessed, dropped or converted.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::support::{Receiver, Reply, Tenant, World, text};

/// Sends this body unchanged.
async fn send(tenant: &Tenant, method: Method, path: &str, body: &str) -> Reply {
    tenant.call(method, path, &[], Some(body.to_owned())).await
}

/// The message about a field in an error response.
#[track_caller]
fn problem<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.is_error(400, "validation_failed");
    let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == name);
    text(&field.unwrap_or_else(|| panic!("{name} is not in the error: {}", reply.body))["message"])
}

#[tokio::test]
async fn a_compressed_body_is_415_with_the_name_of_the_coding() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}/events", tenant.id);
    let send = async |codings: &[&str], body: &'static str| {
        let mut request = Request::post(&path).header("authorization", format!("Bearer {}", tenant.key));
        request = request.header("content-type", "application/json");
        for coding in codings {
            request = request.header("content-encoding", *coding);
        }
        world.process.call(request.body(Body::from(body)).unwrap()).await
    };
    let event = r#"{"type": "a", "data": {}}"#;
    for (codings, named) in
        [(&["gzip"][..], "gzip"), (&["br"], "br"), (&["identity, zstd"], "zstd"), (&["identity", "deflate"], "deflate")]
    {
        let refused = send(codings, event).await;
        refused.is_error(415, "unsupported_media_type");
        assert!(text(&refused.body["error"]["message"]).contains(&format!("\"{named}\"")), "{}", refused.body);
    }
    for codings in [&["identity"][..], &["Identity"], &[""], &[]] {
        assert_eq!(send(codings, event).await.status, 202, "{codings:?}");
    }
    send(&["gzip"], "").await.is_error(400, "validation_failed");
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_ignored() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (path, body, status) in [
        ("/events", r#"{"type": "a", "data": {}}"#, 202),
        ("/events/batch", r#"{"events": [{"type": "a", "data": {}}]}"#, 202),
        ("/v1/endpoints", r#"{"name": "n", "url": "https://example.com/"}"#, 201),
    ] {
        let reply = send(&tenant, Method::POST, path, &format!("\u{feff}{body}")).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn data_with_more_than_64_levels_is_refused_and_data_with_64_is_readable_in_lists() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let event = |levels: usize| format!("{{\"type\": \"a\", \"data\": {}}}", nested(levels));
    let test = format!("{}/test", endpoint.path());
    for levels in [65, 100, 100_000] {
        let refused = send(&tenant, Method::POST, "/events", &event(levels)).await;
        assert_eq!(problem(&refused, "data"), "must have at most 64 levels of objects and arrays");
        let refused = send(&tenant, Method::POST, &test, &format!("{{\"data\": {}}}", nested(levels))).await;
        assert!(problem(&refused, "data").contains("64 levels"));
        let batch = format!("{{\"events\": [{}, {}]}}", event(levels), event(64));
        let results = send(&tenant, Method::POST, "/events/batch", &batch).await.data(202);
        assert_eq!(results[0]["error"]["details"]["fields"][0]["name"], "data");
        assert_eq!(results[1]["status"], "accepted");
    }
    assert_eq!(send(&tenant, Method::POST, "/events", &event(64)).await.status, 202);
    assert_eq!(tenant.get("/events").await.data(200).as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_duplicate_key_in_a_body_is_refused_with_its_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let new = |headers: &str| {
        format!(r#"{{"name": "n", "url": "https://example.com/", "event_types": ["a"], "headers": {headers}}}"#)
    };
    for (headers, says) in [
        (r#"{"X-A": "1", "X-A": "2"}"#, "must not have \"X-A\" twice"),
        (r#"{"X-A": "same", "X-A": "same"}"#, "must not have \"X-A\" twice"),
        (r#"{"X-A": "1", "x-a": "2"}"#, "must not name x-a twice"),
        (r#"{"X-A": "1", "X-\u0041": "2"}"#, "must not have \"X-A\" twice"),
    ] {
        let created = send(&tenant, Method::POST, "/webhooks/endpoints", &new(headers)).await;
        assert_eq!(problem(&created, "headers"), says);
        let change = format!(r#"{{"headers": {headers}}}"#);
        let changed = send(&tenant, Method::PATCH, &endpoint.path(), &change).await;
        assert_eq!(problem(&changed, "headers"), says);
        let bare = new(headers).replace(r#""event_types": ["a"], "headers""#, r#""headers_json""#);
        assert_eq!(problem(&send(&tenant, Method::POST, "/v1/endpoints", &bare).await, "headers_json"), says);
    }
    let subject = r#"{"type": "a", "data": {}, "subject": {"type": "a", "id": "1", "id": "2"}}"#;
    let refused = send(&tenant, Method::POST, "/events", subject).await;
    assert_eq!(problem(&refused, "subject"), "must not have \"id\" twice");
    for (path, body) in [
        ("/events", r#"{"type": "a", "data": {}, "data": {"b": 1}}"#),
        ("/webhooks/endpoints", r#"{"name": "n", "url": "https://a.example/", "url": "https://b.example/"}"#),
    ] {
        let refused = send(&tenant, Method::POST, path, body).await;
        refused.is_error(400, "invalid_json");
        assert!(text(&refused.body["error"]["message"]).contains("duplicate field"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_duplicate_query_parameter_or_idempotency_key_is_refused_with_its_name() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let deliveries = format!("{}/deliveries", endpoint.path());
    let paged = format!("/v1/webhook-endpoints/{}/deliveries", endpoint.id);
    let id = &tenant.id;
    for (path, name) in [
        (format!("{deliveries}?status=failed&status=success"), "status"),
        (format!("{deliveries}?status=failed&status=failed"), "status"),
        (format!("{deliveries}?since=&since=2026-01-01T00:00:00Z"), "since"),
        ("/events?limit=1&limit=2".to_owned(), "limit"),
        ("/usage?from=2026-01-01&from=2026-01-02".to_owned(), "from"),
        (format!("{paged}?page=1&page=2"), "page"),
        (format!("/v1/endpoints?organization_id={id}&organization_id={id}"), "organization_id"),
        ("/v1/webhook-endpoints?ordering=name&ordering=-name".to_owned(), "ordering"),
    ] {
        assert_eq!(problem(&tenant.get(&path).await, name), "is given more than once", "{path}");
    }
    let permanent = format!("{}?permanent=false&permanent=true", endpoint.path());
    assert_eq!(problem(&tenant.delete(&permanent).await, "permanent"), "is given more than once");
    let body = r#"{"type": "a", "data": {}}"#.to_owned();
    let keys = [("idempotency-key", "one"), ("idempotency-key", "two")];
    let refused = tenant.call(Method::POST, "/events", &keys, Some(body)).await;
    assert_eq!(problem(&refused, "Idempotency-Key"), "is given more than once");
}

#[tokio::test]
async fn times_are_rfc_3339_and_may_be_later_than_any_event() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.drain().await;
    let list = format!("{}/deliveries", endpoint.path());
    for (query, count) in [
        ("until=9999-12-31T23:59:59Z", 1),
        ("since=9999-12-31T23:59:59.999Z", 0),
        ("since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59-14:00", 1),
        ("since=2020-01-01T00:00:00+02:00", 1),
        ("since=2020-01-01T00:00:00%2B02:00", 1),
        ("until=2020-01-01T00:00:00-02:00", 0),
    ] {
        let found = tenant.get(&format!("{list}?{query}")).await.data(200);
        assert_eq!(found.as_array().unwrap().len(), count, "{query}");
    }
    for text in ["2026-01-01T00:00Z", "2026-01-01T00:00:00%2B01:00[Europe/Berlin]", "2026-01-01T00:00:00%2B25:00"] {
        let refused = tenant.get(&format!("{list}?since={text}")).await;
        assert_eq!(problem(&refused, "since"), "must be an RFC 3339 time such as 2026-03-24T20:00:00Z");
    }
    let recover = format!("{}/recover", endpoint.path());
    for (since, status) in [
        ("2026-01-01T00:00Z", 400),
        ("2026-01-01T00:00:00 02:00", 400),
        ("2026-01-01T00:00:00+25:00", 400),
        ("0001-01-01T00:00:00Z", 202),
    ] {
        let body = json!({"since": since, "until": "9999-12-31T23:59:59Z"});
        assert_eq!(tenant.post(&recover, &body).await.status, status, "{since}");
    }
}

#[tokio::test]
async fn a_url_is_used_exactly_as_it_is_written_in_every_dialect() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let created = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    for (url, says) in [
        ("https:///x", "must have a host"),
        ("https:example.com/x", "must have // after https:"),
        ("https:\\\\example.com\\x", "must not contain a backslash"),
        ("https://exam\tple.com/", "must not contain whitespace or control characters"),
        ("https://example.com/a\nb", "must not contain whitespace or control characters"),
        ("https://example.com:65536/", "must have a port from 1 to 65535 after the colon"),
        ("https://exa<mple.com/", "must not have '<' in its host"),
    ] {
        for (path, body) in [
            ("/webhooks/endpoints", json!({"name": "n", "url": url, "event_types": ["a"]})),
            ("/webhooks", json!({"url": url, "events": ["a"]})),
            ("/v1/endpoints", json!({"name": "n", "url": url})),
            ("/v1/webhook-endpoints", json!({"name": "n", "url": url, "events": ["a"]})),
        ] {
            assert_eq!(problem(&tenant.post(path, &body).await, "url"), says, "{path}");
        }
        let changed = tenant.patch(&created.path(), &json!({"url": url})).await;
        assert_eq!(problem(&changed, "url"), says);
    }
}

#[tokio::test]
async fn a_supplied_secret_with_the_standard_prefix_must_work_with_the_libraries() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let created = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let base64 = |bytes: usize| format!("whsec_{}", "Zm9v".repeat(bytes / 3) + ["", "Zg==", "Zm8="][bytes % 3]);
    for secret in [
        base64(16),
        base64(20),
        base64(80),
        format!("whsec_{}", "-_-_".repeat(8)),
        format!("v1,{}", base64(24)),
        format!("{} ", base64(24)),
        format!(" {}", base64(24)),
        "our own secret of ours ".to_owned(),
    ] {
        let new = json!({"name": "n", "url": "https://example.com/", "event_types": ["a"], "secret": secret});
        let refused = tenant.post("/webhooks/endpoints", &new).await;
        assert!(problem(&refused, "secret").starts_with("must "), "{secret}");
        assert!(!refused.body.to_string().contains(secret.trim()), "{}", refused.body);
        problem(&tenant.patch(&created.path(), &json!({"secret": secret})).await, "secret");
        let bare = json!({"name": "n", "url": "https://example.com/", "secret": secret});
        let accepted = tenant.post("/v1/endpoints", &bare).await;
        assert_eq!(accepted.status, 201, "the dialect `endpoints` accepts any text");
        let accepted = format!("/v1/endpoints/{}", text(&accepted.body["id"]));
        assert_eq!(tenant.patch(&accepted, &json!({"secret": secret})).await.status, 200);
        assert_eq!(tenant.delete(&accepted).await.status, 204);
    }
    for secret in [base64(24), base64(25), base64(64)] {
        tenant.endpoint_with(json!({"url": receiver.url(), "secret": secret})).await;
        let library = standardwebhooks::Webhook::new(&secret).unwrap();
        let before = receiver.received().len();
        tenant.publish().await;
        world.drain().await;
        let received = receiver.received();
        let verified = received[before..].iter().filter(|request| {
            let sent_at = request.header("webhook-timestamp").parse().unwrap();
            let signature = library.sign(request.header("webhook-id"), sent_at, &request.body).unwrap();
            request.header("webhook-signature") == signature
        });
        assert_eq!(verified.count(), 1, "{secret}");
    }
}

#[tokio::test]
async fn duplicate_keys_in_the_data_of_an_event_are_kept() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = send(&tenant, Method::POST, "/events", r#"{"type": "a", "data": {"k": 1, "k": 2}}"#).await.data(202);
    // The test's JSON parser keeps the last value. The text of the response has both.
    assert_eq!(event["data"], json!({"k": 2}));
}
