//! The generic cell rate algorithm. It stores a bucket of tokens as one number: the time at which the bucket is full
//! again.

use super::Rate;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MICRO: i64 = 1_000;

/// The time at which a bucket of tokens is full again, in nanoseconds since 1970. A bucket whose time is past is full.
/// Taking tokens moves the time ahead, never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(pub i64);

/// How tokens are taken from a bucket. The two forms are writes with different conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The bucket is full. The write sets its time, counted from now.
    #[default]
    Full,
    /// The bucket is not full. The write adds to its time.
    Partial,
}

/// Whether requested tokens can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The tokens can be taken now, by a write of this form.
    Write(Form),
    /// The tokens cannot be taken before this number of microseconds has passed.
    RetryAfter(u64),
}

impl Bucket {
    /// A bucket that is full from this time on, in microseconds since 1970.
    pub const fn full_at(micros: i64) -> Self {
        Self(micros * NANOS_PER_MICRO)
    }
}

impl Rate {
    /// By how many nanoseconds taking `tokens` moves the time of a bucket ahead.
    pub fn cost(self, tokens: u32) -> i64 {
        let nanos = u64::from(tokens) * NANOS_PER_SECOND;
        i64::try_from(nanos.div_ceil(u64::from(self.per_second))).unwrap_or(i64::MAX)
    }

    /// The latest time that a bucket may have so that `tokens` can be taken from it now. The result contains these
    /// tokens if and only if the bucket's time is not later. `now_micros` is in microseconds since 1970.
    pub fn latest(self, now_micros: i64, tokens: u32) -> Bucket {
        Bucket(Bucket::full_at(now_micros).0 + self.cost(self.burst) - self.cost(tokens))
    }

    /// Whether and how tokens can be taken from a bucket now. `None` is a bucket from which no tokens were taken yet.
    pub fn take(self, bucket: Option<Bucket>, now_micros: i64, tokens: u32) -> Admission {
        let Some(bucket) = bucket.filter(|bucket| *bucket > Bucket::full_at(now_micros)) else {
            return Admission::Write(Form::Full);
        };
        let latest = self.latest(now_micros, tokens);
        if bucket <= latest {
            return Admission::Write(Form::Partial);
        }
        let wait = u64::try_from(bucket.0 - latest.0).unwrap_or(0);
        Admission::RetryAfter(wait.div_ceil(1_000))
    }

    /// The bucket after `tokens` were taken from a full one.
    pub fn taken_from_full(self, now_micros: i64, tokens: u32) -> Bucket {
        Bucket(Bucket::full_at(now_micros).0 + self.cost(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_774_382_400_000_000;
    const SECOND: i64 = 1_000_000;

    fn rate(per_second: u32) -> Rate {
        Rate::new(per_second, None).unwrap()
    }

    #[test]
    fn tokens_are_taken_while_the_bucket_contains_enough() {
        let rate = rate(10);
        let at = |micros: i64| Some(Bucket::full_at(NOW + micros));
        for (bucket, tokens, expected) in [
            (None, 1, Admission::Write(Form::Full)),
            (None, 100, Admission::Write(Form::Full)),
            (at(-1), 100, Admission::Write(Form::Full)),
            (at(0), 100, Admission::Write(Form::Full)),
            (at(1), 1, Admission::Write(Form::Partial)),
            (at(1), 100, Admission::RetryAfter(1)),
            (at(9 * SECOND + 900_000), 1, Admission::Write(Form::Partial)),
            (at(9 * SECOND + 900_001), 1, Admission::RetryAfter(1)),
            (at(9 * SECOND), 10, Admission::Write(Form::Partial)),
            (at(9 * SECOND), 11, Admission::RetryAfter(100_000)),
            (at(10 * SECOND), 1, Admission::RetryAfter(100_000)),
            (at(10 * SECOND), 100, Admission::RetryAfter(10 * SECOND as u64)),
        ] {
            assert_eq!(rate.take(bucket, NOW, tokens), expected, "{bucket:?} {tokens}");
        }
    }

    /// The clock of one process is ahead of the other's. Both processes take tokens whenever they can.
    #[test]
    fn clock_skew_admits_at_most_the_tokens_of_the_skew_in_addition() {
        const BURST: u64 = 100;
        for (per_second, ahead_millis) in [(10, 0), (10, 700), (10, 5_000), (500, 300), (500, 30_000)] {
            let rate = Rate::new(per_second, Some(100)).unwrap();
            let per_second = u64::from(per_second);
            // By the clock that is ahead, the bucket contains the tokens of the skew in addition, and at most the
            // burst.
            let skew_millis = ahead_millis.min(BURST * 1_000 / per_second);
            let (mut bucket, mut admitted, mut most) = (None, 0, 0);
            for step in 0..10_000 {
                most = BURST + per_second * (step + skew_millis) / 1_000;
                for ahead in [0, ahead_millis] {
                    let now = NOW + i64::try_from(step + ahead).unwrap() * 1_000;
                    while let Admission::Write(form) = rate.take(bucket, now, 1) {
                        bucket = Some(match form {
                            Form::Full => rate.taken_from_full(now, 1),
                            Form::Partial => Bucket(bucket.map_or(0, |bucket| bucket.0) + rate.cost(1)),
                        });
                        admitted += 1;
                    }
                }
                assert!(admitted <= most, "{per_second}, {ahead_millis}: {admitted} > {most} after {step} ms");
            }
            assert!(admitted + 1 >= most, "{per_second}, {ahead_millis}: {admitted} < {most}");
        }
    }

    #[test]
    fn the_burst_and_then_the_rate_are_admitted_and_no_more() {
        for (per_second, burst) in [(1, 100), (3, 100), (10, 250), (999, 999), (100_000, 100)] {
            let rate = Rate::new(per_second, Some(burst)).unwrap();
            let (mut bucket, mut admitted) = (None, 0_u64);
            for step in 0..10_000_i64 {
                let now = NOW + step * 1_000;
                let most = u64::from(burst) + u64::from(per_second) * u64::try_from(step).unwrap() / 1_000;
                while let Admission::Write(form) = rate.take(bucket, now, 1) {
                    bucket = Some(match form {
                        Form::Full => rate.taken_from_full(now, 1),
                        Form::Partial => Bucket(bucket.map_or(0, |bucket| bucket.0) + rate.cost(1)),
                    });
                    admitted += 1;
                    assert!(admitted <= most, "{per_second}, {burst}: {admitted} > {most} after {step} ms");
                }
                // One token may be missing, since costs are rounded up to nanoseconds.
                if burst >= per_second / 1_000 {
                    assert!(
                        admitted + 1 + most / 1_000_000 >= most,
                        "{per_second}, {burst}: {admitted} < {most} after {step} ms"
                    );
                }
            }
        }
    }
}
