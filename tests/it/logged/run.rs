//! What the run does. All texts of the tenant contain `marker`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use shared::clock;

use crate::event_types;
use crate::support::{Browser, Tenant, World, text};

/// Texts that a tenant supplies, each in a field of its own.
pub(super) const NAME: &str = "Marker-name";
pub(super) const SLUG: &str = "marker-slug";
pub(super) const KEY_NAME: &str = "Marker-key-name";
pub(super) const ENDPOINT_NAME: &str = "Marker-endpoint-name";
pub(super) const HOST: &str = "marker-host.invalid";
pub(super) const PATH: &str = "marker-path";
pub(super) const QUERY: &str = "marker-query";
pub(super) const HEADER: &str = "Marker-header";
pub(super) const HEADER_VALUE: &str = "marker-header-value";
pub(super) const SECRET: &str = "marker-signing-secret";
pub(super) const DATA: &str = "marker-data";
pub(super) const RESPONSE: &str = "marker-response";
pub(super) const IDEMPOTENCY_KEY: &str = "marker-idempotency-key";
pub(super) const DESCRIPTION: &str = "Marker-description";
pub(super) const METADATA: &str = "marker-metadata";
/// The beginning of the external ids.
pub(super) const EXTERNAL: &str = "marker-external";
pub(super) const EVENT_TYPE: &str = "marker.event-type";
pub(super) const CHANNEL: &str = "marker-channel";
/// A field that filters read, and its value.
pub(super) const FILTERED: &str = "marker-filter";
pub(super) const TEXT: &str = "marker-text";
pub(super) const REFUSED: &str = "marker-refused";
pub(super) const INGESTED: &str = "marker-ingested";
pub(super) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Creates the endpoint with this number.
pub(super) async fn endpoint(tenant: &Tenant, url: &str, number: usize) -> String {
    let fields = json!({
        "name": ENDPOINT_NAME, "url": format!("{url}/{PATH}?{QUERY}=1"), "event_types": ["*"], "secret": SECRET,
        "headers": {HEADER: HEADER_VALUE}, "retry_schedule": [1], "timeout_seconds": 1, "channels": [CHANNEL],
        "filter": {"data": {FILTERED: [FILTERED]}}, "external_id": format!("{EXTERNAL}-endpoint-{number}"),
        "description": DESCRIPTION, "metadata": {METADATA: METADATA},
    });
    text(&tenant.post("/webhooks/endpoints", &fields).await.data(201)["id"]).to_owned()
}

/// Publishes the same event each time, by an idempotency key.
pub(super) async fn publish(tenant: &Tenant) -> Value {
    let event = json!({
        "type": EVENT_TYPE, "data": {DATA: DATA, FILTERED: FILTERED}, "subject": {"type": "x", "id": DATA},
        "channels": [CHANNEL], "external_id": format!("{EXTERNAL}-event"),
    });
    let headers = [("idempotency-key", IDEMPOTENCY_KEY), ("traceparent", TRACE), ("tracestate", "marker=state")];
    tenant.call(Method::POST, "/events", &headers, Some(event.to_string())).await.body
}

/// Requests with external ids, of resources that exist and of others.
pub(super) async fn name_resources(tenant: &Tenant) {
    for (path, status) in [
        (format!("/webhooks/endpoints/ext:{EXTERNAL}-endpoint-0"), 200),
        (format!("/webhooks/endpoints/ext:{EXTERNAL}-unknown"), 404),
        (format!("/events/ext:{EXTERNAL}-event"), 200),
        (format!("/events/ext:{EXTERNAL}-unknown"), 404),
        (format!("/v1/organizations/ext:{EXTERNAL}-unknown"), 404),
    ] {
        assert_eq!(tenant.get(&path).await.status, status, "{path}");
    }
    let taken = json!({"type": EVENT_TYPE, "data": {}, "external_id": format!("{EXTERNAL}-event")});
    tenant.post("/events", &taken).await.is_error(409, "conflict");
    let taken = json!({"external_id": format!("{EXTERNAL}-endpoint-1")});
    let path = format!("/webhooks/endpoints/ext:{EXTERNAL}-endpoint-0");
    tenant.patch(&path, &taken).await.is_error(409, "conflict");
    let test = json!({"type": EVENT_TYPE, "data": {DATA: DATA}});
    tenant.post(&format!("{path}/filter-test"), &test).await.data(200);
    tenant
        .patch(&path, &json!({"filter": {"data": {FILTERED: [{"marker-operator": 1}]}}}))
        .await
        .is_error(400, "validation_failed");
}

pub(super) async fn publish_texts(tenant: &Tenant) {
    let event = |data: &str, content_type: &str| json!({"type": EVENT_TYPE, "data": data, "format": "raw", "content_type": content_type});
    tenant.post("/events", &event(TEXT, "text/plain")).await.data(202);
    tenant.post("/events", &event(TEXT, "marker/text")).await.is_error(400, "validation_failed");
    let batch = json!({"events": [event(TEXT, "text/plain"), {"type": "not a marker", "data": {DATA: DATA}}]});
    tenant.post("/events/batch", &batch).await.data(202);
}

pub(super) async fn publish_what_a_schema_refuses(world: &World, tenant: &Tenant) {
    let schema = json!({"type": "object", "properties": {REFUSED: {"type": "integer"}, "a": {"type": "integer"}}});
    event_types::create(world, &json!({"name": "strict", "schema": schema, "description": DESCRIPTION})).await;
    for data in [json!({REFUSED: REFUSED}), json!({"a": REFUSED})] {
        tenant.post("/events", &json!({"type": "strict", "data": data})).await.is_error(400, "validation_failed");
    }
}

