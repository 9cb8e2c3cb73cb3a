//! The `organizations` dialect: the canonical one, in which every feature is available.

mod deliveries;
mod endpoints;
mod events;
mod jobs;
mod keys;
mod limits;
mod tenants;
mod usage;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::RequestId;

pub use deliveries::{DeliveryDetailOut, DeliveryOut};
pub use endpoints::{
    DEFAULT_OVERLAP, EndpointIn, EndpointOut, EndpointPatchIn, RecoverIn, RecoveryOut, RotationIn, TestIn, TestOut,
};
pub use events::{BatchIn, BatchResultOut, EventIn, EventOut};
pub use jobs::JobOut;
pub use keys::{ApiKeyIn, ApiKeyOut, ApiKeyPatchIn};
pub use limits::{LimitsIn, LimitsOut};
pub use tenants::{OrganizationIn, OrganizationOut, OrganizationPatchIn};
pub use usage::UsageOut;

/// What an answer says about the request, for the OpenAPI document: the doors write it.
#[derive(Debug, ToSchema)]
#[schema(as = organizations::Meta)]
pub struct MetaOut {
    /// By which the request is found in the logs.
    #[schema(value_type = RequestId)]
    pub request_id: String,
}

/// What a list adds to its items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Pagination)]
pub struct PaginationOut {
    /// How many items a page has at most.
    limit: usize,
    has_more: bool,
    /// The `cursor` of the next page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl PaginationOut {
    /// The page that `next_cursor` follows.
    pub fn new(limit: usize, next_cursor: Option<String>) -> Self {
        Self { limit, has_more: next_cursor.is_some(), next_cursor }
    }
}
