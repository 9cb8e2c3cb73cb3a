//! Nouns and decisions of the product: what an endpoint, an event and a delivery are, and every
//! rule about them. Nothing here waits, reads a clock, rolls dice or knows AWS or HTTP: a rule
//! takes values and returns a value.

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

/// Why a value was not accepted, as a phrase that follows the field's name: "must be an https URL".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// A reason from anything that reads as a phrase.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
