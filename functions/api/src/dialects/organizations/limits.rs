//! Routes for the limits of an organization.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use shared::edge::scopes::{OrganizationRead, OrganizationWrite};
use shared::edge::{ApiError, Body, Data, Platform, Tenant};
use shared::wire::organizations::{LimitsIn, LimitsOut};
use utoipa::OpenApi;

use crate::{Api, Routes};

type Answer = Result<Data<LimitsOut>, ApiError>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(read, replace))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new().route("/limits", get(read).put(replace))
}

/// Reads the limits that apply to an organization.
#[utoipa::path(
    get, path = "/limits", operation_id = "read_limits",
    responses((status = 200, body = LimitsOut)),
)]
async fn read(tenant: Tenant<OrganizationRead>, State(administrator): Api) -> Answer {
    let state = administrator.current_state(&tenant.organization.id).await?;
    Ok(Data::ok((*state.limits()).into()))
}

/// Replaces the limits of an organization.
///
/// This needs the platform's key. A limit that is missing in the request gets the deployment's value. `null` means
/// unlimited. The limits apply to every request that begins after this response.
#[utoipa::path(
    put, path = "/limits", operation_id = "replace_limits", request_body = LimitsIn,
    responses((status = 200, body = LimitsOut)),
)]
async fn replace(
    tenant: Tenant<OrganizationWrite>,
    _: Platform,
    State(administrator): Api,
    body: Body<LimitsIn>,
) -> Answer {
    let limits = body.read(LimitsIn::parse)?;
    let limits = administrator.set_limits(&tenant.organization.id, &tenant.caller, limits).await?;
    Ok(Data::ok(limits.into()))
}
