//! Endpoints, with their headers, secrets and statistics.

use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, USER_AGENT};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::domain::endpoint::change::EndpointPatch;
use shared::domain::endpoint::{EndpointSettings, NewEndpoint};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::tenancy::rights::Binding;
use shared::edge::scopes::{DeliveriesRead, EndpointsRead, EndpointsWrite};
use shared::edge::{
    ApiError, Bare, Body, BoundTenant, Empty, Listed, OfApplication, PathId, PathReference, SvixEndpointId, SvixSearch,
    Tenant,
};
use shared::service::{Administrator, Caller};
use shared::wire::error::{ErrorCode, Problem};
use shared::wire::field::NamesTypes;
use shared::wire::svix::{
    EndpointIn, EndpointOut, EndpointPatchIn, EndpointUpdate, HeadersIn, HeadersOut, HeadersPatchIn, ListOut, Order,
    PagingParameters, Parameters, Reference, RotationIn, SecretOut, StatsOut, parse_endpoint, print_endpoint,
};
use utoipa::OpenApi;

use super::repetitions::{Identity, Remade};
use crate::dialects::shown;
use crate::{Api, Routes};

/// The longest time whose messages are counted.
const MAX_SPAN: Duration = Duration::from_secs(28 * 24 * 60 * 60);

pub(super) type Answer = Result<Bare<EndpointOut>, ApiError>;
type Reader = Tenant<EndpointsRead, OfApplication>;
type Writer = Tenant<EndpointsWrite, OfApplication>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    list,
    create,
    read,
    upsert,
    update,
    remove,
    headers,
    replace_headers,
    change_headers,
    secret,
    rotate,
    stats
))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app/{app_id}/endpoint", get(list).post(create))
        .route("/app/{app_id}/endpoint/{endpoint_id}", get(read).put(upsert).patch(update).delete(remove))
        .route("/app/{app_id}/endpoint/{endpoint_id}/headers", get(headers).put(replace_headers).patch(change_headers))
        .route("/app/{app_id}/endpoint/{endpoint_id}/secret", get(secret))
        .route("/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", post(rotate))
        .route("/app/{app_id}/endpoint/{endpoint_id}/stats", get(stats))
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

/// Reads the headers of an endpoint. Credentials are listed by name.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_get",
    responses((status = 200, body = HeadersOut)),
)]
async fn headers(
    tenant: Reader,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Bare<HeadersOut>, ApiError> {
    let endpoint = administrator.endpoint(&tenant.organization.id, endpoint).await?;
    let values = tenant.header_values();
    let endpoint = shown(&administrator, endpoint, values).await?;
    Ok(Bare::ok(HeadersOut::new(&endpoint.settings.headers, values)))
}

/// Replaces the headers of an endpoint.
#[utoipa::path(
    put, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_update",
    request_body = HeadersIn,
    responses((status = 204)),
)]
async fn replace_headers(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<HeadersIn>,
) -> Result<Empty, ApiError> {
    let headers = body.read_known(HeadersIn::parse)?;
    let patch = EndpointPatch { headers: Some(headers), ..EndpointPatch::default() };
    administrator.update_endpoint(&tenant.organization.id, &tenant.binding, endpoint, patch).await?;
    Ok(Empty)
}

/// Sets and removes headers of an endpoint.
#[utoipa::path(
    patch, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", operation_id = "endpoint_headers_patch",
    request_body = HeadersPatchIn,
    responses((status = 204)),
)]
async fn change_headers(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    body: Body<HeadersPatchIn>,
) -> Result<Empty, ApiError> {
    let changes = body.read_known(HeadersPatchIn::parse)?;
    administrator.change_headers(&tenant.organization.id, endpoint, changes).await?;
    Ok(Empty)
}

/// Reads the secret that verifies the requests to an endpoint: for Ed25519, the public key.
///
/// It is forbidden unless the deployment's parameter `SecretsReadable` is true.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/secret", operation_id = "endpoint_secret_get",
    responses((status = 200, body = SecretOut)),
)]
async fn secret(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
) -> Result<Response, ApiError> {
    newest_secret(&administrator, &tenant.organization.id, endpoint).await
}

/// Shows the newest secret of an endpoint.
pub(super) async fn newest_secret(
    administrator: &Administrator,
    organization: &OrganizationId,
    endpoint: EndpointId,
) -> Result<Response, ApiError> {
    let (secrets, _) = administrator.read_secrets(organization, endpoint).await?;
    let shown = Bare::ok(SecretOut::new(&secrets.newest.secret));
    Ok(([(CACHE_CONTROL, "no-store")], shown).into_response())
}

/// Gives an endpoint a new secret. The former one signs beside it for a time.
///
/// The answer shows the new secret; for clients before 2.0 it is 204.
#[utoipa::path(
    post, path = "/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", operation_id = "endpoint_secret_rotate",
    request_body = RotationIn,
    responses((status = 200, body = SecretOut), (status = 204)),
)]
async fn rotate(
    tenant: Writer,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    headers: HeaderMap,
    body: Body<RotationIn>,
) -> Result<Response, ApiError> {
    let rotation = body.read_known(RotationIn::parse)?;
    let rotated = administrator.rotate_secret(&tenant.organization.id, endpoint, rotation).await?;
    if expects_no_content(&headers) {
        return Ok(Empty.into_response());
    }
    let newest = &rotated.secrets.newest;
    let mut response = ([(CACHE_CONTROL, "no-store")], Bare::ok(SecretOut::new(&newest.secret))).into_response();
    response.extensions_mut().insert(Remade::Secret(endpoint, newest.id));
    Ok(response)
}

/// Whether a rotation must have no body: some clients before 2.0 fail at any status but 204, later ones require the secret.
fn expects_no_content(headers: &HeaderMap) -> bool {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    client.strip_prefix("svix-libs/").is_some_and(|version| version.starts_with("1.") || version.starts_with("0."))
}

/// Counts the messages of an endpoint by their status, at most the first 10,000.
#[utoipa::path(
    get, path = "/app/{app_id}/endpoint/{endpoint_id}/stats", operation_id = "endpoint_get_stats",
    params(("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = StatsOut)),
)]
async fn stats(
    tenant: Tenant<DeliveriesRead, OfApplication>,
    PathId(SvixEndpointId(endpoint)): PathId<SvixEndpointId>,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<StatsOut>, ApiError> {
    let span = (query.time("since"), query.time("until"));
    let (since, until) = query.finish(span)?;
    let until = until.unwrap_or_else(|| administrator.clock().now());
    let since = since.unwrap_or_else(|| until.minus(MAX_SPAN));
    if until.since(since) > MAX_SPAN {
        return Err(ApiError::new(ErrorCode::ValidationFailed, "since may be at most 28 days before until"));
    }
    let statuses = administrator.delivery_statuses(&tenant.organization.id, endpoint, since, until).await?;
    Ok(Bare::ok(StatsOut::new(statuses)))
}
