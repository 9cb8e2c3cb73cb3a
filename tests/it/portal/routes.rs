//! A table of the portal's routes: a page that somebody adds must have a row, and each row is refused without a session.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::Method;
use regex_lite::Regex;
use serde_json::json;

use crate::support::{Browser, World};

/// The routes without a session.
const OPEN: [(&str, &str); 3] =
    [("GET", "/portal/sign-in"), ("POST", "/portal/sign-in"), ("GET", "/portal/assets/{file}")];

/// The routes that need a session.
pub(super) const ROUTES: [(&str, &str); 49] = [
    ("GET", "/portal"),
    ("GET", "/portal/operator"),
    ("POST", "/portal/operator/sign-out"),
    ("GET", "/portal/{organization}"),
    ("POST", "/portal/{organization}/sign-out"),
    ("GET", "/portal/{organization}/endpoints"),
    ("GET", "/portal/{organization}/new-endpoint"),
    ("POST", "/portal/{organization}/new-endpoint"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/deliveries"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/test"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/test"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/status"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/delete"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/delete"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/settings"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/settings"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/filter-test"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/signing"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/signing"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/signing/secret"),
    ("GET", "/portal/{organization}/endpoints/{endpoint}/replay"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/replay"),
    ("POST", "/portal/{organization}/endpoints/{endpoint}/jobs/{job}/cancel"),
    ("GET", "/portal/{organization}/deliveries/{delivery}"),
    ("GET", "/portal/{organization}/deliveries/{delivery}/payload"),
    ("POST", "/portal/{organization}/deliveries/{delivery}/resend"),
    ("POST", "/portal/{organization}/deliveries/{delivery}/retry"),
    ("GET", "/portal/operator/new"),
    ("POST", "/portal/operator/new"),
    ("GET", "/portal/operator/health"),
    ("POST", "/portal/operator/organizations/{organization}/suspend"),
    ("POST", "/portal/operator/organizations/{organization}/reactivate"),
    ("GET", "/portal/{organization}/events"),
    ("GET", "/portal/{organization}/events/{event}"),
    ("GET", "/portal/{organization}/events/{event}/data"),
    ("POST", "/portal/{organization}/events/{event}/remove-data"),
    ("GET", "/portal/{organization}/event-types"),
    ("GET", "/portal/{organization}/event-types/{event_type}"),
    ("GET", "/portal/{organization}/usage"),
    ("GET", "/portal/{organization}/access"),
    ("GET", "/portal/{organization}/access/keys/new"),
    ("POST", "/portal/{organization}/access/keys/new"),
    ("POST", "/portal/{organization}/access/keys/{key}/rotate"),
    ("POST", "/portal/{organization}/access/keys/{key}/revoke"),
    ("GET", "/portal/{organization}/access/sessions"),
    ("GET", "/portal/{organization}/access/sessions/new"),
    ("POST", "/portal/{organization}/access/sessions/new"),
    ("POST", "/portal/{organization}/access/sessions/{portal_session}/revoke"),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn the_table_has_exactly_the_declared_routes() {
    let calls = Regex::new(r#"\.route\(\s*"([^"]*)"\s*,\s*((?:\.?[a-z]+\([a-z_]+\))+)\s*,?\s*\)"#).unwrap();
    let methods = Regex::new(r"([a-z]+)\(").unwrap();
    let mut declared = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/portal")) {
        let source = std::fs::read_to_string(&file).unwrap();
        assert_eq!(source.matches(".route(").count(), calls.find_iter(&source).count(), "{}", file.display());
        for call in calls.captures_iter(&source) {
            declared
                .extend(methods.captures_iter(&call[2]).map(|method| (method[1].to_uppercase(), call[1].to_owned())));
        }
    }
    let rows = OPEN.iter().chain(&ROUTES).map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(declared, rows.collect());
}

#[tokio::test]
async fn every_route_needs_a_session() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let ended = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let form = [("form_token", ended.form_token().await)];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ended.post(&ended.path("/sign-out"), &[]).await;
    for (method, path) in ROUTES {
        let path = path.replace("{organization}", &tenant.id).replace(['{', '}'], "");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let form = (method == Method::POST).then_some(form.as_slice());
        for browser in [&ended, &Browser::new(&world.process)] {
            let reply = browser.send(method.clone(), &path, &[("sec-fetch-site", "same-origin")], form).await;
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
}
