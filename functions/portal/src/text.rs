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

/// The page of endpoints.
pub(crate) mod endpoints {
    pub(crate) const TITLE: &str = "Endpoints";
    pub(crate) const NONE: &str = "There is no endpoint yet. An endpoint is a URL of yours that receives events.";
    pub(crate) const NAME: &str = "Name";
    pub(crate) const URL: &str = "URL";
    pub(crate) const STATE: &str = "State";
    pub(crate) const CREATED: &str = "Created";
    pub(crate) const ACTIVE: &str = "Active";
    pub(crate) const PAUSED: &str = "Paused";
    pub(crate) const DISABLED: &str = "Disabled";
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
