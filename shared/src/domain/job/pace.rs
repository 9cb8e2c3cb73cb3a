//! The pace of a job: steps of ten seconds, each with a number of deliveries, whose messages are spread over the step.
//!
//! A release ramps up, so that an endpoint that accepts deliveries again is not overrun. The other kinds have a constant rate,
//! so that one job does not occupy the table and the consumers.

use std::time::Duration;

use super::JobKind;
use crate::domain::time::Timestamp;

/// How long a step lasts.
pub const STEP: Duration = Duration::from_secs(STEP_SECONDS as u64);
const STEP_SECONDS: u32 = 10;

/// How fast jobs of a kind go on.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// How many deliveries come before the first step, in the request that begins the job if there is one.
    at_once: u32,
    /// Deliveries a second in the first step.
    first: u32,
    /// Most deliveries a second.
    most: u32,
}

impl JobKind {
    const fn rates(self) -> Rates {
        match self {
            Self::Release => Rates { at_once: 10, first: 10, most: 1_000 },
            Self::Recover => Rates { at_once: 500, first: 100, most: 100 },
            Self::FailHeld | Self::SendAll => Rates { at_once: 0, first: 1_000, most: 1_000 },
        }
    }
}

/// Where a job is in its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Deliveries a second in the present step; 0 before the first step, when deliveries are moved at once.
    pub per_second: u32,
    /// How many deliveries the step has left.
    pub left: u32,
    /// When the step began, to the millisecond.
    pub began_at: Timestamp,
    /// How many more attempts at the endpoint had failed than succeeded when the step began.
    pub failures: u32,
}

impl Pace {
    /// The pace of a job of this kind that begins now.
    pub(super) const fn new(kind: JobKind, now: Timestamp) -> Self {
        Self { per_second: 0, left: kind.rates().at_once, began_at: now, failures: 0 }
    }

    /// Whether deliveries are moved at once, before the first step.
    pub const fn is_before_steps(&self) -> bool {
        self.per_second == 0 && self.left > 0
    }

    /// Whether a page at `now` begins a step.
    pub(super) fn begins_step(&self, now: Timestamp) -> bool {
        !self.is_before_steps() && (self.per_second == 0 || self.ends_at() <= now)
    }

    /// Whether the rate depends on the endpoint's failures when a page at `now` begins.
    pub(super) fn asks_for_failures(&self, kind: JobKind, now: Timestamp) -> bool {
        let Rates { first, most, .. } = kind.rates();
        first < most && self.begins_step(now)
    }

    /// The pace in a page at `now`. A step that begins doubles the rate if the step before was used up and the failures have
    /// not risen since. So time in which nothing is moved does not raise the rate.
    #[must_use]
    pub(super) fn at(self, kind: JobKind, failures: u32, now: Timestamp) -> Self {
        if !self.begins_step(now) {
            return self;
        }
        let Rates { first, most, .. } = kind.rates();
        let is_doubled = self.left == 0 && failures <= self.failures;
        let per_second = match self.per_second {
            0 => first,
            before if is_doubled => most.min(2 * before),
            before => before,
        };
        Self { per_second, left: STEP_SECONDS * per_second, began_at: now.to_millis(), failures }
    }

    /// The pace after so many deliveries.
    #[must_use]
    pub(super) fn after(self, deliveries: usize) -> Self {
        Self { left: self.left.saturating_sub(u32::try_from(deliveries).unwrap_or(u32::MAX)), ..self }
    }

