//! The `hooks` dialect.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::EndpointId;
use shared::edge::scopes::{EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, AppState, Bare, Body, Empty, PathId, Tenant};
use shared::wire::hooks::{HookIn, HookOut, HookPatchIn};

type Answer = Result<Bare<HookOut>, ApiError>;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/organizations/{organization}/webhooks", post(create).get(list))
        .route("/v1/organizations/{organization}/webhooks/{endpoint}", get(read).patch(update).delete(remove))
}

async fn create(tenant: Tenant<EndpointsWrite>, State(core): State<AppState>, body: Body<HookIn>) -> Answer {
    let new = body.read(|body| body.parse(core.deployment()))?;
    let endpoint = core.create_endpoint(&tenant.organization.id, new).await?;
    Ok(Bare::created(HookOut::from(&endpoint).revealing(&endpoint)))
}

async fn list(tenant: Tenant<EndpointsRead>, State(core): State<AppState>) -> Result<Bare<Vec<HookOut>>, ApiError> {
    let endpoints = core.list_endpoints(&tenant.organization.id).await?;
    Ok(Bare::ok(endpoints.iter().map(HookOut::from).collect()))
}

async fn read(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Answer {
    let endpoint = core.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn update(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<HookPatchIn>,
) -> Answer {
    let patch = body.read(|body| body.parse(core.deployment()))?;
    let endpoint = core.update_endpoint(&tenant.organization.id, endpoint, patch).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn remove(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Result<Empty, ApiError> {
    core.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}
