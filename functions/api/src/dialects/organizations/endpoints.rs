//! Routes for webhook endpoints.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::endpoint::{DisabledReason, Endpoint};
use shared::domain::ids::EndpointId;
use shared::edge::scopes::{DeliveriesWrite, EndpointsRead, EndpointsWrite};
use shared::edge::{ApiError, Body, BoundTenant, Data, Empty, PathId, Search, Tenant, check_size};
use shared::service::{Administrator, FilterTest, Recovering};
use shared::wire::field::NamesTypes;
use shared::wire::organizations::{
    EndpointIn, EndpointOut, EndpointPatchIn, EventIn, FilterTestOut, RecoverIn, RecoveryOut, TestIn, TestOut,
};
use shared::wire::query::{DeletionParameters, PagingParameters};
use utoipa::OpenApi;

use super::{after, page};
use crate::dialects::{all_shown, shown, shown_after_change};
use crate::{Api, Routes};

type Answer = Result<Data<EndpointOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, list, read, update, remove, test, recover, test_filter))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/webhooks/endpoints", post(create).get(list))
        .route("/webhooks/endpoints/{endpoint}", get(read).patch(update).delete(remove))
        .route("/webhooks/endpoints/{endpoint}/test", post(test))
        .route("/webhooks/endpoints/{endpoint}/recover", post(recover))
        .route("/webhooks/endpoints/{endpoint}/filter-test", post(test_filter))
}

/// Creates a webhook endpoint.
///
/// The server generates a signing secret if the request has none. Only this response shows the generated secret.
#[utoipa::path(
    post, path = "/webhooks/endpoints", operation_id = "create_endpoint", request_body = EndpointIn,
    responses((status = 201, body = EndpointOut), (status = 422)),
)]
async fn create(tenant: Tenant<EndpointsWrite>, State(administrator): Api, body: Body<EndpointIn>) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let new = body.read(|body| body.parse(&deployment, tenant.caller.holds_platform_key()))?;
    let generated = new.secret.is_generated();
    let endpoint = administrator.create_endpoint(&tenant.organization.id, new).await?;
    let shown = changed(&administrator, &tenant, &endpoint).await;
    Ok(Data::created(if generated { shown.revealing(&endpoint) } else { shown }))
}

/// Lists webhook endpoints, oldest first.
#[utoipa::path(
    get, path = "/webhooks/endpoints", operation_id = "list_endpoints",
    params(PagingParameters),
    responses((status = 200, body = Vec<EndpointOut>)),
)]
async fn list(
    tenant: BoundTenant<EndpointsRead>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<EndpointOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let after = after(&paging, |cursor| EndpointId::parse(cursor).ok())?;
    let endpoints = administrator.list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    let mut rest = endpoints.into_iter().filter(|endpoint| after.is_none_or(|after| endpoint.id > after));
    let listed: Vec<_> = rest.by_ref().take(paging.limit).collect();
    let next = rest.next().and(listed.last()).map(|last| last.id.to_string());
    let listed = all_shown(&administrator, listed, tenant.header_values()).await?;
    let health = administrator.health_of(&listed).await;
    let show = |endpoint: &Endpoint| {
        EndpointOut::new(endpoint, &administrator.health_in(&health, endpoint), tenant.header_values())
    };
    page(listed, next, paging.limit, show, |endpoint| endpoint.id.to_string())
}

/// Reads a webhook endpoint.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{endpoint}", operation_id = "read_endpoint",
    responses((status = 200, body = EndpointOut)),
)]
async fn read(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    let health = administrator.full_health_of(&endpoint).await;
    let values = tenant.header_values();
    Ok(Data::ok(EndpointOut::new(&shown(&administrator, endpoint, values).await?, &health, values)))
}

/// Changes a webhook endpoint.
///
/// If the request sets a secret, only that secret signs requests from then on.
#[utoipa::path(
    patch, path = "/webhooks/endpoints/{endpoint}", operation_id = "update_endpoint", request_body = EndpointPatchIn,
    responses((status = 200, body = EndpointOut)),
)]
async fn update(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<EndpointPatchIn>,
) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let patch = body.read(|body| body.parse(&deployment, tenant.caller.holds_platform_key()))?;
    let endpoint = administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Data::ok(changed(&administrator, &tenant, &endpoint).await))
}

