//! The context of a request, for its log line and for the audit lines of the changes that it makes.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use tracing::info;

use crate::domain::ids::{OrganizationId, RequestId};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The context of a request. Extractors add to it while the request is handled. Clones share it.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Fields>);

#[derive(Debug)]
struct Fields {
    id: RequestId,
    organization: OnceLock<String>,
    key: OnceLock<String>,
    actor: OnceLock<String>,
}

impl RequestContext {
    /// A context with the request's id only.
    pub fn new(id: RequestId) -> Self {
        let (organization, key, actor) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self(Arc::new(Fields { id, organization, key, actor }))
    }

    /// Sets the organization, if it is not set yet.
    pub fn set_organization(&self, organization: &OrganizationId) {
        let _ = self.0.organization.set(organization.to_string());
    }

    /// Sets the name of the caller's key, if it is not set yet.
    pub fn set_key(&self, name: String) {
        let _ = self.0.key.set(name);
    }

    /// Sets the name of the person in the portal, if it is not set yet. Audit lines have it.
    pub fn set_actor(&self, name: String) {
        let _ = self.0.actor.set(name);
    }

    fn actor(&self) -> Option<&str> {
        self.0.actor.get().map(String::as_str)
    }

    /// The organization, if it is set.
    pub fn organization(&self) -> Option<&str> {
        self.0.organization.get().map(String::as_str)
    }

    /// The name of the caller's key, if it is set.
    pub fn key(&self) -> Option<&str> {
        self.0.key.get().map(String::as_str)
    }

    /// Runs `handling` with this context. Audit lines of its changes name the request.
    pub async fn scope<T>(self, handling: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handling).await
    }
}

/// Logs a change by the current request, with an action such as `endpoint.update`. Outside a request, for changes
/// by the engine itself, nothing is logged.
pub fn audit(action: &'static str, organization: &OrganizationId, object: impl Display) {
    let _ = CURRENT.try_with(|request| {
        let actor = request.actor();
        info!(request_id = %request.0.id, key = request.key(), actor, %organization, action, %object, "audit");
    });
}

/// As [`audit`], for a change that concerns no organization.
pub fn audit_of_platform(action: &'static str, object: impl Display) {
    let _ = CURRENT.try_with(|request| {
        let actor = request.actor();
        info!(request_id = %request.0.id, key = request.key(), actor, action, %object, "audit");
    });
}
