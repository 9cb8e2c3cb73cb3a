//! Extractors of identifiers in paths.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::{ApiError, RouterState};
use crate::domain::event::event_type::EventType;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId, JobId, KeyId, OrganizationId, PortalSessionId};
use crate::domain::tenancy::rights::Binding;
use crate::service::{Access, ServiceError};
use crate::wire::endpoints;
use crate::wire::svix::{self, Reference, Report};

/// The organization whose resources the path names, and the endpoints that the caller may access.
/// [`Tenant`](super::Tenant) adds it to the request.
#[derive(Debug, Clone)]
pub(super) struct PathTenant {
    pub(super) organization: OrganizationId,
    pub(super) binding: Binding,
}

/// An identifier in the path, or `ext:` and the external id of the resource. A malformed one results in 404, like an
/// unknown one. [`Tenant`](super::Tenant) must be extracted before it.
#[derive(Debug)]
pub struct PathId<T>(pub T);

/// An identifier that occurs in paths.
pub trait InPath: Sized + Send {
    /// The name of the path parameter in routes.
    const PARAMETER: &'static str;
    /// The name of the resource in error messages.
    const WHAT: &'static str;
    /// Parses the identifier; `None` if it is malformed.
    fn parse(text: &str) -> Option<Self>;

    /// Reads the text as an external id. `None` if it is none but an identifier; `Some(None)` if it can be neither.
    fn external_id(text: &str) -> Option<Option<ExternalId>> {
        ExternalId::in_path(text)
    }

    /// The endpoint, if this identifies one.
    fn endpoint(&self) -> Option<EndpointId> {
        None
    }

    /// Finds the identifier of the resource with this external id; `None` if there is none.
    fn named(
        _: &Access,
        _: &OrganizationId,
        _: &ExternalId,
    ) -> impl Future<Output = Result<Option<Self>, ServiceError>> + Send {
        std::future::ready(Ok(None))
    }
}

macro_rules! in_path {
    ($id:ty, $parameter:literal, $what:literal) => {
        impl InPath for $id {
            const PARAMETER: &'static str = $parameter;
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Option<Self> {
                Self::parse(text).ok()
            }
        }
    };
    ($id:ty, $parameter:literal, $what:literal, $named:ident, $endpoint:expr) => {
        impl InPath for $id {
            const PARAMETER: &'static str = $parameter;
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Option<Self> {
                Self::parse(text).ok()
            }

            fn endpoint(&self) -> Option<EndpointId> {
                $endpoint(*self)
            }

            async fn named(
                access: &Access,
                organization: &OrganizationId,
                external_id: &ExternalId,
            ) -> Result<Option<Self>, ServiceError> {
                access.$named(organization, external_id).await
            }
        }
    };
}

/// The number of a version of an event type.
#[derive(Debug, Clone, Copy)]
pub struct VersionNumber(pub u32);

impl InPath for VersionNumber {
    const PARAMETER: &'static str = "schema_version";
    const WHAT: &'static str = "version of the event type";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self)
    }
}

/// An endpoint's identifier in the format of the `endpoints` dialect.
#[derive(Debug, Clone, Copy)]
pub struct HyphenatedEndpointId(pub EndpointId);

impl InPath for HyphenatedEndpointId {
    const PARAMETER: &'static str = "endpoint";
    const WHAT: &'static str = "endpoint";

    fn parse(text: &str) -> Option<Self> {
        endpoints::parse_id(text).map(Self)
    }

    fn endpoint(&self) -> Option<EndpointId> {
        Some(self.0)
    }

    async fn named(
        access: &Access,
        organization: &OrganizationId,
        external_id: &ExternalId,
    ) -> Result<Option<Self>, ServiceError> {
        Ok(access.endpoint_named(organization, external_id).await?.map(Self))
    }
}

