//! The only room that opens connections to strangers' servers: one POST, one [`Outcome`].
//!
//! A receiver may be hostile. It is reached only at addresses that the deployment's policy allows
//! and that our own resolver vetted; redirects are not followed, no proxy is asked, nothing is
//! decompressed, a bounded part of its answer is read, and one time limit covers it all.
//!
//! Connections are kept for the next delivery to the same host. One that is kept still leads to the
//! address that was vetted when it was made, wherever the name leads by now; a new one is vetted anew.

mod failure;
mod request;
mod resolver;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, redirect};
use tokio::time::{Instant, timeout};

pub use request::{Attempt, USER_AGENT};
pub use resolver::Lookup;

use crate::clock::Clock;
use crate::domain::addresses::AddressPolicy;
use crate::domain::attempt::{Answer, Cause, Outcome};
use crate::domain::fields::EndpointUrl;
use crate::domain::schedule::parse_retry_after;
use resolver::VettedResolver;

/// Most bytes of an answer's body that are read.
const MAX_READ_BYTES: usize = 16 * 1024;
/// Most bytes of a successful answer's body that are kept.
const MAX_KEPT_ON_SUCCESS: usize = 1024;
/// Most bytes of a failed answer's body that are kept.
const MAX_KEPT_ON_FAILURE: usize = 4 * 1024;
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
pub struct SetupError(#[from] reqwest::Error);

impl Sender {
    /// A sender that connects only where the policy allows.
    ///
    /// # Errors
    /// [`SetupError`] if the system offers no TLS roots.
    pub fn new(addresses: AddressPolicy, clock: Clock) -> Result<Self, SetupError> {
        Self::with_lookup(addresses, clock, Lookup::system())
    }

    /// The same with another way to look names up.
    ///
    /// # Errors
    /// As [`Sender::new`].
    pub fn with_lookup(addresses: AddressPolicy, clock: Clock, lookup: Lookup) -> Result<Self, SetupError> {
        let client = Client::builder()
            .http1_only()
            .dns_resolver(Arc::new(VettedResolver::new(addresses.clone(), lookup)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build()?;
        Ok(Self { client, addresses, clock })
    }

    /// Makes one attempt. Its time limit covers everything from resolving the name to the last byte
    /// of the answer that is read.
    pub async fn post(&self, attempt: &Attempt<'_>) -> Outcome {
        let started_at = self.clock.now();
        let signed = attempt.sign(started_at);
        let clock = Instant::now();
        let exchange = self.exchange(attempt.url, signed.headers, attempt.body.clone());
        let answer = match timeout(attempt.timeout, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => Answer::None(cause),
            Err(_) => Answer::None(Cause::Timeout),
        };
        Outcome { started_at, duration: clock.elapsed(), signature: signed.digest, answer }
    }

    async fn exchange(&self, url: &EndpointUrl, headers: HeaderMap, body: Bytes) -> Result<Answer, Cause> {
        // A literal address does not pass through the resolver.
        if url.literal_address().is_some_and(|address| !self.addresses.allows(address)) {
            return Err(Cause::RefusedAddress);
        }
        let mut request = Request::new(Method::POST, url.url().clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let mut response = self.client.execute(request).await.map_err(|error| failure::cause(&error))?;
        let status = response.status().as_u16();
        let retry_after = matches!(status, 429 | 503).then(|| response.headers().get(RETRY_AFTER).cloned()).flatten();
        let retry_after = retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?, self.clock.now()));
        let kept = if response.status().is_success() { MAX_KEPT_ON_SUCCESS } else { MAX_KEPT_ON_FAILURE };
        let body = read_beginning(&mut response, kept).await?;
        Ok(Answer::Response { status, body, retry_after })
    }
}

/// Reads at most [`MAX_READ_BYTES`] of the body and keeps the first `kept`, as text.
async fn read_beginning(response: &mut Response, kept: usize) -> Result<String, Cause> {
    let mut beginning = Vec::new();
    let mut read = 0;
    while read < MAX_READ_BYTES {
        let Some(chunk) = response.chunk().await.map_err(|error| failure::cause(&error))? else { break };
        read += chunk.len();
        let room = kept - beginning.len();
        beginning.extend_from_slice(&chunk[..room.min(chunk.len())]);
    }
    Ok(text(beginning))
}

/// The bytes as text, what is not UTF-8 replaced; a character cut at the end is left out.
fn text(bytes: Vec<u8>) -> String {
    let cut = bytes.utf8_chunks().last().filter(|last| {
        let tail = last.invalid();
        !tail.is_empty() && tail.len() < 4 && std::str::from_utf8(tail).is_err_and(|e| e.error_len().is_none())
    });
    let whole = bytes.len() - cut.map_or(0, |last| last.invalid().len());
    String::from_utf8_lossy(&bytes[..whole]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_is_kept_of_an_answer_is_text() {
        let table: [(&[u8], &str); 5] = [
            (b"", ""),
            (b"plain", "plain"),
            (b"a\xffb", "a\u{fffd}b"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"caf\xc3", "caf"),
        ];
        for (bytes, expected) in table {
            assert_eq!(text(bytes.to_vec()), expected, "{bytes:?}");
        }
    }
}
