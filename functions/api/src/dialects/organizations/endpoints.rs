//! Webhook endpoints.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::Invalid;
use shared::domain::endpoint::DisabledReason;
use shared::domain::ids::EndpointId;
use shared::edge::scopes::{DeliveriesWrite, EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, AppState, Body, Data, Empty, PathId, Search, Tenant, check_size};
use shared::wire::organizations::{EndpointIn, EndpointOut, RecoverIn, RecoveryOut, RotationIn, TestIn, TestOut};

use super::page;

type Answer = Result<Data<EndpointOut>, ApiError>;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/webhooks/endpoints", post(create).get(list))
        .route("/webhooks/endpoints/{endpoint}", get(read).patch(update).delete(remove))
        .route("/webhooks/endpoints/{endpoint}/rotations", post(rotate))
        .route("/webhooks/endpoints/{endpoint}/test", post(test))
        .route("/webhooks/endpoints/{endpoint}/recover", post(recover))
}

async fn create(tenant: Tenant<EndpointsWrite>, State(core): State<AppState>, body: Body<EndpointIn>) -> Answer {
    let new = body.read(|body| body.parse(core.deployment()))?;
    let generated = new.secret.is_none();
    let endpoint = core.create_endpoint(&tenant.organization.id, new).await?;
    let shown = EndpointOut::from(&endpoint);
    Ok(Data::created(if generated { shown.revealing(&endpoint) } else { shown }))
}

async fn list(
    tenant: Tenant<EndpointsRead>,
    State(core): State<AppState>,
    Search(mut query): Search,
) -> Result<Data<Vec<EndpointOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let endpoints = core.list_endpoints(&tenant.organization.id).await?;
    let (endpoints, pagination) = page(endpoints, &paging, |endpoint| endpoint.id);
    Ok(Data::page(endpoints.iter().map(EndpointOut::from).collect(), pagination))
}

async fn read(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Answer {
    let endpoint = core.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Data::ok((&endpoint).into()))
}

async fn update(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<EndpointIn>,
) -> Answer {
    let patch = body.read(|body| body.parse_patch(core.deployment()))?;
    let endpoint = core.update_endpoint(&tenant.organization.id, endpoint, patch).await?;
    Ok(Data::ok((&endpoint).into()))
}

async fn remove(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    Search(mut query): Search,
) -> Result<Response, ApiError> {
    let permanent =
        query.take("permanent", |text| text.parse::<bool>().map_err(|_| Invalid::new("must be true or false")));
    if query.finish(permanent)?.unwrap_or(false) {
        core.delete_endpoint(&tenant.organization.id, endpoint).await?;
        return Ok(Empty.into_response());
    }
    let disabled = core.disable_endpoint(&tenant.organization.id, endpoint, DisabledReason::Owner).await?;
    Ok(Data::ok(EndpointOut::from(&disabled)).into_response())
}

async fn rotate(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<RotationIn>,
) -> Answer {
    let endpoint = core.rotate_secret(&tenant.organization.id, endpoint, body.read(RotationIn::parse)?).await?;
    Ok(Data::ok(EndpointOut::from(&endpoint).revealing(&endpoint)))
}

async fn test(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<TestIn>,
) -> Result<Data<TestOut>, ApiError> {
    let by = tenant.caller.key();
    let test = body.read(|body| body.parse(&core.deployment().catalogue))?;
    check_size(test.data.as_deref().unwrap_or_default())?;
    let sent = core.send_test(&tenant.organization, by, endpoint, test).await?;
    Ok(Data::ok(TestOut::new(&sent.event, &sent.deliveries)))
}

async fn recover(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<RecoverIn>,
) -> Result<Data<RecoveryOut>, ApiError> {
    let wanted = body.read(RecoverIn::parse)?;
    let (recovery, progress) = core.recover(&tenant.organization.id, endpoint, wanted).await?;
    Ok(Data::accepted(RecoveryOut::new(&recovery, progress.recovered, progress.finished)))
}
