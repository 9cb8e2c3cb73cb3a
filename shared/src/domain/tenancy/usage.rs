//! Usage: the events, deliveries and attempts of an organization, by day.

use std::fmt;
use std::ops::AddAssign;

use crate::domain::Invalid;
use crate::domain::time::Timestamp;

/// Most days of one query.
pub const MAX_DAYS: i64 = 366;
/// How many days a query covers if it names no first day.
pub const DEFAULT_DAYS: i64 = 30;

const SECONDS: i64 = 24 * 60 * 60;

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day that contains an instant.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.unix_seconds().div_euclid(SECONDS))
    }

    /// Parses a day such as `2026-03-24`.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let day = Timestamp::parse(&format!("{text}T00:00:00Z")).map(Self::of);
        let day = day.map_err(|_| Invalid::new("must be a day such as 2026-03-24"))?;
        if day.to_string() != text {
            return Err(Invalid::new("must be a day from 1970-01-01 to 9999-12-30"));
        }
        Ok(day)
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        let day_of_month = self.to_string().rsplit('-').next().and_then(|day| day.parse::<i64>().ok());
        Self(self.0 - day_of_month.unwrap_or(1) + 1)
    }

    /// The first day of the next month.
    #[must_use]
    pub fn first_of_next_month(self) -> Self {
        // Every month has 28 to 31 days, so this day is in the next month.
        Self(self.first_of_month().0 + 31).first_of_month()
    }

    /// The first instant of the day.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0 * SECONDS)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.start().rfc3339().split('T').next().unwrap_or_default())
    }
}

/// A range of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    from: Day,
    to: Day,
}

impl Days {
    /// The days from `from` to `to`, both included. `to` is today by default, and `from` is 29 days before `to`.
    ///
    /// # Errors
    /// [`Invalid`] about `from` if `from` is after `to`, or if there are more than [`MAX_DAYS`] days.
    pub fn new(from: Option<Day>, to: Option<Day>, today: Day) -> Result<Self, Invalid> {
        let to = to.unwrap_or(today);
        let from = from.unwrap_or(Day((to.0 - DEFAULT_DAYS + 1).max(0)));
        if from > to {
            return Err(Invalid::new("must not be after to"));
        }
        if to.0 - from.0 >= MAX_DAYS {
            return Err(Invalid::new(format!("must be at most {MAX_DAYS} days before the end of to")));
        }
        Ok(Self { from, to })
    }

    /// A range of one day.
    pub const fn only(day: Day) -> Self {
        Self { from: day, to: day }
    }

    /// The days of the current month up to today.
    pub fn of_month(today: Day) -> Self {
        Self { from: today.first_of_month(), to: today }
    }

    /// The first day.
    pub const fn first(self) -> Day {
        self.from
    }

    /// The last day.
    pub const fn last(self) -> Day {
        self.to
    }

    /// The days in order.
    pub fn iter(self) -> impl Iterator<Item = Day> {
        (self.from.0..=self.to.0).map(Day)
    }
}

/// Counts of events, deliveries and attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Accepted events.
    pub events: u64,
    /// Deliveries that were created for the events.
    pub deliveries: u64,
    /// Attempts that were made and recorded.
    pub attempts: u64,
}

impl Usage {
    /// The usage of one attempt.
    pub const ATTEMPT: Self = Self { events: 0, deliveries: 0, attempts: 1 };
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.attempts += other.attempts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_parsed_and_printed() {
        for text in ["1970-01-01", "2024-02-29", "2026-03-24", "9999-12-30"] {
            assert_eq!(Day::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "today", "2026-3-24", "20260324", "2026-02-29", "2026-03-24T00:00:00Z", "1969-12-31"] {
            assert!(Day::parse(text).is_err(), "{text}");
        }
        let late = Timestamp::parse("2026-03-24T23:59:59.999Z").unwrap();
        assert_eq!(Day::of(late), Day::parse("2026-03-24").unwrap());
        assert_eq!(Day::of(late).start(), Timestamp::parse("2026-03-24T00:00:00Z").unwrap());
    }

    #[test]
    fn a_month_has_a_first_day_and_a_first_day_of_the_next_month() {
        for (day, first, next) in [
            ("2026-03-01", "2026-03-01", "2026-04-01"),
            ("2026-03-31", "2026-03-01", "2026-04-01"),
            ("2024-02-29", "2024-02-01", "2024-03-01"),
            ("2026-02-28", "2026-02-01", "2026-03-01"),
            ("2026-12-31", "2026-12-01", "2027-01-01"),
            ("2026-01-30", "2026-01-01", "2026-02-01"),
        ] {
            let day = Day::parse(day).unwrap();
            assert_eq!([day.first_of_month(), day.first_of_next_month()].map(|day| day.to_string()), [first, next]);
            assert_eq!((Days::of_month(day).first(), Days::of_month(day).last()), (day.first_of_month(), day));
        }
    }

    #[test]
    fn a_range_includes_both_ends_and_has_at_most_366_days() {
        let day = |text: &str| (!text.is_empty()).then(|| Day::parse(text).unwrap());
        let today = Day::parse("2026-03-24").unwrap();
        for (from, to, expected) in [
            ("", "", Some(("2026-02-23", "2026-03-24", 30))),
            ("2026-03-24", "", Some(("2026-03-24", "2026-03-24", 1))),
            ("", "2026-01-30", Some(("2026-01-01", "2026-01-30", 30))),
            ("", "1970-01-02", Some(("1970-01-01", "1970-01-02", 2))),
            ("2025-03-24", "2026-03-24", Some(("2025-03-24", "2026-03-24", 366))),
            ("2025-03-23", "2026-03-24", None),
            ("2026-03-25", "", None),
            ("2026-03-02", "2026-03-01", None),
        ] {
            let days = Days::new(day(from), day(to), today).ok();
            let shown = days.map(|days| (days.first().to_string(), days.last().to_string(), days.iter().count()));
            let expected = expected.map(|(from, to, count)| (from.to_owned(), to.to_owned(), count));
            assert_eq!(shown, expected, "{from} to {to}");
        }
    }
}
