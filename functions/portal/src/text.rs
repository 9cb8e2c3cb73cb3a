//! The texts of the pages, in English.

pub(crate) const PRODUCT: &str = "Pigeonpost";
pub(crate) const SKIP: &str = "Skip to the content";
pub(crate) const NAVIGATION: &str = "Sections";
pub(crate) const SIGN_OUT: &str = "Sign out";
pub(crate) const NEXT_PAGE: &str = "Next page";
pub(crate) const FIRST_PAGE: &str = "First page";
pub(crate) const COPY: &str = "Copy";
pub(crate) const USUAL_CAUSE: &str = "Usual cause:";
pub(crate) const WHAT_TO_DO: &str = "What to do:";
pub(crate) const MORE_ABOUT: &str = "More about";
pub(crate) const PAUSE_UPDATES: &str = "Pause updates";
pub(crate) const RESUME_UPDATES: &str = "Resume updates";

pub(crate) const NOT_SIGNED_IN_TITLE: &str = "You are not signed in";
pub(crate) const NOT_SIGNED_IN: &str = "Your session has ended, or this browser has none. Open this page again from the application that brought you here.";
pub(crate) const NOT_FOUND_TITLE: &str = "Not found";
pub(crate) const FORBIDDEN_TITLE: &str = "Not allowed";
pub(crate) const REFUSED_TITLE: &str = "This did not work";
pub(crate) const UNAVAILABLE_TITLE: &str = "Not available right now";
pub(crate) const UNAVAILABLE: &str = "The service does not answer at the moment. Load the page again in a few seconds.";
pub(crate) const INTERNAL_TITLE: &str = "Something went wrong";
pub(crate) const INTERNAL: &str = "This is a defect of the service. Please report the number of the request.";
pub(crate) const REQUEST: &str = "Request";
pub(crate) const FOREIGN_FORM: &str =
    "This form is not from a page of your session. Open the page again, and send the form from there.";

pub(crate) const LINK_DOES_NOT_WORK_TITLE: &str = "This link does not work any more";
pub(crate) const LINK_DOES_NOT_WORK: &str = "A link works once, within five minutes. It may also have been revoked. Go back to \
    the application that gave you the link, and open the portal again.";
pub(crate) const NOT_OPENED: &str = "A link is opened by a person, not in advance.";
pub(crate) const NO_COOKIES_IN_FRAME_TITLE: &str = "Open the portal in a new tab";
pub(crate) const NO_COOKIES_IN_FRAME: &str =
    "Your browser keeps no session for a page within another page. In a tab of its own the portal works.";
pub(crate) const OPEN_IN_NEW_TAB: &str = "Open in a new tab";
pub(crate) const OTHER_SESSION_TITLE: &str = "You are signed in elsewhere";
pub(crate) const ALL_ORGANIZATIONS: &str = "all organizations, as an operator";
pub(crate) const LEAVE_OTHER_SESSION: &str = "Open this link";
pub(crate) const SIGNED_OUT_TITLE: &str = "You are signed out";
pub(crate) const SIGNED_OUT: &str = "Your session has ended. You can close this page.";

pub(crate) const CORRECT_THE_FIELDS: &str = "This did not work. Please correct the marked fields.";
pub(crate) const UNAVAILABLE_FORM: &str =
    "The service does not answer at the moment. Nothing is lost: send the form again in a few seconds.";

/// The question before a session is replaced.
pub(crate) fn other_session(present: &str, wanted: &str) -> String {
    format!(
        "In this browser you are signed in to the portal of {present}. The link is for {wanted}. If you did not expect that, close this \
         page. If you open the link, you leave the portal of {present} in this browser."
    )
}

/// The link back to the application.
pub(crate) fn back_to(host: &str) -> String {
    format!("Back to {host}")
}

/// A message of the API as a sentence.
pub(crate) fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if message.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// A number with its thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Charts.
pub(crate) mod chart {
    pub(crate) const SHOW_NUMBERS: &str = "Show numbers";
    pub(crate) const FROM: &str = "From";
}

/// The list of endpoints.
pub(crate) mod endpoints {
    pub(crate) const TITLE: &str = "Endpoints";
    pub(crate) const NONE: &str =
        "There is no endpoint yet. An endpoint is a URL of yours that receives events as signed POST requests.";
    pub(crate) const CREATE: &str = "Create an endpoint";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const URL: &str = "URL";
    pub(crate) const STATE: &str = "State";
    pub(crate) const LAST_DAY: &str = "Last 24 hours";
    pub(crate) const SHARE: &str = "Delivered";
}

