//! The OpenAPI document is what the wire types and the routes say it is.

use std::path::Path;

use shared::wire::openapi::{Dialect, document};
use utoipa::OpenApi;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

fn generated() -> String {
    let published = (Dialect::Organizations, publish::Operations::openapi());
    document(api::operations().into_iter().chain([published])).to_pretty_json().unwrap()
}

#[test]
fn the_kept_document_is_current() {
    let generated = generated();
    std::fs::write(Path::new(FILE), generated).unwrap();
}
