//! The limits of an organization.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::event::MAX_DATA_BYTES;
use crate::domain::tenancy::limits::{Limits, MOST_ENDPOINTS, MOST_EVENTS_PER_MONTH, Own, OwnLimits, Rate};
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::object;

/// The body of `PUT …/limits`. A limit that is absent is the deployment's. `null` stands for no limit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewLimits)]
pub struct LimitsIn {
    /// Events per second.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000)]
    events_per_second: Field<i64>,
    /// How many events may be published at once; by default those of a second, and at least 100. Requires
    /// `events_per_second`.
    #[schema(value_type = Option<u32>, minimum = 100, maximum = 1_000_000)]
    burst: Field<i64>,
    /// Events per calendar month (UTC).
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000_000_i64)]
    events_per_month: Field<i64>,
    /// The number of endpoints.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 8_000)]
    max_endpoints: Field<i64>,
    /// The size of an event's data in bytes.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 262_144)]
    max_event_bytes: Field<i64>,
}

impl LimitsIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<OwnLimits, Vec<Problem>> {
        let mut read = Reader::default();
        let burst = read.optional("burst", self.burst, |burst| {
            let burst = u32::try_from(burst).unwrap_or_default();
            Rate::new(1, Some(burst)).map(Rate::burst)
        });
        let per_second = read.cleared("events_per_second", self.events_per_second, |per_second| {
            Rate::new(u32::try_from(per_second).unwrap_or_default(), burst)
        });
        if burst.is_some() && !matches!(per_second, Some(Some(_))) {
            read.problem("burst", "requires events_per_second");
        }
        let limits = OwnLimits {
            rate: own(per_second),
            events_per_month: own(read
                .cleared("events_per_month", self.events_per_month, |number| at_most(number, MOST_EVENTS_PER_MONTH))),
            max_endpoints: own(
                read.cleared("max_endpoints", self.max_endpoints, |number| at_most(number, MOST_ENDPOINTS))
            ),
            max_event_bytes: own(
                read.cleared("max_event_bytes", self.max_event_bytes, |number| at_most(number, MAX_DATA_BYTES as u32))
            ),
        };
        read.finish(Some(limits))
    }
}

fn own<T>(field: Option<Option<T>>) -> Own<T> {
    match field {
        None => Own::Deployments,
        Some(None) => Own::None,
        Some(Some(limit)) => Own::AtMost(limit),
    }
}

fn at_most<T: TryFrom<i64> + Copy + std::fmt::Display + PartialOrd>(number: i64, most: T) -> Result<T, Invalid> {
    let number = (number >= 1).then(|| T::try_from(number).ok()).flatten().filter(|number| *number <= most);
    number.ok_or_else(|| Invalid::new(format!("must be 1 to {most}")))
}

/// The limits that apply to an organization: its own, and otherwise the deployment's. `null` stands for no limit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Limits)]
pub struct LimitsOut {
    #[schema(schema_with = object::limits)]
    object: &'static str,
    /// Events per second.
    #[schema(required)]
    events_per_second: Option<u32>,
    /// How many events may be published at once.
    #[schema(required)]
    burst: Option<u32>,
    /// Events per calendar month (UTC).
    #[schema(required)]
    events_per_month: Option<u64>,
    /// The number of endpoints.
    max_endpoints: u32,
    /// The size of an event's data in bytes.
    max_event_bytes: u32,
}

impl From<Limits> for LimitsOut {
    fn from(limits: Limits) -> Self {
        Self {
            object: "limits",
            events_per_second: limits.rate.map(Rate::per_second),
            burst: limits.rate.map(Rate::burst),
            events_per_month: limits.events_per_month,
            max_endpoints: limits.max_endpoints,
            max_event_bytes: limits.max_event_bytes,
        }
    }
}
