//! What a request turns out to be about, for its line in the log.

use std::sync::{Arc, OnceLock};

use crate::domain::ids::OrganizationId;
use crate::service::Caller;

/// Filled in by the extractors while the request is handled. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct About(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    organization: OnceLock<String>,
    key: OnceLock<String>,
}

impl About {
    /// Who calls, and in whose name unless it is the platform.
    pub(super) fn is_by(&self, caller: &Caller) {
        let _ = self.0.key.set(caller.key().map_or_else(|| "platform".to_owned(), |key| key.to_string()));
        caller.own_organization().inspect(|organization| self.is_in(organization));
    }

    /// In which organization. What was said first stands.
    pub(super) fn is_in(&self, organization: &OrganizationId) {
        let _ = self.0.organization.set(organization.to_string());
    }

    pub(super) fn organization(&self) -> Option<&str> {
        self.0.organization.get().map(String::as_str)
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.0.key.get().map(String::as_str)
    }
}
