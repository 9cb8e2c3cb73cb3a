//! The headers of a request.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT as USER_AGENT_HEADER};

use crate::domain::endpoint::destination::Destination;
use crate::domain::endpoint::headers::Headers;
use crate::domain::event::event_type::EventType;
use crate::domain::event::payload::ContentType;
use crate::domain::event::trace_context::TraceContext;
use crate::domain::ids::DeliveryId;
use crate::domain::signing::key::SigningKey;
use crate::domain::signing::signature;
use crate::domain::time::Timestamp;

/// The `user-agent` of requests, unless the endpoint's headers set another.
pub const USER_AGENT: &str = concat!("Pigeonpost/", env!("CARGO_PKG_VERSION"));

/// A request to make.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// Where the request goes.
    pub destination: &'a Destination,
    /// The endpoint's own headers. They can override `user-agent` and `accept`, and no other header. A trace context of
    /// the event replaces theirs.
    pub headers: &'a Headers,
    /// The secrets that sign the request, the newest first.
    pub secrets: Vec<&'a SigningKey>,
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// The event's type.
    pub event_type: &'a EventType,
    /// The attempt's number, from 1.
    pub number: u32,
    /// The exact body.
    pub body: Bytes,
    /// The body's content type; `None` for JSON.
    pub content_type: Option<&'a ContentType>,
    /// Whether to add the signed headers `svix-…`.
    pub svix_headers: bool,
    /// The trace context to pass on.
    pub trace: Option<&'a TraceContext>,
    /// The time limit of the whole exchange.
    pub timeout: Duration,
}

/// The headers of a request, and the hex signature that one of them contains. There is none without an HMAC secret.
pub(super) struct Signed {
    pub(super) headers: HeaderMap,
    pub(super) digest: Option<String>,
}

impl Attempt<'_> {
    /// The signed headers; `None` if a secret or header is encrypted.
    pub(super) fn sign(&self, sent_at: Timestamp) -> Option<Signed> {
        let id = self.delivery.event().to_string();
        let secrets = || self.secrets.iter().map(|key| &key.secret);
        let digest = signature::body_digest(secrets(), &self.body);
        let timestamp = sent_at.unix_seconds().to_string();
        let own = [
            ("webhook-signature", signature::standard(secrets(), &id, sent_at, &self.body)?),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.clone()),
            ("x-webhook-event", self.event_type.to_string()),
            ("x-webhook-delivery", self.delivery.to_string()),
            ("x-webhook-attempt", self.number.to_string()),
        ];
        let message = self.svix_headers.then(|| self.delivery.event().as_svix());
        let svix = match message {
            Some(id) => vec![
                ("svix-signature", signature::standard(secrets(), &id, sent_at, &self.body)?),
                ("svix-id", id),
                ("svix-timestamp", timestamp),
            ],
            None => Vec::new(),
        };
        let mut headers = HeaderMap::with_capacity(own.len() + svix.len() + 7 + self.headers.iter().len());
        headers.insert(USER_AGENT_HEADER, HeaderValue::from_static(USER_AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in self.headers.iter() {
            let value = value.as_text()?;
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        let content_type = self.content_type.and_then(|it| HeaderValue::from_str(it.as_str()).ok());
        headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/json")));
        let parent = self.trace.map(|trace| ("traceparent", trace.parent()));
        let state = self.trace.and_then(|trace| Some(("tracestate", trace.state()?)));
        for (name, value) in parent.into_iter().chain(state) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let digest_header = digest.clone().map(|digest| ("x-webhook-signature", digest));
        let key_ids = self.key_ids().map(|ids| ("webhook-key-id", ids));
        for (name, value) in own.into_iter().chain(digest_header).chain(key_ids).chain(svix) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Some(Signed { headers, digest })
    }

    /// The ids of the secrets, in the order of the signatures, by which the receiver finds a public key. `None` if no secret
    /// has a public key.
    fn key_ids(&self) -> Option<String> {
        self.secrets.iter().find(|key| key.secret.public_key().is_some())?;
        Some(self.secrets.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(" "))
    }
}
