//! Backlog metrics: the number of parked deliveries and of suspended endpoints. The table has no totals, so the
//! sweep counts index entries, at intervals and up to a limit.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::Sweeper;
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::store::Waiting;
use crate::telemetry::metrics;

/// How often the backlog is counted.
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The interval of the sweep.
const RUN_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of entries that are counted in one partition. If there are more, the total is a lower bound.
const MAX_COUNTED: usize = 500;
/// Maximum number of suspended endpoints that are counted.
const MAX_SUSPENDED: usize = 4_000;
/// How many partitions are counted concurrently.
const MAX_CONCURRENT_COUNTS: usize = 8;
/// The number of suspended endpoints whose held deliveries are counted. Those with the earliest next probes are chosen.
const COUNTED_ENDPOINTS: usize = 10;

impl Sweeper {
    /// Counts, in one of five runs of the sweep, the deliveries that are parked until a time, leased, or held for a
    /// suspended endpoint. Deliveries held for paused endpoints are not counted: finding their partitions would
    /// require reading all endpoints.
    pub(super) async fn record_backlog(&self, now: Timestamp) -> Result<(), ServiceError> {
        if !is_fifth_run(now) {
            return Ok(());
        }
        let suspended = self.store.suspended_endpoints(MAX_SUSPENDED).await?;
        let held =
            suspended.iter().take(COUNTED_ENDPOINTS).flat_map(|endpoint| Waiting::held_shards(endpoint.endpoint));
        let counts =
            Waiting::due_shards().chain(held).map(|partition| self.store.count_waiting(partition, MAX_COUNTED));
        let counts = counts.collect::<Vec<_>>();
        let counts: Vec<_> = stream::iter(counts).buffer_unordered(MAX_CONCURRENT_COUNTS).try_collect().await?;
        let parked = counts.iter().sum();
        if counts.contains(&MAX_COUNTED) {
            info!(parked, "more is parked than was counted");
        }
        metrics::backlog(parked, suspended.len());
        Ok(())
    }
}

/// Whether a run is one of those, each fifth, that also do what need not be done every minute.
pub(super) const fn is_fifth_run(now: Timestamp) -> bool {
    let runs = now.unix_seconds() / RUN_INTERVAL.as_secs().cast_signed();
    runs % (INTERVAL.as_secs() / RUN_INTERVAL.as_secs()).cast_signed() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_five_consecutive_runs_counts_the_backlog_at_any_second_of_the_minute() {
        let runs =
            |second: i64| (0..10).map(move |minute| Timestamp::from_unix_seconds(1_774_382_460 + 60 * minute + second));
        for second in [0, 17, 59] {
            let times: Vec<_> = runs(second).map(is_fifth_run).collect();
            assert_eq!(times.iter().filter(|counts| **counts).count(), 2);
            assert_eq!(times[..5], times[5..]);
        }
    }
}
