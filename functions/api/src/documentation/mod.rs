//! `GET /openapi.json` returns the OpenAPI document. `GET /docs` shows it as an HTML page. `/` redirects to `/docs`.

mod delivery_errors;
mod model;
mod page;
mod sample;

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use shared::edge::ApiError;
use shared::wire::error::ErrorCode;
use tracing::error;
use utoipa::OpenApi;

use crate::Routes;

/// The OpenAPI document. `tests/it/openapi.rs` fails if it is not current.
const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// The page contains its style sheet. The policy forbids scripts and all external resources.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// The rendered page. The first request for it renders it.
static PAGE: LazyLock<serde_json::Result<String>> =
    LazyLock::new(|| Ok(page::render(&serde_json::from_str(DOCUMENT)?).into_string()));

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(root, document, page))]
pub(crate) struct Operations;

pub(crate) fn routes() -> Routes {
    Router::new().route("/", get(root)).route("/openapi.json", get(document)).route("/docs", get(page))
}

/// Redirects to the documentation page.
#[utoipa::path(get, path = "/", operation_id = "read_root", responses((status = 307)))]
async fn root() -> Redirect {
    Redirect::temporary("/docs")
}

/// Returns this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "read_openapi",
    responses((status = 200, body = Object, content_type = "application/json")),
)]
async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "max-age=300")], DOCUMENT).into_response()
}

/// Returns this document as an HTML page.
#[utoipa::path(get, path = "/docs", operation_id = "read_docs", responses((status = 200, body = String, content_type = "text/html")))]
async fn page() -> Result<Response, ApiError> {
    let page = PAGE.as_ref().map_err(|error| {
        error!(%error, "the OpenAPI document cannot be read");
        ApiError::new(ErrorCode::Internal, "the page cannot be rendered")
    })?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "max-age=300"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    Ok((headers, page.as_str()).into_response())
}
