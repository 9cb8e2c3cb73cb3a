//! A table of all routes of the dialect, with the scope that each needs and its rule for keys that are bound to endpoints.

use crate::routes::{
    Admits, Bound, DELIVERIES_READ, DELIVERIES_WRITE, ENDPOINTS_READ, ENDPOINTS_WRITE, EVENTS_PUBLISH, EVENTS_READ,
    KEYS_WRITE, ORGANIZATION_READ, ORGANIZATION_WRITE, Route, route,
};

const APPLICATION: &str = r#"{"name": "Renamed"}"#;
const ENDPOINT: &str = r#"{"url": "https://example.com/"}"#;
const HEADERS: &str = r#"{"headers": {"x-a": "b"}}"#;
const EVENT_TYPE: &str = r#"{"name": "{slug}", "description": "x"}"#;
const EXAMPLE: &str = r#"{"eventType": "a"}"#;
const IMPORT: &str = r#"{"spec": {"openapi": "3.1.0", "webhooks": {"imported.{slug}": {"post": {}}}}}"#;
const SPAN: &str = r#"{"since": "{now}"}"#;
const USAGE: &str = r#"{"since": "{now}", "until": "{now}"}"#;
const MESSAGE: &str = r#"{"eventType": "matrix.other", "payload": {}}"#;

