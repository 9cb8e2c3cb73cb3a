//! Whether a service accepted a delivery, and if not, why.

use http::HeaderMap;
use serde::Deserialize;

use crate::domain::delivery::attempt::{Cause, Detail, Failure};
use crate::domain::endpoint::destination::arn::ResourceKind;
use crate::sender::answer::Beginning;

/// The part of `PutEvents`' response that decides.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    failed_entry_count: u32,
    #[serde(default)]
    entries: Vec<Refusal>,
}

/// The name and the message of an error, in the spellings of the services.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default, rename = "__type", alias = "ErrorCode")]
    code: String,
    #[serde(default, alias = "Message", alias = "ErrorMessage")]
    message: String,
}

/// Why a response is no success; `None` if it is one.
pub(in crate::sender) fn failure(
    kind: ResourceKind,
    status: u16,
    headers: &HeaderMap,
    body: &Beginning,
) -> Option<Failure> {
    if !(200..300).contains(&status) {
        return Some(refused(status, headers, serde_json::from_str(&body.text).unwrap_or_default()));
    }
    match kind {
        ResourceKind::Queue => None,
        // Without the count it is not known whether the bus has the event, so it is sent again.
        ResourceKind::EventBus => match serde_json::from_str::<PutEvents>(&body.text) {
            Ok(PutEvents { failed_entry_count: 0, .. }) => None,
            Ok(PutEvents { entries, .. }) => {
                Some(refused(status, headers, entries.into_iter().next().unwrap_or_default()))
            }
            Err(_) => Some(Cause::InvalidResponse.into()),
        },
        // The payload of the response does not matter.
        ResourceKind::Function => headers.get("x-amz-function-error").map(|_| of(Detail::FunctionError)),
    }
}

const fn of(detail: Detail) -> Failure {
    Failure { cause: Cause::AwsService, detail: Some(detail) }
}

fn refused(status: u16, headers: &HeaderMap, refusal: Refusal) -> Failure {
    let in_header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let code = in_header.unwrap_or(&refusal.code);
    // `com.amazonaws.sqs#QueueDoesNotExist`, or `ResourceNotFoundException:http://…`
    let code = code.rsplit('#').next().unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    Failure { cause: Cause::AwsService, detail: detail(code, status, &refusal.message) }
}

fn detail(code: &str, status: u16, message: &str) -> Option<Detail> {
    let named = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if named(&["AccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "InvalidClientTokenId"]) {
        Some(Detail::AccessDenied)
    } else if named(&["QueueDoesNotExist", "NonExistentQueue", "ResourceNotFound"]) {
        Some(Detail::ResourceNotFound)
    } else if named(&["Throttl", "TooManyRequests", "OverLimit"]) {
        Some(Detail::Throttled)
    } else if named(&["InvalidMessageContents"]) {
        Some(Detail::InvalidCharacters)
    } else if named(&["TooLarge"]) || is_about_size(message) {
        Some(Detail::MessageTooLarge)
    } else {
        match status {
            401 | 403 => Some(Detail::AccessDenied),
            404 => Some(Detail::ResourceNotFound),
            413 => Some(Detail::MessageTooLarge),
            429 => Some(Detail::Throttled),
            _ => None,
        }
    }
}

/// SQS and EventBridge have no error of their own for a message that is too large.
fn is_about_size(message: &str) -> bool {
    message.contains("must be shorter than") || message.contains("size of the entries")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Names and texts of errors from the services' API references.
    #[test]
    fn each_answer_of_a_service_has_its_meaning() {
        use ResourceKind::{EventBus, Function, Queue};
        let too_long = "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.";
        let too_long =
            format!(r#"{{"__type":"com.amazon.coral.service#InvalidParameterValueException","message":"{too_long}"}}"#);
        for (kind, status, header, body, expected) in [
            (Queue, 200, "", r#"{"MessageId":"1"}"#, "success"),
            (Queue, 400, "", r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}"#, "resource_not_found"),
            (Queue, 400, "", r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#, "access_denied"),
            (Queue, 403, "", "", "access_denied"),
            (Queue, 400, "", r#"{"__type":"com.amazonaws.sqs#RequestThrottled"}"#, "throttled"),
            (Queue, 400, "", r#"{"__type":"com.amazonaws.sqs#KmsThrottled"}"#, "throttled"),
            (Queue, 400, "", r#"{"__type":"com.amazonaws.sqs#KmsAccessDenied"}"#, "access_denied"),
            (Queue, 400, "", &*too_long, "message_too_large"),
            (Queue, 400, "", r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents"}"#, "invalid_characters"),
            (Queue, 503, "", "Service Unavailable", "aws_service"),
            (EventBus, 200, "", r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#, "success"),
            (
                EventBus,
                200,
                "",
                r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"m"}]}"#,
                "throttled",
            ),
            (EventBus, 200, "", r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}"#, "aws_service"),
            (EventBus, 200, "", "", "invalid_response"),
            (EventBus, 200, "", "{}", "invalid_response"),
            (EventBus, 400, "", r#"{"__type":"ResourceNotFoundException"}"#, "resource_not_found"),
            (
                EventBus,
                400,
                "",
                r#"{"__type":"ValidationException","message":"Total size of the entries in the request is over the limit."}"#,
                "message_too_large",
            ),
            (EventBus, 500, "", r#"{"__type":"InternalException"}"#, "aws_service"),
            (Function, 200, "", r#"{"anything":1}"#, "success"),
            (Function, 404, "ResourceNotFoundException:http://internal.amazon.com/", "{}", "resource_not_found"),
            (Function, 403, "AccessDeniedException", r#"{"Message":"m"}"#, "access_denied"),
            (Function, 429, "TooManyRequestsException", "{}", "throttled"),
            (Function, 413, "RequestTooLargeException", "{}", "message_too_large"),
            (Function, 410, "EFSMountFailureException", "{}", "aws_service"),
            (Function, 502, "InvalidRuntimeException", "{}", "aws_service"),
        ] {
            let mut headers = HeaderMap::new();
            if !header.is_empty() {
                headers.insert("x-amzn-errortype", HeaderValue::from_static(header));
            }
            let found = failure(kind, status, &headers, &Beginning { text: body.to_owned(), is_cut: false });
            let name = |it: Failure| it.detail.map_or(it.cause.as_str(), Detail::as_str);
            assert_eq!(found.map_or("success", name), expected, "{kind:?} {status} {header} {body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
        let body = Beginning { text: r#"{"errorMessage":"m"}"#.to_owned(), is_cut: false };
        assert_eq!(failure(Function, 200, &headers, &body), Some(of(Detail::FunctionError)));
    }
}
