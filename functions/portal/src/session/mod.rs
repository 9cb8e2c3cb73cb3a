//! Who is signed in. [`require`] admits a request to the pages of its session.

mod cookie;
mod same_origin;
pub(crate) mod sign_in;
pub(crate) mod sign_out;

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use shared::domain::portal::PortalSettings;
use shared::domain::portal::origin::ReturnUrl;
use shared::domain::portal::session::PortalSession;
use shared::domain::portal::token::PortalToken;
use shared::domain::tenancy::access::Scope;
use shared::domain::tenancy::organization::Organization;
use shared::domain::tenancy::rights::Rights;
use shared::edge::{ApiError, PublicOrigin};
use shared::service::Caller;
use shared::telemetry::RequestContext;
use shared::wire::error::ErrorCode;

use self::cookie::Reach;
use crate::Portal;
use crate::form::{FORM_TOKEN, Form, MAX_FORM_BYTES};
use crate::text::session as text;

/// The session of a request, and what pages show of it.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) session: Arc<PortalSession>,
    /// The organization in the path; `None` at the operators' own pages.
    pub(crate) organization: Option<Arc<Organization>>,
    /// The value of the field [`FORM_TOKEN`] of each form.
    pub(crate) form_token: Arc<str>,
}

/// The form's token is left out.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("session", &self.session.id).finish_non_exhaustive()
    }
}

impl SignedIn {
    /// The session that the request's cookie proves; `None` if there is none.
    ///
    /// # Errors
    /// If the session could not be read.
    async fn of_cookie(portal: &Portal, parts: &Parts) -> Result<Option<(Self, PortalToken)>, ApiError> {
        let origin = PublicOrigin::from_request_parts(&mut parts.clone(), portal).await?;
        let Some(token) = Reach::of(portal, &origin).read(&parts.headers) else { return Ok(None) };
        let Some(session) = portal.administrator().portal_session(&token).await? else { return Ok(None) };
        let signed_in = Self { session: Arc::new(session), organization: None, form_token: token.form_token().into() };
        Ok(Some((signed_in, token)))
    }

    /// The path under which the pages of the request are: `/portal/<organization>` or `/portal/operator`.
    pub(crate) fn base(&self) -> String {
        match &self.organization {
            Some(organization) => format!("/portal/{}", organization.id),
            None => "/portal/operator".to_owned(),
        }
    }

    /// The link back to the application. Its origin may not be the platform's any more.
    pub(crate) fn return_url(&self, settings: &PortalSettings) -> Option<&ReturnUrl> {
        self.session.return_url.as_ref().filter(|url| url.is_allowed(&settings.origins))
    }

    /// Whether the person may do this.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.session.rights().scopes.contains(scope)
    }

    /// Whether the person is an operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.session.tenant.organization().is_none()
    }

    fn caller(&self) -> Caller {
        Caller::Portal {
            session: self.session.id,
            organization: self.session.tenant.organization().cloned(),
            // The session ends at its time. What the person makes, such as a key, may last as long as what granted the session.
            rights: Rights { expires_at: self.session.grant.until, ..self.session.rights() },
            granted_by: self.session.grant.key.clone(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(not_signed_in)
    }
}

/// Log and audit lines of the request have the session, its organization and its person.
fn attribute(context: &RequestContext, session: &PortalSession) {
    context.set_key(session.id.to_string());
    session.tenant.organization().inspect(|organization| context.set_organization(organization));
    session.actor.as_ref().inspect(|actor| context.set_actor(actor.to_string()));
}

fn not_signed_in() -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, text::NOT_SIGNED_IN)
}

/// Admits a request with a cookie of a session to the pages of its organization. A request that changes something must be a
/// form of the session's own pages. Extractors of [`shared::edge`] then authenticate the session as the caller.
pub(crate) async fn require(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    match admit(&portal, request).await {
        Ok((signed_in, request)) => {
            let mut response = next.run(request).await;
            response.extensions_mut().insert(signed_in);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn admit(portal: &Portal, request: Request) -> Result<(SignedIn, Request), ApiError> {
    let (mut parts, mut body) = request.into_parts();
    let (mut signed_in, token) = SignedIn::of_cookie(portal, &parts).await?.ok_or_else(not_signed_in)?;
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        attribute(context, &signed_in.session);
    }
    // What is below is not of one organization. Other pages have their organization in the path.
    if parts.uri.path().starts_with("/portal/operator") && !signed_in.is_operator() {
        return Err(ApiError::not_found("page"));
    }
    let parameters = RawPathParams::from_request_parts(&mut parts, portal).await.ok();
    let named = parameters.as_ref().and_then(|all| all.iter().find(|(name, _)| *name == "organization"));
    if let Some((_, named)) = named {
        let not_found = || ApiError::not_found("organization");
        let id = shared::domain::ids::OrganizationId::parse(named).map_err(|_| not_found())?;
        if signed_in.session.tenant.organization().is_some_and(|own| *own != id) {
            return Err(not_found());
        }
        signed_in.organization = Some(Arc::new(portal.administrator().access().organization(&id).await?));
    }
    if parts.method == Method::GET {
        same_origin::refuse_embedding(&parts)?;
    } else {
        same_origin::require(&parts, &PublicOrigin::from_request_parts(&mut parts.clone(), portal).await?)?;
        let form = Form::read(&parts, std::mem::take(&mut body), MAX_FORM_BYTES).await?;
        if !token.is_form_token(form.raw(FORM_TOKEN)) {
            return Err(ApiError::new(ErrorCode::Forbidden, text::FOREIGN_FORM));
        }
        parts.extensions.insert(form);
    }
    parts.extensions.insert(signed_in.caller());
    parts.extensions.insert(signed_in.clone());
    Ok((signed_in, Request::from_parts(parts, body)))
}
