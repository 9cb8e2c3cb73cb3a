//! Applications.

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shared::domain::external_id::ExternalId;
use shared::domain::ids::OrganizationId;
use shared::domain::tenancy::access::Scope;
use shared::domain::tenancy::organization::{NewOrganization, Organization, OrganizationPatch};
use shared::edge::scopes::{OrganizationRead, OrganizationWrite};
use shared::edge::{
    ApiError, Authenticated, Bare, Body, BoundTenant, Empty, Listed, OfApplication, PathReference, Platform,
    SvixApplicationId, SvixSearch, Tenant,
};
use shared::service::{Administrator, Caller, ServiceError};
use shared::wire::error::ErrorCode;
use shared::wire::svix::{
    ApplicationIn, ApplicationOut, ApplicationPatchIn, ApplicationUpdate, ListOut, Order, PagingParameters, Reference,
    parse_application, print_application,
};
use utoipa::OpenApi;

use super::repetitions::{Identity, NotStored, Remade};
use crate::{Api, Routes};

type Answer = Result<Bare<ApplicationOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, upsert, update, remove))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/app", get(list).post(create))
        .route("/app/{app_id}", get(read).put(upsert).patch(update).delete(remove))
}

/// Lists applications, oldest first.
#[utoipa::path(
    get, path = "/app", operation_id = "application_list", params(PagingParameters),
    responses((status = 200, body = ListOut<ApplicationOut>)),
)]
async fn list(
    _: Platform,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
) -> Result<Bare<ListOut<ApplicationOut>>, ApiError> {
    let order = query.order(Order::Ascending);
    let paging = query.paging(parse_application);
    let paging = query.finish(paging)?;
    let is_backward = paging.walk.is_backward();
    let newest_first = order == Order::Descending;
    let page = administrator.walk_organizations(newest_first, paging.walk, paging.limit).await?;
    let further = page.further.as_ref().map(print_application);
    Listed::of_all(is_backward, page.items, further, |it| ApplicationOut::from(it), |it| print_application(&it.id))
}

