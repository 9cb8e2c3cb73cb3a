//! The `organizations` dialect: the canonical one, with every feature.

mod attempts;
mod binding;
mod deliveries;
mod endpoints;
mod event_type_imports;
mod event_types;
mod events;
mod filter;
mod health;
mod ingest;
mod jobs;
mod keys;
mod limits;
mod portal_sessions;
mod recovery;
mod replays;
mod secrets;
mod statistics;
mod tenants;
mod test_event;
mod usage;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::RequestId;

pub use attempts::DeliveryAttemptOut;
pub use deliveries::{DeliveryDetailOut, DeliveryOut};
pub use endpoints::{EndpointIn, EndpointOut, EndpointPatchIn};
pub use event_type_imports::{ImportOut, check_json, parse_import};
pub use event_types::{
    EventTypeIn, EventTypeOut, EventTypePatchIn, EventTypeReplacementIn, ListedTypeOut, TypeVersionOut,
};
pub use events::{BatchIn, BatchResultOut, EventIn, EventOut};
pub use filter::FilterTestOut;
pub use health::HealthOut;
pub use ingest::{Entries, IngestRequest, NotARequest, OrganizationName};
pub use jobs::JobOut;
pub use keys::{ApiKeyIn, ApiKeyOut, ApiKeyPatchIn};
pub use limits::{LimitsIn, LimitsOut};
pub use portal_sessions::{OperatorSessionIn, PortalSessionIn, PortalSessionOut};
pub use recovery::{RecoverIn, RecoveryOut};
pub use replays::{ReplayCountOut, ReplayIn};
pub use secrets::{DEFAULT_ROTATION, KeySetOut, RotationIn, SecretsOut};
pub use statistics::StatisticsOut;
pub use tenants::{OrganizationIn, OrganizationOut, OrganizationPatchIn};
pub use test_event::{TestIn, TestOut};
pub use usage::UsageOut;

/// Metadata of a response.
#[derive(Debug, ToSchema)]
#[schema(as = organizations::Meta)]
pub struct MetaOut {
    /// Identifies the request in the logs.
    #[schema(value_type = RequestId)]
    pub request_id: String,
}

/// The position of a page in its list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Pagination)]
pub struct PaginationOut {
    /// Most items of a page.
    limit: usize,
    has_more: bool,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// The `cursor` of the page before, with newer entries; only in lists of attempts. It is there before there are newer
    /// entries, and absent only if the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_cursor: Option<String>,
}

impl PaginationOut {
    /// The pagination of a page with at most `limit` items.
    pub fn new(limit: usize, next_cursor: Option<String>) -> Self {
        Self { limit, has_more: next_cursor.is_some(), next_cursor, previous_cursor: None }
    }

    /// Adds the cursor of the page before.
    #[must_use]
    pub fn with_previous(self, previous_cursor: Option<String>) -> Self {
        Self { previous_cursor, ..self }
    }
}
