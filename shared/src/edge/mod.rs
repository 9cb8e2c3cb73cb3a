//! Doors: what authenticates and loads, turns errors into answers, and SQS batches into verdicts.

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

/// The state of every route.
pub type AppState = Arc<Core>;