/// Messages of the ingest queue that are published, and others that are refused.
pub(super) async fn ingest(world: &World, tenant: &Tenant) {
    let message = |organization: &str, data: Value| {
        let external_id = format!("{EXTERNAL}-{data}").replace(['{', '}', '"', ':'], "");
        let event = json!({"organization": organization, "type": EVENT_TYPE, "data": data, "external_id": external_id});
        event.to_string()
    };
    for message in [
        message(&tenant.id, json!({"a": INGESTED})),
        message(&format!("ext:{EXTERNAL}-organization"), json!({"b": INGESTED})),
        message(&format!("ext:{EXTERNAL}-unknown"), json!({})),
        message(&tenant.id, json!(INGESTED)),
        json!({"organization": tenant.id, "type": "strict", "data": {REFUSED: INGESTED}}).to_string(),
        json!({"source": "marker.source", "detail-type": INGESTED, "detail": {"organization": INGESTED}}).to_string(),
        INGESTED.to_owned(),
    ] {
        world.send_to_ingest(&message).await;
    }
    world.process.ingest().await;
    assert_eq!(world.take_ingest_dead_letters().await.len(), 5);
}

/// The dialect of Svix: the same application with names, a secret, headers, and requests that are repeated. Returns its secrets.
pub(super) async fn speak_svix(world: &World, tenant: &Tenant, url: &str) -> Vec<String> {
    let client = world.platform();
    let app = format!("/api/v1/app/{}", tenant.id.replace("org_", "app_"));
    let call = async |method: Method, path: String, body: Value| {
        let headers = [("idempotency-key", IDEMPOTENCY_KEY)];
        client.call(method, &path, &headers, Some(body.to_string())).await
    };
    let mut kept_back = Vec::new();
    let mut supplied = || {
        let secret = STANDARD.encode(clock::secret_bytes::<32>());
        kept_back.push(secret.clone());
        secret
    };
    let metadata = json!({METADATA: METADATA});
    let of_app = json!({"name": NAME, "uid": format!("{EXTERNAL}-organization"), "metadata": metadata});
    assert_eq!(call(Method::PUT, app.clone(), of_app).await.status, 200);
    let fields = json!({
        "url": format!("{url}/{PATH}?{QUERY}=1"), "uid": format!("{EXTERNAL}-svix"), "description": DESCRIPTION,
        "metadata": metadata, "secret": supplied(), "headers": {HEADER: HEADER_VALUE}, "channels": [CHANNEL],
    });
    for _ in 0..2 {
        assert_eq!(call(Method::POST, format!("{app}/endpoint"), fields.clone()).await.status, 201);
    }
    let endpoint = format!("{app}/endpoint/{EXTERNAL}-svix");
    for method in [Method::PUT, Method::PATCH] {
        let headers = json!({"headers": {HEADER: HEADER_VALUE}});
        assert_eq!(call(method, format!("{endpoint}/headers"), headers).await.status, 204);
    }
    for key in [json!({"key": supplied()}), json!({"key": "marker-malformed"})] {
        for _ in 0..2 {
            call(Method::POST, format!("{endpoint}/secret/rotate"), key.clone()).await;
        }
    }
    assert_eq!(client.get(&format!("{endpoint}/secret")).await.status, 200);
    let message = json!({
        "eventType": EVENT_TYPE, "payload": {DATA: DATA}, "eventId": format!("{EXTERNAL}-svix-event"), "channels": [CHANNEL],
    });
    for _ in 0..2 {
        assert_eq!(call(Method::POST, format!("{app}/msg"), message.clone()).await.status, 202);
    }
    assert_eq!(client.get(&format!("{app}/msg/{EXTERNAL}-svix-event")).await.status, 200);
    assert_eq!(client.get(&format!("{app}/msg/{EXTERNAL}-unknown")).await.status, 404);
    assert_eq!(client.get(&format!("{app}/msg?channel={CHANNEL}&event_types={EVENT_TYPE}")).await.status, 200);
    let access = format!("/api/v1/auth/app-portal-access/{EXTERNAL}-organization");
    let access = client.post(&access, &json!({"featureFlags": ["marker-flag"]})).await;
    kept_back.push(text(&access.body["token"]).rsplit_once('.').unwrap().1.to_owned());
    kept_back
}

/// A person who signs in, looks, and issues a key. Returns the link's token, the cookie, the token of the forms, and the key.
pub(super) async fn use_the_portal(tenant: &Tenant) -> Vec<String> {
    let created = tenant.post("/portal-sessions", &json!({"role": "owner", "actor": "zoe"})).await.data(201);
    let link = text(&created["url"]);
    let mut browser = Browser::new(tenant.process());
    browser.open(link).await;
    for page in ["/endpoints", "/events", "/deliveries", "/access", "/access/sessions", "/marker"] {
        browser.get(&browser.path(page)).await;
    }
    let fields = [("name", KEY_NAME), ("role", "member")];
    let issued = browser.fill(&browser.path("/access/keys/new"), &fields).await;
    let key = issued.html().split("sk_live_").nth(1).unwrap()[..43].to_owned();
    browser.fill(&browser.path("/access/keys/new"), &[("name", KEY_NAME), ("role", "marker-role")]).await;
    let secret = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    vec![secret(link), secret(browser.token()), browser.form_token().await, key]
}
