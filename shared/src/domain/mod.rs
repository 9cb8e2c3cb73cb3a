//! The resources of the product and the rules about them. All rules are pure functions: they take the time and
//! random numbers as arguments, do no IO, and do not depend on AWS or HTTP.

pub mod catalogue;
pub mod delivery;
pub mod deployment;
pub mod encryption;
pub mod endpoint;
pub mod event;
pub mod external_id;
pub mod ids;
pub mod job;
pub mod metadata;
pub mod network;
pub mod openapi_webhooks;
pub mod portal;
pub mod response;
pub mod schema;
pub mod signing;
pub mod statistics;
pub mod tenancy;
pub mod text;
pub mod time;
pub mod walk;

/// Why a value was rejected, as a phrase that follows the field's name: "must be an https URL".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// An error with this phrase.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
