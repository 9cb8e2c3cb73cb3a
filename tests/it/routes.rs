//! A table of all routes of all dialects, with the scope that each needs and its rule for keys that are bound to endpoints.
//! A route without a row, or a row without a route, fails a test.

mod declared;

use std::collections::BTreeSet;

use shared::domain::tenancy::access::{Scope, Scopes};

pub(crate) use declared::{Declared, declared_in, sources};

use crate::svix::routes::{OPEN as SVIX_OPEN, ROUTES as SVIX_ROUTES};

/// A route, and what each caller gets.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) body: &'static str,
    /// The status for a caller that it admits.
    pub(crate) ok: u16,
    pub(crate) admits: Admits,
    pub(crate) bound: Bound,
}

/// The callers that a route admits. The others get 403.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admits {
    /// The platform's key.
    Platform,
    /// The platform's key, and keys with all scopes.
    Owner,
    /// The platform's key, and keys with this scope.
    Scope(Scope),
    /// As `Scope`, with [`Scope::KeysWrite`]. Of those, keys without the rights that the body names get 403.
    Issuer,
    /// As `Scope`, with [`Scope::EventsRead`]. Keys with [`Scope::EventsPublish`] get 404 for events of others.
    EventReaders,
    /// Every key.
    Everybody,
}

/// What a key that is bound to endpoints gets, if it has the scope.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// 403.
    Refused,
    /// The path names an endpoint, or what belongs to one: 404 for those of other endpoints.
    Named,
    /// The event in the path: as `Named`, and only its deliveries to own endpoints are shown.
    Event,
    /// A list of what belongs to its own endpoints.
    Restricted,
    /// 403, unless the query has this filter by an own endpoint; 404 for others.
    Filtered(&'static str),
    /// The same as every other key.
    Unrestricted,
}

pub(crate) const fn route(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    ok: u16,
    admits: Admits,
    bound: Bound,
) -> Route {
    Route { method, path, body, ok, admits, bound }
}

impl Route {
    /// Whether a key with these scopes that is not bound gets an answer about the body.
    pub(crate) fn reads_body(&self, scopes: Scopes) -> bool {
        match self.admits {
            Admits::Issuer => scopes.contains(Scope::KeysWrite),
            _ => self.status(scopes) != 403,
        }
    }

    /// The status that a key with these scopes gets that is not bound.
    pub(crate) fn status(&self, scopes: Scopes) -> u16 {
        let is_admitted = match self.admits {
            Admits::Platform => false,
            Admits::Owner | Admits::Issuer => scopes == Scopes::ALL,
            Admits::Scope(scope) => scopes.contains(scope),
            Admits::EventReaders if !scopes.contains(Scope::EventsRead) && scopes.contains(Scope::EventsPublish) => {
                return 404;
            }
            Admits::EventReaders => scopes.contains(Scope::EventsRead),
            Admits::Everybody => true,
        };
        if is_admitted { self.ok } else { 403 }
    }
}

pub(crate) const DELIVERIES_READ: Admits = Admits::Scope(Scope::DeliveriesRead);
pub(crate) const DELIVERIES_WRITE: Admits = Admits::Scope(Scope::DeliveriesWrite);
pub(crate) const ENDPOINTS_READ: Admits = Admits::Scope(Scope::EndpointsRead);
pub(crate) const ENDPOINTS_WRITE: Admits = Admits::Scope(Scope::EndpointsWrite);
pub(crate) const EVENTS_READ: Admits = Admits::Scope(Scope::EventsRead);
pub(crate) const EVENTS_PUBLISH: Admits = Admits::Scope(Scope::EventsPublish);
pub(crate) const KEYS_READ: Admits = Admits::Scope(Scope::KeysRead);
pub(crate) const KEYS_WRITE: Admits = Admits::Scope(Scope::KeysWrite);
pub(crate) const ORGANIZATION_READ: Admits = Admits::Scope(Scope::OrganizationRead);
pub(crate) const ORGANIZATION_WRITE: Admits = Admits::Scope(Scope::OrganizationWrite);

const NAME: &str = r#"{"name": "Renamed"}"#;
// A key cannot issue one with scopes that it lacks.
const NEW_KEY: &str = r#"{"name": "n", "scopes": ["keys:write"]}"#;
const MEMBER: &str = r#"{"role": "member"}"#;
const EVENT: &str = r#"{"type": "matrix.other", "data": {}}"#;
const BATCH: &str = r#"{"events": [{"type": "matrix.other", "data": {}}]}"#;
const ENDPOINT: &str =
    r#"{"name": "n", "url": "https://example.com/", "event_types": ["a"], "signing_algorithm": "ed25519"}"#;
