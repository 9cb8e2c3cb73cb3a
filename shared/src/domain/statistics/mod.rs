//! Statistics of endpoints: how deliveries and attempts ended in an hour, and how long the attempts took.

mod durations;
mod span;

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use super::delivery::attempt::{AttemptEntry, Cause};
use super::delivery::{Delivery, DeliveryStatus};
use super::time::Timestamp;

pub use durations::Durations;
pub use span::{Interval, Span};

/// How long the statistics of an hour are stored.
pub const RETENTION: Duration = Duration::from_secs(32 * 24 * 60 * 60);

const SECONDS: i64 = 60 * 60;

/// An hour in UTC. It is printed as `2026-03-24T20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that contains an instant.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.unix_seconds().div_euclid(SECONDS))
    }

    /// The first instant of the hour.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0 * SECONDS)
    }

    /// When the statistics of the hour expire.
    pub fn expires_at(self) -> Timestamp {
        self.start().plus(RETENTION)
    }

    /// Reads the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let hour = Self::of(Timestamp::parse(&format!("{text}:00:00Z")).ok()?);
        (hour.to_string() == text).then_some(hour)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start().rfc3339();
        f.write_str(start.split(':').next().unwrap_or_default())
    }
}

/// A number for each cause of a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByCause([u64; Cause::ALL.len()]);

impl ByCause {
    /// Adds to the number of a cause.
    pub fn add(&mut self, cause: Cause, count: u64) {
        self.iter_mut().filter(|(known, _)| *known == cause).for_each(|(_, number)| *number += count);
    }

    /// The number of each cause.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(self.0)
    }

    /// The number of each cause, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Cause, &mut u64)> {
        Cause::ALL.into_iter().zip(&mut self.0)
    }

    /// The sum of all numbers.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl AddAssign for ByCause {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(number, other)| *number += other);
    }
}

/// What happened at an endpoint in an hour or a longer time. A delivery that ends, is retried manually and ends again
/// counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Deliveries that ended with a success.
    pub succeeded: u64,
    /// Deliveries whose schedule was used up.
    pub exhausted: u64,
    /// Deliveries that failed for another reason.
    pub failed: u64,
    /// The exhausted and failed deliveries by cause.
    pub delivery_errors: ByCause,
    /// Attempts that succeeded.
    pub successful_attempts: u64,
    /// Attempts that failed, by cause.
    pub attempt_errors: ByCause,
    /// How long all attempts took.
    pub durations: Durations,
    /// When the last successful attempt was recorded, as far as it is known.
    pub last_success_at: Option<Timestamp>,
}

impl Statistics {
    /// One attempt that was recorded at `now`.
    pub fn of_attempt(attempt: &AttemptEntry, now: Timestamp) -> Self {
        let mut statistics = Self::default();
        match attempt.error {
            None => {
                statistics.successful_attempts = 1;
                statistics.last_success_at = Some(now);
            }
            Some(cause) => statistics.attempt_errors.add(cause, 1),
        }
        statistics.durations.add(attempt.duration_ms);
        statistics
    }

