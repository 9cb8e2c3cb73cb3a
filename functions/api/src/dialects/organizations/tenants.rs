//! Routes for organizations.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::domain::tenancy::organization::Organization;
use shared::domain::tenancy::organization_list::OrganizationPosition;
use shared::edge::scopes::{OrganizationRead, OrganizationWrite};
use shared::edge::{ApiError, Body, BoundTenant, Data, Platform, PlatformPath, Search, Tenant};
use shared::wire::error::ErrorCode;
use shared::wire::organizations::{JobOut, OrganizationIn, OrganizationOut, OrganizationPatchIn};
use shared::wire::query::{ForceParameters, OrganizationParameters, PagingParameters};
use utoipa::OpenApi;

use super::{after, page};
use crate::{Api, Routes};

type Answer = Result<Data<OrganizationOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, list, read, update, remove))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/v1/organizations", get(list).post(create))
        .route("/v1/organizations/{organization}", get(read).patch(update).delete(remove))
}

/// Creates an organization.
///
/// This needs the platform's key. The request is a conflict if another organization has the id, the slug or the
/// external id.
#[utoipa::path(
    post, path = "/v1/organizations", operation_id = "create_organization", request_body = OrganizationIn,
    responses((status = 201, body = OrganizationOut), (status = 409)),
)]
async fn create(_: Platform, State(administrator): Api, body: Body<OrganizationIn>) -> Answer {
    let organization = administrator.create_organization(body.read(OrganizationIn::parse)?).await?;
    Ok(Data::created((&organization).into()))
}

/// Lists organizations, oldest first.
///
/// This needs the platform's key. With an `id`, a `slug` or an `external_id` the list has at most one entry. Otherwise an
/// organization that was created within the last seconds may be missing, and a page with a `status` can be short.
#[utoipa::path(
    get, path = "/v1/organizations", operation_id = "list_organizations",
    params(OrganizationParameters, PagingParameters),
    responses((status = 200, body = Vec<OrganizationOut>)),
)]
async fn list(
    _: Platform,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<Vec<OrganizationOut>>, ApiError> {
    let wanted = (query.paging(), query.organization_filter());
    let (paging, filter) = query.finish(wanted)?;
    let after = after(&paging, OrganizationPosition::parse)?;
    let found = administrator.list_organizations(&filter, after, paging.limit).await?;
    let position = |organization: &Organization| OrganizationPosition::of(organization).to_string();
    page(found.items, found.next, paging.limit, |organization| OrganizationOut::from(organization), position)
}

/// Reads an organization.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}", operation_id = "read_organization",
    responses((status = 200, body = OrganizationOut)),
)]
async fn read(tenant: BoundTenant<OrganizationRead>) -> Answer {
    Ok(Data::ok((&tenant.organization).into()))
}

/// Changes an organization.
#[utoipa::path(
    patch, path = "/v1/organizations/{organization}", operation_id = "update_organization",
    request_body = OrganizationPatchIn,
    responses((status = 200, body = OrganizationOut)),
)]
async fn update(
    tenant: Tenant<OrganizationWrite>,
    State(administrator): Api,
    body: Body<OrganizationPatchIn>,
) -> Answer {
    let patch = body.read(OrganizationPatchIn::parse)?;
    let platforms = [("status", patch.status.is_some()), ("external_id", patch.external_id.is_some())];
    if let Some((name, _)) = platforms.into_iter().find(|(_, is_changed)| *is_changed && !tenant.caller.is_platform()) {
        let message = format!("only the platform's key may change an organization's {name}");
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    let organization = administrator.update_organization(&tenant.organization.id, patch).await?;
    Ok(Data::ok((&organization).into()))
}

/// Deletes an organization and everything that belongs to it.
///
/// This needs the platform's key. The request is a conflict if the organization is active and `force` is not true. From
/// then on, publishing is forbidden, every other request for the organization is a conflict, and nothing is delivered. The
/// job ends about 20 minutes later. Until then, the id and the slug cannot be used again, and the same request returns the
/// job with its progress.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}", operation_id = "delete_organization",
    params(ForceParameters),
    responses((status = 202, body = JobOut), (status = 409)),
)]
async fn remove(
    PlatformPath(organization): PlatformPath,
    State(administrator): Api,
    Search(mut query): Search,
) -> Result<Data<JobOut>, ApiError> {
    let force = query.force();
    let force = query.finish(force)?;
    Ok(Data::accepted((&administrator.delete_organization(&organization, force).await?).into()))
}
