//! The `pages` dialect.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use shared::edge::scopes::{DeliveriesRead, DeliveriesWrite, EndpointsRead, EndpointsWrite};
use shared::edge::{
    ApiError, AppState, Bare, Body, Empty, OfKey, Origin, PathId, Permitted, Search, Tenant, own_or_named,
};
use shared::service::DeliveryDetail;
use shared::wire::error::Problem;
use shared::wire::organizations::DEFAULT_OVERLAP;
use shared::wire::pages::{Changed, DeliveriesQuery, DeliveryOut, EndpointIn, EndpointOut, EndpointsQuery, PageOut};

type Answer = Result<Bare<EndpointOut>, ApiError>;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/webhook-endpoints", get(list).post(create))
        .route("/v1/webhook-endpoints/{endpoint}", get(read).patch(update).put(replace).delete(remove))
        .route("/v1/webhook-endpoints/{endpoint}/rotate-secret", post(rotate))
        .route("/v1/webhook-endpoints/{endpoint}/deliveries", get(deliveries))
        .route("/v1/webhook-deliveries/{delivery}", get(delivery))
        .route("/v1/webhook-deliveries/{delivery}/retry", post(retry))
}

async fn list(
    tenant: Tenant<EndpointsRead, OfKey>,
    State(core): State<AppState>,
    Origin(url): Origin,
    Search(query): Search,
) -> Result<Bare<PageOut<EndpointOut>>, ApiError> {
    let query = EndpointsQuery::parse(query)?;
    let endpoints = query.select(core.list_endpoints(&tenant.organization.id).await?);
    let range = query.page.range(endpoints.len()).ok_or_else(|| ApiError::not_found("page"))?;
    let results = endpoints[range].iter().map(EndpointOut::from).collect();
    Ok(Bare::ok(PageOut::new(&url, query.page, endpoints.len(), results)))
}

/// The organization may be named in the body instead of the query.
async fn create(
    permitted: Permitted<EndpointsWrite>,
    State(core): State<AppState>,
    Search(mut query): Search,
    body: Body<EndpointIn>,
) -> Answer {
    let named = query.organization();
    query.problems()?;
    let created = body.read(|body| body.parse(core.deployment()))?;
    if let (Some(query), Some(body)) = (&named, &created.organization)
        && query != body
    {
        return Err(ApiError::invalid(vec![Problem::new("organization_id", "differs between query and body")]));
    }
    let organization = own_or_named(&permitted.caller, created.organization.or(named))?;
    let organization = core.organization_for(&permitted.caller, &organization).await?;
    let endpoint = core.create_endpoint(&organization.id, created.endpoint).await?;
    Ok(Bare::created(EndpointOut::from(&endpoint).revealing(&endpoint)))
}

async fn read(
    tenant: Tenant<EndpointsRead, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Answer {
    let endpoint = core.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn update(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<EndpointIn>,
) -> Answer {
    let changed = body.read(|body| body.parse_patch(core.deployment()))?;
    change(&core, &tenant.organization.id, endpoint, changed).await
}

async fn replace(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    body: Body<EndpointIn>,
) -> Answer {
    let changed = body.read(|body| body.parse_replacement(core.deployment()))?;
    change(&core, &tenant.organization.id, endpoint, changed).await
}

async fn change(core: &AppState, organization: &OrganizationId, id: EndpointId, changed: Changed) -> Answer {
    if changed.organization.is_some_and(|named| named != *organization) {
        return Err(ApiError::invalid(vec![Problem::new("organization_id", "cannot be changed")]));
    }
    let endpoint = core.update_endpoint(organization, id, changed.patch).await?;
    Ok(Bare::ok((&endpoint).into()))
}

async fn remove(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Result<Empty, ApiError> {
    core.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}

async fn rotate(
    tenant: Tenant<EndpointsWrite, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
) -> Answer {
    let endpoint = core.rotate_secret(&tenant.organization.id, endpoint, DEFAULT_OVERLAP).await?;
    Ok(Bare::ok(EndpointOut::from(&endpoint).revealing(&endpoint)))
}

async fn deliveries(
    tenant: Tenant<DeliveriesRead, OfKey>,
    PathId(endpoint): PathId<EndpointId>,
    State(core): State<AppState>,
    Origin(url): Origin,
    Search(query): Search,
) -> Result<Bare<PageOut<DeliveryOut>>, ApiError> {
    let query = DeliveriesQuery::parse(query)?;
    let organization = &tenant.organization.id;
    let mut ids = core.delivery_ids(organization, endpoint, query.status).await?;
    if query.ordering.descending {
        ids.reverse();
    }
    let range = query.page.range(ids.len()).ok_or_else(|| ApiError::not_found("page"))?;
    let details = core.deliveries_by_id(organization, endpoint, &ids[range]).await?;
    Ok(Bare::ok(PageOut::new(&url, query.page, ids.len(), details.into_iter().map(shown).collect())))
}

async fn delivery(
    tenant: Tenant<DeliveriesRead, OfKey>,
    PathId(delivery): PathId<DeliveryId>,
    State(core): State<AppState>,
) -> Result<Bare<DeliveryOut>, ApiError> {
    Ok(Bare::ok(shown(core.delivery(&tenant.organization.id, delivery).await?)))
}

async fn retry(
    tenant: Tenant<DeliveriesWrite, OfKey>,
    PathId(delivery): PathId<DeliveryId>,
    State(core): State<AppState>,
) -> Result<Bare<DeliveryOut>, ApiError> {
    Ok(Bare::accepted(shown(core.retry_delivery(&tenant.organization.id, delivery).await?)))
}

fn shown(DeliveryDetail { delivery, payload }: DeliveryDetail) -> DeliveryOut {
    DeliveryOut::new(&delivery, payload)
}
