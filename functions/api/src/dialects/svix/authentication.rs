//! Links to the portal of an application, and ending its sessions.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use shared::domain::portal::session::PortalTenant;
use shared::edge::scopes::KeysWrite;
use shared::edge::{ApiError, Bare, Body, Empty, OfApplication, PublicOrigin, Tenant};
use shared::wire::svix::{PortalAccessIn, PortalAccessOut};
use utoipa::OpenApi;

use super::repetitions::NotStored;
use crate::{Api, Routes};

/// Most sessions that are read at the same time to end them.
const SESSIONS_PER_READ: usize = 100;

type Keeper = Tenant<KeysWrite, OfApplication>;

/// The OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(paths(portal_access, dashboard_access, expire_all))]
pub(super) struct Operations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/auth/app-portal-access/{app_id}", post(portal_access))
        .route("/auth/dashboard-access/{app_id}", post(dashboard_access))
        .route("/auth/app/{app_id}/expire-all", post(expire_all))
}

/// Makes a link to the portal of an application.
#[utoipa::path(
    post, path = "/auth/app-portal-access/{app_id}", operation_id = "authentication_app_portal_access",
    request_body = PortalAccessIn,
    responses((status = 200, body = PortalAccessOut)),
)]
async fn portal_access(
    tenant: Keeper,
    State(administrator): Api,
    origin: PublicOrigin,
    body: Body<PortalAccessIn>,
) -> Result<Response, ApiError> {
    let new = body.read_known(PortalAccessIn::parse)?;
    let (_, token) = administrator.create_portal_session(&tenant.organization, &tenant.caller, new).await?;
    let mut response = Bare::ok(PortalAccessOut::new(origin.as_str(), &token.reveal())).into_response();
    // The link is shown only once.
    response.extensions_mut().insert(NotStored);
    Ok(response)
}

/// Makes a link to the portal of an application, as `app-portal-access` does.
#[utoipa::path(
    post, path = "/auth/dashboard-access/{app_id}", operation_id = "authentication_dashboard_access",
    request_body = PortalAccessIn,
    responses((status = 200, body = PortalAccessOut)),
)]
async fn dashboard_access(
    tenant: Keeper,
    administrator: Api,
    origin: PublicOrigin,
    body: Body<PortalAccessIn>,
) -> Result<Response, ApiError> {
    portal_access(tenant, administrator, origin, body).await
}

/// Ends all portal sessions of an application at once.
#[utoipa::path(
    post, path = "/auth/app/{app_id}/expire-all", operation_id = "authentication_expire_all",
    responses((status = 204)),
)]
async fn expire_all(tenant: Keeper, State(administrator): Api) -> Result<Empty, ApiError> {
    let (of_application, mut cursor) = (PortalTenant::Organization(tenant.organization.id), None::<String>);
    loop {
        let page = administrator.list_portal_sessions(&of_application, cursor.as_deref(), SESSIONS_PER_READ).await?;
        for session in &page.items {
            if session.revoked_at.is_none() {
                administrator.revoke_portal_session(&of_application, session.id).await?;
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(Empty),
        }
    }
}
