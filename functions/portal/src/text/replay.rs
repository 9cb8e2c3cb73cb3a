//! The page of an endpoint's replays.

pub(crate) const HELP: &str = "After an outage, or for a new endpoint: sends the events of a span of time. Count first; \
    counting sends nothing.";
pub(crate) const WHAT: &str = "What is sent";
pub(crate) const FAILED: &str = "What failed";
pub(crate) const MISSED: &str = "What the endpoint never got";
pub(crate) const ALL: &str = "Everything, also what was delivered";
pub(crate) const SINCE: &str = "Published since (UTC)";
pub(crate) const UNTIL: &str = "Published before (UTC)";
pub(crate) const UNTIL_HELP: &str = "Empty: until now.";
pub(crate) const TYPES: &str = "Only these event types";
pub(crate) const TYPES_HELP: &str = "One a line; patterns such as invoice.* are allowed. Empty: all.";
pub(crate) const COUNT: &str = "Count";
pub(crate) const START: &str = "Replay";
pub(crate) const QUESTION: &str = "Send these events to the endpoint?";
pub(crate) const STARTED: &str = "The replay has begun. Its progress is below.";
pub(crate) const WOULD_SEND: &str = "This would send";
pub(crate) const AT_LEAST: &str = "at least";
pub(crate) const DELIVERIES: &str = "deliveries.";
pub(crate) const EXPIRING: &str = "of them expire within a day.";
pub(crate) const JOBS: &str = "Progress";
pub(crate) const NO_JOBS: &str = "Nothing was replayed in the last 30 days.";
pub(crate) const JOB: &str = "Work";
pub(crate) const STATE: &str = "State";
pub(crate) const MOVED: &str = "Deliveries";
pub(crate) const REQUESTED: &str = "Requested";
pub(crate) const PROCESSED: &str = "Done until";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const OPEN: &str = "In progress";
pub(crate) const DONE: &str = "Done";
pub(crate) const CANCELLED: &str = "Cancelled";
pub(crate) const REPLAY: &str = "Replay";
pub(crate) const RECOVER: &str = "Retry of what failed";
pub(crate) const RELEASE: &str = "Sending what waited";
pub(crate) const FAIL_HELD: &str = "Failing what waited";
