//! Errors have one shape in every dialect, and list every cause.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use shared::wire::error::ErrorCode;

use crate::routes::{ROUTES, implies_organization, is_of_catalogue};
use crate::shape::assert_well_formed;
use crate::support::{Reply, Tenant, World, text};

/// The route's path with ids that do not exist.
pub(crate) fn path_of_nobody(path: &str, organization: &str) -> String {
    let hex = "01890000000070008000000000000001";
    let endpoint = if path.starts_with("/v1/endpoints") {
        "ep_01890000-0000-7000-8000-000000000001".to_owned()
    } else {
        format!("we_{hex}")
    };
    path.replace("{organization}", organization)
        .replace("{endpoint}", &endpoint)
        .replace("{delivery}", &format!("wdlv_{hex}"))
        .replace("{event}", &format!("wevt_{}0000", &hex[..28]))
        .replace("{key}", &format!("key_{hex}"))
}

async fn send(tenant: &Tenant, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Reply {
    let reply = tenant.call(Method::from_bytes(method.as_bytes()).unwrap(), path, headers, body).await;
    assert_well_formed(&reply);
    reply
}

#[tokio::test]
async fn a_method_that_a_path_does_not_allow_is_405() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if ROUTES.iter().any(|route| route.path == path && route.method == method) {
                continue;
            }
            let reply = send(&tenant, method, &path_of_nobody(path, &tenant.id), &[], None).await;
            reply.is_error(405, "method_not_allowed");
            assert!(text(&reply.body["error"]["message"]).contains(method));
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/organization",
        "/v1/endpoints/x/y",
        "/v1/webhook-deliveries",
        "/v1/../etc",
        "/v2/endpoints",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let path = if path.starts_with("/v1") { path.to_owned() } else { format!("/v1{path}") };
            send(&tenant, method, &path, &[], None).await.is_error(404, "not_found");
        }
    }
    let reply = world.process.call(Request::get("/index.html").body(Body::empty()).unwrap()).await;
    assert_well_formed(&reply);
    reply.is_error(404, "not_found");
}

#[tokio::test]
async fn an_unknown_or_malformed_id_in_a_path_is_404() {
    let world = World::new().await;
    let (tenant, platform) = (world.tenant().await, world.platform());
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let body = (!route.body.is_empty()).then(|| route.body.to_owned());
        let query =
            if implies_organization(route.path) { format!("?organization_id={}", tenant.id) } else { String::new() };
        let nobody = path_of_nobody(route.path, &tenant.id);
        if nobody != route.path.replace("{organization}", &tenant.id) {
            for caller in [&tenant, &platform] {
                send(caller, route.method, &format!("{nobody}{query}"), &[], body.clone())
                    .await
                    .is_error(404, "not_found");
            }
        }
        // Each id in the path in turn, in malformed spellings.
        for (parameter, others) in [
            ("{organization}", ["org_1", "acme", "org_ilou0000000000000000000000"]),
            ("{endpoint}", ["we_1", "ep_01890000000070008000000000000001", "WE_01890000000070008000000000000001"]),
            ("{delivery}", ["wdlv_1", "wevt_01890000000070008000000000000001", "01890000000070008000000000000001"]),
            ("{event}", ["wevt_1", "we_01890000000070008000000000000001", "%20"]),
            ("{key}", ["key_1", "sk_live_1", "key_0189000000007000800000000000000G"]),
        ] {
            for other in others.into_iter().filter(|_| route.path.contains(parameter)) {
                let path = path_of_nobody(&route.path.replace(parameter, other), &tenant.id);
                let reply = send(&platform, route.method, &format!("{path}{query}"), &[], body.clone()).await;
                reply.is_error(404, "not_found");
            }
        }
    }
}

/// The routes that read a request body.
fn routes_with_body() -> impl Iterator<Item = (&'static str, &'static str)> {
    let with_body = ROUTES.iter().filter(|route| !route.body.is_empty());
    with_body.map(|route| (route.method, route.path))
}