/// Disables a webhook endpoint, or deletes it permanently.
///
/// The deliveries of a permanently deleted endpoint can no longer be read.
#[utoipa::path(
    delete, path = "/webhooks/endpoints/{endpoint}", operation_id = "delete_endpoint",
    params(DeletionParameters),
    responses(
        (status = 200, body = EndpointOut, description = "The endpoint is disabled."),
        (status = 204, description = "The endpoint is deleted, because the request has `permanent=true`."),
        (status = 409)
    ),
)]
async fn remove(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Response, ApiError> {
    let permanent = query.permanent();
    if query.finish(permanent)? {
        administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
        return Ok(Empty.into_response());
    }
    let disabled = administrator.disable_endpoint(&tenant.organization.id, endpoint, DisabledReason::Owner).await?;
    Ok(Data::ok(changed(&administrator, &tenant, &disabled).await).into_response())
}

/// An endpoint that the request has just changed.
pub(super) async fn changed(
    administrator: &Administrator,
    tenant: &Tenant<EndpointsWrite>,
    endpoint: &Endpoint,
) -> EndpointOut {
    let (values, health) = (tenant.header_values(), administrator.current_health_of(endpoint).await);
    EndpointOut::new(&shown_after_change(administrator, endpoint, values).await, &health, values)
}

/// Sends a test event to one endpoint.
///
/// The request is a conflict if the endpoint is disabled. It is forbidden while the organization is suspended.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{endpoint}/test", operation_id = "test_endpoint", request_body = TestIn,
    responses((status = 200, body = TestOut), (status = 409)),
)]
async fn test(
    tenant: Tenant<EndpointsWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<TestIn>,
) -> Result<Data<TestOut>, ApiError> {
    let by = tenant.caller.key();
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let test = body.read(|body| body.parse(&deployment.catalogue))?;
    if let Some(data) = &test.data {
        let state = administrator.current_state(&tenant.organization.id).await?;
        check_size(data, state.limits())?;
    }
    let sent = administrator.send_test(&tenant.organization, by, endpoint, test).await?;
    Ok(Data::ok(TestOut::new(&sent.event, &sent.deliveries)))
}

/// Retries the failed and exhausted deliveries of an endpoint in a span of time.
///
/// If a recovery of the same span and statuses has not completed its first pass, the request joins it. The request is a
/// conflict if the endpoint is disabled, or if the organization has 100 open recoveries and replays. It is forbidden while
/// the organization is suspended.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{endpoint}/recover", operation_id = "recover_endpoint", request_body = RecoverIn,
    responses((status = 202, body = RecoveryOut), (status = 409)),
)]
async fn recover(
    tenant: Tenant<DeliveriesWrite>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<RecoverIn>,
) -> Result<Data<RecoveryOut>, ApiError> {
    let wanted = body.read(RecoverIn::parse)?;
    let Recovering { job, recovery, joined, recovered } =
        administrator.recover(&tenant.organization, endpoint, wanted).await?;
    Ok(Data::accepted(RecoveryOut::new(&job, endpoint, &recovery, joined, recovered)))
}

/// Says whether an endpoint would receive an event, and if not, why.
///
/// Nothing is published. The status of the endpoint does not matter.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{endpoint}/filter-test", operation_id = "test_filter", request_body = EventIn,
    responses((status = 200, body = FilterTestOut)),
)]
async fn test_filter(
    tenant: Tenant<EndpointsRead>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<EventIn>,
) -> Result<Data<FilterTestOut>, ApiError> {
    let format = tenant.organization.default_format;
    let event = body.read(|body| body.parse(format))?;
    let organization = &tenant.organization.id;
    let state = administrator.current_state(organization).await?;
    check_size(&event.data, state.limits())?;
    let FilterTest { subscribed, edition, channels, filter, mismatches } =
        administrator.test_filter(organization, endpoint, &event).await?;
    Ok(Data::ok(FilterTestOut::new([subscribed, edition, channels], filter, mismatches)))
}
