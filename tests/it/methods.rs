//! A path allows the methods in the OpenAPI document. Other methods get the same list in `Allow`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::body::Body;
use http::{Request, header};
use serde_json::Value;

use crate::errors::path_of_nobody;
use crate::support::World;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"];

/// The methods of each path in the document.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn a_path_allows_exactly_the_methods_of_the_document() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (path, methods) in documented() {
        for method in METHODS {
            let request = Request::builder().method(method).uri(path_of_nobody(&path, &tenant.id));
            let request = request.header(header::AUTHORIZATION, format!("Bearer {}", tenant.key));
            let reply = world.process.call(request.body(Body::empty()).unwrap()).await;
            let allow = reply.headers.get(header::ALLOW).map(|allow| allow.to_str().unwrap());
            if methods.contains(method) {
                assert_ne!(reply.status, 405, "{method} {path}");
                assert_eq!(allow, None, "{method} {path}");
                continue;
            }
            assert_eq!(reply.status, 405, "{method} {path}");
            let allowed = allow.unwrap().split(", ").map(str::to_owned);
            assert_eq!(allowed.collect::<BTreeSet<_>>(), methods, "{method} {path}");
            if method == "HEAD" {
                assert!(reply.body.is_null(), "{path}");
            } else {
                reply.is_error(405, "method_not_allowed");
                assert!(reply.body.to_string().contains(method), "{method} {path}: {}", reply.body);
            }
        }
    }
}
