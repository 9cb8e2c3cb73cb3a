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
use crate::service::Caller;
use crate::wire::error::ErrorCode;

/// Whoever presents a key that works.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let refused = |message| ApiError::new(ErrorCode::Unauthorized, message);
        let presented = bearer(parts).ok_or_else(|| refused("an API key is required: Authorization: Bearer sk_…"))?;
        let caller = core.authenticate(&presented).await?;
        caller.map(Self).ok_or_else(|| refused("this API key is unknown, revoked or expired"))
    }
}

fn bearer(parts: &Parts) -> Option<KeySecret> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then(|| KeySecret::presented(key.trim()))
}

/// The platform.
#[derive(Debug)]
pub struct Platform;

impl FromRequestParts<AppState> for Platform {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        match Authenticated::from_request_parts(parts, core).await? {
            Authenticated(Caller::Platform) => Ok(Self),
            Authenticated(Caller::Key { .. }) => {
                Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may do this"))
            }
        }
    }
}

/// A caller in the organization that the path names, who may do what `S` says there.
#[derive(Debug)]
pub struct Tenant<S> {
    /// The caller.
    pub caller: Caller,
    /// The organization.
    pub organization: Organization,
    scope: PhantomData<S>,
}

impl<S: RequiredScope> FromRequestParts<AppState> for Tenant<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &AppState) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, core).await?;
        let id = path_parameter(parts, core, "organization").await;
        let id = id.and_then(|text| OrganizationId::parse(&text).ok());
        let id = id.ok_or_else(|| ApiError::not_found("organization"))?;
        let organization = core.organization_for(&caller, &id).await?;
        if !S::ANY_OF.iter().any(|scope| caller.may(*scope)) {
            let scopes: Vec<_> = S::ANY_OF.iter().map(|scope| scope.as_str()).collect();
            let message = format!("this key's role lacks the scope {}", scopes.join(" or "));
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        Ok(Self { caller, organization, scope: PhantomData })
    }
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
