//! The secret of an endpoint.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, USER_AGENT};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::edge::{ApiError, Bare, Body, Empty, PathId, SvixEndpointId};
use shared::service::Administrator;
use shared::wire::svix::{RotationIn, SecretOut};
use utoipa::OpenApi;

use super::Writer;
use crate::dialects::svix::repetitions::Remade;
use crate::{Api, Routes};

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(secret, rotate))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/endpoint/{endpoint_id}/secret", get(secret))
        .route("/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", post(rotate))
}

/// Reads the secret that verifies the requests to an endpoint: for Ed25519, the public key.
///
/// It is forbidden unless the deployment's parameter `SecretsReadable` is true.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/secret", operation_id = "endpoint_secret_get",
    responses((status = 200, body = SecretOut)),
)]
async fn secret(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    newest_secret(&administrator, &tenant.organization.id, endpoint).await
}

/// Shows the newest secret of an endpoint.
pub(in crate::dialects::svix) async fn newest_secret(
    administrator: &Administrator,
    organization: &OrganizationId,
    endpoint: EndpointId,
) -> Result<Response, ApiError> {
    let (secrets, _) = administrator.read_secrets(organization, endpoint).await?;
    let shown = Bare::ok(SecretOut::new(&secrets.newest.secret));
    Ok(([(CACHE_CONTROL, "no-store")], shown).into_response())
}

/// Gives an endpoint a new secret. The former one signs beside it for a time.
///
/// The answer shows the new secret; for clients before 2.0 it is 204.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", operation_id = "endpoint_secret_rotate",
    request_body = RotationIn,
    responses((status = 200, body = SecretOut), (status = 204)),
)]
async fn rotate(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    headers: HeaderMap,
    body: Body<RotationIn>,
) -> Result<Response, ApiError> {
    let rotation = body.read_known(RotationIn::parse)?;
    let rotated = administrator.rotate_secret(&tenant.organization.id, endpoint, rotation).await?;
    if expects_no_content(&headers) {
        return Ok(Empty.into_response());
    }
    let newest = &rotated.secrets.newest;
    let mut response = ([(CACHE_CONTROL, "no-store")], Bare::ok(SecretOut::new(&newest.secret))).into_response();
    response.extensions_mut().insert(Remade::Secret(endpoint, newest.id));
    Ok(response)
}

/// Whether a rotation must have no body: some clients before 2.0 fail at any status but 204, later ones require the secret.
fn expects_no_content(headers: &HeaderMap) -> bool {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    client.strip_prefix("svix-libs/").is_some_and(|version| version.starts_with("1.") || version.starts_with("0."))
}
