//! The pages of an endpoint.

pub(crate) const TABS: &str = "Pages of the endpoint";
pub(crate) const OVERVIEW: &str = "Overview";
pub(crate) const DELIVERIES: &str = "Deliveries";
pub(crate) const TEST: &str = "Send a test";
pub(crate) const SETTINGS: &str = "Settings";
pub(crate) const SIGNING: &str = "Signing";
pub(crate) const REPLAY: &str = "Replay";

pub(crate) const ACTIVE: &str = "Active";
pub(crate) const FAILING: &str = "Failing";
pub(crate) const SUSPENDED: &str = "Suspended";
pub(crate) const PAUSED: &str = "Paused";
pub(crate) const DISABLED: &str = "Disabled";
pub(crate) const SINCE: &str = "since";
pub(crate) const NEXT_PROBE: &str = "next try";
pub(crate) const BY_OWNER: &str = "by a person or a key";
pub(crate) const BY_GONE: &str = "because the receiver answered 410 Gone";
pub(crate) const BY_FAILING: &str = "because no attempt succeeded for five days";
pub(crate) const RESUME: &str = "Resume";
pub(crate) const RESUME_NOW: &str = "Resume now";
pub(crate) const PAUSE: &str = "Pause";
pub(crate) const ENABLE: &str = "Enable";
pub(crate) const DISABLE: &str = "Disable";
pub(crate) const DISABLE_QUESTION: &str = "Disable this endpoint? It gets no new deliveries, and those that wait fail.";
pub(crate) const DELETE: &str = "Delete…";
pub(crate) const DELETE_TITLE: &str = "Delete this endpoint?";
pub(crate) const DELETE_HELP: &str = "It gets nothing more, those of its deliveries that wait fail, and none of its \
    deliveries can be read any more. This cannot be undone. To stop it for a while, pause or disable it.";
pub(crate) const DELETE_FOREVER: &str = "Delete permanently";
pub(crate) const KEEP: &str = "Keep it";

pub(crate) const IS_HEALTHY: &str = "Deliveries arrive.";
pub(crate) const IS_NEW: &str = "Nothing was delivered yet. Send a test to see whether the receiver works.";
pub(crate) const IS_FAILING: &str =
    "More attempts fail than succeed. They are retried. If this continues, the endpoint is suspended.";
pub(crate) const IS_SUSPENDED: &str = "Too many attempts failed, so deliveries wait. One of them is tried from time to \
    time. When it succeeds, the others are sent. When the receiver works again, you can resume at once.";
pub(crate) const IS_PAUSED: &str = "The endpoint is paused. Deliveries wait until you resume it.";
pub(crate) const IS_DISABLED: &str =
    "The endpoint is disabled and gets no deliveries. Correct the receiver, and enable the endpoint.";
pub(crate) const LAST_SUCCESS: &str = "The last one was accepted";
pub(crate) const WAITING: &str = "deliveries wait for this endpoint.";
pub(crate) const LAST_DAY: &str = "The last 24 hours";
pub(crate) const CHART: &str = "Deliveries by hour";
pub(crate) const DELIVERED: &str = "delivered";
pub(crate) const NOT_DELIVERED: &str = "not delivered";
pub(crate) const SUCCESS_SHARE: &str = "Delivered";
pub(crate) const ENDED: &str = "Deliveries";
pub(crate) const P50: &str = "Half of the attempts took up to";
pub(crate) const P95: &str = "95 % took up to";
pub(crate) const NOTHING: &str = "–";
pub(crate) const ERRORS: &str = "Why attempts failed";
pub(crate) const STATISTICS_ARE_LATE: &str =
    "The numbers may be up to ten minutes late. A delivery that is still being retried is not counted.";

pub(crate) const ANY: &str = "Any";
pub(crate) const TYPE: &str = "Event type";
pub(crate) const ERROR: &str = "Error";
pub(crate) const SINCE_UTC: &str = "Since (UTC)";
pub(crate) const UNTIL_UTC: &str = "Until (UTC)";
pub(crate) const FILTER: &str = "Filter";
pub(crate) const ALL: &str = "Show all";
pub(crate) const NONE_MATCH: &str = "No delivery matches.";
pub(crate) const NO_DELIVERIES: &str = "There are no deliveries yet.";
pub(crate) const LAST_RESULT: &str = "Last result";
pub(crate) const PAUSE_LIST: &str = "Pause this list";
pub(crate) const RESUME_LIST: &str = "Keep this list current";

pub(crate) const TEST_HELP: &str =
    "A test is a real, signed request to this endpoint alone, whatever its event types, channels and filter are.";
