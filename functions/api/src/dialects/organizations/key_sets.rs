//! Routes for the public keys of webhook endpoints. They need no key.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::signing::key::PublishedKey;
use shared::edge::{ApiError, PathId};
use shared::wire::error::ErrorCode;
use shared::wire::organizations::KeySetOut;
use utoipa::OpenApi;

use crate::{Api, Routes};

/// How long a verifier, or a cache in between, may use a key set. A process of the API uses it for another minute. So a new key
/// is known everywhere after six minutes, which is much less than the usual overlap of a rotation; and keys that no longer sign
/// are forgotten after the same time. Verifiers that meet an unknown key id fetch the set again.
const CACHING: &str = "public, max-age=300";

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(of_endpoint, of_organization))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints/{endpoint}/jwks.json", get(of_endpoint))
        .route("/jwks.json", get(of_organization))
}

/// Lists the public keys that verify the requests to a webhook endpoint, as a JSON Web Key Set.
///
/// It needs no key. The header `webhook-key-id` of a request names the keys of its signatures. Only Ed25519 keys are listed. If
/// there is none, the response is 404, whether the endpoint exists or not. With the `etag` of an earlier response in
/// `if-none-match`, the response to an unchanged set is 304, without a body.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}/jwks.json", operation_id = "list_endpoint_keys",
    responses(
        (status = 200, body = KeySetOut, content_type = "application/jwk-set+json", headers(("etag" = String))),
        (status = 304, headers(("etag" = String))),
    ),
)]
async fn of_endpoint(
    PathId(organization): PathId<OrganizationId>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    key_set(&headers, &administrator.endpoint_keys(&organization, endpoint).await?)
}

/// Lists the public keys of all webhook endpoints of an organization, as a JSON Web Key Set.
///
/// It needs no key. At most 1,000 keys are listed, those of older endpoints first. If there is none, the response is 404, whether
/// the organization exists or not. `if-none-match` works as for the set of an endpoint.
#[utoipa::path(
    get, path = "/jwks.json", operation_id = "list_organization_keys",
    responses(
        (status = 200, body = KeySetOut, content_type = "application/jwk-set+json", headers(("etag" = String))),
        (status = 304, headers(("etag" = String))),
    ),
)]
async fn of_organization(
    PathId(organization): PathId<OrganizationId>,
    State(administrator): Api,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    key_set(&headers, &administrator.organization_keys(&organization).await?)
}

/// The set, or 304 if the caller has it. The tag is a digest of the body, so it is the same in all processes.
fn key_set(request: &HeaderMap, keys: &[PublishedKey]) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(&KeySetOut::new(keys));
    let body = body.map_err(|_| ApiError::new(ErrorCode::Internal, "the key set could not be written"))?;
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
    let headers = [(ETAG, tag.as_str()), (CACHE_CONTROL, CACHING)];
    if is_known(request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, [(CONTENT_TYPE, "application/jwk-set+json")], body).into_response())
}

/// Whether `If-None-Match` has this tag, or `*`. A weak tag is compared like a strong one (RFC 9110).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
