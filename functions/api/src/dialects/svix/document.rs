//! The OpenAPI document of the dialect. It needs no key.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;

use crate::Routes;

/// The document. `tests/it/svix/openapi.rs` fails if it is not current.
const DOCUMENT: &str = include_str!("../../../../../docs/svix-openapi.json");

/// The OpenAPI description of this route.
#[derive(OpenApi)]
#[openapi(paths(document))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/openapi.json", get(document))
}

/// Returns this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi_get",
    responses((status = 200, body = Object, content_type = "application/json")),
)]
async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "max-age=300")], DOCUMENT).into_response()
}