/// The pages of an endpoint.
pub(crate) mod endpoint {
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
    pub(crate) const DISABLE_QUESTION: &str =
        "Disable this endpoint? It gets no new deliveries, and those that wait fail.";
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
    pub(crate) const PATTERNS: &str = "Other types and patterns";
    pub(crate) const PATTERNS_ONLY: &str = "Types and patterns";
    pub(crate) const PATTERNS_HELP: &str =
        "One a line: a type such as invoice.paid, a pattern such as invoice.* or *.failed, or * for all.";
    pub(crate) const CHANNELS: &str = "Channels";
    pub(crate) const CHANNELS_HELP: &str =
        "One a line. With channels, only events of one of them are sent. Empty: all.";
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
}

/// The page of an endpoint's signing secrets.
pub(crate) mod signing {
    pub(crate) const KEYS: &str = "Keys";
    pub(crate) const KEY: &str = "Key";
    pub(crate) const ALGORITHM: &str = "Signature";
    pub(crate) const PUBLIC_KEY: &str = "Public key";
    pub(crate) const NO_PUBLIC_KEY: &str = "None: the secret is shared";
    pub(crate) const SECRET: &str = "Secret";
    pub(crate) const SIGNS_UNTIL: &str = "Signs until";
    pub(crate) const NEWEST: &str = "It is rotated";
    pub(crate) const REVEAL: &str = "Show the secrets";
    pub(crate) const REVEAL_HELP: &str = "Who shows them is recorded.";
    pub(crate) const NEW_SECRET: &str = "The new secret";
    pub(crate) const SECRET_ONCE: &str =
        "Give it to your receiver now. It is not shown again. Until the overlap ends, both secrets sign each request.";
    pub(crate) const ROTATE: &str = "Rotate the secret";
    pub(crate) const ROTATE_HELP: &str =
        "A new secret is generated. The present one signs beside it for a while, so that no delivery is refused.";
    pub(crate) const ROTATE_QUESTION: &str =
        "Rotate the secret? The receiver needs the new one before the overlap ends.";
    pub(crate) const OVERLAP: &str = "The former secret also signs";
    pub(crate) const OVERLAP_NONE: &str = "no longer";
    pub(crate) const OVERLAP_HOUR: &str = "for an hour";
    pub(crate) const OVERLAP_DAY: &str = "for a day";
    pub(crate) const OVERLAP_DAYS: &str = "for three days";
    pub(crate) const OVERLAP_WEEK: &str = "for a week";
    pub(crate) const VERIFY: &str = "Verify signatures";
    pub(crate) const VERIFY_HELP: &str = "Verify each request before you trust it, with the raw body. A request that is older \
        than five minutes may be a copy that somebody sends again.";
}

/// The page of an endpoint's replays.
pub(crate) mod replay {
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
    pub(crate) const NEEDS_EVENTS: &str =
        "this session is for some endpoints and may not read events, which this replay needs";
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
}

/// The page of a delivery.
pub(crate) mod deliveries {
    pub(crate) const PENDING: &str = "Being sent";
    pub(crate) const HELD: &str = "Waiting for the endpoint";
    pub(crate) const RETRYING: &str = "Will be retried";
    pub(crate) const SUCCESS: &str = "Delivered";
    pub(crate) const EXHAUSTED: &str = "All attempts failed";
    pub(crate) const FAILED: &str = "Failed";

    pub(crate) const STATUS: &str = "Status";
    pub(crate) const NEXT_ATTEMPT: &str = "Next attempt";
    pub(crate) const WHEN_RESUMED: &str = "When the endpoint accepts deliveries again";
    pub(crate) const NOW: &str = "Now";
    pub(crate) const ENDPOINT: &str = "Endpoint";
    pub(crate) const PUBLISHED: &str = "Published";
    pub(crate) const EVENT: &str = "Event";
    pub(crate) const DELIVERY: &str = "Delivery";
    pub(crate) const WHY: &str = "Why it failed";

