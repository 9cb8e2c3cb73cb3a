//! Attempts by a sender without a table and a queue.

use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use shared::clock::Clock;
use shared::domain::delivery::attempt::Outcome;
use shared::domain::endpoint::headers::Headers;
use shared::domain::endpoint::url::{EndpointUrl, UrlPolicy};
use shared::domain::event::event_type::EventType;
use shared::domain::ids::EventId;
use shared::domain::network::AddressPolicy;
use shared::domain::signing::key::{SigningKey, SigningKeyId};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::time::Timestamp;
use shared::sender::{Attempt, Lookup, Sender};

use super::PATIENCE;

fn loopback() -> AddressPolicy {
    AddressPolicy::parse("127.0.0.0/8").unwrap()
}

/// A sender that allows loopback addresses and trusts these TLS roots in addition to the system's.
pub(crate) fn sender(roots: Vec<CertificateDer<'static>>) -> Sender {
    Sender::with(loopback(), Clock::system(), Lookup::system(), roots).unwrap()
}

/// A sender that allows loopback addresses and uses this lookup of names.
pub(crate) fn sender_looking_up(lookup: Lookup) -> Sender {
    Sender::with(loopback(), Clock::system(), lookup, Vec::new()).unwrap()
}

/// The request of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
}

impl Post {
    /// A request with a small body, no additional headers and a long timeout.
    pub(crate) fn to(url: &str) -> Self {
        let body = Bytes::from_static(b"{}");
        Self { url: url.to_owned(), headers: Headers::default(), body, timeout: PATIENCE }
    }

    pub(crate) async fn by(&self, sender: &Sender) -> Outcome {
        let now = Timestamp::from_unix_seconds(1_774_382_400);
        let policy = UrlPolicy { allow_http: true, addresses: loopback() };
        let secret = SigningKey::new(SigningKeyId::new([7; 8]), SigningSecret::generate([7; 16]));
        let attempt = Attempt {
            destination: &EndpointUrl::parse(&self.url, &policy).unwrap().into(),
            headers: &self.headers,
            secrets: vec![&secret],
            delivery: EventId::new(now, [3; 8]).delivery(0).unwrap(),
            event_type: &EventType::parse("member.added").unwrap(),
            number: 1,
            body: self.body.clone(),
            content_type: None,
            svix_headers: false,
            trace: None,
            timeout: self.timeout,
        };
        sender.post(&attempt).await
    }
}
