//! A table of all routes of all dialects, with the status that each caller gets. A route without a row, or a row
//! without a route, fails a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// A route, and the statuses that the platform, an owner, an admin, a member and a publisher get.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) body: &'static str,
    pub(crate) statuses: [u16; 5],
}

const fn route(method: &'static str, path: &'static str, body: &'static str, statuses: [u16; 5]) -> Route {
    Route { method, path, body, statuses }
}

const PLATFORM_ONLY: [u16; 5] = [201, 403, 403, 403, 403];
const PLATFORM_CHANGES: [u16; 5] = [200, 403, 403, 403, 403];
const EVERYBODY: [u16; 5] = [200; 5];
const FORBIDDEN: u16 = 403;

/// The statuses of a route for owners only, and in the next functions also for admins, for members and for publishers.
const fn owners(ok: u16) -> [u16; 5] {
    [ok, ok, FORBIDDEN, FORBIDDEN, FORBIDDEN]
}
const fn admins(ok: u16) -> [u16; 5] {
    [ok, ok, ok, FORBIDDEN, FORBIDDEN]
}
const fn members(ok: u16) -> [u16; 5] {
    [ok, ok, ok, ok, FORBIDDEN]
}
const fn publishers(ok: u16) -> [u16; 5] {
    [ok, ok, ok, FORBIDDEN, ok]
}

const NAME: &str = r#"{"name": "Renamed"}"#;
const EVENT: &str = r#"{"type": "matrix.other", "data": {}}"#;
const BATCH: &str = r#"{"events": [{"type": "matrix.other", "data": {}}]}"#;
const ENDPOINT: &str =
    r#"{"name": "n", "url": "https://example.com/", "event_types": ["a"], "signing_algorithm": "ed25519"}"#;
const HOOK: &str = r#"{"url": "https://example.com/", "events": ["a"]}"#;
const BARE: &str = r#"{"name": "n", "url": "https://example.com/"}"#;
const PAGED: &str = r#"{"name": "n", "url": "https://example.com/", "events": ["a"]}"#;
const DOCUMENT: &str = r#"{"openapi": "3.1.0", "webhooks": {"imported.{slug}": {"post": {}}}}"#;
const SINCE: &str = r#"{"since": "2026-01-01T00:00:00Z"}"#;

