//! Whether the function answers. It needs no key.

use axum::Router;
use axum::routing::get;
use shared::edge::Empty;
use utoipa::OpenApi;

use crate::Routes;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(health, ping))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/health", get(health)).route("/health/ping", get(ping))
}

/// Answers if the function runs.
#[utoipa::path(get, path = "/health", operation_id = "health_get", responses((status = 204)))]
async fn health() -> Empty {
    Empty
}

/// Answers if the function runs.
#[utoipa::path(get, path = "/health/ping", operation_id = "health_ping", responses((status = 204)))]
async fn ping() -> Empty {
    Empty
}
