//! The only module that connects to receivers: one POST, one [`Outcome`].
//!
//! Receivers are untrusted. Requests go only to addresses that the deployment's policy allows and that this
//! module's resolver vetted. Redirects are not followed, proxies are not used, and nothing is decompressed. A
//! bounded part of the response is read, and one time limit covers the whole exchange.
//!
//! Connections are reused for later deliveries to the same host. A reused connection leads to the address that was
//! vetted when it was opened, whatever the name resolves to now. Each new connection is vetted again.

mod answer;
mod certificates;
mod client;
mod client_certificates;
mod connection;
mod failure;
mod request;
mod resolver;
mod retry_after;

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

pub use request::{Attempt, USER_AGENT};
pub use resolver::Lookup;
pub use retry_after::parse_retry_after;

use crate::clock::Clock;
use crate::domain::delivery::attempt::{Answer, Cause, Detail, Failure, Outcome};
use crate::domain::delivery::response::{MAX_BODY_ON_FAILURE, MAX_BODY_ON_SUCCESS, Response};
use crate::domain::network::AddressPolicy;
use client::Client;
use resolver::VettedResolver;

/// How long after its head the body of a response is read. The head decides the outcome, so a receiver that does
/// not end its response does not occupy a concurrency slot for the endpoint's whole timeout.
const BODY_WITHIN: Duration = Duration::from_secs(2);
/// How long an idle connection is kept. The number of hosts is not limited, and a function may have 1,024 open
/// files; in this time it cannot connect to that many hosts.
pub const IDLE: Duration = Duration::from_secs(10);
/// Most idle connections to one host. A function makes at most ten attempts at a time (one batch). The local host
/// makes as many as this to a receiver with a latency of a few milliseconds at full load; with a lower limit it
/// would open connections permanently.
pub const IDLE_PER_HOST: usize = 160;

/// Sends requests to receivers. Clones share connections.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    addresses: AddressPolicy,
    clock: Clock,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "the HTTP client cannot be set up; SSL_CERT_FILE, if it is set, must name a PEM file of certificate authorities"
)]
pub struct SetupError(#[from] rustls::Error);

impl Sender {
    /// A sender that connects only to addresses that the policy allows.
    ///
    /// # Errors
    /// [`SetupError`] if the system has no TLS roots.
    pub fn new(addresses: AddressPolicy, clock: Clock) -> Result<Self, SetupError> {
        Self::with(addresses, clock, Lookup::system(), Vec::new())
    }

    /// A sender with another resolver, which trusts `roots` in addition to the system's TLS roots.
    ///
    /// # Errors
    /// [`SetupError`] if there are no TLS roots, or if one of `roots` is not a certificate.
    pub fn with(
        addresses: AddressPolicy,
        clock: Clock,
        lookup: Lookup,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, SetupError> {
        let client = Client::new(VettedResolver::new(addresses.clone(), lookup), roots)?;
        Ok(Self { client, addresses, clock })
    }

    /// Makes one attempt. The time limit covers everything from resolving the name to the last byte of the response
    /// that is read. An attempt with an encrypted secret or header is not made. A response counts once its head is complete, even if its body is incomplete.
    pub async fn post(&self, attempt: &Attempt<'_>) -> Outcome {
        let started_at = self.clock.now();
        let start = Instant::now();
        let deadline = start + attempt.timeout;
        let Some(signed) = attempt.sign(started_at) else {
            let answer = Answer::None(Cause::Undecryptable.into());
            return Outcome { started_at, duration: start.elapsed(), signature: None, answer };
        };
        let answer = match timeout_at(deadline, self.request(attempt, &signed.headers)).await {
            Ok(Ok(response)) => self.read(response, deadline).await,
            Ok(Err(failure)) => Answer::None(failure),
            Err(_) => Answer::None(Cause::Timeout.into()),
        };
        Outcome { started_at, duration: start.elapsed(), signature: signed.digest, answer }
    }

    /// Sends the request and waits for the head of the response.
    async fn request(&self, attempt: &Attempt<'_>, headers: &HeaderMap) -> Result<http::Response<Incoming>, Failure> {
        // The resolver is not called for a literal address.
        if attempt.url.literal_address().is_some_and(|address| !self.addresses.allows(address)) {
            return Err(Cause::RefusedAddress.into());
        }
        // The URL is percent-encoded, so `http` rejects it only if the host has characters that no host name has.
        let no_name = |_| Failure { cause: Cause::Dns, detail: Some(Detail::NameNotFound) };
        let uri = Uri::try_from(attempt.url.as_str()).map_err(no_name)?;
        let request = || {
            let mut request = Request::new(Full::new(attempt.body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            request
        };
        self.client.send(request).await.map_err(|error| failure::of(&error))
    }

    async fn read(&self, response: http::Response<Incoming>, deadline: Instant) -> Answer {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let retry_after = matches!(status, 429 | 503).then(|| head.headers.get(RETRY_AFTER)).flatten();
        let retry_after = retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?, self.clock.now()));
        let max_bytes = if head.status.is_success() { MAX_BODY_ON_SUCCESS } else { MAX_BODY_ON_FAILURE };
        let body = answer::read_beginning(body, max_bytes, deadline.min(Instant::now() + BODY_WITHIN)).await;
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let kept = Response::new(headers, &body.text);
        Answer::Response { status, kept, body_cut: body.is_cut, retry_after }
    }
}
