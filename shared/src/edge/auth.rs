//! Extractors that authenticate the caller and load what it may see. They run before the body is
//! read: who may not do a thing learns nothing about how to do it.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::input::path_parameter;
use super::{ApiError, AppState};
use crate::domain::access::Scope;
use crate::domain::api_key::KeySecret;
use crate::domain::ids::OrganizationId;
use crate::domain::organization::Organization;
use crate::service::{Caller, CurrentState};
use crate::telemetry::RequestContext;
use crate::wire::error::{ErrorCode, Problem};
use crate::wire::headers::HeaderValues;
use crate::wire::query::Query;

/// Whoever presents a key that works.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let refused = |message| ApiError::new(ErrorCode::Unauthorized, message);
        let presented = bearer(parts).ok_or_else(|| refused("an API key is required: Authorization: Bearer sk_…"))?;
        let caller = core.authenticate(&presented).await?;
        let caller = caller.ok_or_else(|| refused("this API key is unknown, revoked or expired"))?;
        parts.extensions.get::<RequestContext>().inspect(|context| {
            context.set_key(caller.name());
            caller.own_organization().inspect(|organization| context.set_organization(organization));
        });
        Ok(Self(caller))
    }
}

fn bearer(parts: &Parts) -> Option<KeySecret> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then(|| KeySecret::presented(key.trim()))
}

/// The platform, with all its rights.
#[derive(Debug)]
pub struct Platform;

impl FromRequestParts<AppState> for Platform {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        match Authenticated::from_request_parts(parts, core).await? {
            Authenticated(caller) if caller.is_platform() => Ok(Self),
            Authenticated(_) => Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may do this")),
        }
    }
}

/// A caller who may do what `S` says, in whichever organization it may act.
#[derive(Debug)]
pub struct Permitted<S> {
    /// The caller.
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<S: RequiredScope> FromRequestParts<AppState> for Permitted<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, core).await?;
        require::<S>(&caller)?;
        Ok(Self { caller, scope: PhantomData })
    }
}

/// A caller in an organization, who may do what `S` says there. Which organization that is, `W`
/// says: the one that the path names, or the key's own.
#[derive(Debug)]
pub struct Tenant<S, W = OfPath> {
    /// The caller.
    pub caller: Caller,
    /// The organization.
    pub organization: Organization,
    marker: PhantomData<(S, W)>,
}

impl<S: RequiredScope, W: Whereabouts> FromRequestParts<AppState> for Tenant<S, W> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, core).await?;
        let id = W::organization(&caller, parts, core).await?;
        let organization = core.organization_for(&caller, &id).await?;
        parts.extensions.get::<RequestContext>().inspect(|context| context.set_organization(&organization.id));
        require::<S>(&caller)?;
        Ok(Self { caller, organization, marker: PhantomData })
    }
}

impl<S, W> Tenant<S, W> {
    /// Whether the caller sees the values of endpoints' headers: only those who may write endpoints do.
    pub const fn header_values(&self) -> HeaderValues {
        if self.caller.may(Scope::EndpointsWrite) { HeaderValues::Shown } else { HeaderValues::Hidden }
    }
}

/// A caller who may publish in the organization that the path names. The organization's state is read with this request,
/// so one that was suspended a moment ago is refused.
#[derive(Debug)]
pub struct Publisher {
    /// The caller.
    pub caller: Caller,
    /// The organization, as far as publishing needs it.
    pub organization: CurrentState,
}

impl FromRequestParts<AppState> for Publisher {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, core).await?;
        let id = OfPath::organization(&caller, parts, core).await?;
        let organization = core.state_for(&caller, &id).await?;
        parts.extensions.get::<RequestContext>().inspect(|context| context.set_organization(&id));
        require::<scopes::EventsPublish>(&caller)?;
        Ok(Self { caller, organization })
    }
}

fn require<S: RequiredScope>(caller: &Caller) -> Result<(), ApiError> {
    if S::ANY_OF.iter().any(|scope| caller.may(*scope)) {
        return Ok(());
    }
    let scopes: Vec<_> = S::ANY_OF.iter().map(|scope| scope.as_str()).collect();
    Err(ApiError::new(ErrorCode::Forbidden, format!("this key's role lacks the scope {}", scopes.join(" or "))))
}

/// Says which organization a request is about.
pub trait Whereabouts: Send + Sync + 'static {
    /// The organization's id; whether the caller may know of it is checked elsewhere.
    fn organization(
        caller: &Caller,
        parts: &mut Parts,
        core: &AppState,
    ) -> impl Future<Output = Result<OrganizationId, ApiError>> + Send;
}

/// The organization that the path names.
#[derive(Debug)]
pub struct OfPath;

impl Whereabouts for OfPath {
    async fn organization(_: &Caller, parts: &mut Parts, core: &AppState) -> Result<OrganizationId, ApiError> {
        let id = path_parameter(parts, core, "organization").await;
        let id = id.and_then(|text| OrganizationId::parse(&text).ok());
        id.ok_or_else(|| ApiError::not_found("organization"))
    }
}

/// The organization that the key belongs to; with the platform's key, the one that the query's
/// `organization_id` names.
#[derive(Debug)]
pub struct OfKey;

impl Whereabouts for OfKey {
    async fn organization(caller: &Caller, parts: &mut Parts, _: &AppState) -> Result<OrganizationId, ApiError> {
        let mut query = Query::new(parts.uri.query().unwrap_or_default());
        let named = query.organization();
        query.problems()?;
        own_or_named(caller, named)
    }
}

/// The organization that a request without one in its path is about.
///
/// # Errors
/// 400 with the platform's key if none is named.
pub fn own_or_named(caller: &Caller, named: Option<OrganizationId>) -> Result<OrganizationId, ApiError> {
    let required = || Problem::new("organization_id", "is required with the platform's key");
    named.or_else(|| caller.own_organization().cloned()).ok_or_else(|| ApiError::invalid(vec![required()]))
}

/// What a route requires of its caller, as a type.
pub trait RequiredScope: Send + Sync + 'static {
    /// Any of these scopes is enough.
    const ANY_OF: &'static [Scope];
}

/// The scopes as types.
pub mod scopes {
    use super::{RequiredScope, Scope};

    macro_rules! scopes {
        ($($name:ident = $($scope:ident)|+),+ $(,)?) => {$(
            /// What the name says.
            #[derive(Debug)]
            pub struct $name;

            impl RequiredScope for $name {
                const ANY_OF: &'static [Scope] = &[$(Scope::$scope),+];
            }
        )+};
    }

    scopes!(
        OrganizationRead = OrganizationRead,
        OrganizationWrite = OrganizationWrite,
        KeysRead = KeysRead,
        KeysWrite = KeysWrite,
        EndpointsRead = EndpointsRead,
        EndpointsWrite = EndpointsWrite,
        DeliveriesRead = DeliveriesRead,
        DeliveriesWrite = DeliveriesWrite,
        EventsRead = EventsRead,
        EventsPublish = EventsPublish,
        // A publisher may look at what it published; the service tells which that is.
        EventRead = EventsRead | EventsPublish,
    );
}
