//! The layer around the paths of the `svix` dialect: a trailing slash is ignored, and browsers may call them from every page.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD,
};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::wire::svix;

const ANY: HeaderValue = HeaderValue::from_static("*");
/// `*` does not include `authorization`.
const HEADERS: HeaderValue = HeaderValue::from_static("*, authorization");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// For how long, in seconds, a browser may remember the answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    if !svix::is_path(request.uri().path()) {
        return next.run(request).await;
    }
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        let allowed = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    } else {
        if let Some(uri) = without_trailing_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        next.run(request).await
    };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    response
}

/// The same URI without one slash at the end of its path; `None` if there is none.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_of_a_path_is_removed() {
        for (uri, shorter) in [
            ("/api/v1/app/", Some("/api/v1/app")),
            ("/api/v1/app/?a=/", Some("/api/v1/app?a=/")),
            ("http://host:1/api/v1/app//", Some("http://host:1/api/v1/app/")),
            ("/api/v1/app", None),
            ("/api/v1/app?a=/", None),
        ] {
            let found = without_trailing_slash(&uri.parse().unwrap());
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), shorter, "{uri}");
        }
    }
}