/// Creates an application.
///
/// With `get_if_exists=true`, one with the same uid is the answer.
#[utoipa::path(
    post, path = "/app", operation_id = "application_create", request_body = ApplicationIn,
    params(("get_if_exists" = Option<bool>, Query)),
    responses((status = 201, body = ApplicationOut)),
)]
async fn create(
    _: Platform,
    State(administrator): Api,
    SvixSearch(mut query): SvixSearch,
    identity: Option<Extension<Identity>>,
    body: Body<ApplicationIn>,
) -> Result<Response, ApiError> {
    let get_if_exists = query.flag("get_if_exists", false);
    query.finish(())?;
    let new = body.read_known(ApplicationIn::parse)?.new;
    let uid = new.external_id.clone().filter(|_| get_if_exists);
    if let Some(found) = existing(&administrator, uid.as_ref()).await? {
        return Ok(found_before(&found));
    }
    let identity = identity.map(|Extension(identity)| identity);
    let id = identity.map(|identity| OrganizationId::new(identity.at, identity.random()));
    let created_by = identity.map(|identity| identity.digest);
    match administrator.create_organization(NewOrganization { id: id.clone(), created_by, ..new }).await {
        Ok(created) => Ok(new_application(&created)),
        // An earlier request with the same key stored it before it failed.
        Err(ServiceError::Conflict(_)) if is_stored(&administrator, id.as_ref()).await? => {
            let created =
                administrator.access().organization(&id.ok_or_else(|| ApiError::not_found("application"))?).await?;
            Ok(new_application(&created))
        }
        // Another request created it meanwhile.
        Err(ServiceError::Conflict(reason)) => match existing(&administrator, uid.as_ref()).await? {
            Some(found) => Ok(found_before(&found)),
            None => Err(ServiceError::Conflict(reason).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Whether the application with this identifier exists.
async fn is_stored(administrator: &Administrator, id: Option<&OrganizationId>) -> Result<bool, ApiError> {
    let Some(id) = id else { return Ok(false) };
    match administrator.access().organization(id).await {
        Ok(_) => Ok(true),
        Err(ServiceError::NotFound(_) | ServiceError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn new_application(organization: &Organization) -> Response {
    let mut response = Bare::created(ApplicationOut::from(organization)).into_response();
    response.extensions_mut().insert(Remade::Application(organization.id.clone()));
    response
}

/// The answer that shows an application which another request created. A repetition finds it again.
fn found_before(organization: &Organization) -> Response {
    let mut response = Bare::ok(ApplicationOut::from(organization)).into_response();
    response.extensions_mut().insert(NotStored);
    response
}

async fn existing(administrator: &Administrator, uid: Option<&ExternalId>) -> Result<Option<Organization>, ApiError> {
    let Some(uid) = uid else { return Ok(None) };
    let Some(id) = administrator.access().organization_named(uid).await? else { return Ok(None) };
    match administrator.access().organization(&id).await {
        Ok(found) => Ok(Some(found)),
        Err(ServiceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads an application.
#[utoipa::path(
    get, path = "/app/{app_id}", operation_id = "application_get", responses((status = 200, body = ApplicationOut)),
)]
async fn read(tenant: BoundTenant<OrganizationRead, OfApplication>) -> Answer {
    Ok(Bare::ok((&tenant.organization).into()))
}

/// Changes an application, or creates it.
///
/// Only the platform's key creates one, and only if the path has a uid. That is its uid, unless the body has another.
#[utoipa::path(
    put, path = "/app/{app_id}", operation_id = "application_update", request_body = ApplicationIn,
    responses((status = 200, body = ApplicationOut), (status = 201, body = ApplicationOut)),
)]
async fn upsert(
    Authenticated(caller): Authenticated,
    PathReference(named): PathReference<SvixApplicationId>,
    State(administrator): Api,
    body: Result<Body<ApplicationIn>, ApiError>,
) -> Answer {
    let access = administrator.access();
    let found = match &named {
        Reference::Id(SvixApplicationId(id)) => Some(id.clone()),
        Reference::Uid(uid) => access.organization_named(uid).await?,
    };
    let found = match found {
        Some(id) => match access.organization_for(&caller, &id).await {
            Ok(found) => Some(found.id),
            Err(ServiceError::NotFound(_) | ServiceError::Conflict(_)) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    match (found, named) {
        (Some(id), _) => {
            if !caller.may(Scope::OrganizationWrite) || caller.binding().is_bound() {
                return Err(ApiError::new(ErrorCode::Forbidden, "this key may not change the application"));
            }
            let ApplicationUpdate { patch, .. } = body?.read_known(ApplicationIn::parse)?;
            change(&administrator, &caller, &id, patch).await
        }
        (None, Reference::Uid(uid)) if caller.is_platform() => {
            let ApplicationUpdate { new, .. } = body?.read_known(ApplicationIn::parse)?;
            let external_id = Some(new.external_id.unwrap_or(uid));
            let created = administrator.create_organization(NewOrganization { external_id, ..new }).await?;
            Ok(Bare::created((&created).into()))
        }
        (None, _) => Err(ApiError::not_found("application")),
    }
}

/// Changes an application.
#[utoipa::path(
    patch, path = "/app/{app_id}", operation_id = "application_patch", request_body = ApplicationPatchIn,
    responses((status = 200, body = ApplicationOut)),
)]
async fn update(
    tenant: Tenant<OrganizationWrite, OfApplication>,
    State(administrator): Api,
    body: Body<ApplicationPatchIn>,
) -> Answer {
    let patch = body.read_known(ApplicationPatchIn::parse)?;
    change(&administrator, &tenant.caller, &tenant.organization.id, patch).await
}

async fn change(
    administrator: &Administrator,
    caller: &Caller,
    id: &OrganizationId,
    patch: OrganizationPatch,
) -> Answer {
    if patch.external_id.is_some() && !caller.is_platform() {
        return Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may change an application's uid"));
    }
    Ok(Bare::ok((&administrator.update_organization(id, patch).await?).into()))
}

/// Deletes an application and everything that belongs to it.
///
/// Its uid can be used again at once. The data is removed within half an hour.
#[utoipa::path(delete, path = "/app/{app_id}", operation_id = "application_delete", responses((status = 204)))]
async fn remove(
    _: Platform,
    tenant: Tenant<OrganizationWrite, OfApplication>,
    State(administrator): Api,
) -> Result<Empty, ApiError> {
    let organization = &tenant.organization;
    if organization.external_id.is_some() {
        let patch = OrganizationPatch { external_id: Some(None), ..OrganizationPatch::default() };
        administrator.update_organization(&organization.id, patch).await?;
    }
    administrator.delete_organization(&organization.id, true).await?;
    Ok(Empty)
}
