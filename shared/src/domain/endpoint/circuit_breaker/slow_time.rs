//! The choice of an endpoint's lane by the time that its slow attempts take.
//!
//! A slow attempt holds the consumer's invocation that makes it, whatever else that invocation attempts. So the time
//! counts, not the number of attempts, and fast attempts to the same endpoint change nothing: an endpoint that mixes
//! them with slow ones holds as many invocations.

use std::time::Duration;

use crate::domain::endpoint::lane::Lane;
use crate::domain::time::Timestamp;

/// The bucket loses a second in this many seconds. So an endpoint that remains in the fast lane holds at most a
/// twentieth of an invocation with slow attempts, on average.
const SECONDS_PER_LOST_SECOND: u32 = 20;
/// At this much slow time an endpoint moves to the slow lane. The longest attempt alone takes 30 seconds.
const MOVES_AT: Duration = Duration::from_secs(45);
/// The bucket holds at most this much. So an endpoint is in the slow lane for 15 to 20 minutes after its last slow
/// attempt.
const MAX: Duration = Duration::from_secs(60);

/// A leaky bucket of the time that slow attempts take, and the lane that it calls for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlowTime {
    /// When the bucket will be empty; `None` if it is.
    pub until: Option<Timestamp>,
    /// The lane that the bucket calls for. The endpoint's own lane is updated afterwards.
    pub lane: Lane,
}

impl SlowTime {
    /// Returns the bucket after slow attempts that took this long together. An endpoint moves to the slow lane at 45 s,
    /// and back to the fast one if the bucket is empty.
    #[must_use]
    pub(super) fn after(self, slow: Duration, now: Timestamp) -> Self {
        let (threshold, max) = (MOVES_AT * SECONDS_PER_LOST_SECOND, MAX * SECONDS_PER_LOST_SECOND);
        let left = self.until.map_or(Duration::ZERO, |until| until.since(now));
        let left = left.saturating_add(slow.saturating_mul(SECONDS_PER_LOST_SECOND)).min(max);
        let lane = if left.is_zero() {
            Lane::Fast
        } else if left >= threshold {
            Lane::Slow
        } else {
            self.lane
        };
        Self { until: Some(now.plus(left)).filter(|until| *until > now), lane }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    /// The bucket after slow attempts: the second in which each ends, and its duration.
    fn after(attempts: &[(u64, u64)]) -> SlowTime {
        let add =
            |bucket: SlowTime, (second, takes): &(u64, u64)| bucket.after(Duration::from_secs(*takes), at(*second));
        attempts.iter().fold(SlowTime::default(), add)
    }

    #[test]
    fn forty_five_seconds_of_slow_attempts_select_the_slow_lane() {
        for (attempts, seconds_left, lane) in [
            (&[][..], None, Lane::Fast),
            (&[(0, 30)], Some(600), Lane::Fast),
            (&[(0, 3); 14], Some(840), Lane::Fast),
            (&[(0, 3); 15], Some(900), Lane::Slow),
            (&[(0, 30), (0, 14)], Some(880), Lane::Fast),
            (&[(0, 30), (0, 15)], Some(900), Lane::Slow),
            (&[(0, 30); 100], Some(1_200), Lane::Slow),
            // A second of slow time is lost in 20 s.
            (&[(0, 30), (20, 15)], Some(20 + 880), Lane::Fast),
            (&[(0, 30), (20, 16)], Some(20 + 900), Lane::Slow),
            (&[(0, 30), (600, 30)], Some(600 + 600), Lane::Fast),
        ] {
            let expected = SlowTime { until: seconds_left.map(at), lane };
            assert_eq!(after(attempts), expected, "{attempts:?}");
        }
    }

    #[test]
    fn a_slow_endpoint_stays_in_its_lane_until_the_first_other_attempt_after_the_bucket_is_empty() {
        let slow = after(&[(0, 30), (0, 30)]);
        for (second, takes, lane) in [
            (1, 0, Lane::Slow),
            (1_199, 0, Lane::Slow),
            (1_200, 0, Lane::Fast),
            (5_000, 0, Lane::Fast),
            (5_000, 3, Lane::Slow),
        ] {
            assert_eq!(slow.after(Duration::from_secs(takes), at(second)).lane, lane, "{takes} s after {second} s");
        }
        assert_eq!(slow.after(Duration::ZERO, at(1_200)), SlowTime::default());
        assert_eq!(slow.after(Duration::ZERO, at(7)), slow, "other attempts change nothing");
    }

    #[test]
    fn an_endpoint_that_is_slow_for_a_twentieth_of_the_time_stays_in_the_fast_lane() {
        for (every, lane) in [(400, Lane::Slow), (580, Lane::Fast), (3_600, Lane::Fast)] {
            let attempts: Vec<_> = (0..100).map(|number| (number * every, 29)).collect();
            assert_eq!(after(&attempts).lane, lane, "29 s in {every} s");
        }
    }
}