#[tokio::test]
async fn an_invalid_json_body_is_an_error_with_its_position_and_another_content_type_is_415() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await.id;
    let key = tenant.post("/api-keys", &json!({"name": "n"})).await.data(201);
    for (method, route) in routes_with_body() {
        let hex = endpoint.strip_prefix("we_").unwrap();
        let own = if route.starts_with("/v1/endpoints") {
            format!("ep_{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        } else {
            endpoint.clone()
        };
        let path = route.replace("{organization}", &tenant.id).replace("{endpoint}", &own);
        let path = path.replace("{key}", text(&key["id"])).replace("{event_type}", "order.paid");
        let is_platforms = ["/v1/organizations", "/v1/portal-sessions"].contains(&route)
            || route.ends_with("/limits")
            || is_of_catalogue(route);
        let caller = if is_platforms { &world.platform() } else { &tenant };
        for (body, says) in [
            ("{\n  \"name\": }", "at line 2 column 11"),
            ("{\"name\": \"x\"", "at line 1 column 12"),
            ("[]", "must be a JSON object"),
            ("\"name\"", "must be a JSON object"),
            ("{} {}", "at line 1 column 4"),
            ("{\"a\": \"\u{1}\"}", "at line 1 column"),
        ] {
            let reply = send(caller, method, &path, &[], Some(body.to_owned())).await;
            reply.is_error(400, "invalid_json");
            let message = text(&reply.body["error"]["message"]);
            assert!(message.contains(says), "{method} {route}: {message}");
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"] {
            let request = Request::builder().method(method).uri(&path);
            let request =
                request.header("authorization", format!("Bearer {}", caller.key)).header("content-type", content_type);
            let reply = world.process.call(request.body(Body::from("{}")).unwrap()).await;
            assert_well_formed(&reply);
            reply.is_error(415, "unsupported_media_type");
        }
        // An OpenAPI document may have fields that the import does not know.
        if route == "/v1/event-type-imports" {
            continue;
        }
        let unknown = send(caller, method, &path, &[], Some(r#"{"naem": "x", "zzz": null}"#.to_owned())).await;
        unknown.is_error(400, "validation_failed");
        let named = names(&unknown);
        assert!(named.contains("naem") && named.contains("zzz"), "{method} {route}: {named:?}");
    }
}

fn names(reply: &Reply) -> BTreeSet<&str> {
    let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
    fields.iter().map(|field| text(&field["name"])).collect()
}

#[tokio::test]
async fn every_spelling_of_the_json_content_type_is_accepted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (content_type, expected) in [
        (Some("application/json"), 202),
        (Some("application/json; charset=utf-8"), 202),
        (Some("Application/JSON"), 202),
        (Some("application/cloudevents+json"), 202),
        (None, 415),
    ] {
        let mut request = Request::post(format!("/v1/organizations/{}/events", tenant.id));
        request = request.header("authorization", format!("Bearer {}", tenant.key));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let body = Body::from(r#"{"type": "a", "data": {}}"#);
        assert_eq!(world.process.call(request.body(body).unwrap()).await.status, expected, "{content_type:?}");
    }
}

#[tokio::test]
async fn an_error_lists_all_invalid_fields_with_the_names_of_the_dialect() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let platform = world.platform();
    let bad = json!([1]);
    for (caller, path, fields) in [
        (&platform, "/v1/organizations", "name slug id external_id description metadata default_format"),
        (&tenant, "/api-keys", "name role type environment scopes expires_at endpoints allowed_origins"),
        (
            &tenant,
            "/webhooks/endpoints",
            "name external_id description metadata url event_types secret headers timeout_seconds edition_id channels filter retry_schedule status",
        ),
        (&tenant, "/events", "type data subject edition_id format content_type channels external_id"),
        (&tenant, "/webhooks", "url events"),
        (&tenant, "/v1/endpoints", "name url secret headers_json timeout_seconds"),
        (&tenant, "/v1/webhook-endpoints", "organization_id name url events edition_id is_active timeout_seconds"),
    ] {
        let value = |name: &str| if name == "retry_schedule" { json!("x") } else { bad.clone() };
        let body: serde_json::Map<String, Value> =
            fields.split(' ').map(|name| (name.to_owned(), value(name))).collect();
        let refused = caller.post(path, &Value::Object(body)).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(names(&refused), fields.split(' ').collect(), "{path}");
        let message = text(&refused.body["error"]["message"]);
        assert!(fields.split(' ').all(|name| message.contains(name)), "{message}");
    }
}

#[tokio::test]
async fn malformed_ids_in_a_body_or_a_query_are_400() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({"organization_id": "org_1", "name": "n", "url": "https://example.com/", "events": ["a"]});
    tenant.post("/v1/webhook-endpoints", &body).await.is_error(400, "validation_failed");
    let body = json!({"id": "550e8400e29b41d4a716446655440000", "name": "n", "slug": "n"});
    world.platform().post("/v1/organizations", &body).await.is_error(400, "validation_failed");
    for path in
        ["/events?endpoint_id=we_1", "/v1/webhook-endpoints?organization_id=1", "/v1/endpoints?organization_id=org_1"]
    {
        tenant.get(path).await.is_error(400, "validation_failed");
    }
}

#[tokio::test]
async fn an_unreachable_table_is_503_with_retry_after() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let reads = tenant.get("/events").await;
    assert_eq!(reads.status, 200);
    world.dynamodb().delete_table().table_name(world.table()).send().await.unwrap();
    for (method, path, body) in [
        ("GET", "/webhooks/endpoints", None),
        ("GET", "/v1/webhook-endpoints", None),
        ("POST", "/events", Some(r#"{"type": "a", "data": {}}"#.to_owned())),
    ] {
        let reply = send(&tenant, method, path, &[], body).await;
        reply.is_error(503, "unavailable");
        assert_eq!(reply.headers["retry-after"], "1");
        let shown = reply.body.to_string();
        assert!(!shown.contains("Table") && !shown.contains(world.table()), "{shown}");
    }
}

#[test]
fn every_code_has_its_status_and_a_unique_name() {
    let names: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), 15);
    // Statuses that this file tests with no request: `rate_limits.rs` tests the former, and the latter needs a defect.
    for (code, status) in [(ErrorCode::RateLimited, 429), (ErrorCode::Internal, 500)] {
        assert_eq!(code.status(), status);
    }
}
