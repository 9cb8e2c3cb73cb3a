//! Doors: what authenticates and loads, turns errors into answers, and SQS batches into verdicts.

mod api_error;
mod auth;
mod input;
mod layers;
mod reply;
pub mod sqs;

use std::sync::Arc;

use crate::service::Core;

pub use api_error::ApiError;
pub use auth::{Authenticated, Platform, Tenant, scopes};
pub use input::{Body, PathId, Search, read_body};
pub use layers::finish;
pub use reply::{Data, Empty};

/// The state of every route.
pub type AppState = Arc<Core>;
