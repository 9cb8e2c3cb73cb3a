//! Routes of the `endpoints` dialect.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::value::RawValue;
use shared::edge::scopes::{EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, Bare, Body, BoundTenant, Empty, HyphenatedEndpointId, OfKey, PathId, Tenant};
use shared::wire::endpoints::{EndpointIn, EndpointOut, EndpointPatchIn};
use utoipa::OpenApi;

use super::{all_shown, shown, shown_after_change, whole_list};
use crate::{Api, Routes};

type Answer = Result<Bare<EndpointOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, list, read, update, remove))]
pub(crate) struct Operations;

pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/v1/endpoints", post(create).get(list))
        .route("/v1/endpoints/{endpoint}", get(read).patch(update).delete(remove))
}

/// Creates an endpoint.
///
/// The endpoint subscribes to `*`. The server generates a signing secret if the request has none. Only this response
/// shows the generated secret.
#[utoipa::path(
    post, path = "/v1/endpoints", operation_id = "create_endpoint", request_body = EndpointIn,
    responses((status = 201, body = EndpointOut), (status = 422)),
)]
async fn create(tenant: Tenant<EndpointsWrite, OfKey>, State(administrator): Api, body: Body<EndpointIn>) -> Answer {
    let new = body.read(|body| body.parse(&administrator.deployment().urls))?;
    let generated = new.secret.is_generated();
    let endpoint = administrator.create_endpoint(&tenant.organization.id, new).await?;
    let shown = EndpointOut::new(&endpoint, tenant.header_values());
    Ok(Bare::created(if generated { shown.revealing(&endpoint) } else { shown }))
}

/// Lists all endpoints, oldest first.
///
/// The request is refused if the list does not fit into one response. The list of the dialect `organizations` has
/// pages.
#[utoipa::path(
    get, path = "/v1/endpoints", operation_id = "list_endpoints",
    responses((status = 200, body = Vec<EndpointOut>), (status = 422)),
)]
async fn list(
    tenant: BoundTenant<EndpointsRead, OfKey>,
    State(administrator): Api,
) -> Result<Bare<Box<RawValue>>, ApiError> {
    let endpoints = administrator.list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    let endpoints = all_shown(&administrator, endpoints, tenant.header_values()).await?;
    whole_list(endpoints.iter().map(|endpoint| EndpointOut::new(endpoint, tenant.header_values())))
}

/// Reads an endpoint.
#[utoipa::path(
    get, path = "/v1/endpoints/{endpoint}", operation_id = "read_endpoint",
    responses((status = 200, body = EndpointOut)),
)]
async fn read(
    tenant: Tenant<EndpointsRead, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    let values = tenant.header_values();
    Ok(Bare::ok(EndpointOut::new(&shown(&administrator, endpoint, values).await?, values)))
}

/// Changes an endpoint.
#[utoipa::path(
    patch, path = "/v1/endpoints/{endpoint}", operation_id = "update_endpoint", request_body = EndpointPatchIn,
    responses((status = 200, body = EndpointOut)),
)]
async fn update(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(administrator): Api,
    body: Body<EndpointPatchIn>,
) -> Answer {
    let patch = body.read(|body| body.parse(&administrator.deployment().urls))?;
    let endpoint = administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    let values = tenant.header_values();
    Ok(Bare::ok(EndpointOut::new(&shown_after_change(&administrator, &endpoint, values).await, values)))
}

/// Deletes an endpoint permanently.
#[utoipa::path(
    delete, path = "/v1/endpoints/{endpoint}", operation_id = "delete_endpoint",
    responses((status = 204), (status = 409)),
)]
async fn remove(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}