/// An identifier in the form of the `svix` dialect. A text that is none is the uid of a resource.
macro_rules! in_svix_path {
    ($(#[$doc:meta])* $name:ident($id:ty), $parameter:literal, $what:literal, $parse:path, $named:expr, $endpoint:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub $id);

        impl InPath for $name {
            const PARAMETER: &'static str = $parameter;
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Option<Self> {
                $parse(text).map(Self)
            }

            fn external_id(text: &str) -> Option<Option<ExternalId>> {
                match $parse(text) {
                    Some(_) => None,
                    None => Some(ExternalId::parse(text).ok()),
                }
            }

            fn endpoint(&self) -> Option<EndpointId> {
                $endpoint(self.0)
            }

            async fn named(
                access: &Access,
                organization: &OrganizationId,
                external_id: &ExternalId,
            ) -> Result<Option<Self>, ServiceError> {
                let named: Result<Option<$id>, ServiceError> = $named(access, organization, external_id).await;
                Ok(named?.map(Self))
            }
        }
    };
}

in_svix_path!(
    /// An endpoint.
    SvixEndpointId(EndpointId), "endpoint_id", "endpoint", svix::parse_endpoint, Access::endpoint_named, Some
);
in_svix_path!(
    /// A message.
    SvixMessageId(EventId), "msg_id", "message", svix::parse_message, Access::event_named, |_| None
);
in_svix_path!(
    /// An attempt, which has no uid.
    SvixAttemptId(AttemptId), "attempt_id", "attempt", svix::parse_attempt, no_attempt_named, |_| None
);

/// An application.
#[derive(Debug, Clone)]
pub struct SvixApplicationId(pub OrganizationId);

impl InPath for SvixApplicationId {
    const PARAMETER: &'static str = "app_id";
    const WHAT: &'static str = "application";

    fn parse(text: &str) -> Option<Self> {
        svix::parse_application(text).map(Self)
    }
}

/// The name of an event type in the `svix` dialect.
#[derive(Debug, Clone)]
pub struct PathType(pub EventType);

impl InPath for PathType {
    const PARAMETER: &'static str = "event_type_name";
    const WHAT: &'static str = "event type";

    fn parse(text: &str) -> Option<Self> {
        EventType::parse(text).ok().map(Self)
    }
}

/// A background task: its job. The application is a part of its identifier.
#[derive(Debug, Clone, Copy)]
pub struct PathTask(pub JobId);

impl InPath for PathTask {
    const PARAMETER: &'static str = "task_id";
    const WHAT: &'static str = "task";

    fn parse(text: &str) -> Option<Self> {
        svix::parse_task(text).map(|(_, job)| Self(job))
    }
}

/// A background task of statistics, which has no resource.
#[derive(Debug)]
pub struct PathReport(pub Report);

impl InPath for PathReport {
    const PARAMETER: &'static str = PathTask::PARAMETER;
    const WHAT: &'static str = PathTask::WHAT;

    fn parse(text: &str) -> Option<Self> {
        svix::parse_report(text).map(Self)
    }
}

/// An identifier or a uid in the path. The resource need not exist. It needs no [`Tenant`](super::Tenant).
#[derive(Debug)]
pub struct PathReference<T>(pub Reference<T>);

impl<T: InPath, R: RouterState> FromRequestParts<R> for PathReference<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let missing = || ApiError::not_found(T::WHAT);
        let text = path_parameter(parts, state, T::PARAMETER).await.ok_or_else(missing)?;
        svix::reference(&text, T::parse).map(Self).ok_or_else(missing)
    }
}

async fn no_attempt_named(_: &Access, _: &OrganizationId, _: &ExternalId) -> Result<Option<AttemptId>, ServiceError> {
    Ok(None)
}

in_path!(OrganizationId, "organization", "organization");
in_path!(EndpointId, "endpoint", "endpoint", endpoint_named, Some);
in_path!(EventType, "event_type", "event type");
in_path!(DeliveryId, "delivery", "delivery");
in_path!(AttemptId, "attempt", "attempt");
in_path!(EventId, "event", "event", event_named, |_| None);
in_path!(KeyId, "key", "API key");
in_path!(PortalSessionId, "portal_session", "portal session");
in_path!(JobId, "job", "job");

impl<T: InPath, R: RouterState> FromRequestParts<R> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &R) -> Result<Self, ApiError> {
        let missing = || ApiError::not_found(T::WHAT);
        let text = path_parameter(parts, state, T::PARAMETER).await.ok_or_else(missing)?;
        let id = match T::external_id(&text) {
            None => T::parse(&text),
            Some(external_id) => {
                let external_id = external_id.ok_or_else(missing)?;
                let tenant: PathTenant = parts.extensions.get().cloned().ok_or_else(missing)?;
                let id = T::named(state.access(), &tenant.organization, &external_id).await?;
                // The external id may have moved to another endpoint since `Tenant` looked it up.
                id.filter(|id| id.endpoint().is_none_or(|endpoint| tenant.binding.includes(endpoint)))
            }
        };
        id.map(Self).ok_or_else(missing)
    }
}

/// A parameter of the path; `None` if the route does not have it or it is not UTF-8.
pub(super) async fn path_parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// The endpoint that the path names, in any form of its id, or by its external id. `None` if the route has no endpoint in its
/// path, and `Some(None)` if the organization has none of this name.
pub(super) async fn endpoint_in_path<R: RouterState>(
    parts: &mut Parts,
    state: &R,
    organization: &OrganizationId,
) -> Result<Option<Option<EndpointId>>, ApiError> {
    let own = path_parameter(parts, state, EndpointId::PARAMETER).await;
    let (text, external_id) = match own {
        Some(text) => {
            let external_id = ExternalId::in_path(&text);
            (text, external_id)
        }
        None => match path_parameter(parts, state, SvixEndpointId::PARAMETER).await {
            Some(text) => {
                let external_id = SvixEndpointId::external_id(&text);
                (text, external_id)
            }
            None => return Ok(None),
        },
    };
    Ok(Some(match external_id {
        None => {
            let parsers = [|text: &str| EndpointId::parse(text).ok(), endpoints::parse_id, svix::parse_endpoint];
            parsers.into_iter().find_map(|parse| parse(&text))
        }
        Some(None) => None,
        Some(Some(external_id)) => state.access().endpoint_named(organization, &external_id).await?,
    }))
}
