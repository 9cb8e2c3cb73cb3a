//! Usage.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::tenancy::usage::{Day, Usage};
use crate::wire::openapi::object;

/// The usage of an organization on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Usage)]
pub struct UsageOut {
    #[schema(schema_with = object::usage)]
    object: &'static str,
    #[schema(value_type = Day)]
    date: String,
    /// The number of accepted events.
    events: u64,
    /// The number of deliveries that were created for the events.
    deliveries: u64,
    /// The number of recorded attempts.
    attempts: u64,
}

impl UsageOut {
    /// The usage of this day.
    pub fn new(day: Day, usage: Usage) -> Self {
        let Usage { events, deliveries, attempts } = usage;
        Self { object: "usage", date: day.to_string(), events, deliveries, attempts }
    }
}
