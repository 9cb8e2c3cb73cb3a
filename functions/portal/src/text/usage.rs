//! The page of usage.

use super::number;

pub(crate) const TITLE: &str = "Usage";
pub(crate) const LIMITS: &str = "Limits";
pub(crate) const EVENTS: &str = "events";
pub(crate) const DELIVERIES: &str = "deliveries";
pub(crate) const ATTEMPTS: &str = "attempts";
pub(crate) const TITLES: [&str; 3] = ["Events by day", "Deliveries by day", "Attempts by day"];
pub(crate) const ALL: &str = "Usage by day";
pub(crate) const DAYS: &str = "Days";
pub(crate) const EARLIER: &str = "Earlier days";
pub(crate) const LATEST: &str = "Latest days";
pub(crate) const EVENTS_OF_MONTH: &str = "Events this month";
pub(crate) const ENDPOINTS: &str = "Endpoints";
pub(crate) const RATE: &str = "Rate of events";
pub(crate) const DATA_BYTES: &str = "Data of an event";
pub(crate) const UNLIMITED: &str = "No limit";

/// The heading of the charts.
pub(crate) fn by_day(first: &str, last: &str) -> String {
    format!("{first} to {last}, by day (UTC)")
}

/// A rate.
pub(crate) fn per_second(rate: u32, burst: u32) -> String {
    format!("At most {} a second, {} at once", number(rate.into()), number(burst.into()))
}

/// A size.
pub(crate) fn kilobytes(bytes: u32) -> String {
    match (bytes / 1_024, bytes % 1_024) {
        (kilobytes, 0) => format!("At most {} KB", number(kilobytes.into())),
        _ => format!("At most {} bytes", number(bytes.into())),
    }
}

/// How much of a limit is used.
pub(crate) fn of(used: u64, limit: u64, percent: u64) -> String {
    format!("{} of {} ({percent} %)", number(used), number(limit))
}
