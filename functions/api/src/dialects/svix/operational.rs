//! Endpoints of the platform's own organization, which receives events about the endpoints and messages of all applications.

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::{get, post};
use shared::domain::endpoint::change::EndpointPatch;
use shared::domain::endpoint::{EndpointSettings, NewEndpoint};
use shared::domain::event::channel::Channels;
use shared::domain::ids::OrganizationId;
use shared::domain::tenancy::rights::Binding;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{
    ApiError, Bare, Body, Empty, OfPlatform, PathId, PathReference, Platform, SvixEndpointId, SvixSearch, Tenant,
};
use shared::service::Administrator;
use shared::wire::svix::{
    EndpointIn, EndpointOut, EndpointUpdate, HeadersIn, HeadersOut, ListOut, PagingParameters, RotationIn, SecretOut,
};
use utoipa::OpenApi;

use super::endpoints::{Answer, create_in, newest_secret, page, upsert_in};
use super::repetitions::Identity;
use crate::dialects::shown;
use crate::{Api, Routes};

type Keeper = Tenant<EndpointsWrite, OfPlatform>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, upsert, remove, headers, replace_headers, secret, rotate))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/operational-webhook/endpoint", get(list).post(create))
        .route("/operational-webhook/endpoint/{endpoint_id}", get(read).put(upsert).delete(remove))
        .route("/operational-webhook/endpoint/{endpoint_id}/headers", get(headers).put(replace_headers))
        .route("/operational-webhook/endpoint/{endpoint_id}/secret", get(secret))
        .route("/operational-webhook/endpoint/{endpoint_id}/secret/rotate", post(rotate))
}

/// Lists the endpoints for events about all applications, newest first.
#[utoipa::path(
    get, path = "/operational-webhook/endpoint", operation_id = "operational_webhook_endpoint_list",
    params(PagingParameters),
    responses((status = 200, body = ListOut<EndpointOut>)),
)]
async fn list(
    _: Platform,
    State(administrator): Api,
    SvixSearch(query): SvixSearch,
) -> Result<Bare<ListOut<EndpointOut>>, ApiError> {
    page(&administrator, &OrganizationId::platform(), &Binding::default(), query).await
}

/// Creates an endpoint for events about all applications.
///
/// Its event types are those of this service; without any it receives all that have the form of this dialect.
#[utoipa::path(
    post, path = "/operational-webhook/endpoint", operation_id = "operational_webhook_endpoint_create",
    request_body = EndpointIn,
    responses((status = 201, body = EndpointOut)),
)]
async fn create(
    _: Platform,
    State(administrator): Api,
    identity: Option<Extension<Identity>>,
    body: Body<EndpointIn>,
) -> Answer {
    let new = parsed(&administrator, body)?.new;
    let organization = administrator.platform_organization().await?;
    create_in(&administrator, &organization, identity, new).await
}

/// Validates a body. The events have no channels.
fn parsed(administrator: &Administrator, body: Body<EndpointIn>) -> Result<EndpointUpdate, ApiError> {
    let deployment = administrator.deployment_of_platform();
    let EndpointUpdate { new, patch } = body.read_known(|body| body.parse(&deployment))?;
    let settings = EndpointSettings { channels: Channels::default(), ..new.settings };
    Ok(EndpointUpdate { new: NewEndpoint { settings, ..new }, patch: EndpointPatch { channels: None, ..patch } })
}

/// Reads an endpoint.
#[utoipa::path(
    get, path = "/operational-webhook/endpoint/{endpoint_id}", operation_id = "operational_webhook_endpoint_get",
    responses((status = 200, body = EndpointOut)),
)]
async fn read(
    tenant: Keeper,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Replaces an endpoint, or creates it if the path has a uid.
#[utoipa::path(
    put, path = "/operational-webhook/endpoint/{endpoint_id}", operation_id = "operational_webhook_endpoint_update",
    request_body = EndpointIn,
    responses((status = 200, body = EndpointOut), (status = 201, body = EndpointOut)),
)]
async fn upsert(
    _: Platform,
    PathReference(named): PathReference<SvixEndpointId>,
    State(administrator): Api,
    body: Body<EndpointIn>,
) -> Answer {
    let update = parsed(&administrator, body)?;
    let organization = administrator.platform_organization().await?;
    upsert_in(&administrator, &organization, &Binding::default(), named, update).await
}

/// Deletes an endpoint permanently.
#[utoipa::path(
    delete, path = "/operational-webhook/endpoint/{endpoint_id}",
    operation_id = "operational_webhook_endpoint_delete",
    responses((status = 204)),
)]
async fn remove(
    tenant: Keeper,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}

/// Reads the headers of an endpoint. Credentials are listed by name.
#[utoipa::path(
    get, path = "/operational-webhook/endpoint/{endpoint_id}/headers",
    operation_id = "operational_webhook_endpoint_headers_get",
    responses((status = 200, body = HeadersOut)),
)]
async fn headers(
    tenant: Keeper,
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
    put, path = "/operational-webhook/endpoint/{endpoint_id}/headers",
    operation_id = "operational_webhook_endpoint_headers_update", request_body = HeadersIn,
    responses((status = 204)),
)]
async fn replace_headers(
    tenant: Keeper,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<HeadersIn>,
) -> Result<Empty, ApiError> {
    let patch = EndpointPatch { headers: Some(body.read_known(HeadersIn::parse)?), ..EndpointPatch::default() };
    administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Empty)
}

/// Reads the secret that verifies the requests to an endpoint: for Ed25519, the public key.
///
/// It is forbidden unless the deployment's parameter `SecretsReadable` is true.
#[utoipa::path(
    get, path = "/operational-webhook/endpoint/{endpoint_id}/secret",
    operation_id = "operational_webhook_endpoint_secret_get",
    responses((status = 200, body = SecretOut)),
)]
async fn secret(
    tenant: Keeper,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    newest_secret(&administrator, &tenant.organization.id, endpoint).await
}

/// Gives an endpoint a new secret. The former one signs beside it for a time.
#[utoipa::path(
    post, path = "/operational-webhook/endpoint/{endpoint_id}/secret/rotate",
    operation_id = "operational_webhook_endpoint_secret_rotate", request_body = RotationIn,
    responses((status = 204)),
)]
async fn rotate(
    tenant: Keeper,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<RotationIn>,
) -> Result<Empty, ApiError> {
    let rotation = body.read_known(RotationIn::parse)?;
    administrator.rotate_secret(&tenant.organization.id, endpoint, rotation).await?;
    Ok(Empty)
}
