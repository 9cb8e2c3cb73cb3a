//! The context of a request: for its line in the log, and for the audit lines of the changes that it makes.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use tracing::info;

use crate::domain::ids::{OrganizationId, RequestId};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What is known of a request. Extractors fill it in while the request is handled. Clones are the same.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Known>);

#[derive(Debug)]
struct Known {
    id: RequestId,
    organization: OnceLock<String>,
    key: OnceLock<String>,
}

impl RequestContext {
    /// The context of a request of which only the id is known.
    pub fn new(id: RequestId) -> Self {
        Self(Arc::new(Known { id, organization: OnceLock::new(), key: OnceLock::new() }))
    }

    /// Sets the organization, unless it is known already.
    pub fn set_organization(&self, organization: &OrganizationId) {
        let _ = self.0.organization.set(organization.to_string());
    }

    /// Sets the name of the caller's key.
    pub fn set_key(&self, name: String) {
        let _ = self.0.key.set(name);
    }

    /// The organization, if it is known.
    pub fn organization(&self) -> Option<&str> {
        self.0.organization.get().map(String::as_str)
    }

    /// The name of the caller's key, if the caller is known.
    pub fn key(&self) -> Option<&str> {
        self.0.key.get().map(String::as_str)
    }

    /// Handles the request: what it changes is logged in its name.
    pub async fn scope<T>(self, handling: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handling).await
    }
}

/// Logs that the current request has changed something, under an action such as `endpoint.update`. Changes that the engine
/// makes by itself are not logged.
pub fn audit(action: &'static str, organization: &OrganizationId, object: impl Display) {
    let _ = CURRENT.try_with(|request| {
        info!(request_id = %request.0.id, key = request.key(), %organization, action, %object, "audit");
    });
}
