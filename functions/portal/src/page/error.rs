//! The page of an error.

use http::StatusCode;
use maud::html;
use shared::domain::ids::RequestId;
use shared::edge::ApiError;
use shared::wire::error::ErrorCode;

use super::Page;
use crate::text;

/// Says what went wrong, and what the person can do.
pub(super) fn page(error: &ApiError, request_id: Option<RequestId>) -> Page {
    let title = match error.code() {
        ErrorCode::Unauthorized => text::NOT_SIGNED_IN_TITLE,
        ErrorCode::NotFound => text::NOT_FOUND_TITLE,
        ErrorCode::Forbidden => text::FORBIDDEN_TITLE,
        ErrorCode::Unavailable => text::UNAVAILABLE_TITLE,
        ErrorCode::Internal => text::INTERNAL_TITLE,
        _ => text::REFUSED_TITLE,
    };
    let message = match error.code() {
        ErrorCode::Unavailable => text::UNAVAILABLE.to_owned(),
        ErrorCode::Internal => text::INTERNAL.to_owned(),
        _ => text::sentence(error.message()),
    };
    let body = html! {
        p { (message) }
        @if let Some(request_id) = request_id { p.muted { (text::REQUEST) " " code { (request_id) } } }
    };
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Page::new(title, body).with_status(status)
}
