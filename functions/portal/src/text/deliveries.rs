//! The page of a delivery.

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
