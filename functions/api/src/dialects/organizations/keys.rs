//! API keys.

use axum::Router;
use axum::extract::State;
use axum::routing::{patch, post};
use shared::domain::ids::KeyId;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, AppState, Body, Data, PathId, Search, Tenant};
use shared::wire::organizations::{ApiKeyIn, ApiKeyOut, ApiKeyPatchIn};

use super::page;

type Answer = Result<Data<ApiKeyOut>, ApiError>;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api-keys", post(issue).get(list))
        .route("/api-keys/{key}", patch(rename).delete(revoke))
        .route("/api-keys/{key}/rotations", post(rotate))
}

async fn issue(tenant: Tenant<KeysWrite>, State(core): State<AppState>, body: Body<ApiKeyIn>) -> Answer {
    let issued = core.issue_key(&tenant.organization.id, body.read(ApiKeyIn::parse)?).await?;
    Ok(Data::created(ApiKeyOut::from(&issued.key).revealing(issued.secret.reveal())))
}

async fn list(
    tenant: Tenant<KeysRead>,
    State(core): State<AppState>,
    Search(mut query): Search,
) -> Result<Data<Vec<ApiKeyOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let (keys, pagination) = page(core.list_keys(&tenant.organization.id).await?, &paging, |key| key.id);
    Ok(Data::page(keys.iter().map(ApiKeyOut::from).collect(), pagination))
}

async fn rename(
    tenant: Tenant<KeysWrite>,
    PathId(key): PathId<KeyId>,
    State(core): State<AppState>,
    body: Body<ApiKeyPatchIn>,
) -> Answer {
    let renamed = core.rename_key(&tenant.organization.id, key, body.read(ApiKeyPatchIn::parse)?).await?;
    Ok(Data::ok((&renamed).into()))
}

async fn revoke(tenant: Tenant<KeysWrite>, PathId(key): PathId<KeyId>, State(core): State<AppState>) -> Answer {
    let revoked = core.revoke_key(&tenant.organization.id, key).await?;
    Ok(Data::ok((&revoked).into()))
}

async fn rotate(tenant: Tenant<KeysWrite>, PathId(key): PathId<KeyId>, State(core): State<AppState>) -> Answer {
    let issued = core.rotate_key(&tenant.organization.id, key).await?;
    Ok(Data::created(ApiKeyOut::from(&issued.key).revealing(issued.secret.reveal())))
}
