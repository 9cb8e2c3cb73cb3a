//! Routes of the `pages` dialect.

use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::routing::{get, post};
use shared::domain::ids::{DeliveryId, EndpointId};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite, EndpointsRead, EndpointsWrite};
use shared::edge::{
    ApiError, Bare, Body, BoundTenant, Empty, Items, OfKey, Origin, PathId, Permitted, Search, Tenant, own_or_named,
};
use shared::service::{Administrator, Counted, DeliveryDetail, MOST_COUNTED};
use shared::store::Order;
use shared::wire::error::Problem;
use shared::wire::field::NamesTypes;
use shared::wire::organizations::DEFAULT_ROTATION;
use shared::wire::pages::{
    Changed, DeliveriesParameters, DeliveriesQuery, DeliveryOut, EndpointIn, EndpointOut, EndpointPatchIn,
    EndpointsParameters, EndpointsQuery, PageOut, PageParameters,
};
use utoipa::OpenApi;

use crate::{Api, Routes};

type Answer = Result<Bare<EndpointOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, update, replace, remove, rotate, deliveries, delivery, retry))]
pub(crate) struct Operations;

pub(crate) fn routes() -> Routes {
    Router::new()
        .route("/v1/webhook-endpoints", get(list).post(create))
        .route("/v1/webhook-endpoints/{endpoint}", get(read).patch(update).put(replace).delete(remove))
        .route("/v1/webhook-endpoints/{endpoint}/rotate-secret", post(rotate))
        .route("/v1/webhook-endpoints/{endpoint}/deliveries", get(deliveries))
        .route("/v1/webhook-deliveries/{delivery}", get(delivery))
        .route("/v1/webhook-deliveries/{delivery}/retry", post(retry))
}

/// Lists endpoints.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints", operation_id = "list_endpoints",
    params(EndpointsParameters, PageParameters),
    responses((status = 200, body = PageOut<EndpointOut>)),
)]
async fn list(
    tenant: BoundTenant<EndpointsRead, OfKey>,
    State(administrator): Api,
    Origin(url): Origin,
    Search(query): Search,
) -> Result<Bare<PageOut<EndpointOut>>, ApiError> {
    let query = EndpointsQuery::parse(query)?;
    let endpoints = administrator.list_endpoints(&tenant.organization.id, &tenant.binding).await?;
    let endpoints = query.select(&endpoints);
    let range = query.page.range(endpoints.len()).ok_or_else(|| ApiError::not_found("page"))?;
    let results = Items::of_all(endpoints[range].iter().map(|endpoint| EndpointOut::from(*endpoint)));
    let results = results?.ok_or_else(too_much)?;
    Ok(Bare::ok(PageOut::new(&url, query.page, endpoints.len(), results)))
}

/// Creates an endpoint.
///
/// The response shows the endpoint's secret. With the platform's key, the query or the body must name the organization.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints", operation_id = "create_endpoint", request_body = EndpointIn,
    responses((status = 201, body = EndpointOut), (status = 422)),
)]
async fn create(
    permitted: Permitted<EndpointsWrite>,
    State(administrator): Api,
    Search(mut query): Search,
    request: Request,
) -> Answer {
    let named = query.organization();
    query.problems()?;
    // Before the body is read, which may name the organization as well.
    if let Some(named) = &named {
        administrator.access().organization_for(&permitted.caller, named).await?;
    }
    let body = Body::<EndpointIn>::from_request(request, &administrator).await?;
    let deployment = administrator.deployment_for(&permitted.caller, body.fields().types()).await?;
    let created = body.read(|body| body.parse(&deployment))?;
    if let (Some(query), Some(body)) = (&named, &created.organization)
        && query != body
    {
        return Err(ApiError::invalid(vec![Problem::new("organization_id", "differs between query and body")]));
    }
    let organization = own_or_named(&permitted.caller, created.organization.or(named))?;
    let organization = administrator.access().organization_for(&permitted.caller, &organization).await?;
    let endpoint = administrator.create_endpoint(&organization.id, created.endpoint).await?;
    Ok(Bare::created(EndpointOut::from(&endpoint).revealing(&endpoint)))
}

/// Reads an endpoint.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{endpoint}", operation_id = "read_endpoint",
    responses((status = 200, body = EndpointOut)),
)]
async fn read(
    tenant: Tenant<EndpointsRead, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Changes an endpoint.
#[utoipa::path(
    patch, path = "/v1/webhook-endpoints/{endpoint}", operation_id = "update_endpoint", request_body = EndpointPatchIn,
    responses((status = 200, body = EndpointOut)),
)]
async fn update(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<EndpointPatchIn>,
) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let changed = body.read(|body| body.parse(&deployment))?;
    change(&administrator, &tenant, endpoint, changed).await
}

/// Replaces an endpoint.
///
/// A missing field gets its default. A paused endpoint stays paused.
#[utoipa::path(
    put, path = "/v1/webhook-endpoints/{endpoint}", operation_id = "replace_endpoint", request_body = EndpointIn,
    responses((status = 200, body = EndpointOut)),
)]
async fn replace(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    body: Body<EndpointIn>,
) -> Answer {
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let changed = body.read(|body| body.parse_replacement(&deployment))?;
    change(&administrator, &tenant, endpoint, changed).await
}

