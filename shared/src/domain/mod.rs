//! The resources of the product and the rules about them. All rules are pure functions: they take the time and
//! random numbers as arguments, do no IO, and do not depend on AWS or HTTP.

pub mod access;
pub mod addresses;
pub mod api_key;
pub mod attempt;
pub mod delivery;
pub mod deployment;
pub mod endpoint;
mod endpoint_url;
pub mod event;
pub mod event_type;
pub mod fan_out;
pub mod fields;
pub mod health;
pub mod ids;
pub mod isolation;
pub mod job;
pub mod lane;
pub mod limits;
pub mod next_attempt;
pub mod organization;
pub mod pending;
pub mod schedule;
pub mod secret;
pub mod signature;
pub mod ticket;
pub mod time;
pub mod usage;

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