    pub(crate) const ATTEMPTS: &str = "Attempts";
    pub(crate) const NO_ATTEMPTS: &str = "There was no attempt yet.";
    pub(crate) const RESEND_ATTEMPT: &str = "Resend";
    pub(crate) const NO_RESPONSE: &str = "No response";
    pub(crate) const SHOW_RESPONSE: &str = "Show the response";
    pub(crate) const RESPONSE: &str = "Response";
    pub(crate) const RESPONSE_HEADERS: &str = "Headers of the response";
    pub(crate) const RESPONSE_BODY: &str = "Body of the response";
    pub(crate) const EMPTY_BODY: &str = "The body is empty.";
    pub(crate) const BODY_BROKEN: &str = "The connection broke, or the time was over, before the end of the body.";
    pub(crate) const BY_SCHEDULE: &str = "by the schedule";
    pub(crate) const BY_RETRY: &str = "retried by a person or a job";
    pub(crate) const BY_RESEND: &str = "sent again by a person";
    pub(crate) const BY_PROBE: &str = "to see whether the endpoint works again";
    pub(crate) const BY_TEST: &str = "test";

    pub(crate) const RESEND: &str = "Send again";
    pub(crate) const RETRY: &str = "Retry with the whole schedule";
    pub(crate) const RESEND_HELP: &str = "Send again makes one attempt, now. The receiver gets the same webhook-id.";
    pub(crate) const SENT_TEST: &str = "The test event was sent. Its result appears here.";
    pub(crate) const SENT_AGAIN: &str = "It is sent again. The attempt appears below in a moment.";
    pub(crate) const SENT_RETRY: &str = "The delivery is retried. The attempt appears below in a moment.";

    pub(crate) const PAYLOAD: &str = "Payload";
    pub(crate) const DOWNLOAD: &str = "Download";
    pub(crate) const CUT: &str = "only the beginning is shown";
    pub(crate) const CURL: &str = "Try it by hand";
    pub(crate) const CURL_HELP: &str = "The same request with curl, without the values of your headers and without a signature. \
        A receiver that verifies signatures refuses it.";

    /// The name of an attempt.
    pub(crate) fn attempt(number: u32) -> String {
        format!("Attempt {number}")
    }

    /// A duration.
    pub(crate) fn milliseconds(ms: u32) -> String {
        match ms {
            0..1_000 => format!("{ms} ms"),
            _ => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        }
    }

    /// A size.
    pub(crate) fn bytes(bytes: usize) -> String {
        match bytes {
            0..1_024 => format!("{bytes} bytes"),
            _ => format!("{} KB", bytes.div_ceil(1_024)),
        }
    }
}

/// The operators' pages.
pub(crate) mod operator {
    pub(crate) const TITLE: &str = "Organizations";
    pub(crate) const NONE: &str = "There is no organization yet. Each tenant of your product is one.";
    pub(crate) const NONE_FOUND: &str = "No organization matches.";
    pub(crate) const NEW: &str = "New organization";
    pub(crate) const CREATE: &str = "Create";
    pub(crate) const CANCEL: &str = "Cancel";
    pub(crate) const FIND: &str = "Search";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const ID: &str = "Id";
    pub(crate) const SLUG: &str = "Slug";
    pub(crate) const SLUG_HELP: &str = "A short name for URLs, unique in the deployment.";
    pub(crate) const EXTERNAL_ID: &str = "External id";
    pub(crate) const EXTERNAL_ID_HELP: &str = "The identifier of the tenant in your product.";
    pub(crate) const DESCRIPTION: &str = "Description";
    pub(crate) const STATE: &str = "State";
    pub(crate) const ANY_STATE: &str = "Any";
    pub(crate) const VOLUME: &str = "Events of the last 7 days";
    pub(crate) const EVENTS: &str = "events";
    pub(crate) const CREATED: &str = "Created";
    pub(crate) const ACTIONS: &str = "Actions";
    pub(crate) const ACTIVE: &str = "Active";
    pub(crate) const SUSPENDED: &str = "Suspended";
    pub(crate) const DELETING: &str = "Being deleted";
    pub(crate) const SUSPEND: &str = "Suspend";
    pub(crate) const SUSPEND_CONSEQUENCE: &str = "Publishing is refused, deliveries that wait fail, and the organization's \
        portal sessions end at once.";
    pub(crate) const REACTIVATE: &str = "Reactivate";
    pub(crate) const HEALTH: &str = "Health";
    pub(crate) const SUSPENDED_ENDPOINTS: &str = "Suspended endpoints";
    pub(crate) const NO_SUSPENDED_ENDPOINTS: &str = "None";
    pub(crate) const ENDPOINT: &str = "Endpoint";
    pub(crate) const ORGANIZATION: &str = "Organization";
    pub(crate) const METRICS: &str = "Backlog";
    pub(crate) const METRICS_HELP: &str = "Counting what waits means reading all of it, so this page does not. The sweep counts it \
        and writes these metrics to CloudWatch, in the namespace Pigeonpost; the local host writes none.";
    pub(crate) const METRIC: &str = "Metric";
    pub(crate) const MEANING: &str = "Meaning";
    pub(crate) const ALL_METRICS: [(&str, &str); 4] = [
        ("Parked", "How many deliveries wait for a time or for a suspended endpoint; every five minutes"),
        ("SuspendedEndpoints", "How many endpoints are suspended; every five minutes"),
        ("SweepOverdueSeconds", "How late the oldest delivery is that is due; up to 60 seconds is usual"),
        (
            "ApproximateNumberOfMessagesVisible",
            "Dead letters: the metric of the queue DeadLetterQueue in the namespace AWS/SQS. It is zero in a healthy deployment",
        ),
    ];

