//! The OpenAPI document matches the wire types and the routes, and the documentation page shows it.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::delivery::attempt::{Cause, Detail, Failure};
use shared::service::Parts;
use shared::wire::error::ErrorCode;
use shared::wire::openapi::{Dialect, document};
use tower::ServiceExt as _;
use utoipa::OpenApi as _;

use crate::routes::{OPEN, ROUTES};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// To update the document: run `UPDATE_OPENAPI=1 cargo test --test it openapi` and build again.
#[test]
fn the_stored_document_is_current() {
    let generated = generated();
    if updating() {
        std::fs::write(FILE, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap();
    let different = kept.lines().zip(generated.lines()).position(|(kept, generated)| kept != generated);
    assert!(
        kept == generated,
        "docs/openapi.json is not current from line {:?} on: UPDATE_OPENAPI=1 cargo test --test it openapi",
        different.map(|line| line + 1)
    );
}

/// `routes.rs` compares its table of routes with the sources.
#[test]
fn the_document_has_exactly_the_existing_routes() {
    assert_operations_are(&generated(), ROUTES.iter().map(|route| (route.method, route.path)).chain(OPEN));
}

/// Checks that the operations of a document are those of these routes.
pub(crate) fn assert_operations_are<'a>(document: &str, routes: impl Iterator<Item = (&'a str, &'a str)>) {
    let routes: BTreeSet<_> = routes.map(|(method, path)| format!("{method} {path}")).collect();
    let document: Value = serde_json::from_str(document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(routes, operations.collect());
}

#[test]
fn the_document_lists_every_error_and_every_detail_of_deliveries() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["DeliveryError"]["enum"], json!(Cause::ALL.map(Cause::as_str)));
    assert_eq!(schemas["DeliveryErrorDetail"]["enum"], json!(Detail::ALL.map(Detail::as_str)));
    let fields = ["DeliveryError", "DeliveryErrorDetail"].map(|name| format!("#/components/schemas/{name}"));
    for object in ["organizations.Delivery", "organizations.Attempt"] {
        let properties = &schemas[object]["properties"];
        let shown = ["error", "error_detail"].map(|name| properties[name].to_string());
        assert!(shown.iter().zip(&fields).all(|(shown, field)| shown.contains(&format!("\"{field}\""))), "{shown:?}");
        assert!(properties["docs_url"].is_object(), "{object}");
    }
}

/// If operations had error schemas of their own, client generators would generate a class for each.
#[test]
fn all_error_responses_have_the_same_schema() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let mut answers = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let name = response["$ref"].as_str().and_then(|it| it.strip_prefix("#/components/responses/"));
                let name = name.unwrap_or_else(|| panic!("{method} {path} has its own response for {status}"));
                let content = &document["components"]["responses"][name]["content"];
                let expected = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
                assert_eq!(*content, expected, "{name}");
                answers += 1;
            }
        }
    }
    assert!(answers > 200, "{answers}");
}

#[test]
fn every_reference_of_the_document_resolves() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    assert_eq!(unresolved(&document), [""; 0]);
}

/// The references of a document that do not resolve.
pub(crate) fn unresolved(document: &Value) -> Vec<String> {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(document, &mut found);
    let resolves = |it: &String| it.strip_prefix('#').is_some_and(|pointer| document.pointer(pointer).is_some());
    found.into_iter().filter(|it| !resolves(it)).collect()
}

#[test]
fn an_id_in_a_path_has_the_schema_of_its_resource() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let mut seen = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item.as_object().unwrap().values().filter_map(|operation| operation["parameters"].as_array());
        for parameter in parameters.flatten().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let expected = match name {
                "organization" if path.ends_with("/jwks.json") => "OrganizationId",
                "endpoint" if path.ends_with("/jwks.json") => "EndpointId",
                "organization" => "OrganizationReference",
                "endpoint" if path.starts_with("/v1/endpoints") => "endpoints.EndpointReference",
                "endpoint" => "EndpointReference",
                "event" => "EventReference",
                "delivery" => "DeliveryId",
                "attempt" => "AttemptId",
                "key" => "ApiKeyId",
                "portal_session" => "PortalSessionId",
                "job" => "JobId",
                "event_type" => "EventType",
                "schema_version" => "SchemaVersion",
                other => panic!("{path}: the test does not know the schema of {other}"),
            };
            assert_eq!(parameter["schema"]["$ref"], format!("#/components/schemas/{expected}"), "{path}");
            seen.insert(name);
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    let api = router();
    let answer = ask(&api, &Method::GET, "/openapi.json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(text(answer).await, std::fs::read_to_string(FILE).unwrap());
}

#[tokio::test]
async fn the_page_shows_every_operation_and_every_error() {
    let api = router();
    let answer = ask(&api, &Method::GET, "/docs").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = text(answer).await;
    let anchors: Vec<_> = page.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(anchors.iter().collect::<BTreeSet<_>>().len(), anchors.len(), "an anchor is duplicated");
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(anchors.contains(&link), "#{link} has no anchor");
    }
    for code in ErrorCode::ALL {
        assert!(anchors.contains(&code.as_str()), "{code:?} has no anchor");
    }
    let without_detail = Cause::ALL.map(Failure::from);
    let with_detail = Detail::ALL.map(|detail| Failure { cause: detail.causes()[0], detail: Some(detail) });
    for failure in without_detail.into_iter().chain(with_detail) {
        let url = failure.docs_url();
        let anchor = url.strip_prefix("/docs#").unwrap();
        assert!(anchors.contains(&anchor), "{failure:?} has no anchor");
    }
    let document: Value = serde_json::from_str(&generated()).unwrap();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let id = operation["operationId"].as_str().unwrap();
        assert!(anchors.contains(&id), "{id} is not shown");
    }
    assert!(!page.contains("<script") && !page.contains("src="), "the page loads no resources");
}

fn generated() -> String {
    let published = (Dialect::Organizations, publish::Operations::openapi());
    pretty(&document(api::operations().into_iter().chain([published])))
}

/// The text of a document.
pub(crate) fn pretty(document: &utoipa::openapi::OpenApi) -> String {
    // The indent is 1 because the binary contains the document.
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(document, &mut serde_json::Serializer::with_formatter(&mut text, formatter)).unwrap();
    String::from_utf8(text).unwrap() + "\n"
}

#[expect(clippy::disallowed_methods, reason = "the variable is an option of the test, not a setting")]
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_OPENAPI").is_some()
}

/// The API's router. The tests of this file make no AWS calls.
fn router() -> Router {
    let hash = "0".repeat(64);
    let values = [
        ("TABLE_NAME", "none"),
        ("QUEUE_URL", "http://127.0.0.1/none"),
        ("SLOW_QUEUE_URL", "http://127.0.0.1/none-slow"),
        ("PLATFORM_KEY_SHA256", &hash),
    ];
    let settings = Settings::from_environment_with(&values, &[]).unwrap();
    let aws = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let parts = Parts::new(&aws, &settings.table, settings.queue_urls, settings.deployment, Clock::system());
    api::router(parts.administrator())
}

async fn ask(router: &Router, method: &Method, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
