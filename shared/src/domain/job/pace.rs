//! The pace of a job: steps of ten seconds. Each step has a number of deliveries, whose messages are spread over the
//! step.
//!
//! The rate of a release rises step by step, so that an endpoint that accepts deliveries again is not overloaded. The
//! other kinds have a constant rate, so that one job does not use up the capacity of the table and the consumers.

use std::time::Duration;

use super::JobKind;
use crate::domain::time::Timestamp;

/// The length of a step.
pub const STEP: Duration = Duration::from_secs(STEP_SECONDS as u64);
const STEP_SECONDS: u32 = 10;
/// How many consecutive messages of a step have the same delay: a batch of SQS, so that a consumer can receive them
/// together.
const MESSAGES_TOGETHER: u32 = 10;

/// The rates of the jobs of a kind.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// How many deliveries are moved before the first step. If a request begins the job, the request moves them.
    initial_deliveries: u32,
    /// Deliveries per second in the first step.
    first: u32,
    /// Maximum deliveries per second.
    max: u32,
}

impl JobKind {
    const fn rates(self) -> Rates {
        match self {
            Self::Release => Rates { initial_deliveries: 10, first: 10, max: 1_000 },
            Self::Recover | Self::Replay => Rates { initial_deliveries: 500, first: 100, max: 100 },
            Self::Expunge => Rates { initial_deliveries: 500, first: 1_000, max: 1_000 },
            Self::FailHeld | Self::SendAll | Self::DeleteOrganization => {
                Rates { initial_deliveries: 0, first: 1_000, max: 1_000 }
            }
        }
    }
}

/// The present step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Deliveries per second in the present step. 0 before the first step: the messages are not delayed then.
    pub per_second: u32,
    /// How many more deliveries may be moved in the step.
    pub left: u32,
    /// When the step began, to the millisecond.
    pub began_at: Timestamp,
    /// The endpoint's bucket of failures when the step began: failed minus successful attempts.
    pub failures: u32,
}

impl Pace {
    /// The pace of a job of this kind that begins now.
    pub(super) const fn new(kind: JobKind, now: Timestamp) -> Self {
        Self { per_second: 0, left: kind.rates().initial_deliveries, began_at: now, failures: 0 }
    }

    /// This pace of a new job, with at most the initial deliveries that an earlier job left.
    #[must_use]
    pub(super) fn sharing(self, earlier: &Self) -> Self {
        let left = if earlier.per_second == 0 { earlier.left } else { 0 };
        Self { left: self.left.min(left), ..self }
    }

    /// Whether some of the initial deliveries, before the first step, are left.
    pub const fn is_before_steps(&self) -> bool {
        self.per_second == 0 && self.left > 0
    }

    /// Whether a page at `now` begins a step.
    pub(super) fn begins_step(&self, now: Timestamp) -> bool {
        !self.is_before_steps() && (self.per_second == 0 || self.ends_at() <= now)
    }

    /// Whether the rate of a page that begins at `now` depends on the endpoint's failures.
    pub(super) fn needs_failures(&self, kind: JobKind, now: Timestamp) -> bool {
        let Rates { first, max, .. } = kind.rates();
        first < max && self.begins_step(now)
    }

    /// The pace of a page that begins at `now`. A new step doubles the rate if the previous step was used up and the
    /// failures have not risen since it began. So the rate does not rise while nothing is moved.
    #[must_use]
    pub(super) fn at(self, kind: JobKind, failures: u32, now: Timestamp) -> Self {
        if !self.begins_step(now) {
            return self;
        }
        let Rates { first, max, .. } = kind.rates();
        let is_doubled = self.left == 0 && failures <= self.failures;
        let per_second = match self.per_second {
            0 => first,
            before if is_doubled => max.min(2 * before),
            before => before,
        };
        Self { per_second, left: STEP_SECONDS * per_second, began_at: now.to_millis(), failures }
    }

    /// The pace after this number of deliveries was moved.
    #[must_use]
    pub(super) fn after(self, deliveries: usize) -> Self {
        Self { left: self.left.saturating_sub(u32::try_from(deliveries).unwrap_or(u32::MAX)), ..self }
    }