pub(crate) const ROUTES: [Route; 70] = [
    route("POST", "/v1/organizations", r#"{"name": "n", "slug": "{slug}"}"#, PLATFORM_ONLY),
    route("GET", "/v1/organizations", "", [200, 403, 403, 403, 403]),
    route("GET", "/v1/organizations/{organization}", "", members(200)),
    route("PATCH", "/v1/organizations/{organization}", NAME, admins(200)),
    route("DELETE", "/v1/organizations/{organization}", "", [202, 403, 403, 403, 403]),
    route("GET", "/v1/organizations/{organization}/limits", "", members(200)),
    route("PUT", "/v1/organizations/{organization}/limits", "{}", [200, 403, 403, 403, 403]),
    route("POST", "/v1/organizations/{organization}/api-keys", NAME, owners(201)),
    route("GET", "/v1/organizations/{organization}/api-keys", "", owners(200)),
    route("PATCH", "/v1/organizations/{organization}/api-keys/{key}", NAME, owners(200)),
    route("DELETE", "/v1/organizations/{organization}/api-keys/{key}", "", owners(200)),
    route("POST", "/v1/organizations/{organization}/api-keys/{key}/rotations", "", owners(201)),
    route("POST", "/v1/organizations/{organization}/webhooks/endpoints", ENDPOINT, admins(201)),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints", "", members(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}", "", members(200)),
    route("PATCH", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}", NAME, admins(200)),
    route("DELETE", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}", "", admins(200)),
    route("POST", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/rotations", "", admins(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/secret", "", admins(200)),
    route("POST", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/test", "", admins(200)),
    route("POST", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/recover", SINCE, admins(202)),
    route("POST", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/filter-test", EVENT, members(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/stats", "", members(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/deliveries", "", members(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/deliveries/{delivery}", "", members(200)),
    route("POST", "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/retry", "", admins(202)),
    route("POST", "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/resend", "", admins(202)),
    route("GET", "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/attempts", "", members(200)),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/attempts/{attempt}",
        "",
        members(200),
    ),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/attempts", "", members(200)),
    route("GET", "/v1/organizations/{organization}/events/{event}/attempts", "", members(200)),
    route("POST", "/v1/organizations/{organization}/events", EVENT, publishers(202)),
    route("POST", "/v1/organizations/{organization}/events/batch", BATCH, publishers(202)),
    route("GET", "/v1/organizations/{organization}/events", "", members(200)),
    // A publisher can read only the events that it published. This event is published by the owner.
    route("GET", "/v1/organizations/{organization}/events/{event}", "", [200, 200, 200, 200, 404]),
    route("DELETE", "/v1/organizations/{organization}/events/{event}/data", "", owners(202)),
    route("GET", "/v1/organizations/{organization}/jobs", "", members(200)),
    route("GET", "/v1/organizations/{organization}/jobs/{job}", "", members(200)),
    route("POST", "/v1/organizations/{organization}/jobs/{job}/cancel", "", admins(200)),
    route("GET", "/v1/organizations/{organization}/usage", "", members(200)),
    route("POST", "/v1/event-types", r#"{"name": "{slug}"}"#, PLATFORM_ONLY),
    route("GET", "/v1/event-types", "", EVERYBODY),
    route("GET", "/v1/event-types/{event_type}", "", EVERYBODY),
    route("PUT", "/v1/event-types/{event_type}", "{}", PLATFORM_CHANGES),
    route("PATCH", "/v1/event-types/{event_type}", r#"{"schema": true}"#, PLATFORM_CHANGES),
    route("DELETE", "/v1/event-types/{event_type}", "", PLATFORM_CHANGES),
    route("GET", "/v1/event-types/{event_type}/versions", "", EVERYBODY),
    route("GET", "/v1/event-types/{event_type}/versions/{schema_version}", "", EVERYBODY),
    route("POST", "/v1/event-type-imports", DOCUMENT, PLATFORM_CHANGES),
    route("GET", "/v1/openapi/webhooks.json", "", EVERYBODY),
    route("POST", "/v1/organizations/{organization}/webhooks", HOOK, admins(201)),
    route("GET", "/v1/organizations/{organization}/webhooks", "", members(200)),
    route("GET", "/v1/organizations/{organization}/webhooks/{endpoint}", "", members(200)),
    route("PATCH", "/v1/organizations/{organization}/webhooks/{endpoint}", r#"{"events": ["b"]}"#, admins(200)),
    route("DELETE", "/v1/organizations/{organization}/webhooks/{endpoint}", "", admins(204)),
    route("POST", "/v1/endpoints", BARE, admins(201)),
    route("GET", "/v1/endpoints", "", members(200)),
    route("GET", "/v1/endpoints/{endpoint}", "", members(200)),
    route("PATCH", "/v1/endpoints/{endpoint}", NAME, admins(200)),
    route("DELETE", "/v1/endpoints/{endpoint}", "", admins(204)),
    route("POST", "/v1/webhook-endpoints", PAGED, admins(201)),
    route("GET", "/v1/webhook-endpoints", "", members(200)),
    route("GET", "/v1/webhook-endpoints/{endpoint}", "", members(200)),
    route("PATCH", "/v1/webhook-endpoints/{endpoint}", NAME, admins(200)),
    route("PUT", "/v1/webhook-endpoints/{endpoint}", PAGED, admins(200)),
    route("DELETE", "/v1/webhook-endpoints/{endpoint}", "", admins(204)),
    route("POST", "/v1/webhook-endpoints/{endpoint}/rotate-secret", "", admins(200)),
    route("GET", "/v1/webhook-endpoints/{endpoint}/deliveries", "", members(200)),
    route("GET", "/v1/webhook-deliveries/{delivery}", "", members(200)),
    route("POST", "/v1/webhook-deliveries/{delivery}/retry", "", admins(202)),
];

/// Whether the route concerns no organization, but the deployment's catalogue of event types.
pub(crate) fn is_of_catalogue(path: &str) -> bool {
    ["/v1/event-type", "/v1/openapi/"].iter().any(|start| path.starts_with(start))
}

/// The routes that need no key.
pub(crate) const OPEN: [(&str, &str); 5] = [
    ("GET", "/"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/jwks.json"),
    ("GET", "/v1/organizations/{organization}/jwks.json"),
];

/// Whether the path contains no organization, because the dialect takes it from the key or from the query.
pub(crate) fn implies_organization(path: &str) -> bool {
    path.starts_with("/v1/endpoints") || path.starts_with("/v1/webhook-")
}

/// The routes that the functions' sources declare: `.route("<path>", <method>(…).<method>(…))`.
fn declared() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let calls = Regex::new(r#"\.route\(\s*"([^"]*)"\s*,\s*((?:\.?[a-z]+\([a-z_]+\))+)\s*,?\s*\)"#).unwrap();
    let methods = Regex::new(r"([a-z]+)\(").unwrap();
    let nesting = Regex::new(r#"\.nest\(\s*"([^"]*)""#).unwrap();
    let routing = Regex::new(r"\.(?:route|route_service|nest|nest_service)\(|\broutes!\(").unwrap();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    for file in sources(&functions) {
        let source = std::fs::read_to_string(&file).unwrap();
        let around = std::fs::read_to_string(file.with_file_name("mod.rs")).unwrap_or_default();
        let prefix = nesting.captures(&around).map_or(String::new(), |nest| nest[1].to_owned());
        let mut understood = nesting.find_iter(&source).count();
        for call in calls.captures_iter(&source) {
            understood += 1;
            let path = if call[1].starts_with("/v1/") { call[1].to_owned() } else { format!("{prefix}{}", &call[1]) };
            let methods = methods.captures_iter(&call[2]).map(|method| method[1].to_uppercase());
            found.extend(methods.map(|method| (method, path.clone())));
        }
        assert_eq!(routing.find_iter(&source).count(), understood, "a route of {} is not recognized", file.display());
    }
    found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn the_table_contains_exactly_the_declared_routes() {
    let rows = ROUTES.iter().map(|route| (route.method, route.path)).chain(OPEN);
    let rows: Vec<_> = rows.map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    let table: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), table.len(), "no row occurs twice");
    let declared = declared();
    let without_row: Vec<_> = declared.difference(&table).collect();
    let without_route: Vec<_> = table.difference(&declared).collect();
    assert!(without_row.is_empty() && without_route.is_empty(), "no row: {without_row:?}; no route: {without_route:?}");
}
