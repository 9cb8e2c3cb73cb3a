//! Extractors for queries and bodies.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::Url;

use super::ApiError;
use crate::domain::tenancy::limits::Limits;
use crate::wire::body;
use crate::wire::error::{ErrorCode, Problem};
use crate::wire::query::Query;
use crate::wire::svix::Parameters;

/// Most bytes of a request body: the limit of Lambda.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
/// Most characters of a header's value that an error repeats.
const MAX_SHOWN_CHARS: usize = 64;

/// A JSON body whose fields were deserialized and not yet validated.
#[derive(Debug)]
pub struct Body<T>(body::Parsed<T>);

impl<T> Body<T> {
    /// The fields, which are not validated.
    pub const fn fields(&self) -> &T {
        self.0.fields()
    }

    /// Validates the body with `read`.
    ///
    /// # Errors
    /// 400 with all invalid and unknown fields.
    pub fn read<U>(self, read: impl FnOnce(T) -> Result<U, Vec<Problem>>) -> Result<U, ApiError> {
        Ok(self.0.read(read)?)
    }

    /// Validates the body with `read`, and ignores unknown fields.
    ///
    /// # Errors
    /// 400 with all invalid fields.
    pub fn read_known<U>(self, read: impl FnOnce(T) -> Result<U, Vec<Problem>>) -> Result<U, ApiError> {
        Ok(self.0.read_known(read)?)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self(body::parse(&read_body(request).await?)?))
    }
}

/// Reads a body that must be JSON and uncompressed. An empty body needs no content type.
///
/// # Errors
/// 415 for another content type or a content coding, 413 if the body is too large.
pub async fn read_body(request: Request) -> Result<axum::body::Bytes, ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let coding = content_coding(request.headers());
    let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| {
        ApiError::new(ErrorCode::PayloadTooLarge, format!("the body must be at most {MAX_BODY_BYTES} bytes"))
    })?;
    let is_json = content_type.as_ref().and_then(|value| value.to_str().ok()).is_some_and(is_json);
    if !is_json && !bytes.is_empty() {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "the content type must be application/json"));
    }
    if let Some(coding) = coding.filter(|_| !bytes.is_empty()) {
        let message = format!("the body must be sent without a content coding, not as {coding:?}");
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    }
    Ok(bytes)
}

/// The first content coding of a body other than `identity`, shortened; `None` if there is none.
fn content_coding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let codings: Vec<_> =
        values.flat_map(|value| value.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>()).collect();
    let found = codings.into_iter().find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
    found.map(|coding| coding.chars().take(MAX_SHOWN_CHARS).collect())
}

/// Checks the size of an event's data.
///
/// # Errors
/// 413 if the data is larger than the limit.
pub fn check_size(data: &str, limits: &Limits) -> Result<(), ApiError> {
    let most = limits.max_event_bytes;
    if data.len() <= most as usize {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::PayloadTooLarge, format!("data must be at most {most} bytes")))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

/// The query string, parsed into parameters.
#[derive(Debug)]
pub struct Search(pub Query);

impl<S: Send + Sync> FromRequestParts<S> for Search {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(Query::new(parts.uri.query().unwrap_or_default())))
    }
}

/// The query string in the `svix` dialect.
#[derive(Debug)]
pub struct SvixSearch(pub Parameters);

impl<S: Send + Sync> FromRequestParts<S> for SvixSearch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(Parameters::new(parts.uri.query().unwrap_or_default())))
    }
}

/// The URL of the request as the client sees it, from `x-forwarded-proto` and `host`.
#[derive(Debug)]
pub struct Origin(pub Url);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = header("x-forwarded-proto").or(parts.uri.scheme_str()).unwrap_or("http");
        let host = header("host").or(parts.uri.authority().map(|host| host.as_str())).unwrap_or("localhost");
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = Url::parse(&format!("{scheme}://{host}{path}"));
        url.map(Self).map_err(|_| ApiError::invalid(vec![Problem::new("Host", "is not a host name")]))
    }
}
