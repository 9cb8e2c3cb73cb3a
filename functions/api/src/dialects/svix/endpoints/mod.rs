//! Endpoints, with their headers, secrets and statistics.

mod headers;
mod secrets;
mod statistics;

use axum::Router;
use axum::extract::{Extension, State};
use axum::routing::get;
use shared::domain::endpoint::{EndpointSettings, NewEndpoint};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::tenancy::rights::Binding;
use shared::edge::scopes::{EndpointsRead, EndpointsWrite};
use shared::edge::{
    ApiError, Bare, Body, BoundTenant, Empty, Listed, OfApplication, PathId, PathReference, SvixEndpointId, SvixSearch,
    Tenant,
};
use shared::service::{Administrator, Caller};
use shared::wire::error::Problem;
use shared::wire::field::NamesTypes;
use shared::wire::svix::{
    EndpointIn, EndpointOut, EndpointPatchIn, EndpointUpdate, ListOut, Order, PagingParameters, Parameters, Reference,
    parse_endpoint, print_endpoint,
};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

pub(super) use secrets::newest_secret;

use super::repetitions::Identity;
use crate::{Api, Routes};

pub(super) type Answer = Result<Bare<EndpointOut>, ApiError>;
type Reader = Tenant<EndpointsRead, OfApplication>;
type Writer = Tenant<EndpointsWrite, OfApplication>;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, read, upsert, update, remove))]
struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/endpoint", get(list).post(create))
        .route("/app/{app_id}/endpoint/{endpoint_id}", get(read).put(upsert).patch(update).delete(remove))
        .merge(headers::routes())
        .merge(secrets::routes())
        .merge(statistics::routes())
}

/// The OpenAPI description of these routes.
pub(super) fn operations() -> OpenApi {
    Operations::openapi()
        .merge_from(headers::Operations::openapi())
        .merge_from(secrets::Operations::openapi())
        .merge_from(statistics::Operations::openapi())
}

/// Lists endpoints, newest first.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint", operation_id = "endpoint_list", params(PagingParameters),
    responses((status = 200, body = ListOut<EndpointOut>)),
)]
async fn list(
    tenant: BoundTenant<EndpointsRead, OfApplication>,
    State(administrator): Api,
    SvixSearch(query): SvixSearch,
) -> Result<Bare<ListOut<EndpointOut>>, ApiError> {
    page(&administrator, &tenant.organization.id, &tenant.binding, query).await
}

/// A page of the endpoints of an organization.
pub(super) async fn page(
    administrator: &Administrator,
    organization: &OrganizationId,
    binding: &Binding,
    mut query: Parameters,
) -> Result<Bare<ListOut<EndpointOut>>, ApiError> {
    let newest_first = query.order(Order::Descending) == Order::Descending;
    let paging = query.paging(parse_endpoint);
    let paging = query.finish(paging)?;
    let page = administrator.walk_endpoints(organization, binding, newest_first, &paging.walk, paging.limit).await?;
    let (is_backward, further) = (paging.walk.is_backward(), page.further.map(print_endpoint));
    Listed::of_all(is_backward, page.items, further, |it| EndpointOut::from(it), |it| print_endpoint(it.id))
}

/// Creates an endpoint.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint", operation_id = "endpoint_create", request_body = EndpointIn,
    responses((status = 201, body = EndpointOut)),
)]
async fn create(
    tenant: Writer,
    State(administrator): Api,
    identity: Option<Extension<Identity>>,
    body: Body<EndpointIn>,
) -> Answer {
    let new = parsed(&administrator, &tenant.caller, body).await?.new;
    create_in(&administrator, &tenant.organization.id, identity, new).await
}

/// Creates an endpoint. A repetition of the request finds what it has stored.
pub(super) async fn create_in(
    administrator: &Administrator,
    organization: &OrganizationId,
    identity: Option<Extension<Identity>>,
    new: NewEndpoint,
) -> Answer {
    let created = match identity {
        Some(Extension(identity)) => {
            let id = EndpointId::new(identity.at, identity.random());
            administrator.create_endpoint_once(organization, id, new).await?
        }
        None => administrator.create_endpoint(organization, new).await?,
    };
    Ok(Bare::created((&created).into()))
}