/// The routes that need a key.
pub(crate) const ROUTES: &[Route] = &[
    route("GET", "/api/v1/app", "", 200, Admits::Platform, Bound::Refused),
    route("POST", "/api/v1/app", APPLICATION, 201, Admits::Platform, Bound::Refused),
    route("GET", "/api/v1/app/{app_id}", "", 200, ORGANIZATION_READ, Bound::Unrestricted),
    route("PUT", "/api/v1/app/{app_id}", APPLICATION, 200, ORGANIZATION_WRITE, Bound::Refused),
    route("PATCH", "/api/v1/app/{app_id}", APPLICATION, 200, ORGANIZATION_WRITE, Bound::Refused),
    route("DELETE", "/api/v1/app/{app_id}", "", 204, Admits::Platform, Bound::Refused),
    route("GET", "/api/v1/app/{app_id}/endpoint", "", 200, ENDPOINTS_READ, Bound::Restricted),
    route("POST", "/api/v1/app/{app_id}/endpoint", ENDPOINT, 201, ENDPOINTS_WRITE, Bound::Refused),
    route("GET", "/api/v1/app/{app_id}/endpoint/{endpoint_id}", "", 200, ENDPOINTS_READ, Bound::Named),
    route("PUT", "/api/v1/app/{app_id}/endpoint/{endpoint_id}", ENDPOINT, 200, ENDPOINTS_WRITE, Bound::Named),
    route("PATCH", "/api/v1/app/{app_id}/endpoint/{endpoint_id}", ENDPOINT, 200, ENDPOINTS_WRITE, Bound::Named),
    route("DELETE", "/api/v1/app/{app_id}/endpoint/{endpoint_id}", "", 204, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", "", 200, ENDPOINTS_READ, Bound::Named),
    route("PUT", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", HEADERS, 204, ENDPOINTS_WRITE, Bound::Named),
    route("PATCH", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", HEADERS, 204, ENDPOINTS_WRITE, Bound::Named),
    route("GET", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", "", 200, ENDPOINTS_WRITE, Bound::Named),
    route(
        "POST",
        "/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate",
        "{}",
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route("GET", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/stats", "", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/msg", "", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}", "", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/api/v1/app/{app_id}/attempt/msg/{msg_id}", "", 200, DELIVERIES_READ, Bound::Event),
    route("GET", "/api/v1/app/{app_id}/msg/{msg_id}/endpoint", "", 200, DELIVERIES_READ, Bound::Event),
    route("GET", "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", "", 200, DELIVERIES_READ, Bound::Event),
    route(
        "DELETE",
        "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
        "",
        204,
        Admits::Owner,
        Bound::Refused,
    ),
    route(
        "POST",
        "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
        "",
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route("GET", "/api/v1/app/{app_id}/msg", "", 200, EVENTS_READ, Bound::Refused),
    route("POST", "/api/v1/app/{app_id}/msg", MESSAGE, 202, EVENTS_PUBLISH, Bound::Refused),
    route("GET", "/api/v1/app/{app_id}/msg/{msg_id}", "", 200, Admits::EventReaders, Bound::Event),
    route("POST", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/recover", SPAN, 202, DELIVERIES_WRITE, Bound::Named),
    route(
        "POST",
        "/api/v1/app/{app_id}/endpoint/{endpoint_id}/replay-missing",
        SPAN,
        202,
        DELIVERIES_WRITE,
        Bound::Named,
    ),
    route("POST", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", SPAN, 202, DELIVERIES_WRITE, Bound::Named),
    route(
        "POST",
        "/api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example",
        EXAMPLE,
        200,
        ENDPOINTS_WRITE,
        Bound::Named,
    ),
    route("POST", "/api/v1/auth/app-portal-access/{app_id}", "{}", 200, Admits::Owner, Bound::Refused),
    route("POST", "/api/v1/auth/dashboard-access/{app_id}", "{}", 200, Admits::Owner, Bound::Refused),
    route("POST", "/api/v1/auth/app/{app_id}/expire-all", "", 204, KEYS_WRITE, Bound::Refused),
    route("GET", "/api/v1/operational-webhook/endpoint", "", 200, Admits::Platform, Bound::Refused),
    route("POST", "/api/v1/operational-webhook/endpoint", ENDPOINT, 201, Admits::Platform, Bound::Refused),
    route("GET", "/api/v1/operational-webhook/endpoint/{endpoint_id}", "", 200, Admits::Platform, Bound::Refused),
    route("PUT", "/api/v1/operational-webhook/endpoint/{endpoint_id}", ENDPOINT, 200, Admits::Platform, Bound::Refused),
    route("DELETE", "/api/v1/operational-webhook/endpoint/{endpoint_id}", "", 204, Admits::Platform, Bound::Refused),
    route(
        "GET",
        "/api/v1/operational-webhook/endpoint/{endpoint_id}/headers",
        "",
        200,
        Admits::Platform,
        Bound::Refused,
    ),
    route(
        "PUT",
        "/api/v1/operational-webhook/endpoint/{endpoint_id}/headers",
        HEADERS,
        204,
        Admits::Platform,
        Bound::Refused,
    ),
    route(
        "GET",
        "/api/v1/operational-webhook/endpoint/{endpoint_id}/secret",
        "",
        200,
        Admits::Platform,
        Bound::Refused,
    ),
    route(
        "POST",
        "/api/v1/operational-webhook/endpoint/{endpoint_id}/secret/rotate",
        "{}",
        204,
        Admits::Platform,
        Bound::Refused,
    ),
    route("POST", "/api/v1/stats/usage/app", USAGE, 202, Admits::Platform, Bound::Refused),
    route("PUT", "/api/v1/stats/usage/event-types", "", 202, Admits::Platform, Bound::Refused),
    route("GET", "/api/v1/background-task", "", 200, DELIVERIES_READ, Bound::Restricted),
    route("GET", "/api/v1/background-task/{task_id}", "", 200, DELIVERIES_READ, Bound::Named),
    route("GET", "/api/v1/event-type", "", 200, Admits::Everybody, Bound::Unrestricted),
    route("POST", "/api/v1/event-type", EVENT_TYPE, 201, Admits::Platform, Bound::Refused),
    route("GET", "/api/v1/event-type/{event_type_name}", "", 200, Admits::Everybody, Bound::Unrestricted),
    route("PUT", "/api/v1/event-type/{event_type_name}", EVENT_TYPE, 200, Admits::Platform, Bound::Refused),
    route("PATCH", "/api/v1/event-type/{event_type_name}", "{}", 200, Admits::Platform, Bound::Refused),
    route("DELETE", "/api/v1/event-type/{event_type_name}", "", 204, Admits::Platform, Bound::Refused),
    route("POST", "/api/v1/event-type/import/openapi", IMPORT, 200, Admits::Platform, Bound::Refused),
    route("DELETE", "/api/v1/app/{app_id}/msg/{msg_id}/content", "", 204, Admits::Owner, Bound::Refused),
];

/// The routes that need no key.
pub(crate) const OPEN: [(&str, &str); 3] =
    [("GET", "/api/v1/health"), ("GET", "/api/v1/health/ping"), ("GET", "/api/v1/openapi.json")];
