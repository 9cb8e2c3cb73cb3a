//! Extractors that authenticate the caller and load its organization. Authorization runs before the body is parsed,
//! so unauthorized callers get no validation details.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::path::{PathTenant, endpoint_in_path};
use super::scopes::{self, RequiredScope};
use super::tenant_source::{OfPath, TenantSource};
use super::{ApiError, RouterState};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::access::Scope;
use crate::domain::tenancy::api_key::KeySecret;
use crate::domain::tenancy::organization::Organization;
use crate::domain::tenancy::rights::Binding;
use crate::service::{Caller, CurrentState};
use crate::telemetry::RequestContext;
use crate::wire::error::ErrorCode;
use crate::wire::headers::HeaderValues;

/// A caller whose key works.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl<R: RouterState> FromRequestParts<R> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let refused = |message| ApiError::new(ErrorCode::Unauthorized, message);
        let caller = match parts.extensions.get::<Caller>() {
            // The portal has authenticated the caller by a cookie.
            Some(caller) => caller.clone(),
            None => {
                let required = "an API key is required: Authorization: Bearer sk_…";
                let presented = bearer(parts).ok_or_else(|| refused(required))?;
                let caller = state.access().authenticate(&presented).await?;
                caller.ok_or_else(|| refused("this API key is unknown, revoked or expired"))?
            }
        };
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

/// The holder of a platform key with full rights.
#[derive(Debug)]
pub struct Platform;

impl<R: RouterState> FromRequestParts<R> for Platform {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        match Authenticated::from_request_parts(parts, state).await? {
            Authenticated(caller) if caller.is_platform() => Ok(Self),
            Authenticated(_) => Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may do this")),
        }
    }
}

/// The organization of the path, for the holder of a platform key with full rights. It need not exist, and may be being
/// deleted.
#[derive(Debug)]
pub struct PlatformPath(pub OrganizationId);

impl<R: RouterState> FromRequestParts<R> for PlatformPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        let id = OfPath::organization(&caller, parts, state).await?;
        if caller.own_organization().is_some_and(|own| *own != id) {
            return Err(ApiError::not_found("organization"));
        }
        parts.extensions.get::<RequestContext>().inspect(|context| context.set_organization(&id));
        if !caller.is_platform() {
            return Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may do this"));
        }
        Ok(Self(id))
    }
}

/// A caller with the scope `S`, in any organization that it may access. A key that is bound to endpoints is refused.
#[derive(Debug)]
pub struct Permitted<S> {
    /// The authenticated caller.
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<S: RequiredScope, R: RouterState> FromRequestParts<R> for Permitted<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        require::<S>(&caller)?;
        refuse_bound(&caller)?;
        Ok(Self { caller, scope: PhantomData })
    }
}

/// A caller with the scope `S`, and its organization. `W` decides which organization the request is for: the one in the
/// path, or the key's own.
///
/// A key that is bound to endpoints is admitted if the path names one of them. It is refused at all other routes, unless `B`
/// is that of [`BoundTenant`].
#[derive(Debug)]
pub struct Tenant<S, W = OfPath, B = Whole> {
    /// The authenticated caller.
    pub caller: Caller,
    /// The organization of the request. It may be up to 5 s old.
    pub organization: Organization,
    /// The endpoints that the caller may access.
    pub binding: Binding,
    marker: PhantomData<(S, W, B)>,
}

/// A [`Tenant`] at a route that also answers keys that are bound to endpoints, although its path names no endpoint. The
/// handler passes [`Tenant::binding`] to the operation.
pub type BoundTenant<S, W = OfPath> = Tenant<S, W, ToBinding>;

/// The route concerns the organization as a whole.
#[derive(Debug)]
pub struct Whole;

/// The route shows and changes only what belongs to the endpoints of the caller's binding.
#[derive(Debug)]
pub struct ToBinding;

/// Whether a route without an endpoint in its path answers bound keys.
pub trait Reach: Send + Sync + 'static {
    /// Whether the operation restricts itself to the caller's binding.
    const IS_RESTRICTED: bool;
}

impl Reach for Whole {
    const IS_RESTRICTED: bool = false;
}

impl Reach for ToBinding {
    const IS_RESTRICTED: bool = true;
}

impl<S: RequiredScope, W: TenantSource, B: Reach, R: RouterState> FromRequestParts<R> for Tenant<S, W, B> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        let id = W::organization(&caller, parts, state).await?;
        let organization = state.access().organization_for(&caller, &id).await.map_err(W::inaccessible)?;
        parts.extensions.get::<RequestContext>().inspect(|context| context.set_organization(&organization.id));
        require::<S>(&caller)?;
        let binding = caller.binding();
        parts.extensions.insert(PathTenant { organization: organization.id.clone(), binding: binding.clone() });
        if binding.is_bound() {
            match endpoint_in_path(parts, state, &organization.id).await? {
                Some(named) if named.is_some_and(|endpoint| binding.includes(endpoint)) => {}
                Some(_) => return Err(ApiError::not_found("endpoint")),
                None if B::IS_RESTRICTED => {}
                None => refuse_bound(&caller)?,
            }
        }
        Ok(Self { caller, organization, binding, marker: PhantomData })
    }
}

impl<S, W, B> Tenant<S, W, B> {
    /// Whether the caller may read the values of endpoints' headers: it must have [`Scope::EndpointsWrite`].
    pub const fn header_values(&self) -> HeaderValues {
        if self.caller.may(Scope::EndpointsWrite) { HeaderValues::Shown } else { HeaderValues::Hidden }
    }
}

/// A caller that may publish in the organization of the path. The organization's state is read for each request, so
/// a suspension takes effect immediately.
#[derive(Debug)]
pub struct PublishCaller<W = OfPath> {
    /// The authenticated caller.
    pub caller: Caller,
    /// The current state of the organization.
    pub organization: CurrentState,
    /// Where the organization's id comes from.
    pub source: PhantomData<W>,
}

impl<W: TenantSource, R: RouterState> FromRequestParts<R> for PublishCaller<W> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        let id = W::organization(&caller, parts, state).await?;
        let organization = state.access().state_for(&caller, &id).await.map_err(W::inaccessible)?;
        parts.extensions.get::<RequestContext>().inspect(|context| context.set_organization(&id));
        require::<scopes::EventsPublish>(&caller)?;
        refuse_bound(&caller)?;
        Ok(Self { caller, organization, source: PhantomData })
    }
}

fn require<S: RequiredScope>(caller: &Caller) -> Result<(), ApiError> {
    if S::ANY_OF.iter().any(|scope| caller.may(*scope)) {
        return Ok(());
    }
    let scopes: Vec<_> = S::ANY_OF.iter().map(|scope| scope.as_str()).collect();
    let message = format!("this {} lacks the scope {}", caller.kind(), scopes.join(" or "));
    Err(ApiError::new(ErrorCode::Forbidden, message))
}

fn refuse_bound(caller: &Caller) -> Result<(), ApiError> {
    if !caller.binding().is_bound() {
        return Ok(());
    }
    let message = format!("this {} is bound to endpoints, and this concerns more than these", caller.kind());
    Err(ApiError::new(ErrorCode::Forbidden, message))
}
