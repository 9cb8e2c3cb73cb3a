//! Routes for API keys.

use axum::Router;
use axum::extract::State;
use axum::routing::{patch, post};
use shared::domain::ids::KeyId;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, Body, Data, PathId, Search, Tenant};
use shared::wire::organizations::{ApiKeyIn, ApiKeyOut, ApiKeyPatchIn};
use shared::wire::query::PagingParameters;

use super::page;
use utoipa::OpenApi;

use crate::{Api, Routes};

type Answer = Result<Data<ApiKeyOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(issue, list, rename, revoke, rotate))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/api-keys", post(issue).get(list))
        .route("/api-keys/{key}", patch(rename).delete(revoke))
        .route("/api-keys/{key}/rotations", post(rotate))
}

/// Issues an API key.
///
/// Only this response shows the secret key. A key can issue only keys without rights that it lacks itself: scopes, endpoints,
/// and time. The platform's key can issue any.
#[utoipa::path(
    post, path = "/api-keys", operation_id = "issue_key", request_body = ApiKeyIn,
    responses((status = 201, body = ApiKeyOut)),
)]
async fn issue(tenant: Tenant<KeysWrite>, State(administrator): Api, body: Body<ApiKeyIn>) -> Answer {
    let now = administrator.clock().now();
    let new = body.read(|body| body.parse(now))?;
    let issued = administrator.issue_key(&tenant.organization.id, &tenant.caller, new).await?;
    Ok(Data::created(ApiKeyOut::new(&issued.key, now).revealing(issued.secret.reveal())))
}

/// Lists API keys, oldest first.
#[utoipa::path(
    get, path = "/api-keys", operation_id = "list_keys",
    params(PagingParameters),
    responses((status = 200, body = Vec<ApiKeyOut>)),
)]
async fn list(
    tenant: Tenant<KeysRead>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<ApiKeyOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let keys = administrator.list_keys(&tenant.organization.id, paging.cursor.as_deref(), paging.limit).await?;
    let now = administrator.clock().now();
    page(keys.items, keys.next, paging.limit, |key| ApiKeyOut::new(key, now), |key| key.id.to_string())
}

/// Renames an API key.
#[utoipa::path(
    patch, path = "/api-keys/{key}", operation_id = "rename_key", request_body = ApiKeyPatchIn,
    responses((status = 200, body = ApiKeyOut)),
)]
async fn rename(
    tenant: Tenant<KeysWrite>,
    PathId(key): PathId<KeyId>,
    State(administrator): Api,
    body: Body<ApiKeyPatchIn>,
) -> Answer {
    let renamed = administrator.rename_key(&tenant.organization.id, key, body.read(ApiKeyPatchIn::parse)?).await?;
    Ok(Data::ok(ApiKeyOut::new(&renamed, administrator.clock().now())))
}

/// Revokes an API key.
///
/// The key stops working within one minute. A key with the scope `keys:write` can revoke every key of its organization.
#[utoipa::path(
    delete, path = "/api-keys/{key}", operation_id = "revoke_key",
    responses((status = 200, body = ApiKeyOut)),
)]
async fn revoke(tenant: Tenant<KeysWrite>, PathId(key): PathId<KeyId>, State(administrator): Api) -> Answer {
    let revoked = administrator.revoke_key(&tenant.organization.id, key).await?;
    Ok(Data::ok(ApiKeyOut::new(&revoked, administrator.clock().now())))
}

/// Rotates an API key.
///
/// The response has a new key with the same scopes, endpoints and `expires_at`. The former key works for 24 more hours. Only
/// an active key can be rotated, by a key that could issue it.
#[utoipa::path(
    post, path = "/api-keys/{key}/rotations", operation_id = "rotate_key",
    responses((status = 201, body = ApiKeyOut), (status = 409)),
)]
async fn rotate(tenant: Tenant<KeysWrite>, PathId(key): PathId<KeyId>, State(administrator): Api) -> Answer {
    let issued = administrator.rotate_key(&tenant.organization.id, &tenant.caller, key).await?;
    let shown = ApiKeyOut::new(&issued.key, administrator.clock().now());
    Ok(Data::created(shown.revealing(issued.secret.reveal())))
}
