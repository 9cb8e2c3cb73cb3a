//! The entry points of requests and SQS batches: extractors that authenticate and load, responses and errors, and
//! the conversion of batches.

mod api_error;
mod auth;
mod compatibility;
pub mod ingest;
mod input;
mod items;
mod layers;
mod path;
mod public_origin;
pub mod publishing;
mod reply;
pub mod scopes;
mod shutdown;
pub mod sqs;
mod tenant_source;
mod unrendered;
mod walked;

use std::sync::Arc;

use crate::service::{Access, Administrator, Publisher};

pub use api_error::{ApiError, take_error};
pub use auth::{Authenticated, BoundTenant, Permitted, Platform, PlatformPath, PublishCaller, Tenant};
pub use input::{Body, Origin, Search, SvixSearch, check_size, read_body};
pub use items::Items;
pub use layers::{finish, with_fallbacks, with_layers};
pub use path::{
    HyphenatedEndpointId, PathId, PathReference, PathReport, PathTask, PathType, SvixApplicationId, SvixAttemptId,
    SvixEndpointId, SvixMessageId, VersionNumber,
};
pub use public_origin::PublicOrigin;
pub use reply::{Bare, Data, Empty};
pub use shutdown::register_usage_flush;
pub use tenant_source::{OfApplication, OfKey, OfPlatform, OfTask, OfTaskList, own_or_named};
pub use walked::Listed;

/// The state of a router. Extractors authenticate callers with its [`Access`].
pub trait RouterState: Clone + Send + Sync + 'static {
    /// Authenticates callers.
    fn access(&self) -> &Access;
}

impl RouterState for Arc<Administrator> {
    fn access(&self) -> &Access {
        Administrator::access(self)
    }
}

impl RouterState for Arc<Publisher> {
    fn access(&self) -> &Access {
        Publisher::access(self)
    }
}
