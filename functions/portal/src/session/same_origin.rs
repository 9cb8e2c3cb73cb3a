//! Requests that change something come from the portal's own pages.

use http::header::ORIGIN;
use http::request::Parts;
use shared::edge::{ApiError, PublicOrigin};
use shared::wire::error::ErrorCode;

use crate::text;

/// Refuses a request of another site's page. Browsers say in `Sec-Fetch-Site` and in `Origin` where a form is from; a request
/// with neither is refused too.
///
/// # Errors
/// 403 if the request is not from a page of this origin.
pub(crate) fn require(parts: &Parts, own: &PublicOrigin) -> Result<(), ApiError> {
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = match (header("sec-fetch-site"), header(ORIGIN.as_str())) {
        (None, None) => false,
        (site, origin) => {
            site.is_none_or(|site| site == "same-origin") && origin.is_none_or(|origin| origin == own.as_str())
        }
    };
    if is_own { Ok(()) } else { Err(ApiError::new(ErrorCode::Forbidden, text::FOREIGN_FORM)) }
}
