//! Statistics of endpoints.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::EndpointId;
use crate::domain::statistics::{ByCause, Durations, Interval, Span, Statistics};
use crate::domain::time::Timestamp;
use crate::wire::openapi::{Millisecond, object};

/// The statistics of an endpoint in a span of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Statistics)]
pub struct StatisticsOut {
    #[schema(schema_with = object::webhook_statistics)]
    object: &'static str,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    /// The start of the first interval.
    #[schema(value_type = Millisecond)]
    since: String,
    /// The end of the last interval.
    #[schema(value_type = Millisecond)]
    until: String,
    #[schema(value_type = Interval)]
    interval: &'static str,
    /// The statistics of the whole span.
    total: CountsOut,
    /// The statistics of each interval, the oldest first. An interval without any has zeros.
    intervals: Vec<IntervalOut>,
}

/// The statistics of an interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::StatisticsInterval)]
struct IntervalOut {
    /// The start of the interval.
    #[schema(value_type = Millisecond)]
    start: String,
    #[serde(flatten)]
    counts: CountsOut,
}

/// How deliveries and attempts ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::StatisticsCounts)]
struct CountsOut {
    deliveries: DeliveriesOut,
    attempts: AttemptsOut,
}

/// The deliveries that ended. A delivery that is retried manually and ends again counts again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::StatisticsDeliveries)]
struct DeliveriesOut {
    success: u64,
    exhausted: u64,
    failed: u64,
    /// The share of successes, from 0 to 1; null if no delivery ended.
    #[schema(required, minimum = 0, maximum = 1)]
    success_share: Option<f64>,
    /// The number of exhausted and failed deliveries with each `error`. Errors without any are absent.
    #[schema(value_type = BTreeMap<String, u64>)]
    errors: BTreeMap<&'static str, u64>,
}

/// The attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::StatisticsAttempts)]
struct AttemptsOut {
    success: u64,
    failed: u64,
    /// The share of successes, from 0 to 1; null if there were no attempts.
    #[schema(required, minimum = 0, maximum = 1)]
    success_share: Option<f64>,
    /// The number of failed attempts with each `error`. Errors without any are absent.
    #[schema(value_type = BTreeMap<String, u64>)]
    errors: BTreeMap<&'static str, u64>,
    duration_ms: PercentilesOut,
}

/// Percentiles of the durations of all attempts, in milliseconds: estimates that are at most a quarter off, and below
/// 10 ms at most 5 ms. Null if there were no attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::StatisticsPercentiles)]
struct PercentilesOut {
    #[schema(required)]
    p50: Option<u32>,
    #[schema(required)]
    p95: Option<u32>,
    #[schema(required)]
    p99: Option<u32>,
}

impl StatisticsOut {
    /// The statistics of an endpoint in each interval of a span.
    pub fn new(endpoint: EndpointId, span: Span, intervals: &[(Timestamp, Statistics)]) -> Self {
        let mut total = Statistics::default();
        intervals.iter().for_each(|(_, statistics)| total += *statistics);
        let interval = |(start, statistics): &(Timestamp, Statistics)| IntervalOut {
            start: start.rfc3339(),
            counts: statistics.into(),
        };
        Self {
            object: "webhook_statistics",
            endpoint_id: endpoint.to_string(),
            since: span.since().rfc3339(),
            until: span.until().rfc3339(),
            interval: span.interval.as_str(),
            total: (&total).into(),
            intervals: intervals.iter().map(interval).collect(),
        }
    }
}

impl From<&Statistics> for CountsOut {
    fn from(statistics: &Statistics) -> Self {
        let &Statistics { succeeded, exhausted, failed, successful_attempts, .. } = statistics;
        Self {
            deliveries: DeliveriesOut {
                success: succeeded,
                exhausted,
                failed,
                success_share: share(succeeded, statistics.ended()),
                errors: by_name(&statistics.delivery_errors),
            },
            attempts: AttemptsOut {
                success: successful_attempts,
                failed: statistics.attempt_errors.total(),
                success_share: share(successful_attempts, statistics.attempts()),
                errors: by_name(&statistics.attempt_errors),
                duration_ms: (&statistics.durations).into(),
            },
        }
    }
}

impl From<&Durations> for PercentilesOut {
    fn from(durations: &Durations) -> Self {
        Self { p50: durations.percentile(50), p95: durations.percentile(95), p99: durations.percentile(99) }
    }
}

fn by_name(counts: &ByCause) -> BTreeMap<&'static str, u64> {
    counts.iter().filter(|(_, count)| *count > 0).map(|(cause, count)| (cause.as_str(), count)).collect()
}

/// The share of a part, rounded to a hundredth of a percent; `None` of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e4).round() / 1e4)
}
