//! `/` on the local host: it signs the browser in to the portal of the demo organization.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use shared::domain::ids::OrganizationId;
use shared::domain::portal::session::{NewPortalSession, SessionSeconds, Theme};
use shared::domain::portal::token::PortalToken;
use shared::domain::tenancy::access::{PlatformRole, Role};
use shared::domain::tenancy::rights::Binding;
use shared::service::{Administrator, Caller, ServiceError};
use tracing::warn;

struct Link {
    administrator: Arc<Administrator>,
    organization: OrganizationId,
    address: SocketAddr,
}

pub(crate) fn routes(administrator: Arc<Administrator>, organization: OrganizationId, address: SocketAddr) -> Router {
    let link = Arc::new(Link { administrator, organization, address });
    Router::new().route("/", get(open)).with_state(link)
}

/// Creates a session and redirects to its link, if a person opens the page. The response is that of a deployment if it is an
/// image of another page or loaded in advance, so that these create no sessions.
async fn open(State(link): State<Arc<Link>>, headers: HeaderMap) -> Response {
    let is_navigation = headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    let is_opened = is_navigation && !headers.contains_key("sec-purpose");
    // Whoever reaches the port of a host that listens on another address than loopback must have a key.
    if !link.address.ip().is_loopback() || !is_opened {
        return Redirect::temporary("/docs").into_response();
    }
    match link.create().await {
        Ok(Some(token)) => {
            let to = format!("/portal/sign-in?token={}", *token.reveal());
            ([(header::CACHE_CONTROL, "no-store")], Redirect::temporary(&to)).into_response()
        }
        Ok(None) => Redirect::temporary("/docs").into_response(),
        Err(error) => {
            warn!(%error, "no portal session was created");
            (StatusCode::SERVICE_UNAVAILABLE, "the portal is not available\n").into_response()
        }
    }
}

impl Link {
    /// The token of a new session; `None` if the organization is gone or suspended.
    async fn create(&self) -> Result<Option<PortalToken>, ServiceError> {
        let keys = &self.administrator.deployment().platform_keys;
        let Some(platform) = keys.iter().find(|key| key.role == PlatformRole::Full) else { return Ok(None) };
        let new = NewPortalSession {
            role: Role::Owner,
            binding: Binding::default(),
            lifetime: SessionSeconds::default(),
            return_url: None,
            theme: Theme::default(),
            actor: None,
        };
        let created = match self.administrator.access().organization(&self.organization).await {
            Ok(found) => self.administrator.create_portal_session(&found, &Caller::Platform(*platform), new).await,
            Err(error) => Err(error),
        };
        match created {
            Ok((_, token)) => Ok(Some(token)),
            Err(ServiceError::NotFound(_) | ServiceError::Conflict(_) | ServiceError::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
