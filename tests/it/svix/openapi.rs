//! The dialect's OpenAPI document matches its routes.

use axum::body::Body;
use http::Request;
use serde_json::Value;
use shared::wire::openapi::svix_document;

use super::routes::{OPEN, ROUTES};
use crate::openapi::{assert_operations_are, pretty, unresolved, updating};
use crate::support::World;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/svix-openapi.json");

fn generated() -> String {
    pretty(&svix_document([api::svix_operations(), publish::svix_operations()]))
}

/// To update the document: run `UPDATE_OPENAPI=1 cargo test --test it openapi` and build again.
#[test]
fn the_stored_document_is_current() {
    let generated = generated();
    if updating() {
        std::fs::write(FILE, &generated).unwrap();
    }
    assert!(std::fs::read_to_string(FILE).unwrap() == generated, "docs/svix-openapi.json is not current");
}

#[test]
fn the_document_has_exactly_the_existing_routes() {
    assert_operations_are(&generated(), ROUTES.iter().map(|route| (route.method, route.path)).chain(OPEN));
}

#[test]
fn every_reference_of_the_document_resolves() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    assert_eq!(unresolved(&document), [""; 0]);
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    let world = World::new().await;
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let reply = world.process.call(request).await;
    assert!(reply.status == 200 && reply.bytes == std::fs::read(FILE).unwrap(), "it is not the stored document");
}
