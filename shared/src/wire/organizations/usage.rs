//! Usage.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::usage::{Day, Usage};
use crate::wire::openapi::object;

/// What was done for an organization on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Usage)]
pub struct UsageOut {
    #[schema(schema_with = object::usage)]
    object: &'static str,
    #[schema(value_type = Day)]
    date: String,
    /// How many events were accepted.
    events: u64,
    /// How many deliveries were made for them.
    deliveries: u64,
    /// How many requests were made to endpoints.
    attempts: u64,
}

impl UsageOut {
    /// One day's usage.
    pub fn new(day: Day, usage: Usage) -> Self {
        let Usage { events, deliveries, attempts } = usage;
        Self { object: "usage", date: day.to_string(), events, deliveries, attempts }
    }
}
