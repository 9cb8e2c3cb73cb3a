//! The headers of an endpoint.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::domain::endpoint::change::EndpointPatch;
use shared::edge::{ApiError, Bare, Body, Empty, PathId, SvixEndpointId};
use shared::wire::svix::{HeadersIn, HeadersOut, HeadersPatchIn};
use utoipa::OpenApi;

use super::{Reader, Writer};
use crate::dialects::shown;
use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(headers, replace_headers, change_headers))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/endpoint/{endpoint_id}/headers", get(headers).put(replace_headers).patch(change_headers))
}

/// Reads the headers of an endpoint. Credentials are listed by name.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_get",
    responses((status = 200, body = HeadersOut)),
)]
async fn headers(
    tenant: Reader,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Bare<HeadersOut>, ApiError> {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    let values = tenant.header_values();
    let endpoint = shown(&administrator, endpoint, values).await?;
    Ok(Bare::ok(HeadersOut::new(&endpoint.settings.headers, values)))
}

/// Replaces the headers of an endpoint.
#[utoipa::path(
    put, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_update",
    request_body = HeadersIn,
    responses((status = 204)),
)]
async fn replace_headers(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<HeadersIn>,
) -> Result<Empty, ApiError> {
    let headers = body.read_known(HeadersIn::parse)?;
    let patch = EndpointPatch { headers: Some(headers), ..EndpointPatch::default() };
    administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Empty)
}

/// Sets and removes headers of an endpoint.
#[utoipa::path(
    patch, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_patch",
    request_body = HeadersPatchIn,
    responses((status = 204)),
)]
async fn change_headers(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<HeadersPatchIn>,
) -> Result<Empty, ApiError> {
    let changes = body.read_known(HeadersPatchIn::parse)?;
    administrator.change_headers(&tenant.organization.id, endpoint, changes).await?;
    Ok(Empty)
}
