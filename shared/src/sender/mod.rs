//! The only room that opens connections to strangers' servers: one POST, one [`Outcome`].
//!
//! A receiver may be hostile. It is reached only at addresses that the deployment's policy allows
//! and that our own resolver vetted; redirects are not followed, no proxy is asked, nothing is
//! decompressed, a bounded part of its answer is read, and one time limit covers it all.
//!
//! Connections are kept for the next delivery to the same host. One that is kept still leads to the
//! address that was vetted when it was made, wherever the name leads by now; a new one is vetted anew.

mod answer;
mod client;
mod connection;
mod failure;
mod request;
mod resolver;

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

pub use request::{Attempt, USER_AGENT};
pub use resolver::Lookup;

use crate::clock::Clock;
use crate::domain::addresses::AddressPolicy;
use crate::domain::attempt::{Answer, Cause, Detail, Failure, Outcome};
use crate::domain::schedule::parse_retry_after;
use client::Client;
use resolver::VettedResolver;

/// Most bytes of a successful answer's body that are kept.
const MAX_KEPT_ON_SUCCESS: usize = 1024;
/// Most bytes of a failed answer's body that are kept.
const MAX_KEPT_ON_FAILURE: usize = 4 * 1024;
/// How long after its head the body of an answer is read. The head decides how the attempt ends, and a receiver that does
/// not end its answer keeps no place for the endpoint's whole timeout.
const BODY_WITHIN: Duration = Duration::from_secs(2);
/// How long an idle connection is kept for the next delivery to the same host. Nothing bounds how many hosts that are,
/// and a function may have 1,024 files open: in so short a time it cannot reach that many hosts.
pub const IDLE: Duration = Duration::from_secs(10);
/// Most idle connections kept for one host: more than a function sends deliveries at once (a batch of ten), and as many as
/// the local host sends to a receiver that is a few milliseconds away at full speed. With fewer, a busy receiver is
/// connected to anew all the time.
pub const IDLE_PER_HOST: usize = 160;

/// Sends requests to receivers. Cloning it shares its connections.
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
    /// A sender that connects only where the policy allows.
    ///
    /// # Errors
    /// [`SetupError`] if the system offers no TLS roots.
    pub fn new(addresses: AddressPolicy, clock: Clock) -> Result<Self, SetupError> {
        Self::with(addresses, clock, Lookup::system(), Vec::new())
    }

    /// A sender with another way to look names up, which trusts these TLS roots beside the system's.
    ///
    /// # Errors
    /// [`SetupError`] if there are no TLS roots, or one of these is not a certificate.
    pub fn with(
        addresses: AddressPolicy,
        clock: Clock,
        lookup: Lookup,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, SetupError> {
        let client = Client::new(VettedResolver::new(addresses.clone(), lookup), roots)?;
        Ok(Self { client, addresses, clock })
    }

    /// Makes one attempt. Its time limit covers everything from resolving the name to the last byte of the answer that is
    /// read. An answer counts as soon as its head is complete, whatever becomes of its body.
    pub async fn post(&self, attempt: &Attempt<'_>) -> Outcome {
        let started_at = self.clock.now();
        let start = Instant::now();
        let deadline = start + attempt.timeout;
        let signed = attempt.sign(started_at);
        let answer = match timeout_at(deadline, self.request(attempt, &signed.headers)).await {
            Ok(Ok(response)) => self.read(response, deadline).await,
            Ok(Err(failure)) => Answer::None(failure),
            Err(_) => Answer::None(Cause::Timeout.into()),
        };
        Outcome { started_at, duration: start.elapsed(), signature: signed.digest, answer }
    }

    /// Sends the request and waits for the head of the answer.
    async fn request(&self, attempt: &Attempt<'_>, headers: &HeaderMap) -> Result<Response<Incoming>, Failure> {
        // A literal address does not pass through the resolver.
        if attempt.url.literal_address().is_some_and(|address| !self.addresses.allows(address)) {
            return Err(Cause::RefusedAddress.into());
        }
        // The URL is percent-encoded. What `http` does not take of it is a host with characters that are in no name.
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

    async fn read(&self, response: Response<Incoming>, deadline: Instant) -> Answer {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let retry_after = matches!(status, 429 | 503).then(|| head.headers.get(RETRY_AFTER)).flatten();
        let retry_after = retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?, self.clock.now()));
        let kept = if head.status.is_success() { MAX_KEPT_ON_SUCCESS } else { MAX_KEPT_ON_FAILURE };
        let body = answer::read_beginning(body, kept, deadline.min(Instant::now() + BODY_WITHIN)).await;
        Answer::Response { status, body: body.text, body_cut: body.is_cut, retry_after }
    }
}
