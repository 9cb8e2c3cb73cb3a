//! The test of an endpoint's filter.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::endpoint::filter::Mismatch;
use crate::wire::openapi::object;

/// Whether an endpoint would receive an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::FilterTest)]
pub struct FilterTestOut {
    #[schema(schema_with = object::filter_test)]
    object: &'static str,
    /// Whether the endpoint would receive the event: all that follows is true.
    matches: bool,
    /// Whether the endpoint subscribes to the event's type.
    subscribed: bool,
    /// Whether the endpoint has no edition, or the event's.
    edition: bool,
    /// Whether the endpoint has no channels, or shares one with the event.
    channels: bool,
    #[schema(inline)]
    filter: FilterResultOut,
}

/// What the filter says about the event.
#[derive(Debug, Serialize, ToSchema)]
struct FilterResultOut {
    /// Whether the endpoint has no filter, or its filter matches.
    matches: bool,
    /// Whether the comparison would take too long. The filter counts as matching then.
    undecided: bool,
    /// The parts of the filter that do not match.
    mismatches: Vec<MismatchOut>,
}

/// A part of a filter that does not match.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::FilterMismatch)]
struct MismatchOut {
    /// The JSON Pointer of the event's field.
    #[schema(examples("/data/amount"))]
    path: String,
    /// The part of the filter.
    #[schema(value_type = serde_json::Value, required, examples(json!([{"numeric": [">=", 100]}])))]
    wanted: Option<Box<RawValue>>,
    /// The beginning of the field's JSON. Null if the event does not have the field, and for `$or`.
    #[schema(required, examples("99.5"))]
    found: Option<String>,
}

impl FilterTestOut {
    /// The result of a test.
    pub fn new([subscribed, edition, channels]: [bool; 3], filter: Option<bool>, mismatches: Vec<Mismatch>) -> Self {
        let matches = filter.unwrap_or(true);
        let mismatches = mismatches.into_iter().map(|it| MismatchOut {
            path: it.path,
            wanted: RawValue::from_string(it.wanted).ok(),
            found: it.found,
        });
        Self {
            object: "filter_test",
            matches: subscribed && edition && channels && matches,
            subscribed,
            edition,
            channels,
            filter: FilterResultOut { matches, undecided: filter.is_none(), mismatches: mismatches.collect() },
        }
    }
}