/// Validates a body. Event types that it names must exist.
async fn parsed(
    administrator: &Administrator,
    caller: &Caller,
    body: Body<EndpointIn>,
) -> Result<EndpointUpdate, ApiError> {
    require_types(administrator, caller, body.fields()).await?;
    let deployment = administrator.deployment_for(caller, body.fields().types()).await?;
    body.read_known(|body| body.parse(&deployment))
}

async fn require_types(
    administrator: &Administrator,
    caller: &Caller,
    body: &(impl NamesTypes + Sync),
) -> Result<(), ApiError> {
    let missing = administrator.unregistered(caller, body.types()).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|name| name.as_str()).collect();
    let message = format!("must name event types that exist, not {}", names.join(", "));
    Err(ApiError::invalid(vec![Problem::new("eventTypes", message)]))
}

/// Reads an endpoint.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}", operation_id = "endpoint_get",
    responses((status = 200, body = EndpointOut)),
)]
async fn read(
    tenant: Reader,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Answer {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Bare::ok((&endpoint).into()))
}

/// Replaces an endpoint, or creates it if the path has a uid.
///
/// The uid of a new endpoint is that of the path, unless the body has another. Secret, headers and an absent uid of an
/// existing one stay.
#[utoipa::path(
    put, path = "/app/{app_id}/endpoint/{endpoint_id}", operation_id = "endpoint_update", request_body = EndpointIn,
    responses((status = 200, body = EndpointOut), (status = 201, body = EndpointOut)),
)]
async fn upsert(
    tenant: Writer,
    PathReference(named): PathReference<SvixEndpointId>,
    State(administrator): Api,
    body: Body<EndpointIn>,
) -> Answer {
    let update = parsed(&administrator, &tenant.caller, body).await?;
    upsert_in(&administrator, &tenant.organization.id, &tenant.binding, named, update).await
}

/// Replaces an endpoint, or creates it if it is named by a uid.
pub(super) async fn upsert_in(
    administrator: &Administrator,
    organization: &OrganizationId,
    binding: &Binding,
    named: Reference<SvixEndpointId>,
    EndpointUpdate { new, patch }: EndpointUpdate,
) -> Answer {
    let found = match &named {
        Reference::Id(SvixEndpointId(id)) => Some(*id),
        Reference::Uid(uid) => administrator.access().endpoint_named(organization, uid).await?,
    };
    match (found, named) {
        (Some(id), _) => Ok(Bare::ok((&administrator.update_endpoint(organization, binding, id, patch).await?).into())),
        (None, Reference::Uid(uid)) => {
            let external_id = Some(new.settings.external_id.unwrap_or(uid));
            let settings = EndpointSettings { external_id, ..new.settings };
            let created = administrator.create_endpoint(organization, NewEndpoint { settings, ..new }).await?;
            Ok(Bare::created((&created).into()))
        }
        (None, Reference::Id(_)) => Err(ApiError::not_found("endpoint")),
    }
}

/// Changes an endpoint.
#[utoipa::path(
    patch, path = "/app/{app_id}/endpoint/{endpoint_id}", operation_id = "endpoint_patch",
    request_body = EndpointPatchIn,
    responses((status = 200, body = EndpointOut)),
)]
async fn update(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<EndpointPatchIn>,
) -> Answer {
    require_types(&administrator, &tenant.caller, body.fields()).await?;
    let deployment = administrator.deployment_for(&tenant.caller, body.fields().types()).await?;
    let patch = body.read_known(|body| body.parse(&deployment))?;
    let changed = administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Bare::ok((&changed).into()))
}

/// Deletes an endpoint permanently.
#[utoipa::path(
    delete, path = "/app/{app_id}/endpoint/{endpoint_id}", operation_id = "endpoint_delete",
    responses((status = 204)),
)]
async fn remove(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    administrator.delete_endpoint(&tenant.organization.id, endpoint).await?;
    Ok(Empty)
}
