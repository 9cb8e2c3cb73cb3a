//! Collected durations and their percentiles.

use std::time::Duration;

/// Collected durations.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Latencies {
    /// The duration in milliseconds that this share (0 to 1) of all durations does not exceed. It is 0 if there are
    /// none.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        (self.at(share).as_secs_f64() * 100_000.0).round() / 100.0
    }

    fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "small"
        )]
        let index = (last as f64 * share).round() as usize;
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The median and the 99th percentile in microseconds, formatted for a table.
    pub(crate) fn shown_in_micros(&self) -> String {
        format!("{} / {}", self.at(0.5).as_micros(), self.at(0.99).as_micros())
    }
}
