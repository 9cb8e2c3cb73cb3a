//! Organizations themselves.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::edge::scopes::{OrganizationRead, OrganizationWrite};
use shared::edge::{ApiError, AppState, Body, Data, Platform, Tenant};
use shared::service::Caller;
use shared::wire::error::ErrorCode;
use shared::wire::organizations::{OrganizationIn, OrganizationOut, OrganizationPatchIn};

type Answer = Result<Data<OrganizationOut>, ApiError>;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/organizations", post(create))
        .route("/v1/organizations/{organization}", get(read).patch(update))
}

async fn create(_: Platform, State(core): State<AppState>, body: Body<OrganizationIn>) -> Answer {
    let organization = core.create_organization(body.read(OrganizationIn::parse)?).await?;
    Ok(Data::created((&organization).into()))
}

async fn read(tenant: Tenant<OrganizationRead>) -> Answer {
    Ok(Data::ok((&tenant.organization).into()))
}

async fn update(
    tenant: Tenant<OrganizationWrite>,
    State(core): State<AppState>,
    body: Body<OrganizationPatchIn>,
) -> Answer {
    let patch = body.read(OrganizationPatchIn::parse)?;
    if patch.status.is_some() && !matches!(tenant.caller, Caller::Platform) {
        return Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may change an organization's status"));
    }
    let organization = core.update_organization(&tenant.organization.id, patch).await?;
    Ok(Data::ok((&organization).into()))
}