    /// How many endpoints are suspended.
    pub(crate) fn suspended_endpoints(number: &str, has_more: bool) -> String {
        if has_more { format!("More than {number}") } else { number.to_owned() }
    }
}

/// The pages of events.
pub(crate) mod events {
    pub(crate) const TITLE: &str = "Events";
    pub(crate) const ALL: &str = "All events";
    pub(crate) const NONE: &str = "No event was published yet.";
    pub(crate) const PUBLISH: &str = "Publish the first event with an API key:";
    pub(crate) const NONE_FOUND: &str = "No event matches these filters.";
    pub(crate) const TYPE: &str = "Type";
    pub(crate) const CHANNEL: &str = "Channel";
    pub(crate) const CHANNELS: &str = "Channels";
    pub(crate) const EXTERNAL_ID: &str = "External id";
    pub(crate) const SINCE: &str = "Since (UTC)";
    pub(crate) const UNTIL: &str = "Until (UTC)";
    pub(crate) const FILTER: &str = "Filter";
    pub(crate) const PUBLISHED: &str = "Published";
    pub(crate) const ID: &str = "Id";
    pub(crate) const ENDPOINT: &str = "Endpoint";
    pub(crate) const ENDPOINTS: &str = "Endpoints";
    pub(crate) const SUBJECT: &str = "Subject";
    pub(crate) const SCHEMA_VERSION: &str = "Schema version";
    pub(crate) const TEST: &str = "Test";
    pub(crate) const IS_TEST: &str = "Sent to one endpoint only";
    pub(crate) const REMOVED: &str = "Data removed";
    pub(crate) const DATA: &str = "Data";
    pub(crate) const DATA_WAS_REMOVED: &str = "The data was removed on";
    pub(crate) const DELIVERIES: &str = "Deliveries";
    pub(crate) const NO_DELIVERIES: &str = "No endpoint receives this event.";
    pub(crate) const STATE: &str = "State";
    pub(crate) const ATTEMPTS: &str = "Attempts";
    pub(crate) const NEXT_ATTEMPT: &str = "Next attempt";
    pub(crate) const UPDATED: &str = "Updated";
    pub(crate) const REMOVE_DATA: &str = "Remove the data";
    pub(crate) const REMOVE_DATA_CONSEQUENCE: &str = "The data of this event, the responses to its deliveries and their signatures \
        are removed for good. Deliveries that wait fail.";
    pub(crate) const ONLY_OWNERS_REMOVE: &str = "only an owner or the platform may remove the data of events";

    /// The command that publishes an event.
    pub(crate) fn publish_command(origin: &str, organization: &str) -> String {
        format!(
            "curl {origin}/v1/organizations/{organization}/events \\\n  -H \"Authorization: Bearer $API_KEY\" \\\n  \
             -H \"Content-Type: application/json\" \\\n  -d '{{\"type\": \"order.created\", \"data\": {{\"id\": 1}}}}'"
        )
    }
}

/// The page of usage.
pub(crate) mod usage {
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
}