    /// The end of a delivery that is now `after`. `before` is its former status; it may be `None` for a delivery that was not
    /// final. Returns `None` if the delivery is not final now, if it was final before, since its end is counted then, or if
    /// its endpoint was deleted, since nobody can read the statistics of a deleted endpoint.
    pub fn of_end(before: Option<DeliveryStatus>, after: &Delivery) -> Option<Self> {
        if before.is_some_and(DeliveryStatus::is_final) || after.error == Some(Cause::EndpointDeleted) {
            return None;
        }
        let mut statistics = Self::default();
        match after.status {
            DeliveryStatus::Pending | DeliveryStatus::Retrying => return None,
            DeliveryStatus::Success => statistics.succeeded = 1,
            DeliveryStatus::Exhausted => statistics.exhausted = 1,
            DeliveryStatus::Failed => statistics.failed = 1,
        }
        if let Some(cause) = after.error {
            statistics.delivery_errors.add(cause, 1);
        }
        Some(statistics)
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u64 {
        self.durations.count()
    }

    /// The number of deliveries that ended.
    pub const fn ended(&self) -> u64 {
        self.succeeded + self.exhausted + self.failed
    }
}

impl AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.exhausted += other.exhausted;
        self.failed += other.failed;
        self.delivery_errors += other.delivery_errors;
        self.successful_attempts += other.successful_attempts;
        self.attempt_errors += other.attempt_errors;
        self.durations += other.durations;
        self.last_success_at = self.last_success_at.max(other.last_success_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::tests::endpoint;
    use crate::domain::event::event_type::EventType;
    use crate::domain::ids::EventId;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    #[test]
    fn hours_are_parsed_and_printed() {
        for text in ["1970-01-01T00", "2024-02-29T23", "2026-03-24T20"] {
            assert_eq!(Hour::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "2026-03-24", "2026-03-24T24", "2026-3-24T20", "2026-03-24T20:00"] {
            assert_eq!(Hour::parse(text), None, "{text}");
        }
        let late = NOW.plus(Duration::from_millis(3_599_999));
        assert_eq!((Hour::of(late), Hour::of(NOW).start()), (Hour::of(NOW), NOW));
    }

    #[test]
    fn the_end_of_a_delivery_counts_by_status_and_cause() {
        let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
        let event_type = EventType::parse("a.b").unwrap();
        let pending = Delivery::new(id, &endpoint().organization, endpoint().id, &event_type, false);
        for (status, error, [succeeded, exhausted, failed]) in [
            (DeliveryStatus::Success, None, [1, 0, 0]),
            (DeliveryStatus::Exhausted, Some(Cause::Dns), [0, 1, 0]),
            (DeliveryStatus::Failed, Some(Cause::Dns), [0, 0, 1]),
        ] {
            let statistics = Statistics::of_end(None, &Delivery { status, error, ..pending.clone() }).unwrap();
            assert_eq!([statistics.succeeded, statistics.exhausted, statistics.failed], [succeeded, exhausted, failed]);
            let by_cause: Vec<_> = statistics.delivery_errors.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(by_cause, error.map(|cause| (cause, 1)).into_iter().collect::<Vec<_>>(), "{status:?}");
            assert_eq!((statistics.attempts(), statistics.ended()), (0, 1));
        }
    }

    #[test]
    fn a_delivery_ends_when_it_becomes_final() {
        use DeliveryStatus::{Exhausted, Failed, Pending, Retrying, Success};
        let id = EventId::new(NOW, [0; 8]).delivery(0).unwrap();
        let event_type = EventType::parse("a.b").unwrap();
        let pending = Delivery::new(id, &endpoint().organization, endpoint().id, &event_type, false);
        for (before, after, error, ends) in [
            (None, Pending, None, false),
            (None, Retrying, Some(Cause::Dns), false),
            (None, Success, None, true),
            (Some(Pending), Failed, Some(Cause::Expunged), true),
            (Some(Retrying), Exhausted, Some(Cause::Dns), true),
            // A resend, or an attempt that was in progress while the event's data was removed.
            (Some(Exhausted), Success, None, false),
            (Some(Failed), Success, None, false),
            (Some(Failed), Failed, Some(Cause::Expunged), false),
            // A manual retry.
            (Some(Failed), Pending, Some(Cause::Dns), false),
            (Some(Retrying), Failed, Some(Cause::EndpointDeleted), false),
        ] {
            let after = Delivery { status: after, error, ..pending.clone() };
            assert_eq!(Statistics::of_end(before, &after).is_some(), ends, "{before:?}: {after:?}");
        }
    }

    #[test]
    fn a_sum_has_the_later_success() {
        let attempt = |error| AttemptEntry { duration_ms: 7, error, ..AttemptEntry::at(NOW) };
        let later = NOW.plus(Duration::from_secs(1));
        let mut all = Statistics::default();
        for (error, at) in [(None, later), (None, NOW), (Some(Cause::Timeout), later.plus(Duration::from_secs(1)))] {
            all += Statistics::of_attempt(&attempt(error), at);
        }
        assert_eq!((all.successful_attempts, all.attempt_errors.total(), all.attempts()), (2, 1, 3));
        assert_eq!(all.last_success_at, Some(later));
    }
}
