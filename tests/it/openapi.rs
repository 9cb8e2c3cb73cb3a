//! The OpenAPI document is what the wire types and the routes say, and the page shows it.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use shared::clock::Clock;
use shared::config::Settings;
use shared::service::Core;
use shared::wire::error::ErrorCode;
use shared::wire::openapi::{Dialect, document};
use tower::ServiceExt as _;
use utoipa::OpenApi as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// After a change: `UPDATE_OPENAPI=1 cargo test --test it openapi`, and build again.
#[test]
fn the_kept_document_is_current() {
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

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_is_there() {
    let mut routes = BTreeSet::new();
    for router in routers() {
        for path in paths(&router) {
            for method in METHODS {
                let status = ask(&router, &method, &path.replace(['{', '}'], "")).await.status();
                assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}");
                if status != StatusCode::METHOD_NOT_ALLOWED {
                    routes.insert(format!("{method} {path}"));
                }
            }
        }
    }
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(routes, operations.collect());
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let [api, _] = routers();
    let answer = ask(&api, &Method::GET, "/openapi.json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(text(answer).await, std::fs::read_to_string(FILE).unwrap());
}

#[tokio::test]
async fn the_page_shows_every_operation_and_explains_every_error() {
    let [api, _] = routers();
    let answer = ask(&api, &Method::GET, "/docs").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = text(answer).await;
    let anchors: Vec<_> = page.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(anchors.iter().collect::<BTreeSet<_>>().len(), anchors.len(), "an anchor is there twice");
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(anchors.contains(&link), "#{link} leads nowhere");
    }
    for code in ErrorCode::ALL {
        assert!(anchors.contains(&code.as_str()), "{code:?} has no anchor");
    }
    let document: Value = serde_json::from_str(&generated()).unwrap();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let id = operation["operationId"].as_str().unwrap();
        assert!(anchors.contains(&id), "{id} is not shown");
    }
    assert!(!page.contains("<script") && !page.contains("src="), "the page needs nothing but itself");
}

fn generated() -> String {
    let published = (Dialect::Organizations, publish::Operations::openapi());
    let document = document(api::operations().into_iter().chain([published]));
    // An indent of one: the file is part of a binary.
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(&document, &mut serde_json::Serializer::with_formatter(&mut text, formatter)).unwrap();
    String::from_utf8(text).unwrap() + "\n"
}

#[expect(clippy::disallowed_methods, reason = "a wish of whoever runs the test, not a setting")]
fn updating() -> bool {
    std::env::var_os("UPDATE_OPENAPI").is_some()
}

/// The routers of both functions. Nothing here gets as far as AWS.
fn routers() -> [Router; 2] {
    let hash = "0".repeat(64);
    let values = [("TABLE_NAME", "none"), ("QUEUE_URL", "http://127.0.0.1/none"), ("PLATFORM_KEY_SHA256", &hash)];
    let settings = Settings::from_environment_with(&values, &[]).unwrap();
    let aws = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let core = Core::new(&aws, &settings.table, &settings.queue_url, settings.deployment, Clock::system());
    [api::router(core.clone()), publish::router(core)]
}

/// The paths of a router, which tells them in its debug output alone. Should that ever change, none or other paths
/// than the document's come out, and the comparison fails.
fn paths(router: &Router) -> BTreeSet<String> {
    let debug = format!("{router:?}");
    let (routes, _) = debug.split_once("fallback_router").unwrap();
    routes.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

async fn ask(router: &Router, method: &Method, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
