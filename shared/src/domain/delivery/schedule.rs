//! Retry schedules: when a failed attempt is repeated.

use std::time::Duration;

use crate::domain::Invalid;

/// Most retries of a schedule.
pub const MAX_RETRIES: usize = 16;
/// The longest delay of a schedule, in seconds.
pub const MAX_DELAY_SECONDS: u32 = 86_400;
/// How many seconds after the publishing of its event a delivery's message may be hidden for a retry. A hidden
/// message counts against the queue's limit of about 120,000 messages in flight. So each delivery counts for this
/// time and for its attempts at most, whatever its schedule and its receiver.
pub const MAX_HIDDEN_SECONDS: u32 = 30;
/// The longest wait, in seconds, for which a delayed message is sent: the limit of SQS. Longer waits are parked.
pub const MAX_DELAYED_SECONDS: u32 = 900;
/// Delays of at least this many seconds get jitter.
const JITTER_FROM_SECONDS: u32 = 60;

/// The delay in seconds before each retry. An empty schedule has no retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<u32>);

impl Default for RetrySchedule {
    fn default() -> Self {
        Self(vec![1, 5, 30])
    }
}

impl RetrySchedule {
    /// A schedule with these delays in seconds.
    ///
    /// # Errors
    /// [`Invalid`] if there are more than [`MAX_RETRIES`] delays, or if one is not in 1 to [`MAX_DELAY_SECONDS`].
    pub fn new(delays: Vec<u32>) -> Result<Self, Invalid> {
        if delays.len() > MAX_RETRIES {
            return Err(Invalid::new(format!("must have at most {MAX_RETRIES} delays")));
        }
        if !delays.iter().all(|delay| (1..=MAX_DELAY_SECONDS).contains(delay)) {
            return Err(Invalid::new(format!("must be delays of 1 to {MAX_DELAY_SECONDS} seconds")));
        }
        Ok(Self(delays))
    }

    /// Parses comma-separated seconds, the format of the deployment's configuration.
    ///
    /// # Errors
    /// [`Invalid`] if an entry is not a number, or as [`RetrySchedule::new`].
    pub fn parse(list: &str) -> Result<Self, Invalid> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let number =
            |entry: &str| entry.parse().map_err(|_| Invalid::new(format!("{entry} is not a number of seconds")));
        Self::new(entries.map(number).collect::<Result<_, _>>()?)
    }

    /// The delays in seconds.
    pub fn delays(&self) -> &[u32] {
        &self.0
    }

    /// The wait before retry number `retry` (from 0); `None` if the schedule is used up.
    ///
    /// `jitter` in 0..1 adds up to 10 % to delays of a minute or more. It never shortens a delay. `retry_after` is
    /// the wait that the receiver asked for; it lengthens the wait, up to a day.
    pub fn delay(&self, retry: usize, jitter: f64, retry_after: Option<Duration>) -> Option<Duration> {
        let seconds = *self.0.get(retry)?;
        let base = Duration::from_secs(u64::from(seconds));
        let base =
            if seconds >= JITTER_FROM_SECONDS { base.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0) } else { base };
        let longest = Duration::from_secs(u64::from(MAX_DELAY_SECONDS));
        Some(base.max(retry_after.unwrap_or_default().min(longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_default_is_one_five_and_thirty_seconds() {
        let schedule = RetrySchedule::default();
        let delays: Vec<_> = (0..4).map(|retry| schedule.delay(retry, 0.9, None)).collect();
        assert_eq!(delays, [Some(seconds(1)), Some(seconds(5)), Some(seconds(30)), None]);
    }

    #[test]
    fn jitter_adds_up_to_a_tenth_to_delays_of_a_minute_or_more() {
        let schedule = RetrySchedule::new(vec![59, 60, 86_400]).unwrap();
        let table = [(0, 1.0, 59.0), (1, 0.0, 60.0), (1, 0.5, 63.0), (1, 1.0, 66.0), (2, 1.0, 95_040.0)];
        for (retry, jitter, expected) in table {
            assert_eq!(
                schedule.delay(retry, jitter, None),
                Some(Duration::from_secs_f64(expected)),
                "{retry} {jitter}"
            );
        }
    }

    #[test]
    fn retry_after_lengthens_a_delay_up_to_a_day_and_never_shortens_it() {
        let schedule = RetrySchedule::default();
        for (retry_after, expected) in [(0, 5), (4, 5), (6, 6), (86_400, 86_400), (1_000_000, 86_400)] {
            assert_eq!(schedule.delay(1, 0.0, Some(seconds(retry_after))), Some(seconds(expected)), "{retry_after}");
        }
        assert_eq!(schedule.delay(3, 0.0, Some(seconds(1))), None);
    }

    #[test]
    fn schedules_out_of_range_are_rejected() {
        for good in ["", "1", "1,5,30", "5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400"] {
            assert!(RetrySchedule::parse(good).is_ok(), "{good}");
        }
        for bad in ["0", "86401", "a", "-1", "1;2", &["1"; 17].join(",")] {
            assert!(RetrySchedule::parse(bad).is_err(), "{bad}");
        }
    }
}
