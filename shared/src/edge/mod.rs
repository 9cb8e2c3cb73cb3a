//! The entry points of requests and SQS batches: extractors that authenticate and load, responses and errors, and
//! the conversion of batches.

mod api_error;
mod auth;
mod ending;
mod input;
mod items;
mod layers;
mod reply;
pub mod sqs;

use std::sync::Arc;

use crate::service::Core;

pub use api_error::ApiError;
pub use auth::{Authenticated, OfKey, Permitted, Platform, Publisher, Tenant, own_or_named, scopes};
pub use ending::write_usage_at_the_end;
pub use input::{Body, HyphenatedEndpointId, Origin, PathId, Search, check_size, read_body};
pub use items::Items;
pub use layers::finish;
pub use reply::{Bare, Data, Empty};

/// The state of all routes.
pub type AppState = Arc<Core>;
