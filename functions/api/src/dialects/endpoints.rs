//! The `endpoints` dialect.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::edge::scopes::{EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, AppState, Bare, Body, Empty, HyphenatedEndpointId, OfKey, PathId, Tenant};
use shared::wire::endpoints::{EndpointIn, EndpointOut, EndpointPatchIn};

type Answer = Result<Bare<EndpointOut>, ApiError>;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/endpoints", post(create).get(list))
        .route("/v1/endpoints/{endpoint}", get(read).patch(update).delete(remove))
}

async fn create(tenant: Tenant<EndpointsWrite, OfKey>, State(core): State<AppState>, body: Body<EndpointIn>) -> Answer {
    let new = body.read(|body| body.parse(&core.deployment().urls))?;
    let generated = new.secret.is_none();
    let endpoint = core.create_endpoint(&tenant.organization.id, new).await?;
    let shown = EndpointOut::from(&endpoint);
    Ok(Bare::created(if generated { shown.revealing(&endpoint) } else { shown }))
}

async fn list(
    tenant: Tenant<EndpointsRead, OfKey>,
    State(core): State<AppState>,
) -> Result<Bare<Vec<EndpointOut>>, ApiError> {
    let endpoints = core.list_endpoints(&tenant.organization.id).await?;
    Ok(Bare::ok(endpoints.iter().map(EndpointOut::from).collect()))
}

async fn read(
    tenant: Tenant<EndpointsRead, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(core): State<AppState>,
) -> Answer {
    let endpoint = core.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn update(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(core): State<AppState>,
    body: Body<EndpointPatchIn>,
) -> Answer {
    let patch = body.read(|body| body.parse(&core.deployment().urls))?;
    let endpoint = core.update_endpoint(&tenant.organization.id, endpoint, patch).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn remove(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(HyphenatedEndpointId(endpoint)): PathId<HyphenatedEndpointId>,
    State(core): State<AppState>,
) -> Result<Empty, ApiError> {
    core.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}