async fn change(
    administrator: &Administrator,
    tenant: &Tenant<EndpointsWrite, OfKey>,
    id: EndpointId,
    changed: Changed,
) -> Answer {
    let organization = &tenant.organization.id;
    if changed.organization.is_some_and(|named| named != *organization) {
        return Err(ApiError::invalid(vec![Problem::new("organization_id", "cannot be changed")]));
    }
    let endpoint = administrator.update_endpoint(organization, &tenant.binding, id, changed.patch).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Deletes an endpoint permanently.
#[utoipa::path(
    delete, path = "/v1/webhook-endpoints/{endpoint}", operation_id = "delete_endpoint",
    responses((status = 204), (status = 409)),
)]
async fn remove(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}

/// Gives an endpoint a new secret.
///
/// Only this response shows the new secret. For 24 hours, requests are signed with both the former and the new secret.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{endpoint}/rotate-secret", operation_id = "rotate_endpoint_secret",
    responses((status = 200, body = EndpointOut)),
)]
async fn rotate(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.rotate_secret(&tenant.organization.id, endpoint, DEFAULT_ROTATION).await?;
    Ok(Bare::ok(EndpointOut::from(&endpoint).revealing(&endpoint)))
}

/// Lists an endpoint's deliveries.
///
/// Only the first 10,000 deliveries of the endpoint in this order are counted and listed. A page after them is refused.
/// The list of the dialect `organizations` has no such limit. A page is also refused if its payloads do not fit into
/// one response. A smaller `page_size` helps then.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{endpoint}/deliveries", operation_id = "list_deliveries",
    params(DeliveriesParameters, PageParameters),
    responses((status = 200, body = PageOut<DeliveryOut>)),
)]
async fn deliveries(
    tenant: Tenant<DeliveriesRead, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(administrator): Api,
    Origin(url): Origin,
    Search(query): Search,
) -> Result<Bare<PageOut<DeliveryOut>>, ApiError> {
    let query = DeliveriesQuery::parse(query)?;
    let organization = &tenant.organization.id;
    let order = if query.ordering.descending { Order::NewestFirst } else { Order::OldestFirst };
    let Counted { ids, is_cut } = administrator.count_deliveries(organization, endpoint, query.status, order).await?;
    if is_cut && query.page.starts_behind(ids.len().max(1)) {
        return Err(behind_what_is_counted());
    }
    let range = query.page.range(ids.len()).ok_or_else(|| ApiError::not_found("page"))?;
    let mut deliveries = administrator.read_deliveries(organization, endpoint, &ids[range]).await?;
    let mut results = Items::default();
    while let Some(detail) = deliveries.next().await? {
        if !results.push(&shown(detail))? {
            return Err(too_much());
        }
    }
    Ok(Bare::ok(PageOut::new(&url, query.page, ids.len(), results.finish()?)))
}

/// Reads a delivery.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries/{delivery}", operation_id = "read_delivery",
    responses((status = 200, body = DeliveryOut)),
)]
async fn delivery(
    tenant: BoundTenant<DeliveriesRead, OfKey>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
) -> Result<Bare<DeliveryOut>, ApiError> {
    Ok(Bare::ok(shown(administrator.delivery(&tenant.organization.id, &tenant.binding, delivery).await?)))
}

/// Retries a failed or exhausted delivery. Its schedule starts from the beginning.
///
/// The request is a conflict if the delivery is in progress or was successful, or if the endpoint is disabled. It is
/// forbidden while the organization is suspended.
#[utoipa::path(
    post, path = "/v1/webhook-deliveries/{delivery}/retry", operation_id = "retry_delivery",
    responses((status = 202, body = DeliveryOut), (status = 409)),
)]
async fn retry(
    tenant: BoundTenant<DeliveriesWrite, OfKey>,
    PathId(delivery): PathId<DeliveryId>,
    State(administrator): Api,
) -> Result<Bare<DeliveryOut>, ApiError> {
    Ok(Bare::accepted(shown(administrator.retry_delivery(&tenant.organization, &tenant.binding, delivery).await?)))
}

/// The error for a page that does not fit into one response. A numbered page must be complete, so it cannot be
/// shortened.
fn too_much() -> ApiError {
    ApiError::invalid(vec![Problem::new("page_size", "must be smaller: this page is more than one answer holds")])
}

fn behind_what_is_counted() -> ApiError {
    let message = format!(
        "is behind the first {MOST_COUNTED} deliveries of the endpoint, which are all that have pages: the list at \
         /v1/organizations/{{organization}}/webhooks/endpoints/{{endpoint}}/deliveries goes on by cursors"
    );
    ApiError::invalid(vec![Problem::new("page", message)])
}

fn shown(DeliveryDetail { delivery, payload }: DeliveryDetail) -> DeliveryOut {
    DeliveryOut::new(&delivery, payload)
}