/// The pages of event types.
pub(crate) mod event_types {
    pub(crate) const TITLE: &str = "Event types";
    pub(crate) const ALL: &str = "All event types";
    pub(crate) const NONE: &str =
        "The catalogue is empty. Events of any type can be published, and their data is not checked.";
    pub(crate) const CREATE: &str = "Describe the first type with the platform's key:";
    pub(crate) const NONE_FOUND: &str =
        "No event type matches. Deprecated types are shown; archived ones only on request.";
    pub(crate) const SEARCH: &str = "Search by name, group or description";
    pub(crate) const SHOW_ARCHIVED: &str = "Show archived types";
    pub(crate) const FIND: &str = "Search";
    pub(crate) const OTHERS: &str = "Other types";
    pub(crate) const TYPE: &str = "Type";
    pub(crate) const DESCRIPTION: &str = "Description";
    pub(crate) const DEPRECATED: &str = "Deprecated";
    pub(crate) const IS_DEPRECATED: &str = "This type is deprecated. It still arrives, but build nothing new on it.";
    pub(crate) const ARCHIVED: &str = "Archived";
    pub(crate) const INTERNAL: &str = "Internal: organizations do not see it";
    pub(crate) const GROUP: &str = "Group";
    pub(crate) const STATE: &str = "State";
    pub(crate) const UPDATED: &str = "Changed";
    pub(crate) const VERSION: &str = "Version";
    pub(crate) const VERSIONS: &str = "Versions";
    pub(crate) const NO_SCHEMA: &str = "This type has neither a schema nor an example, so its data can be anything.";
    pub(crate) const FIELDS: &str = "Fields of the data";
    pub(crate) const NO_FIELDS: &str = "The schema names no fields.";
    pub(crate) const MORE_FIELDS: &str = "There are more fields. The whole schema is below.";
    pub(crate) const FIELD: &str = "Field";
    pub(crate) const KIND: &str = "Kind";
    pub(crate) const REQUIRED: &str = "Required";
    pub(crate) const OPTIONAL: &str = "Optional";
    pub(crate) const RULES: &str = "Rules";
    pub(crate) const SCHEMA: &str = "JSON Schema";
    pub(crate) const EXAMPLE: &str = "Example";
    pub(crate) const IS_CUT: &str = "The beginning is shown. The API returns all of it.";

    /// The command that creates a type.
    pub(crate) fn create_command(origin: &str) -> String {
        format!(
            "curl {origin}/v1/event-types \\\n  -H \"Authorization: Bearer $PLATFORM_KEY\" \\\n  \
             -H \"Content-Type: application/json\" \\\n  -d '{{\"name\": \"order.created\", \"description\": \"An order was placed.\"}}'"
        )
    }
}

/// Rules of a schema in words.
pub(crate) mod schema {
    pub(crate) const DATA: &str = "(the data)";
    pub(crate) const ANY_NAME: &str = "(any name)";
    pub(crate) const ANY: &str = "any";
    pub(crate) const CHARACTERS: &str = " characters";
    pub(crate) const ITEMS: &str = " items";
    pub(crate) const UNIQUE: &str = "no item twice";
    pub(crate) const NO_OTHERS: &str = "no other fields";

    /// An array of things of a kind.
    pub(crate) fn array_of(kind: &str) -> String {
        format!("array of {kind}")
    }

    /// One of several kinds.
    pub(crate) fn either(kinds: &[String]) -> String {
        kinds.join(" or ")
    }

    /// One of these values, or of more.
    pub(crate) fn one_of(values: &str, more: bool) -> String {
        format!("one of {values}{}", if more { " and more" } else { "" })
    }

    /// A fixed value.
    pub(crate) fn always(value: &str) -> String {
        format!("always {value}")
    }

    /// A named format.
    pub(crate) fn format(name: &str) -> String {
        format!("format {name}")
    }

