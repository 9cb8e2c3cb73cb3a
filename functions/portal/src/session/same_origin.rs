//! Requests that change something come from the portal's own pages, and pages are opened by people.

use http::header::ORIGIN;
use http::request::Parts;
use shared::edge::{ApiError, PublicOrigin};
use shared::wire::error::ErrorCode;

use crate::text::session as text;

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

/// Refuses what the page of another site loads in the background, such as an image. Otherwise it could measure how long the pages
/// of the person take. A link of another site opens a page.
///
/// # Errors
/// 403 for such a request.
pub(crate) fn refuse_embedding(parts: &Parts) -> Result<(), ApiError> {
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_foreign = header("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    let is_navigation = header("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    if !is_foreign || is_navigation {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::Forbidden, text::NOT_OPENED_BY_PERSON))
    }
}
