//! Instants in UTC.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;

use super::Invalid;

/// An instant in microseconds since the Unix epoch. It is shown and stored in milliseconds. The microseconds only
/// keep identifiers of one millisecond in the order of their creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last whole second that can be printed: 9999-12-30T22:00:00Z, in Unix seconds.
const LAST_SECOND: i64 = 253_402_207_200;

impl Timestamp {
    /// The instant this many microseconds after the Unix epoch.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant this many milliseconds after the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis * 1_000)
    }

    /// The instant this many seconds after the Unix epoch.
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

    /// The instant `duration` later, at most 9999-12-30T22:00:00Z.
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

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The instant rounded down to the millisecond, as it is stored and shown.
    #[must_use]
    pub const fn to_millis(self) -> Self {
        Self::from_unix_millis(self.unix_millis())
    }

    /// The instant rounded up to the millisecond. A time in whole milliseconds is before this instant if and only if it is
    /// before the rounded one.
    #[must_use]
    pub const fn up_to_millis(self) -> Self {
        Self::from_unix_micros(self.0.saturating_add(999)).to_millis()
    }

    /// RFC 3339 with milliseconds: `2026-03-24T20:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        self.print(3)
    }

    /// RFC 3339 with whole seconds: `2026-03-24T20:00:00Z`.
    pub fn rfc3339_seconds(self) -> String {
        self.print(0)
    }

    /// Parses an RFC 3339 instant with any offset. An instant before 1970 becomes the Unix epoch. An instant after
    /// 9999-12-30T22:00:00Z, the last one that can be printed, becomes that instant.
    ///
    /// # Errors
    /// [`Invalid`] if the text is not an RFC 3339 instant.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (local, offset) =
            read(text).ok_or(Invalid::new("must be an RFC 3339 time such as 2026-03-24T20:00:00Z"))?;
        let micros = match offset.to_timestamp(local) {
            Ok(instant) => instant.as_microsecond(),
            // Only instants at the very end of the year 9999 are out of range.
            Err(_) => i64::MAX,
        };
        Ok(Self(micros.clamp(0, LAST_SECOND * 1_000_000)))
    }

    fn print(self, digits: u8) -> String {
        let printer = DateTimePrinter::new().precision(Some(digits));
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        printer.timestamp_to_string(&instant)
    }
}

/// Parses the local time and the offset. The grammar of RFC 3339 (section 5.6) is narrower than that of `jiff`.
fn read(text: &str) -> Option<(DateTime, Offset)> {
    let (date_time, rest) = text.split_at_checked("2026-03-24T20:00:00".len())?;
    let (fraction, offset) = rest.split_at(rest.find(|c: char| c != '.' && !c.is_ascii_digit())?);
    let digits = if fraction.is_empty() { "0" } else { fraction.strip_prefix('.')? };
    let is_valid = has_form(date_time, "0000-00-00T00:00:00")
        && !digits.is_empty()
        && !digits.contains('.')
        && ["Z", "+00:00", "-00:00"].iter().any(|form| has_form(offset, form));
    let text = is_valid.then(|| format!("{date_time}.{digits:.9}{offset}"))?;
    let pieces = Pieces::parse(&text).ok()?;
    // `jiff` accepts hours of an offset up to 25.
    let offset = pieces.to_numeric_offset().filter(|offset| offset.seconds().abs() < 24 * 3_600)?;
    Some((pieces.date().to_datetime(pieces.time()?), offset))
}

/// Whether the text has this form, in which `0` stands for any digit and letters for both cases.
fn has_form(text: &str, form: &str) -> bool {
    let fits =
        |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte.eq_ignore_ascii_case(&form) };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
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
    fn printed_times_are_parsed_to_the_same_time() {
        let instant = Timestamp::from_unix_micros(1_774_382_400_000_999);
        assert_eq!(instant.rfc3339(), "2026-03-24T20:00:00.000Z");
        assert_eq!(instant.rfc3339_seconds(), "2026-03-24T20:00:00Z");
        assert_eq!(Timestamp::parse("2026-03-24T20:00:00.000Z").unwrap(), instant.to_millis());
        assert_eq!(Timestamp::parse("2026-03-24T21:00:00+01:00").unwrap(), instant.to_millis());
    }

    #[test]
    fn a_time_is_rounded_up_to_the_millisecond() {
        for (micros, expected) in [(0, 0), (1, 1_000), (999, 1_000), (1_000, 1_000), (1_001, 2_000)] {
            let rounded = Timestamp::from_unix_micros(micros).up_to_millis();
            assert_eq!(rounded, Timestamp::from_unix_micros(expected), "{micros}");
        }
    }

    #[test]
    fn every_rfc_3339_time_is_parsed() {
        for (text, read) in [
            ("2026-03-24t20:00:00z", "2026-03-24T20:00:00.000Z"),
            ("2026-03-24T20:00:00.5Z", "2026-03-24T20:00:00.500Z"),
            ("2026-03-24T20:00:00.1234567891234Z", "2026-03-24T20:00:00.123Z"),
            ("2026-03-24T20:00:00-00:00", "2026-03-24T20:00:00.000Z"),
            ("2026-03-24T20:00:00+23:59", "2026-03-23T20:01:00.000Z"),
            ("2024-02-29T00:00:00-23:59", "2024-02-29T23:59:00.000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::rfc3339).as_deref(), Ok(read), "{text}");
        }
    }

    #[test]
    fn times_out_of_range_become_the_first_or_the_last() {
        for text in ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59"] {
            assert_eq!(Timestamp::parse(text), Ok(Timestamp::from_unix_seconds(0)), "{text}");
        }
        for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999-23:59", "9999-12-31T00:00:00+00:00"] {
            assert_eq!(Timestamp::parse(text).unwrap().rfc3339(), "9999-12-30T22:00:00.000Z", "{text}");
        }
    }

    #[test]
    fn text_that_is_not_an_rfc_3339_time_is_rejected() {
        for text in [
            "",
            "yesterday",
            "2026-03-24",
            "2026-03-24T20:00:00",
            "2026-03-24T20:00Z",
            "2026-03-24T20Z",
            "2026-03-24 20:00:00Z",
            "20260324T200000Z",
            "2026-083T20:00:00Z",
            "2026-W13-2T20:00:00Z",
            "2026-03-24T20:00:00.Z",
            "2026-03-24T20:00:00,5Z",
            "2026-03-24T20:00:00+25:00",
            "2026-03-24T20:00:00+24:00",
            "2026-03-24T20:00:00+01:60",
            "2026-03-24T20:00:00+01",
            "2026-03-24T20:00:00+0100",
            "2026-03-24T20:00:00+01:00:00",
            "2026-03-24T20:00:00 01:00",
            "2026-03-24T20:00:00\u{2212}01:00",
            "2026-03-24T20:00:00Z[Europe/Berlin]",
            "2026-03-24T20:00:00+01:00[Europe/Berlin]",
            "2026-03-24T20:00:00Z ",
            " 2026-03-24T20:00:00Z",
            "2026-02-29T20:00:00Z",
            "2026-13-01T20:00:00Z",
            "2026-00-10T20:00:00Z",
            "2026-03-24T24:00:00Z",
            "2026-03-24T20:60:00Z",
            "2026-03-24T20:00:61Z",
            "+2026-03-24T20:00:00Z",
            "-0026-03-24T20:00:00Z",
            "10000-01-01T00:00:00Z",
            "2026-3-24T20:00:00Z",
            "+026-03-24T20:00:00Z",
            "\u{661}026-03-24T20:00:00Z",
        ] {
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
