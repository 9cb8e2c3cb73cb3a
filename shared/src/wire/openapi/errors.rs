//! The error responses of the OpenAPI document: one for each status, shared by all operations. All have the schema
//! `Error`, so that a client generator creates one class. The description lists the codes of the status.

use http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::request_id;
use crate::wire::error::{ErrorCode, ErrorOut};

/// The name and the definition of each error response.
pub(super) fn responses() -> Vec<(String, Response)> {
    // The document contains only supported methods, so no operation returns 405.
    let mut statuses: Vec<_> =
        ErrorCode::ALL.iter().map(|code| code.status()).filter(|status| *status != 405).collect();
    statuses.dedup();
    statuses.into_iter().map(|status| (name(status), response(status))).collect()
}

/// The name of the response for this status.
pub(super) fn name(status: u16) -> String {
    reason(status).replace(' ', "")
}

/// The reason phrase of this status.
pub(super) fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

fn response(status: u16) -> Response {
    let codes: Vec<_> = ErrorCode::ALL.iter().filter(|code| code.status() == status).collect();
    let meanings: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    let schema = Ref::from_schema_name(ErrorOut::name());
    let response = ResponseBuilder::new()
        .description(meanings.join("\n\n"))
        .content("application/json", ContentBuilder::new().schema(Some(schema)).build())
        .header_ref("x-request-id", request_id());
    match status {
        401 => response.header("www-authenticate", text_header("The scheme: `Bearer`.")),
        429 | 503 => response.header("retry-after", text_header("The number of seconds after which to retry.")),
        _ => response,
    }
    .build()
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(String::schema())).description(Some(description)).build()
}
