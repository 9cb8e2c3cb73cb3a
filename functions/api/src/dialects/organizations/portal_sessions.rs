//! Routes for portal sessions.

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, post};
use shared::domain::ids::PortalSessionId;
use shared::domain::portal::session::{PortalSession, PortalTenant};
use shared::domain::portal::token::PortalToken;
use shared::domain::time::Timestamp;
use shared::edge::scopes::{KeysRead, KeysWrite};
use shared::edge::{ApiError, Authenticated, Body, Data, PathId, Platform, PublicOrigin, Search, Tenant};
use shared::service::Administrator;
use shared::wire::organizations::{OperatorSessionIn, PortalSessionIn, PortalSessionOut};
use shared::wire::query::PagingParameters;
use utoipa::OpenApi;

use super::page;
use crate::{Api, Routes};

type Answer = Result<Data<PortalSessionOut>, ApiError>;

/// The OpenAPI description of the routes of an organization.
#[derive(OpenApi)]
#[openapi(paths(create, list, revoke))]
pub(super) struct Operations;

/// The OpenAPI description of the routes for operators.
#[derive(OpenApi)]
#[openapi(paths(create_for_operator, list_of_operators, revoke_of_operator))]
pub(super) struct OperatorOperations;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/portal-sessions", post(create).get(list))
        .route("/portal-sessions/{portal_session}", delete(revoke))
}

pub(super) fn operator_routes() -> Routes {
    Router::new()
        .route("/v1/portal-sessions", post(create_for_operator).get(list_of_operators))
        .route("/v1/portal-sessions/{portal_session}", delete(revoke_of_operator))
}

/// Creates a portal session.
///
/// Only this response has the link, which signs a person in: once, within five minutes. The person can do what a key with the
/// role and the endpoints could, until the session expires. A key can create only sessions without rights that it lacks
/// itself: scopes, endpoints, and time. The platform's key can create any.
#[utoipa::path(
    post, path = "/portal-sessions", operation_id = "create_portal_session", request_body = PortalSessionIn,
    responses((status = 201, body = PortalSessionOut)),
)]
async fn create(
    tenant: Tenant<KeysWrite>,
    State(administrator): Api,
    origin: PublicOrigin,
    body: Body<PortalSessionIn>,
) -> Answer {
    let new = body.read(|body| body.parse(&administrator.deployment().portal.origins))?;
    let created = administrator.create_portal_session(&tenant.organization, &tenant.caller, new).await?;
    Ok(with_link(created, &origin, administrator.clock().now()))
}

/// Creates a portal session of an operator.
///
/// The person can act in all organizations, as with the platform's key. This needs the platform's key, and the deployment's
/// setting `OperatorPortal`.
#[utoipa::path(
    post, path = "/v1/portal-sessions", operation_id = "create_operator_session", request_body = OperatorSessionIn,
    responses((status = 201, body = PortalSessionOut)),
)]
async fn create_for_operator(
    _: Platform,
    Authenticated(caller): Authenticated,
    State(administrator): Api,
    origin: PublicOrigin,
    body: Body<OperatorSessionIn>,
) -> Answer {
    let new = body.read(|body| body.parse(&administrator.deployment().portal.origins))?;
    let created = administrator.create_operator_session(&caller, new).await?;
    Ok(with_link(created, &origin, administrator.clock().now()))
}

fn with_link(
    (session, token): (PortalSession, PortalToken),
    origin: &PublicOrigin,
    now: Timestamp,
) -> Data<PortalSessionOut> {
    let url = format!("{}/portal/sign-in?token={}", origin.as_str(), *token.reveal());
    Data::created(PortalSessionOut::new(&session, now).with_url(&url))
}

/// Lists portal sessions, newest first.
///
/// A session is listed until some time after it has expired.
#[utoipa::path(
    get, path = "/portal-sessions", operation_id = "list_portal_sessions",
    params(PagingParameters),
    responses((status = 200, body = Vec<PortalSessionOut>)),
)]
async fn list(
    tenant: Tenant<KeysRead>,
    State(administrator): Api,
    search: Search,
) -> Result<Data<Vec<PortalSessionOut>>, ApiError> {
    list_of(&PortalTenant::Organization(tenant.organization.id.clone()), &administrator, search).await
}

/// Lists the portal sessions of operators, newest first.
///
/// Sessions end when the platform's key that they come from is replaced.
#[utoipa::path(
    get, path = "/v1/portal-sessions", operation_id = "list_operator_sessions",
    params(PagingParameters),
    responses((status = 200, body = Vec<PortalSessionOut>)),
)]
async fn list_of_operators(
    _: Platform,
    State(administrator): Api,
    search: Search,
) -> Result<Data<Vec<PortalSessionOut>>, ApiError> {
    list_of(&PortalTenant::Operator, &administrator, search).await
}

async fn list_of(
    of: &PortalTenant,
    administrator: &Administrator,
    Search(mut query): Search,
) -> Result<Data<Vec<PortalSessionOut>>, ApiError> {
    let paging = query.paging();
    let paging = query.finish(paging)?;
    let sessions = administrator.list_portal_sessions(of, paging.cursor.as_deref(), paging.limit).await?;
    let now = administrator.clock().now();
    let show = |session: &PortalSession| PortalSessionOut::new(session, now);
    page(sessions.items, sessions.next, paging.limit, show, |session| session.id.to_string())
}

/// Revokes a portal session. It ends at once.
#[utoipa::path(
    delete, path = "/portal-sessions/{portal_session}", operation_id = "revoke_portal_session",
    responses((status = 200, body = PortalSessionOut)),
)]
async fn revoke(
    tenant: Tenant<KeysWrite>,
    PathId(session): PathId<PortalSessionId>,
    State(administrator): Api,
) -> Answer {
    revoke_session(&PortalTenant::Organization(tenant.organization.id), session, &administrator).await
}

/// Revokes the portal session of an operator. It ends at once.
#[utoipa::path(
    delete, path = "/v1/portal-sessions/{portal_session}", operation_id = "revoke_operator_session",
    responses((status = 200, body = PortalSessionOut)),
)]
async fn revoke_of_operator(
    _: Platform,
    PathId(session): PathId<PortalSessionId>,
    State(administrator): Api,
) -> Answer {
    revoke_session(&PortalTenant::Operator, session, &administrator).await
}

async fn revoke_session(of: &PortalTenant, session: PortalSessionId, administrator: &Administrator) -> Answer {
    let revoked = administrator.revoke_portal_session(of, session).await?;
    Ok(Data::ok(PortalSessionOut::new(&revoked, administrator.clock().now())))
}
