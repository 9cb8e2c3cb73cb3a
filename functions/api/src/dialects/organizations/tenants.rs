//! Routes for organizations.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use shared::edge::scopes::{OrganizationRead, OrganizationWrite};
use shared::edge::{ApiError, Body, Data, Platform, Tenant};
use shared::wire::error::ErrorCode;
use shared::wire::organizations::{OrganizationIn, OrganizationOut, OrganizationPatchIn};
use utoipa::OpenApi;

use crate::{Api, Routes};

type Answer = Result<Data<OrganizationOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(create, read, update))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/v1/organizations", post(create))
        .route("/v1/organizations/{organization}", get(read).patch(update))
}

/// Creates an organization.
///
/// This needs the platform's key. The request is a conflict if another organization has the id or the slug.
#[utoipa::path(
    post, path = "/v1/organizations", operation_id = "create_organization", request_body = OrganizationIn,
    responses((status = 201, body = OrganizationOut), (status = 409)),
)]
async fn create(_: Platform, State(administrator): Api, body: Body<OrganizationIn>) -> Answer {
    let organization = administrator.create_organization(body.read(OrganizationIn::parse)?).await?;
    Ok(Data::created((&organization).into()))
}

/// Reads an organization.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}", operation_id = "read_organization",
    responses((status = 200, body = OrganizationOut)),
)]
async fn read(tenant: Tenant<OrganizationRead>) -> Answer {
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
    if patch.status.is_some() && !tenant.caller.is_platform() {
        return Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may change an organization's status"));
    }
    let organization = administrator.update_organization(&tenant.organization.id, patch).await?;
    Ok(Data::ok((&organization).into()))
}
