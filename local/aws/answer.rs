//! The response of an engine: an HTTP status and a JSON body, independent of the transport.

use serde::Serialize;

/// The media type of both services' JSON protocol.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The header in which SQS repeats an error's code in the spelling of the older query protocol.
pub(crate) const QUERY_ERROR_HEADER: &str = "x-amzn-query-error";

/// The response of an engine to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status code.
    pub(crate) status: u16,
    /// The JSON document.
    pub(crate) body: String,
    /// The value of [`QUERY_ERROR_HEADER`]. Only errors of SQS have one.
    pub(crate) query_error: Option<String>,
}

impl Answer {
    /// A successful response.
    pub(crate) fn ok(body: String) -> Self {
        Self { status: 200, body, query_error: None }
    }

    /// An error in the format of both services: `{"__type": …, "message": …}`.
    pub(crate) fn error(status: u16, error_type: &str, message: &str) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "__type")]
            error_type: &'a str,
            message: &'a str,
        }
        let body = serde_json::to_string(&Body { error_type, message });
        Self { status, body: body.unwrap_or_default(), query_error: None }
    }

    /// The error for an operation that the engine does not support.
    pub(crate) fn unknown_operation(target: &str) -> Self {
        Self::error(
            400,
            "com.amazon.coral.service#UnknownOperationException",
            &format!("the embedded services have no operation {target:?}"),
        )
    }
}
