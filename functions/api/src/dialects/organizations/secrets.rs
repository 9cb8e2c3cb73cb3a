//! Routes for the signing secrets of webhook endpoints, and for their public keys, which need no key.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::signing::key::{NewSecret, PublishedKey};
use shared::edge::scopes::EndpointsWrite;
use shared::edge::{ApiError, Bare, Body, Data, PathId, Tenant};
use shared::wire::organizations::{EndpointOut, KeySetOut, RotationIn, SecretsOut};
use utoipa::OpenApi;

use super::endpoints::changed;
use crate::{Api, Routes};

/// How long a verifier, or a cache in between, may use a key set. A process of the API uses it for another minute. So a new key
/// is known everywhere after six minutes, which is much less than the usual overlap of a rotation; and keys that no longer sign
/// are forgotten after the same time. Verifiers that meet an unknown key id fetch the set again.
const KEY_SET_CACHING: &str = "public, max-age=300";

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(rotate, read, endpoint_keys, organization_keys))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/rotations", post(rotate))
        .route("/webhooks/endpoints/{endpoint}/secret", get(read))
        .route("/webhooks/endpoints/{endpoint}/jwks.json", get(endpoint_keys))
        .route("/jwks.json", get(organization_keys))
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

/// Lists the public keys that verify the requests to a webhook endpoint, as a JSON Web Key Set.
///
/// It needs no key. The header `webhook-key-id` of a request names the keys of its signatures. Only Ed25519 keys are listed. If
/// there is none, the response is 404, whether the endpoint exists or not.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/jwks.json", operation_id = "list_endpoint_keys",
    responses((status = 200, body = KeySetOut, content_type = "application/jwk-set+json")),
)]
async fn endpoint_keys(
    PathId(organization): PathId<OrganizationId>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    Ok(key_set(&administrator.endpoint_keys(&organization, endpoint).await?))
}

/// Lists the public keys of all webhook endpoints of an organization, as a JSON Web Key Set.
///
/// It needs no key. At most 1,000 keys are listed, those of older endpoints first. If there is none, the response is 404, whether
/// the organization exists or not.
#[utoipa::path(
    get, path = "/jwks.json", operation_id = "list_organization_keys",
    responses((status = 200, body = KeySetOut, content_type = "application/jwk-set+json")),
)]
async fn organization_keys(
    PathId(organization): PathId<OrganizationId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    Ok(key_set(&administrator.organization_keys(&organization).await?))
}

fn key_set(keys: &[PublishedKey]) -> Response {
    let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, KEY_SET_CACHING)];
    (headers, Bare::ok(KeySetOut::new(keys))).into_response()
}
