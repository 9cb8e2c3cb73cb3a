//! The time and the intervals of a request for statistics.

use std::collections::BTreeMap;

use super::{Hour, Statistics};
use crate::domain::Invalid;
use crate::domain::time::Timestamp;

/// Most days of one request. Statistics of earlier hours are not stored.
const MAX_DAYS: i64 = 32;

const HOURS_OF_A_DAY: i64 = 24;

/// The length of the intervals of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interval {
    /// Hours.
    #[default]
    Hour,
    /// Days in UTC.
    Day,
}

impl Interval {
    /// Every interval.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The interval's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The interval with this name.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|interval| interval.as_str() == text);
        found.ok_or_else(|| Invalid::new("must be hour or day"))
    }

    const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => HOURS_OF_A_DAY,
        }
    }

    /// How many intervals a request covers if it names no start.
    const fn default_count(self) -> i64 {
        match self {
            Self::Hour => 24,
            Self::Day => 30,
        }
    }
}

/// A number of whole intervals, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The length of each interval.
    pub interval: Interval,
    /// The first interval, as a number of intervals since 1970.
    first: i64,
    /// The interval after the last one.
    end: i64,
}

impl Span {
    /// The intervals that overlap the time from `since` to `until`. `until` is `now` by default, and `since` 24 hours or
    /// 30 days before.
    ///
    /// # Errors
    /// [`Invalid`] about `since` if `until` is not later, or if the intervals have more than 32 days.
    pub fn new(
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        interval: Interval,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        let hours = interval.hours();
        let until = until.unwrap_or(now);
        if since.is_some_and(|since| until <= since) {
            return Err(Invalid::new("must be earlier than until"));
        }
        let Hour(last) = Hour::of(Timestamp::from_unix_micros((until.unix_micros() - 1).max(0)));
        let end = last.div_euclid(hours) + 1;
        let first = since.map_or((end - interval.default_count()).max(0), |at| Hour::of(at).0.div_euclid(hours));
        if (end - first) * hours > MAX_DAYS * HOURS_OF_A_DAY {
            return Err(Invalid::new(format!(
                "must be at most {MAX_DAYS} days before until, rounded up to an interval"
            )));
        }
        Ok(Self { interval, first, end })
    }

    /// The interval that contains `now`.
    pub fn of_now(interval: Interval, now: Timestamp) -> Self {
        let end = Hour::of(now).0.div_euclid(interval.hours()) + 1;
        Self { interval, first: end - 1, end }
    }

    /// The start of the first interval.
    pub const fn since(self) -> Timestamp {
        self.first_hour().start()
    }

    /// The end of the last interval.
    pub const fn until(self) -> Timestamp {
        Hour(self.end * self.interval.hours()).start()
    }

    /// The first hour.
    pub const fn first_hour(self) -> Hour {
        Hour(self.first * self.interval.hours())
    }

    /// The last hour.
    pub const fn last_hour(self) -> Hour {
        Hour(self.end * self.interval.hours() - 1)
    }

    /// The statistics of each interval, in order, with the interval's start. Intervals without any have zeros.
    pub fn intervals(self, by_hour: &BTreeMap<Hour, Statistics>) -> Vec<(Timestamp, Statistics)> {
        let hours = self.interval.hours();
        let interval = |number: i64| {
            let mut sum = Statistics::default();
            let of_interval = by_hour.range(Hour(number * hours)..Hour((number + 1) * hours));
            of_interval.for_each(|(_, of_hour)| sum += *of_hour);
            (Hour(number * hours).start(), sum)
        };
        (self.first..self.end).map(interval).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_span_has_all_intervals_that_overlap_the_time() {
        let now = at("2026-03-24T20:30:00Z");
        for (since, until, interval, expected) in [
            ("", "", Interval::Hour, Some(("2026-03-23T21:00:00.000Z", "2026-03-24T21:00:00.000Z", 24))),
            ("", "", Interval::Day, Some(("2026-02-23T00:00:00.000Z", "2026-03-25T00:00:00.000Z", 30))),
            (
                "2026-03-24T18:59:59Z",
                "2026-03-24T20:00:00Z",
                Interval::Hour,
                Some(("2026-03-24T18:00:00.000Z", "2026-03-24T20:00:00.000Z", 2)),
            ),
            (
                "2026-03-24T18:00:00Z",
                "2026-03-24T20:00:00.001Z",
                Interval::Hour,
                Some(("2026-03-24T18:00:00.000Z", "2026-03-24T21:00:00.000Z", 3)),
            ),
            (
                "2026-03-23T23:59:59Z",
                "2026-03-24T00:00:01Z",
                Interval::Day,
                Some(("2026-03-23T00:00:00.000Z", "2026-03-25T00:00:00.000Z", 2)),
            ),
            (
                "2026-03-01T00:00:00Z",
                "2026-04-02T00:00:00Z",
                Interval::Hour,
                Some(("2026-03-01T00:00:00.000Z", "2026-04-02T00:00:00.000Z", 768)),
            ),
            ("2026-03-01T00:00:00Z", "2026-04-02T00:00:01Z", Interval::Hour, None),
            ("2026-03-01T00:00:00Z", "2026-04-02T00:00:01Z", Interval::Day, None),
            ("2026-03-24T20:00:00Z", "2026-03-24T20:00:00Z", Interval::Hour, None),
            ("2026-03-25T00:00:00Z", "", Interval::Hour, None),
            (
                "1970-01-01T00:00:00Z",
                "1970-01-01T00:00:01Z",
                Interval::Hour,
                Some(("1970-01-01T00:00:00.000Z", "1970-01-01T01:00:00.000Z", 1)),
            ),
            (
                "",
                "1970-01-01T00:00:00Z",
                Interval::Day,
                Some(("1970-01-01T00:00:00.000Z", "1970-01-02T00:00:00.000Z", 1)),
            ),
        ] {
            let time = |text: &str| (!text.is_empty()).then(|| at(text));
            let span = Span::new(time(since), time(until), interval, now).ok();
            let shown =
                span.map(|it| (it.since().rfc3339(), it.until().rfc3339(), it.intervals(&BTreeMap::new()).len()));
            let expected = expected.map(|(since, until, count)| (since.to_owned(), until.to_owned(), count));
            assert_eq!(shown, expected, "{since} to {until} by {interval:?}");
        }
    }

    #[test]
    fn the_statistics_of_a_day_are_the_sum_of_its_hours() {
        let hours = ["2026-03-23T23", "2026-03-24T00", "2026-03-24T23", "2026-03-25T00"];
        let by_hour: BTreeMap<_, _> = (1..)
            .zip(hours)
            .map(|(failed, hour)| (Hour::parse(hour).unwrap(), Statistics { failed, ..Statistics::default() }))
            .collect();
        let span = Span::new(
            Some(at("2026-03-23T12:00:00Z")),
            Some(at("2026-03-24T12:00:00Z")),
            Interval::Day,
            at("2026-03-24T12:00:00Z"),
        );
        let days: Vec<_> =
            span.unwrap().intervals(&by_hour).into_iter().map(|(start, sum)| (start.rfc3339(), sum.failed)).collect();
        assert_eq!(days, [("2026-03-23T00:00:00.000Z".to_owned(), 1), ("2026-03-24T00:00:00.000Z".to_owned(), 5)]);
    }
}
