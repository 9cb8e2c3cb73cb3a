//! The error answers: one for each status, shared by all operations. The bodies of all of them are the one schema
//! `Error`, of which a client generator makes one class; which codes go with a status is in the description.

use http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::request_id;
use crate::wire::error::{ErrorCode, ErrorOut};

/// The name and the description of every error answer.
pub(super) fn responses() -> Vec<(String, Response)> {
    // Nothing is documented about methods that a path does not have, so no operation answers 405.
    let mut statuses: Vec<_> =
        ErrorCode::ALL.iter().map(|code| code.status()).filter(|status| *status != 405).collect();
    statuses.dedup();
    statuses.into_iter().map(|status| (name(status), response(status))).collect()
}

/// What the answer with this status is called.
pub(super) fn name(status: u16) -> String {
    reason(status).replace(' ', "")
}

/// What HTTP calls this status.
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
        429 | 503 => response.header("retry-after", text_header("After how many seconds to try again.")),
        _ => response,
    }
    .build()
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(String::schema())).description(Some(description)).build()
}
