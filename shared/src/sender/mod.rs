//! The only module that connects to receivers: one POST, one [`Outcome`]. `own_account` makes it a call of an AWS service,
//! for deliveries to resources of the deployment's own account.
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
mod own_account;
mod request;
mod resolver;
mod retry_after;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, RETRY_AFTER};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

pub use own_account::OwnAccount;
pub use request::{Attempt, USER_AGENT};
pub use resolver::Lookup;
pub use retry_after::parse_retry_after;

use crate::clock::Clock;
use crate::domain::delivery::attempt::{Answer, Cause, Detail, Failure, Outcome};
use crate::domain::delivery::response::{MAX_BODY_ON_FAILURE, MAX_BODY_ON_SUCCESS, Response};
use crate::domain::endpoint::destination::Destination;
use crate::domain::endpoint::destination::arn::{ResourceArn, ResourceKind};
use crate::domain::endpoint::url::EndpointUrl;
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
    own_account: Option<Arc<OwnAccount>>,
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
        Ok(Self { client, addresses, clock, own_account: None })
    }

    /// The same sender, which reaches resources of the deployment's own account, too.
    #[must_use]
    pub fn with_own_account(self, own_account: OwnAccount) -> Self {
        Self { own_account: Some(Arc::new(own_account)), ..self }
    }

    /// Makes one attempt. The time limit covers everything from resolving the name to the last byte of the response
    /// that is read. An attempt with an encrypted secret or header is not made. A response counts once its head is complete,
    /// even if its body is incomplete.
    pub async fn post(&self, attempt: &Attempt<'_>) -> Outcome {
        let started_at = self.clock.now();
        let start = Instant::now();
        let deadline = start + attempt.timeout;
        let Some(signed) = attempt.sign(started_at) else {
            let answer = Answer::None(Cause::Undecryptable.into());
            return Outcome { started_at, duration: start.elapsed(), signature: None, answer };
        };
        let received = match attempt.destination {
            Destination::Url(url) => timeout_at(deadline, self.send(url, &signed.headers, &attempt.body)).await,
            // Boxed, this future does not enlarge that of each attempt.
            Destination::Internal(arn) => {
                Box::pin(timeout_at(deadline, self.call(arn, attempt, &signed.headers))).await
            }
        };
        let answer = match received {
            Ok(Ok(response)) => self.read(response, attempt.destination.kind(), deadline).await,
            Ok(Err(failure)) => Answer::None(failure),
            Err(_) => Answer::None(Cause::Timeout.into()),
        };
        Outcome { started_at, duration: start.elapsed(), signature: signed.digest, answer }
    }

    /// Calls the service of a resource of the deployment's own account, and waits for the head of the response.
    async fn call(
        &self,
        arn: &ResourceArn,
        attempt: &Attempt<'_>,
        headers: &HeaderMap,
    ) -> Result<http::Response<Incoming>, Failure> {
        let own_account = self.own_account.as_deref().filter(|account| account.allows(arn));
        let own_account = own_account.ok_or(Failure::from(Cause::RefusedAddress))?;
        let call = own_account.call(arn, attempt, headers, self.clock.now()).await?;
        self.send(&call.url, &call.headers, &call.body).await
    }

    /// Sends a POST and waits for the head of the response.
    async fn send(
        &self,
        url: &EndpointUrl,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<http::Response<Incoming>, Failure> {
        // The resolver is not called for a literal address.
        if url.literal_address().is_some_and(|address| !self.addresses.allows(address)) {
            return Err(Cause::RefusedAddress.into());
        }
        // The URL is percent-encoded, so `http` rejects it only if the host has characters that no host name has.
        let no_name = |_| Failure { cause: Cause::Dns, detail: Some(Detail::NameNotFound) };
        let uri = Uri::try_from(url.as_str()).map_err(no_name)?;
        let request = || {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            request
        };
        self.client.send(request).await.map_err(|error| failure::of(&error))
    }

    /// Reads the beginning of the body. `kind` is that of the resource that was called; `None` for a receiver's URL.
    async fn read(&self, response: http::Response<Incoming>, kind: Option<ResourceKind>, deadline: Instant) -> Answer {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let retry_after = matches!(status, 429 | 503).then(|| head.headers.get(RETRY_AFTER)).flatten();
        let retry_after = retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?, self.clock.now()));
        let is_accepted = kind.is_none() && head.status.is_success();
        let max_bytes = if is_accepted { MAX_BODY_ON_SUCCESS } else { MAX_BODY_ON_FAILURE };
        let body = answer::read_beginning(body, max_bytes, deadline.min(Instant::now() + BODY_WITHIN)).await;
        let failure = match kind {
            None => Failure::of_status(status),
            Some(kind) => own_account::failure(kind, status, &head.headers, &body),
        };
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let kept = Response::new(headers, &body.text);
        let kept = if kind.is_some() && failure.is_none() { kept.with_shorter_body(MAX_BODY_ON_SUCCESS) } else { kept };
        Answer::Response { status, kept, body_cut: body.is_cut, retry_after, failure }
    }
}
