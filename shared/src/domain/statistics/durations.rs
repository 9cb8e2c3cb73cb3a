//! A histogram of the durations of attempts.

use std::ops::AddAssign;

/// The longest duration, in milliseconds, in each bucket but the last, which also has all longer ones. Each bound is
/// about 1.52 times the former, so that a percentile is known to a quarter.
const UPPER_BOUNDS: [u32; 20] =
    [10, 15, 23, 35, 54, 82, 125, 190, 290, 440, 670, 1_020, 1_560, 2_380, 3_640, 5_550, 8_460, 12_900, 19_700, 30_000];

/// The number of durations in each of 20 buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations([u64; UPPER_BOUNDS.len()]);

impl Durations {
    /// Adds a duration in milliseconds.
    pub fn add(&mut self, ms: u32) {
        let last = UPPER_BOUNDS.len() - 1;
        let bucket = UPPER_BOUNDS.partition_point(|bound| *bound < ms).min(last);
        self.0[bucket] += 1;
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The number in each bucket, to be changed, from the shortest durations to the longest.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        self.0.iter_mut()
    }

    /// An estimate, in milliseconds, of the shortest duration that at least this percentage of the durations do not
    /// exceed; `None` without durations. Up to 10 ms it is at most 5 ms off; up to 30 s, at most a quarter.
    pub fn percentile(&self, percent: u64) -> Option<u32> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut lower = 0;
        let mut seen = 0;
        for (count, upper) in self.0.iter().zip(UPPER_BOUNDS) {
            seen += count;
            if seen >= rank {
                // The geometric mean has the least relative error.
                return Some(if lower == 0 { upper / 2 } else { (lower * upper).isqrt() });
            }
            lower = upper;
        }
        None
    }
}

impl AddAssign for Durations {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_it_does_not_exceed() {
        for (ms, bucket) in [(0, 0), (10, 0), (11, 1), (15, 1), (16, 2), (19_700, 18), (19_701, 19), (40_000, 19)] {
            let mut durations = Durations::default();
            durations.add(ms);
            assert_eq!(durations.0.iter().position(|count| *count == 1), Some(bucket), "{ms} ms");
        }
        assert_eq!(Durations::default().percentile(50), None);
    }

    /// Whether an estimate is as exact as documented.
    fn is_close(estimate: u32, exact: u32) -> bool {
        let error = estimate.abs_diff(exact);
        if exact <= 10 { error <= 5 } else { 4 * error <= exact }
    }

    #[test]
    fn the_estimate_of_each_duration_is_at_most_a_quarter_off() {
        for ms in 0..=30_000 {
            let mut durations = Durations::default();
            durations.add(ms);
            let estimate = durations.percentile(50).unwrap();
            assert!(is_close(estimate, ms), "{estimate} for {ms} ms");
        }
    }

    #[test]
    fn a_percentile_is_the_duration_that_so_many_do_not_exceed() {
        let mut random = 7_u64;
        let mut next = |most: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from((random >> 33) % most).unwrap()
        };
        for count in (1..50).chain([100, 1_000, 5_000]) {
            let most = [20, 300, 3_000, 30_000][next(4) as usize];
            let mut all: Vec<_> = (0..count).map(|_| next(most)).collect();
            let mut durations = Durations::default();
            all.iter().for_each(|ms| durations.add(*ms));
            all.sort_unstable();
            for percent in [1, 50, 95, 99, 100] {
                let exact = all[(all.len() * percent).div_ceil(100) - 1];
                let estimate = durations.percentile(percent as u64).unwrap();
                assert!(is_close(estimate, exact), "{percent} % of {count}: {estimate} for {exact}");
            }
        }
    }
}