    /// A range; `None` if there are no bounds.
    pub(crate) fn between(least: Option<String>, most: Option<String>, unit: &str) -> Option<String> {
        match (least, most) {
            (Some(least), Some(most)) if least == most => Some(format!("exactly {least}{unit}")),
            (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
            (Some(least), None) => Some(format!("at least {least}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            (None, None) => None,
        }
    }

    /// A lower bound that is excluded.
    pub(crate) fn more_than(least: &str) -> String {
        format!("more than {least}")
    }

    /// An upper bound that is excluded.
    pub(crate) fn less_than(most: &str) -> String {
        format!("less than {most}")
    }

    /// A step.
    pub(crate) fn multiple_of(step: &str) -> String {
        format!("a multiple of {step}")
    }

    /// A pattern.
    pub(crate) fn pattern(pattern: &str) -> String {
        format!("matches {pattern}")
    }

    /// The value if the field is absent.
    pub(crate) fn by_default(value: &str) -> String {
        format!("by default {value}")
    }
}

/// The pages of API keys and portal sessions.
pub(crate) mod access {
    pub(crate) const TITLE: &str = "Access";
    pub(crate) const KEYS: &str = "API keys";
    pub(crate) const SESSIONS: &str = "Portal sessions";
    pub(crate) const DONE: &str = "I have copied it: back to the list";
    pub(crate) const CANCEL: &str = "Cancel";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const RIGHTS: &str = "Rights";
    pub(crate) const ROLE: &str = "Role";
    pub(crate) const STATE: &str = "State";
    pub(crate) const LAST_USED: &str = "Last used";
    pub(crate) const EXPIRES: &str = "Expires";
    pub(crate) const NEVER: &str = "never";
    pub(crate) const ACTIONS: &str = "Actions";
    pub(crate) const ACTIVE: &str = "Active";
    pub(crate) const ROTATED: &str = "Rotated";
    pub(crate) const EXPIRED: &str = "Expired";
    pub(crate) const REVOKED: &str = "Revoked";
    pub(crate) const REVOKE: &str = "Revoke";
    pub(crate) const ROTATE: &str = "Rotate";

    pub(crate) const NO_KEYS: &str = "There is no API key yet. Your application needs one to publish events.";
    pub(crate) const NEW_KEY: &str = "New API key";
    pub(crate) const KEY: &str = "API key";
    pub(crate) const KEY_ISSUED: &str = "Your new API key";
    pub(crate) const KEY_ONCE: &str =
        "Copy the key now, and store it where your other secrets are. It is not shown again.";
    pub(crate) const ROTATED_KEY_ONCE: &str =
        "Copy the new key now. It is not shown again. The former key works for 24 more hours.";
    pub(crate) const KEY_NAME_HELP: &str = "Where the key is used, such as “billing service”.";
    pub(crate) const PUBLISHER: &str = "Publisher: publishes events";
    pub(crate) const MEMBER: &str = "Member: reads everything except keys";
    pub(crate) const ADMIN: &str = "Admin: everything except keys";
    pub(crate) const OWNER: &str = "Owner: everything";
    pub(crate) const EXACT: &str = "Exactly the scopes below";
    pub(crate) const SCOPES: &str = "Scopes";
    pub(crate) const SCOPES_HELP: &str = "They count only with the role “Exactly the scopes below”.";
    pub(crate) const EXPIRES_UTC: &str = "Expires (UTC)";
    pub(crate) const EXPIRES_HELP: &str = "Without a time, the key works until it is revoked.";
    pub(crate) const ISSUE: &str = "Issue the key";
    pub(crate) const ROTATE_CONSEQUENCE: &str =
        "You get a new key with the same rights. This one works for 24 more hours.";
    pub(crate) const REVOKE_KEY_CONSEQUENCE: &str = "The key stops working within a minute, for good.";

    pub(crate) const NO_SESSIONS: &str = "Nobody has a portal session.";
    pub(crate) const NEW_SESSION: &str = "New sign-in link";
    pub(crate) const CREATE_LINK: &str = "Create the link";
    pub(crate) const LINK: &str = "Sign-in link";
    pub(crate) const LINK_CREATED: &str = "The sign-in link";
    pub(crate) const LINK_ONCE: &str = "Copy the link now and send it to the person. It works once, within five minutes, and is not \
        shown again. Whoever opens it is signed in.";
    pub(crate) const PERSON: &str = "Person";
    pub(crate) const PERSON_HELP: &str =
        "Who will use the link, such as an e-mail address. The audit log has this name.";
    pub(crate) const DURATION: &str = "Duration of the session";
    pub(crate) const ONE_HOUR: &str = "1 hour";
    pub(crate) const FOUR_HOURS: &str = "4 hours";
    pub(crate) const EIGHT_HOURS: &str = "8 hours";
    pub(crate) const ONE_DAY: &str = "24 hours";
    pub(crate) const CREATED: &str = "Created";
    pub(crate) const CREATED_BY: &str = "by";
    pub(crate) const UNTIL: &str = "Until";
    pub(crate) const UNNAMED: &str = "Not named";
    pub(crate) const THIS_SESSION: &str = "This session";
    pub(crate) const NOT_OPENED: &str = "Link not opened";
    pub(crate) const REVOKE_SESSION_CONSEQUENCE: &str = "The session ends at once.";

    /// The number of endpoints that the rights are bound to.
    pub(crate) fn bound(endpoints: usize) -> String {
        match endpoints {
            1 => "1 endpoint only".to_owned(),
            _ => format!("{endpoints} endpoints only"),
        }
    }
}
