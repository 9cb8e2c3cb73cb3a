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

/// Creates a session and redirects to its link. Under a name that is not the machine's own, the page of another site could
/// read what is here; there the response is that of a deployment.
async fn open(State(link): State<Arc<Link>>, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // Whoever reaches the port of a host that listens on another address than loopback must have a key.
    if !link.address.ip().is_loopback() || !host.is_some_and(|host| link.is_own(host)) {
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
    fn is_own(&self, host: &str) -> bool {
        let port = self.address.port();
        let names = [self.address.ip().to_string(), "127.0.0.1".to_owned(), "localhost".to_owned()];
        names.iter().any(|name| host == format!("{name}:{port}"))
    }

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
