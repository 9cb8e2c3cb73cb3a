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
    pub(crate) const CREATED: &str = "Created";
}

/// The pages of an endpoint.
pub(crate) mod endpoint {
    pub(crate) const TABS: &str = "Pages of the endpoint";
    pub(crate) const OVERVIEW: &str = "Overview";
    pub(crate) const DELIVERIES: &str = "Deliveries";
    pub(crate) const TEST: &str = "Send a test";
    pub(crate) const SETTINGS: &str = "Settings";

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
    pub(crate) const NONE: &str = "There is no organization yet.";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const STATE: &str = "State";
    pub(crate) const CREATED: &str = "Created";
    pub(crate) const ACTIVE: &str = "Active";
    pub(crate) const SUSPENDED: &str = "Suspended";
    pub(crate) const DELETING: &str = "Being deleted";
}
