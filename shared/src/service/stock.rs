//! Taking stock: how much is parked, and how many endpoints are suspended. The table keeps no totals, so it is counted,
//! now and then and within limits.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::{Core, ServiceError};
use crate::domain::time::Timestamp;
use crate::store::Waiting;
use crate::telemetry::metrics;

/// How often stock is taken.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// The sweep runs once in this time.
const RUN: Duration = Duration::from_secs(60);
/// How far is counted in one partition; beyond, the total is a lower bound.
const MOST: usize = 500;
/// How many suspended endpoints are counted.
const MOST_SUSPENDED: usize = 4_000;
/// How many partitions are counted at once.
const AT_ONCE: usize = 8;
/// For how many suspended endpoints, those that are probed next, it is counted what is parked for them.
const ENDPOINTS: usize = 10;

impl Core {
    /// Counts, in one run of the sweep out of five, what is parked until a time, leased, or parked for a suspended
    /// endpoint. What is parked for paused endpoints is in no partition that could be found without their names.
    pub(super) async fn take_stock(&self, now: Timestamp) -> Result<(), ServiceError> {
        if !is_time(now) {
            return Ok(());
        }
        let suspended = self.store.suspended_endpoints(MOST_SUSPENDED).await?;
        let held = suspended.iter().take(ENDPOINTS).flat_map(|place| Waiting::held_shards(place.endpoint));
        let counts = Waiting::due_shards().chain(held).map(|partition| self.store.count_waiting(partition, MOST));
        let counts = counts.collect::<Vec<_>>();
        let counts: Vec<_> = stream::iter(counts).buffer_unordered(AT_ONCE).try_collect().await?;
        let parked = counts.iter().sum();
        if counts.contains(&MOST) {
            info!(parked, "more is parked than was counted");
        }
        metrics::stock(parked, suspended.len());
        Ok(())
    }
}

const fn is_time(now: Timestamp) -> bool {
    let runs = now.unix_seconds() / RUN.as_secs().cast_signed();
    runs % (EVERY.as_secs() / RUN.as_secs()).cast_signed() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_five_runs_one_after_the_other_one_takes_stock_wherever_in_its_minute_it_runs() {
        let runs =
            |second: i64| (0..10).map(move |minute| Timestamp::from_unix_seconds(1_774_382_460 + 60 * minute + second));
        for second in [0, 17, 59] {
            let times: Vec<_> = runs(second).map(is_time).collect();
            assert_eq!(times.iter().filter(|is_time| **is_time).count(), 2);
            assert_eq!(times[..5], times[5..]);
        }
    }
}