pub(crate) const EXAMPLE_OF: &str = "Example of";
pub(crate) const LOAD_EXAMPLE: &str = "Load the example";
pub(crate) const DATA: &str = "Data";
pub(crate) const DATA_HELP: &str = "A JSON object, the data of the event.";
pub(crate) const SEND_TEST: &str = "Send the test";

pub(crate) const CREATE_TITLE: &str = "Create an endpoint";
pub(crate) const CREATED_TITLE: &str = "The endpoint was created";
pub(crate) const CREATE: &str = "Create";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const MORE: &str = "More settings";
pub(crate) const SECRET: &str = "Signing secret";
pub(crate) const SECRET_ONCE: &str =
    "Copy it now, and store it where your receiver finds it. It is not shown again. If you lose it, rotate it.";
pub(crate) const TO_ENDPOINT: &str = "Go to the endpoint";
pub(crate) const NAME: &str = "Name";
pub(crate) const URL: &str = "URL";
pub(crate) const URL_HELP: &str = "Where events are sent by POST, such as https://example.com/webhooks.";
pub(crate) const DESCRIPTION: &str = "Description";
pub(crate) const TYPES: &str = "Which events";
pub(crate) const FIND_TYPE: &str = "Find a type";
pub(crate) const NO_TYPE_FOUND: &str = "No type matches.";
pub(crate) const WHOLE_BRANCH: &str = "all of these, and those that come later";
pub(crate) const MORE_TYPES: &str = "These are the first types of the catalogue. Enter others below.";
pub(crate) const PATTERNS: &str = "Other types and patterns";
pub(crate) const PATTERNS_ONLY: &str = "Types and patterns";
pub(crate) const PATTERNS_HELP: &str =
    "One a line: a type such as invoice.paid, a pattern such as invoice.* or *.failed, or * for all.";
pub(crate) const CHANNELS: &str = "Channels";
pub(crate) const CHANNELS_HELP: &str = "One a line. With channels, only events of one of them are sent. Empty: all.";
pub(crate) const EVENT_FILTER: &str = "Filter";
pub(crate) const FILTER_HELP: &str =
    r#"JSON that an event must match, such as {"data": {"amount": [{"numeric": [">=", 100]}]}}. Empty: all."#;
pub(crate) const HEADERS: &str = "Additional headers";
pub(crate) const HEADERS_HELP: &str = "One a line, such as authorization: Bearer abc. Each request has them.";
pub(crate) const HEADER_LINES: &str = "must have a name, a colon and a value in each line";
pub(crate) const TIMEOUT: &str = "Timeout in seconds";
pub(crate) const TIMEOUT_HELP: &str = "How long an attempt may take, from 1 to 30. Empty: the default.";
pub(crate) const SCHEDULE: &str = "Retry schedule";
pub(crate) const SCHEDULE_HELP: &str =
    "The seconds before each retry, with commas, such as 5, 300, 3600. Empty: the default.";
pub(crate) const SECONDS_WITH_COMMAS: &str = "must be whole numbers of seconds with commas between them";
pub(crate) const USUAL_SCHEDULE: &str = "The default schedule:";
pub(crate) const AT_ONCE: &str = "at once";
pub(crate) const ALGORITHM: &str = "Signature";
pub(crate) const ALGORITHM_HELP: &str = "With Ed25519 your receiver needs only a public key.";
pub(crate) const HMAC: &str = "HMAC-SHA256, with a shared secret";
pub(crate) const ED25519: &str = "Ed25519, with a public key";
pub(crate) const SAVE: &str = "Save";
pub(crate) const SAVED: &str = "The settings were saved.";

pub(crate) const WOULD_MATCH: &str = "Would it receive this event?";
pub(crate) const WOULD_MATCH_HELP: &str = "Tries the saved settings. Nothing is sent.";
pub(crate) const TRY: &str = "Try";
pub(crate) const MATCHES: &str = "Yes, this endpoint would receive it.";
pub(crate) const DOES_NOT_MATCH: &str = "No, this endpoint would not receive it:";
pub(crate) const NOT_SUBSCRIBED: &str = "The event types do not include this type.";
pub(crate) const OTHER_EDITION: &str = "The endpoint is for events of an edition.";
pub(crate) const OTHER_CHANNELS: &str = "The endpoint has channels, and the event has none of them.";
pub(crate) const FILTERED: &str = "The filter does not match.";
pub(crate) const WANTED: &str = "must match";
pub(crate) const FOUND: &str = "and is";
pub(crate) const NOTHING_FOUND: &str = "absent";

/// How long after the first attempt a retry is made.
pub(crate) fn after(duration: &str) -> String {
    format!("after {duration}")
}