    /// When the next step begins, if this one is used up; `None` if the next page is due immediately.
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        (self.left == 0 && self.per_second > 0).then(|| self.ends_at())
    }

    fn ends_at(&self) -> Timestamp {
        self.began_at.plus(STEP)
    }

    /// The delay of a message in whole seconds, so that the messages are spread evenly over the step. `index` is the
    /// index of its delivery, from 0, among the deliveries that are left of the step.
    ///
    /// Consecutive batches of messages are for consecutive seconds. The delays are whole seconds, so the messages of a
    /// second become visible at the times within the second at which they were sent. A page that filled one second after
    /// the other would send all messages of a second within some milliseconds, and they would delay other deliveries.
    pub fn delay_seconds(&self, index: usize, now: Timestamp) -> u32 {
        if self.per_second == 0 {
            return 0;
        }
        let passed = (STEP_SECONDS * self.per_second).saturating_sub(self.left);
        let index = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(passed);
        let second = index / MESSAGES_TOGETHER % STEP_SECONDS;
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

    /// The steps of a job with an endless supply of deliveries, each page of which is done when it is due: the second
    /// in which each step begins, and the number of its deliveries. `failures` has the endpoint's failures at the
    /// beginning of each step.
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
    fn a_release_sends_ten_immediately_then_ten_a_second_and_doubles_every_ten_seconds_while_failures_do_not_rise() {
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
        for (kind, initial, step) in [
            (JobKind::Recover, 500, 1_000),
            (JobKind::Replay, 500, 1_000),
            (JobKind::FailHeld, 0, 10_000),
            (JobKind::SendAll, 0, 10_000),
        ] {
            assert_eq!(steps(kind, &[0, 9, 9]), [(0, initial), (0, step), (10, step), (20, step)], "{kind:?}");
            assert!(!Pace::new(kind, NOW).after(500).needs_failures(kind, NOW), "{kind:?}");
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
        // The deliveries that are left of the step, the index of one among them, and the milliseconds since the step
        // began.
        for (kind, left, index, millis, expected) in [
            (JobKind::Release, 100, 0, 0, 0),
            (JobKind::Release, 100, 9, 0, 0),
            (JobKind::Release, 100, 10, 0, 1),
            (JobKind::Release, 100, 10, 200, 1),
            (JobKind::Release, 100, 99, 0, 9),
            (JobKind::Release, 50, 0, 0, 5),
            (JobKind::Release, 50, 49, 0, 9),
            (JobKind::Release, 50, 0, 4_200, 1),
            (JobKind::Release, 50, 0, 7_000, 0),
            (JobKind::Release, 1, 0, 25_000, 0),
            (JobKind::Recover, 1_000, 9, 0, 0),
            (JobKind::Recover, 1_000, 10, 0, 1),
            (JobKind::Recover, 1_000, 99, 0, 9),
            (JobKind::Recover, 1_000, 100, 0, 0),
            (JobKind::Recover, 1_000, 999, 0, 9),
            (JobKind::Recover, 890, 0, 0, 1),
        ] {
            let before = Pace::new(kind, NOW);
            let step = before.after(before.left as usize).at(kind, 0, NOW);
            let now = NOW.plus(Duration::from_millis(millis));
            let delay = Pace { left, ..step }.delay_seconds(index, now);
            assert_eq!(delay, expected, "{kind:?}: {left} left, index {index}, {millis} ms");
        }
        assert_eq!(Pace::new(JobKind::Recover, NOW).delay_seconds(499, NOW), 0, "before the first step");
    }

    #[test]
    fn each_second_of_a_full_step_has_the_same_number_of_messages() {
        for kind in [JobKind::Release, JobKind::Recover, JobKind::Replay, JobKind::SendAll] {
            let before = Pace::new(kind, NOW);
            let step = before.after(before.left as usize).at(kind, 0, NOW);
            let mut seconds = [0; STEP_SECONDS as usize];
            for index in 0..step.left as usize {
                seconds[step.delay_seconds(index, NOW) as usize] += 1;
            }
            assert_eq!(seconds, [step.per_second; STEP_SECONDS as usize], "{kind:?}");
        }
    }
}
