//! How long an attempt may take.

use std::time::Duration;

use crate::domain::Invalid;

/// The time that is reserved for recording an attempt after its timeout.
const RECORDING: Duration = Duration::from_secs(1);

/// The time limit of one attempt, from resolving the name to the last byte of the response: 1 to 30 seconds, 10 by
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u8);

impl Default for TimeoutSeconds {
    fn default() -> Self {
        Self(10)
    }
}

impl TimeoutSeconds {
    /// The shortest allowed timeout.
    pub const SHORTEST: Self = Self(1);

    /// Validates a number of seconds.
    ///
    /// # Errors
    /// [`Invalid`] if it is not 1 to 30.
    pub fn new(seconds: i64) -> Result<Self, Invalid> {
        match u8::try_from(seconds) {
            Ok(seconds @ 1..=30) => Ok(Self(seconds)),
            _ => Err(Invalid::new("must be 1 to 30")),
        }
    }

    /// Whether an attempt with this timeout can be made and recorded within `left`.
    pub fn fits(self, left: Duration) -> bool {
        left >= self.duration() + RECORDING
    }

    /// The number of seconds.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The timeout as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_1_to_30_seconds() {
        for (seconds, allowed) in [(0, false), (1, true), (30, true), (31, false), (-1, false), (257, false)] {
            assert_eq!(TimeoutSeconds::new(seconds).is_ok(), allowed, "{seconds}");
        }
    }

    #[test]
    fn an_attempt_fits_if_its_timeout_and_one_more_second_are_left() {
        let (longest, left) = (TimeoutSeconds::new(30).unwrap(), Duration::from_millis);
        for (timeout, millis, fits) in [
            (TimeoutSeconds::SHORTEST, 2_000, true),
            (TimeoutSeconds::SHORTEST, 1_999, false),
            (longest, 31_000, true),
            (longest, 30_999, false),
        ] {
            assert_eq!(timeout.fits(left(millis)), fits, "{timeout:?} in {millis} ms");
        }
    }
}
