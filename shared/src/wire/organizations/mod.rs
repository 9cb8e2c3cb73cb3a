//! The `organizations` dialect: the canonical one, in which every feature is available.

mod deliveries;
mod endpoints;
mod events;
mod keys;
mod tenants;

use serde::Serialize;

pub use deliveries::{DeliveryDetailOut, DeliveryOut};
pub use endpoints::{DEFAULT_OVERLAP, EndpointIn, EndpointOut, RecoverIn, RecoveryOut, RotationIn, TestIn, TestOut};
pub use events::{BatchIn, BatchResultOut, EventIn, EventOut};
pub use keys::{ApiKeyIn, ApiKeyOut, ApiKeyPatchIn};
pub use tenants::{OrganizationIn, OrganizationOut, OrganizationPatchIn};

/// What a list adds to its items.
#[derive(Debug, Serialize)]
pub struct PaginationOut {
    limit: usize,
    has_more: bool,
    next_cursor: Option<String>,
}

impl PaginationOut {
    /// The page that `next_cursor` follows.
    pub fn new(limit: usize, next_cursor: Option<String>) -> Self {
        Self { limit, has_more: next_cursor.is_some(), next_cursor }
    }
}
