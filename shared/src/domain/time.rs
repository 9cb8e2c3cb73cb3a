//! Instants, always UTC.

use std::fmt;
use std::time::Duration;

use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};

use super::Invalid;

/// An instant in microseconds since the Unix epoch. Shown and stored with milliseconds; the finer
/// digits only keep identifiers made within one millisecond in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last whole second that can be printed, in Unix seconds: 9999-12-30T22:00:00Z.
const LAST_SECOND: i64 = 253_402_207_200;

impl Timestamp {
    /// The instant that many microseconds after the Unix epoch.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant that many milliseconds after the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis * 1_000)
    }

    /// The instant that many seconds after the Unix epoch.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds * 1_000_000)
    }

    /// Microseconds since the Unix epoch.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The instant `duration` later, at most the end of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(LAST_SECOND * 1_000_000))
    }

    /// The instant `duration` earlier, at least the Unix epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(0))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The same instant without what is below a millisecond, as it is stored and shown.
    #[must_use]
    pub const fn to_millis(self) -> Self {
        Self::from_unix_millis(self.unix_millis())
    }

    /// RFC 3339 with milliseconds: `2026-03-24T20:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        self.print(3)
    }

    /// RFC 3339 with whole seconds: `2026-03-24T20:00:00Z`.
    pub fn rfc3339_seconds(self) -> String {
        self.print(0)
    }

    /// Any RFC 3339 instant, whatever its offset.
    ///
    /// # Errors
    /// [`Invalid`] if it is not one, or lies before 1970 or after 9999.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const PARSER: DateTimeParser = DateTimeParser::new();
        let parsed = PARSER
            .parse_timestamp(text)
            .map_err(|_| Invalid::new("must be an RFC 3339 time such as 2026-03-24T20:00:00Z"))?;
        if !(0..=LAST_SECOND).contains(&parsed.as_second()) {
            return Err(Invalid::new("must lie between the years 1970 and 9999"));
        }
        Ok(Self(parsed.as_microsecond()))
    }

    fn print(self, digits: u8) -> String {
        let printer = DateTimePrinter::new().precision(Some(digits));
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        printer.timestamp_to_string(&instant)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_and_read_back() {
        let instant = Timestamp::from_unix_micros(1_774_382_400_000_999);
        assert_eq!(instant.rfc3339(), "2026-03-24T20:00:00.000Z");
        assert_eq!(instant.rfc3339_seconds(), "2026-03-24T20:00:00Z");
        assert_eq!(Timestamp::parse("2026-03-24T20:00:00.000Z").unwrap(), instant.to_millis());
        assert_eq!(Timestamp::parse("2026-03-24T21:00:00+01:00").unwrap(), instant.to_millis());
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", "yesterday", "2026-03-24", "2026-03-24T20:00:00", "1969-12-31T23:59:59Z"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let instant = Timestamp::from_unix_seconds(10);
        assert_eq!(instant.plus(Duration::MAX).rfc3339(), "9999-12-30T22:00:00.000Z");
        assert_eq!(instant.minus(Duration::from_secs(11)), Timestamp::from_unix_seconds(0));
        assert_eq!(instant.since(Timestamp::from_unix_seconds(11)), Duration::ZERO);
    }
}