    /// When the next step begins, if this one is used up; `None` if the next page is due at once.
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        (self.left == 0 && self.per_second > 0).then(|| self.ends_at())
    }

    fn ends_at(&self) -> Timestamp {
        self.began_at.plus(STEP)
    }

    /// By how many whole seconds the message of the delivery with this place (from 0) among those that are left is delayed, so
    /// that the messages are spread evenly over the step.
    pub fn delay_seconds(&self, index: usize, now: Timestamp) -> u32 {
        if self.per_second == 0 {
            return 0;
        }
        let passed = (STEP_SECONDS * self.per_second).saturating_sub(self.left);
        let index = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(passed);
        let second = (index / self.per_second).min(STEP_SECONDS);
        let wait = self.began_at.plus(Duration::from_secs(second.into())).since(now);
        u32::try_from(wait.as_micros().div_ceil(1_000_000)).unwrap_or(STEP_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    /// The steps of a job that has deliveries without end and is worked on whenever it is due: when each begins, and its
    /// deliveries. The failures are those when each step begins.
    fn steps(kind: JobKind, failures: &[u32]) -> Vec<(u64, u32)> {
        let (mut pace, mut now) = (Pace::new(kind, NOW), NOW);
        let mut steps = vec![(0, pace.left)];
        pace = pace.after(pace.left as usize);
        for failures in failures {
            pace = pace.at(kind, *failures, now);
            steps.push((now.since(NOW).as_secs(), pace.left));
            pace = pace.after(pace.left as usize);
            now = pace.waits_until().unwrap();
        }
        steps
    }

    #[test]
    fn a_release_sends_ten_at_once_then_ten_a_second_and_doubles_every_ten_seconds_while_failures_do_not_rise() {
        let healthy = [(0, 10), (0, 100), (10, 200), (20, 400), (30, 800), (40, 1_600), (50, 3_200), (60, 6_400)];
        let fast = [(70, 10_000), (80, 10_000)];
        assert_eq!(steps(JobKind::Release, &[0; 9]), [&healthy[..], &fast].concat());
        for (failures, expected) in [
            ([0, 1, 1, 1], [100, 100, 200, 400]),
            ([0, 1, 2, 3], [100, 100, 100, 100]),
            ([0, 0, 5, 4], [100, 200, 200, 400]),
            ([7, 7, 7, 7], [100, 200, 400, 800]),
        ] {
            let deliveries: Vec<_> = steps(JobKind::Release, &failures).iter().skip(1).map(|step| step.1).collect();
            assert_eq!(deliveries, expected, "{failures:?}");
        }
    }

    #[test]
    fn the_other_kinds_have_a_constant_rate() {
        for (kind, at_once, step) in
            [(JobKind::Recover, 500, 1_000), (JobKind::FailHeld, 0, 10_000), (JobKind::SendAll, 0, 10_000)]
        {
            assert_eq!(steps(kind, &[0, 9, 9]), [(0, at_once), (0, step), (10, step), (20, step)], "{kind:?}");
            assert!(!Pace::new(kind, NOW).after(500).asks_for_failures(kind, NOW), "{kind:?}");
        }
    }

    #[test]
    fn a_step_that_is_not_used_up_or_comes_late_does_not_raise_the_rate_further() {
        let kind = JobKind::Release;
        let first = Pace::new(kind, NOW).after(10).at(kind, 0, NOW);
        for (name, moved, seconds, expected) in [
            ("within the step", 60, 9, (10, 40)),
            ("not used up", 60, 10, (10, 100)),
            ("used up", 100, 10, (20, 200)),
            ("an hour later", 100, 3_600, (20, 200)),
        ] {
            let next = first.after(moved).at(kind, 0, at(seconds));
            assert_eq!((next.per_second, next.left), expected, "{name}");
        }
        let before = Pace::new(kind, NOW).after(3);
        let later = before.at(kind, 0, at(3_600));
        assert_eq!((later.per_second, later.left, later.waits_until()), (0, 7, None), "before the first step");
    }

    #[test]
    fn messages_are_spread_over_their_step_by_whole_seconds() {
        let step = Pace::new(JobKind::Release, NOW).after(10).at(JobKind::Release, 0, NOW);
        // How many are left of the step, the place of a delivery among them, the milliseconds since the step began.
        for (left, index, millis, expected) in [
            (100, 0, 0, 0),
            (100, 9, 0, 0),
            (100, 10, 0, 1),
            (100, 10, 200, 1),
            (100, 99, 0, 9),
            (50, 0, 0, 5),
            (50, 49, 0, 9),
            (50, 0, 4_200, 1),
            (50, 0, 7_000, 0),
            (1, 0, 25_000, 0),
        ] {
            let now = NOW.plus(Duration::from_millis(millis));
            let delay = Pace { left, ..step }.delay_seconds(index, now);
            assert_eq!(delay, expected, "{left} left, place {index}, {millis} ms");
        }
        assert_eq!(Pace::new(JobKind::Recover, NOW).delay_seconds(499, NOW), 0, "before the first step");
    }
}