const HOOK: &str = r#"{"url": "https://example.com/", "events": ["a"]}"#;
const BARE: &str = r#"{"name": "n", "url": "https://example.com/"}"#;
const PAGED: &str = r#"{"name": "n", "url": "https://example.com/", "events": ["a"]}"#;
const DOCUMENT: &str = r#"{"openapi": "3.1.0", "webhooks": {"imported.{slug}": {"post": {}}}}"#;
const SINCE: &str = r#"{"since": "2026-01-01T00:00:00Z"}"#;
const MISSED: &str = r#"{"since": "2026-01-01T00:00:00Z", "what": "missed"}"#;

pub(crate) const ROUTES: [Route; 77] = [
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/replay",
        MISSED,
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/secret",
        "",
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/stats",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route("POST", "/v1/organizations", r#"{"name": "n", "slug": "{slug}"}"#, 201, Admits::Platform, Bound::Refused),
    route("GET", "/v1/organizations", "", 200, Admits::Platform, Bound::Refused),
    route("GET", "/v1/organizations/{organization}", "", 200, ORGANIZATION_READ, Bound::Unrestricted),
    route("PATCH", "/v1/organizations/{organization}", NAME, 200, ORGANIZATION_WRITE, Bound::Refused),
    route("DELETE", "/v1/organizations/{organization}", "", 202, Admits::Platform, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/limits", "", 200, ORGANIZATION_READ, Bound::Refused),
    route("PUT", "/v1/organizations/{organization}/limits", "{}", 200, Admits::Platform, Bound::Refused),
    route("POST", "/v1/organizations/{organization}/api-keys", NEW_KEY, 201, KEYS_WRITE, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/api-keys", "", 200, KEYS_READ, Bound::Refused),
    route("PATCH", "/v1/organizations/{organization}/api-keys/{key}", NAME, 200, KEYS_WRITE, Bound::Refused),
    route("DELETE", "/v1/organizations/{organization}/api-keys/{key}", "", 200, KEYS_WRITE, Bound::Refused),
    route("POST", "/v1/organizations/{organization}/api-keys/{key}/rotations", "", 201, KEYS_WRITE, Bound::Refused),
    route("POST", "/v1/portal-sessions", "{}", 201, Admits::Platform, Bound::Refused),
    route("GET", "/v1/portal-sessions", "", 200, Admits::Platform, Bound::Refused),
    route("DELETE", "/v1/portal-sessions/{portal_session}", "", 200, Admits::Platform, Bound::Refused),
    route("POST", "/v1/organizations/{organization}/portal-sessions", MEMBER, 201, Admits::Issuer, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/portal-sessions", "", 200, KEYS_READ, Bound::Refused),
    route(
        "DELETE",
        "/v1/organizations/{organization}/portal-sessions/{portal_session}",
        "",
        200,
        KEYS_WRITE,
        Bound::Refused,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints",
        ENDPOINT,
        201,
        ENDPOINTS_WRITE,
        Bound::Refused,
    ),
    route("GET", "/v1/organizations/{organization}/webhooks/endpoints", "", 200, ENDPOINTS_READ, Bound::Restricted),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}",
        "",
        200,
        ENDPOINTS_READ,
        Bound::Named,
    ),
    route(
        "PATCH",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}",
        NAME,
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route(
        "DELETE",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}",
        "",
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/rotations",
        "",
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/test",
        "",
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/recover",
        SINCE,
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/filter-test",
        EVENT,
        200,
        ENDPOINTS_READ,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/deliveries",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/retry",
        "",
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route(
        "POST",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/resend",
        "",
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/attempts",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/deliveries/{delivery}/attempts/{attempt}",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route(
        "GET",
        "/v1/organizations/{organization}/webhooks/endpoints/{endpoint}/attempts",
        "",
        200,
        DELIVERIES_READ,
        Bound::Named,
    ),
    route("GET", "/v1/organizations/{organization}/events/{event}/attempts", "", 200, DELIVERIES_READ, Bound::Event),
    route("POST", "/v1/organizations/{organization}/events", EVENT, 202, EVENTS_PUBLISH, Bound::Refused),
    route("POST", "/v1/organizations/{organization}/events/batch", BATCH, 202, EVENTS_PUBLISH, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/events", "", 200, EVENTS_READ, Bound::Filtered("endpoint_id")),
    route("GET", "/v1/organizations/{organization}/events/{event}", "", 200, Admits::EventReaders, Bound::Event),
    route("DELETE", "/v1/organizations/{organization}/events/{event}/data", "", 202, Admits::Owner, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/jobs", "", 200, DELIVERIES_READ, Bound::Restricted),
    route("GET", "/v1/organizations/{organization}/jobs/{job}", "", 200, DELIVERIES_READ, Bound::Named),
    route("POST", "/v1/organizations/{organization}/jobs/{job}/cancel", "", 200, DELIVERIES_WRITE, Bound::Named),
    route("GET", "/v1/organizations/{organization}/usage", "", 200, ORGANIZATION_READ, Bound::Refused),
    route("POST", "/v1/event-types", r#"{"name": "{slug}"}"#, 201, Admits::Platform, Bound::Refused),
    route("GET", "/v1/event-types", "", 200, Admits::Everybody, Bound::Unrestricted),
    route("GET", "/v1/event-types/{event_type}", "", 200, Admits::Everybody, Bound::Unrestricted),
    route("PUT", "/v1/event-types/{event_type}", "{}", 200, Admits::Platform, Bound::Refused),
    route("PATCH", "/v1/event-types/{event_type}", r#"{"schema": true}"#, 200, Admits::Platform, Bound::Refused),
    route("DELETE", "/v1/event-types/{event_type}", "", 200, Admits::Platform, Bound::Refused),
    route("GET", "/v1/event-types/{event_type}/versions", "", 200, Admits::Everybody, Bound::Unrestricted),
    route(
        "GET",
        "/v1/event-types/{event_type}/versions/{schema_version}",
        "",
        200,
        Admits::Everybody,
        Bound::Unrestricted,
    ),
    route("POST", "/v1/event-type-imports", DOCUMENT, 200, Admits::Platform, Bound::Refused),
    route("GET", "/v1/openapi/webhooks.json", "", 200, Admits::Everybody, Bound::Unrestricted),
    route("POST", "/v1/organizations/{organization}/webhooks", HOOK, 201, ENDPOINTS_WRITE, Bound::Refused),
    route("GET", "/v1/organizations/{organization}/webhooks", "", 200, ENDPOINTS_READ, Bound::Restricted),
    route("GET", "/v1/organizations/{organization}/webhooks/{endpoint}", "", 200, ENDPOINTS_READ, Bound::Named),
    route(
        "PATCH",
        "/v1/organizations/{organization}/webhooks/{endpoint}",
        r#"{"events": ["b"]}"#,
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route("DELETE", "/v1/organizations/{organization}/webhooks/{endpoint}", "", 204, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/v1/endpoints", BARE, 201, ENDPOINTS_WRITE, Bound::Refused),
    route("GET", "/v1/endpoints", "", 200, ENDPOINTS_READ, Bound::Restricted),
    route("GET", "/v1/endpoints/{endpoint}", "", 200, ENDPOINTS_READ, Bound::Named),
    route("PATCH", "/v1/endpoints/{endpoint}", NAME, 200, ENDPOINTS_WRITE, Bound::Named),
    route("DELETE", "/v1/endpoints/{endpoint}", "", 204, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/v1/webhook-endpoints", PAGED, 201, ENDPOINTS_WRITE, Bound::Refused),
    route("GET", "/v1/webhook-endpoints", "", 200, ENDPOINTS_READ, Bound::Restricted),
    route("GET", "/v1/webhook-endpoints/{endpoint}", "", 200, ENDPOINTS_READ, Bound::Named),
    route("PATCH", "/v1/webhook-endpoints/{endpoint}", NAME, 200, ENDPOINTS_WRITE, Bound::Named),
    route("PUT", "/v1/webhook-endpoints/{endpoint}", PAGED, 200, ENDPOINTS_WRITE, Bound::Named),
    route("DELETE", "/v1/webhook-endpoints/{endpoint}", "", 204, ENDPOINTS_WRITE, Bound::Named),
    route("POST", "/v1/webhook-endpoints/{endpoint}/rotate-secret", "", 200, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/v1/webhook-endpoints/{endpoint}/deliveries", "", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/v1/webhook-deliveries/{delivery}", "", 200, DELIVERIES_READ, Bound::Named),
    route("POST", "/v1/webhook-deliveries/{delivery}/retry", "", 202, DELIVERIES_WRITE, Bound::Named),
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

/// Whether the route concerns no organization of the path.
pub(crate) fn is_of_platform(path: &str) -> bool {
    is_of_catalogue(path) || path == "/v1/organizations" || path.starts_with("/v1/portal-sessions")
}

/// Whether the path contains no organization, because the dialect takes it from the key or from the query.
pub(crate) fn implies_organization(path: &str) -> bool {
    path.starts_with("/v1/endpoints") || path.starts_with("/v1/webhook-")
}

#[test]
fn the_table_contains_exactly_the_declared_routes() {
    let rows = ROUTES.iter().chain(SVIX_ROUTES).map(|route| (route.method, route.path)).chain(OPEN).chain(SVIX_OPEN);
    let rows: Vec<_> = rows.map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    let table: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), table.len(), "no row occurs twice");
    let declared = declared::of_the_api();
    let without_row: Vec<_> = declared.difference(&table).collect();
    let without_route: Vec<_> = table.difference(&declared).collect();
    assert!(without_row.is_empty() && without_route.is_empty(), "no row: {without_row:?}; no route: {without_route:?}");
}
