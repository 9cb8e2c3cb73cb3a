//! Which organization a request is for: the one in its path, of its task, of its query, or of the caller's key.

use http::request::Parts;

use super::path::{InPath, PathTask, SvixApplicationId, path_parameter};
use super::{ApiError, RouterState};
use crate::domain::Invalid;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::OrganizationId;
use crate::service::{Caller, ServiceError};
use crate::wire::error::{ErrorCode, Problem};
use crate::wire::query::Query;
use crate::wire::svix::{self, Parameters, Reference};

/// The source of the organization of a request.
pub trait TenantSource: Send + Sync + 'static {
    /// The id of the organization. The caller's access to it is checked separately.
    fn organization<R: RouterState>(
        caller: &Caller,
        parts: &mut Parts,
        state: &R,
    ) -> impl Future<Output = Result<OrganizationId, ApiError>> + Send;

    /// The error for an organization that the caller cannot access.
    fn inaccessible(error: ServiceError) -> ApiError {
        error.into()
    }
}

/// The organization in the path.
#[derive(Debug)]
pub struct OfPath;

impl TenantSource for OfPath {
    async fn organization<R: RouterState>(
        _: &Caller,
        parts: &mut Parts,
        state: &R,
    ) -> Result<OrganizationId, ApiError> {
        let missing = || ApiError::not_found("organization");
        let text = path_parameter(parts, state, "organization").await.ok_or_else(missing)?;
        let id = match ExternalId::in_path(&text) {
            None => OrganizationId::parse(&text).ok(),
            Some(None) => None,
            Some(Some(external_id)) => state.access().organization_named(&external_id).await?,
        };
        id.ok_or_else(missing)
    }
}

/// The application in the path, in the form of the `svix` dialect. One that is being deleted does not exist.
#[derive(Debug)]
pub struct OfApplication;

impl TenantSource for OfApplication {
    async fn organization<R: RouterState>(
        _: &Caller,
        parts: &mut Parts,
        state: &R,
    ) -> Result<OrganizationId, ApiError> {
        let missing = || ApiError::not_found("application");
        let text = path_parameter(parts, state, SvixApplicationId::PARAMETER).await.ok_or_else(missing)?;
        match svix::reference(&text, svix::parse_application).ok_or_else(missing)? {
            Reference::Id(id) => Ok(id),
            Reference::Uid(uid) => state.access().organization_named(&uid).await?.ok_or_else(missing),
        }
    }

    fn inaccessible(error: ServiceError) -> ApiError {
        match error {
            ServiceError::NotFound(_) | ServiceError::Conflict(_) => ApiError::not_found("application"),
            other => other.into(),
        }
    }
}

/// The platform's own organization, for the holder of the platform's key. It exists since its first endpoint was created.
#[derive(Debug)]
pub struct OfPlatform;

impl TenantSource for OfPlatform {
    async fn organization<R: RouterState>(caller: &Caller, _: &mut Parts, _: &R) -> Result<OrganizationId, ApiError> {
        match caller.is_platform() {
            true => Ok(OrganizationId::platform()),
            false => Err(ApiError::new(ErrorCode::Forbidden, "only the platform's key may do this")),
        }
    }

    fn inaccessible(error: ServiceError) -> ApiError {
        match error {
            ServiceError::NotFound(_) => ApiError::not_found("endpoint"),
            other => other.into(),
        }
    }
}

/// The application of the background task in the path.
#[derive(Debug)]
pub struct OfTask;

impl TenantSource for OfTask {
    async fn organization<R: RouterState>(
        _: &Caller,
        parts: &mut Parts,
        state: &R,
    ) -> Result<OrganizationId, ApiError> {
        let text = path_parameter(parts, state, PathTask::PARAMETER).await;
        let task = text.and_then(|text| svix::parse_task(&text)).map(|(organization, _)| organization);
        task.ok_or_else(|| ApiError::not_found("task"))
    }

    fn inaccessible(error: ServiceError) -> ApiError {
        match error {
            ServiceError::NotFound(_) | ServiceError::Conflict(_) => ApiError::not_found("task"),
            other => other.into(),
        }
    }
}

/// The application of a list of background tasks: the key's own; with a platform key, the one in the query parameter
/// `app_id`.
#[derive(Debug)]
pub struct OfTaskList;

impl TenantSource for OfTaskList {
    async fn organization<R: RouterState>(
        caller: &Caller,
        parts: &mut Parts,
        state: &R,
    ) -> Result<OrganizationId, ApiError> {
        let mut query = Parameters::new(parts.uri.query().unwrap_or_default());
        let named = query.take("app_id", |text| {
            let invalid = || Invalid::new("must be the identifier or the uid of an application");
            svix::reference(text, svix::parse_application).ok_or_else(invalid)
        });
        match (named, caller.own_organization()) {
            (Some(Reference::Id(id)), _) => Ok(id),
            (Some(Reference::Uid(uid)), _) => {
                let found = state.access().organization_named(&uid).await?;
                found.ok_or_else(|| ApiError::not_found("application"))
            }
            (None, Some(own)) => Ok(own.clone()),
            (None, None) => {
                query.problem("app_id", "is required with the platform's key");
                query.finish(())?;
                Err(ApiError::not_found("application"))
            }
        }
    }

    fn inaccessible(error: ServiceError) -> ApiError {
        OfApplication::inaccessible(error)
    }
}

/// The organization of the key; with a platform key, the one in the query parameter `organization_id`.
#[derive(Debug)]
pub struct OfKey;

impl TenantSource for OfKey {
    async fn organization<R: RouterState>(
        caller: &Caller,
        parts: &mut Parts,
        _: &R,
    ) -> Result<OrganizationId, ApiError> {
        let mut query = Query::new(parts.uri.query().unwrap_or_default());
        let named = query.organization();
        query.problems()?;
        own_or_named(caller, named)
    }
}

/// The organization of a request whose path contains none: the named one, or else the key's own.
///
/// # Errors
/// 400 if the caller holds a platform key and no organization is named.
pub fn own_or_named(caller: &Caller, named: Option<OrganizationId>) -> Result<OrganizationId, ApiError> {
    let required = || Problem::new("organization_id", "is required with the platform's key");
    named.or_else(|| caller.own_organization().cloned()).ok_or_else(|| ApiError::invalid(vec![required()]))
}
