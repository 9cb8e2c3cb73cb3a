//! Routes for the signing secrets of webhook endpoints.

use axum::Router;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::ids::EndpointId;
use shared::domain::signing::key::NewSecret;
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, Body, Data, PathId, Tenant};
use shared::wire::organizations::{EndpointOut, RotationIn, SecretsOut};
use utoipa::OpenApi;

use super::endpoints::changed;
use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(rotate, read))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/rotations", post(rotate))
        .route("/webhooks/endpoints/{endpoint}/secret", get(read))
}

/// Gives a webhook endpoint a new secret.
///
/// Only this response shows a generated secret. For a limited time, requests are signed with the former secrets as well. The
/// request is a conflict if ten older secrets sign and it has an overlap.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{endpoint}/rotations", operation_id = "rotate_endpoint_secret",
    request_body = RotationIn,
    responses((status = 200, body = EndpointOut), (status = 409)),
)]
async fn rotate(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<RotationIn>,
) -> Result<Data<EndpointOut>, ApiError> {
    let rotation = body.read(RotationIn::parse)?;
    let generated = rotation.secret.as_ref().is_none_or(NewSecret::is_generated);
    let endpoint = administrator.rotate_secret(&tenant.organization.id, endpoint, rotation).await?;
    let shown = changed(&administrator, &tenant, &endpoint).await;
    Ok(Data::ok(if generated { shown.revealing(&endpoint) } else { shown }))
}

/// Reads the secrets that sign the requests to a webhook endpoint.
///
/// It is forbidden unless the deployment's parameter `SecretsReadable` is true.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/secret", operation_id = "read_endpoint_secret",
    responses((status = 200, body = SecretsOut)),
)]
async fn read(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    let (secrets, now) = administrator.read_secrets(&tenant.organization.id, endpoint).await?;
    let shown = Data::ok(SecretsOut::new(endpoint, &secrets, now));
    Ok(([(CACHE_CONTROL, "no-store")], shown).into_response())
}
