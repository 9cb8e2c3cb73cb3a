//! The origin under which callers reach the API and the portal.

use axum::extract::FromRequestParts;
use http::header::HOST;
use http::request::Parts;
use lambda_http::request::RequestContext;

use super::ApiError;
use crate::wire::error::Problem;

/// Scheme and host of the request, such as `https://hooks.example.com`. On Lambda the host is the domain name at which API
/// Gateway received the request. A caller cannot choose it, unlike forwarded headers. The local host and `sam local` have no such
/// name; there it is the header `Host`, and the scheme is `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicOrigin(String);

impl PublicOrigin {
    /// The origin as text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether requests are encrypted, as everywhere but on the local host.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// The host, with the port if there is one.
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }

    /// The port, if the host names one.
    pub fn port(&self) -> Option<u16> {
        self.host().rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }

    fn of(parts: &Parts) -> Option<Self> {
        if let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.get() {
            // `sam local` says `localhost`, which is no domain name. API Gateway always has one; without it nothing is guessed.
            let domain = context.domain_name.as_deref()?;
            if domain.contains('.') {
                return Some(Self(format!("https://{domain}")));
            }
        }
        let host = match parts.headers.get(HOST) {
            Some(host) => host.to_str().ok()?,
            None => parts.uri.authority().map_or("localhost", |authority| authority.as_str()),
        };
        let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        (!host.is_empty() && host.bytes().all(of_host)).then(|| Self(format!("http://{host}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PublicOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(parts).ok_or_else(|| ApiError::invalid(vec![Problem::new("Host", "is not a host name")]))
    }
}
