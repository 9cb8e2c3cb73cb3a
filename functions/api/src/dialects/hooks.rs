//! Routes of the `hooks` dialect.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::value::RawValue;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::{EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, Bare, Body, BoundTenant, Empty, PathId, Tenant};
use shared::wire::field::NamesTypes;
use shared::wire::hooks::{HookIn, HookOut, HookPatchIn};
use utoipa::OpenApi;

use super::whole_list;
use crate::{Api, Routes};

type Answer = Result<Bare<HookOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, list, read, update, remove))]
pub(crate) struct Operations;

pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/v1/organizations/{organization}/webhooks", post(create).get(list))
        .route("/v1/organizations/{organization}/webhooks/{endpoint}", get(read).patch(update).delete(remove))
}

/// Creates a webhook.
///
/// Only this response shows the webhook's secret. The webhook's name is the URL's host.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/webhooks", operation_id = "create_webhook", request_body = HookIn,
    responses((status = 201, body = HookOut), (status = 422)),
)]
async fn create(tenant: Tenant<EndpointsWrite>, State(administrator): Api, body: Body<HookIn>) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let new = body.read(|body| body.parse(&deployment))?;
    let endpoint = administrator.create_endpoint(&tenant.organization.id, new).await?;
    Ok(Bare::created(HookOut::from(&endpoint).revealing(&endpoint)))
}

/// Lists webhooks, oldest first.
///
/// The request is refused if the list does not fit into one response. The list of the dialect `organizations` has
/// pages.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/webhooks", operation_id = "list_webhooks",
    responses((status = 200, body = Vec<HookOut>), (status = 422)),
)]
async fn list(tenant: BoundTenant<EndpointsRead>, State(administrator): Api) -> Result<Bare<Box<RawValue>>, ApiError> {
    let endpoints = administrator.list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    whole_list(endpoints.iter().map(HookOut::from))
}

/// Reads a webhook.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/webhooks/{endpoint}", operation_id = "read_webhook",
    responses((status = 200, body = HookOut)),
)]
async fn read(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Changes a webhook.
#[utoipa::path(
    patch, path = "/v1/organizations/{organization}/webhooks/{endpoint}", operation_id = "update_webhook",
    request_body = HookPatchIn,
    responses((status = 200, body = HookOut)),
)]
async fn update(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<HookPatchIn>,
) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let patch = body.read(|body| body.parse(&deployment))?;
    let endpoint = administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Deletes a webhook permanently.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}/webhooks/{endpoint}", operation_id = "delete_webhook",
    responses((status = 204), (status = 409)),
)]
async fn remove(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}
