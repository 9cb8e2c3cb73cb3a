//! What an engine answers: an HTTP status and a JSON body, before any transport.

use serde::Serialize;

/// The media type of both services' JSON protocol.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The header in which SQS repeats an error's code as its older query protocol spelled it.
pub(crate) const QUERY_ERROR_HEADER: &str = "x-amzn-query-error";

/// One response of an engine.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status code.
    pub(crate) status: u16,
    /// JSON document.
    pub(crate) body: String,
    /// Value of [`QUERY_ERROR_HEADER`]; only on errors of SQS.
    pub(crate) query_error: Option<String>,
}

impl Answer {
    /// A successful response.
    pub(crate) fn ok(body: String) -> Self {
        Self { status: 200, body, query_error: None }
    }

    /// An error in the shape both services use: `{"__type": …, "message": …}`.
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

    /// The answer to an operation that the engine does not have.
    pub(crate) fn unknown_operation(target: &str) -> Self {
        Self::error(
            400,
            "com.amazon.coral.service#UnknownOperationException",
            &format!("the embedded services have no operation {target:?}"),
        )
    }
}
