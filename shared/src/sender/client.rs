//! The HTTP client: `hyper-util`'s client over connections to vetted addresses.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client as HttpClient, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tokio::select;
use tower::util::MapFuture;
use tower::{BoxError, ServiceExt};

use super::certificates::Explained;
use super::client_certificates::{self, NoCertificate};
use super::connection::{Info, RequestNumber, Watched};
use super::resolver::VettedResolver;
use super::{IDLE, IDLE_PER_HOST, SetupError, failure};

type Https = HttpsConnector<HttpConnector<VettedResolver>>;
type Stream = <Https as tower::Service<http::Uri>>::Response;
type Io = TokioIo<Watched<TokioIo<Stream>>>;
type Opening<T> = BoxFuture<'static, Result<T, BoxError>>;
type Connector = MapFuture<Https, fn(Opening<Stream>) -> Opening<Io>>;

/// The HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Reuses connections.
    pooled: HttpClient<Connector, Full<Bytes>>,
    /// Opens a connection for each request.
    fresh: HttpClient<Connector, Full<Bytes>>,
}

impl Client {
    /// A client that connects to the addresses of `resolver`, and trusts `roots` and the system's TLS roots.
    ///
    /// # Errors
    /// [`SetupError`] if there are no TLS roots, or if one of `roots` cannot be parsed.
    pub(super) fn new(resolver: VettedResolver, roots: Vec<CertificateDer<'static>>) -> Result<Self, SetupError> {
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnector::from((http, tls(roots)?));
        let observed: fn(Opening<Stream>) -> Opening<Io> = |opening| Box::pin(observed(opening));
        let connector: Connector = https.map_future(observed);
        let build = |idle_per_host| {
            HttpClient::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle_per_host)
                .retry_canceled_requests(false)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .build(connector.clone())
        };
        Ok(Self { pooled: build(IDLE_PER_HOST), fresh: build(0) })
    }

    /// Sends a request and returns the head of its response. The request is sent again over a new connection in two
    /// cases: a reused connection ended without a byte of a response, or a connection ended and `hyper` reports no
    /// result. In both cases the receiver closed an idle connection. A receiver that read the request anyway
    /// recognizes the repetition by its `webhook-id`.
    ///
    /// # Errors
    /// [`Error`] if no complete head of a response was received.
    pub(super) async fn send(&self, request: impl Fn() -> Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let number = RequestNumber::next();
        let mut first = request();
        let mut connection = capture_connection(&mut first);
        let mut sending = pin!(number.run(self.pooled.request(first)));
        let result = select! {
            biased;
            result = &mut sending => Some(result),
            // `hyper` may lose a request that it hands to a connection just when the connection ends.
            () = end(&mut connection) => sending.now_or_never(),
        };
        let is_reused = || {
            let info = connection.connection_metadata().as_ref().and_then(Info::of);
            info.is_some_and(|info| !info.is_opened_for(number))
        };
        match result {
            Some(Err(error)) if !(failure::is_without_answer(&error) && is_reused()) => Err(error),
            Some(Ok(response)) => Ok(response),
            _ => self.fresh.request(request()).await,
        }
    }
}

/// Opens a connection, and observes it from then on.
async fn observed(opening: Opening<Stream>) -> Result<Io, BoxError> {
    let stream = client_certificates::observed(opening).await?;
    Ok(TokioIo::new(Watched::new(TokioIo::new(stream))))
}

/// Returns when the connection of a request ends. Never returns if that is unknown.
async fn end(connection: &mut CaptureConnection) {
    let info = connection.wait_for_connection_metadata().await.as_ref().and_then(Info::of);
    match info {
        Some(info) => info.ended().await,
        None => pending().await,
    }
}

/// The TLS configuration. It offers HTTP/1.1 only.
fn tls(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Explained(Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = config.with_client_cert_resolver(Arc::new(NoCertificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
