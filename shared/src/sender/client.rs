//! The HTTP client: `hyper-util`'s, over connections to vetted addresses.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HttpClient, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tower::ServiceExt;
use tower::util::MapResponse;

use super::connection::{RequestNumber, Watched};
use super::failure;
use super::resolver::VettedResolver;
use super::{IDLE, IDLE_PER_HOST, SetupError};

type Https = HttpsConnector<HttpConnector<VettedResolver>>;
type Stream = <Https as tower::Service<http::Uri>>::Response;
type Io = TokioIo<Watched<TokioIo<Stream>>>;
type Connector = MapResponse<Https, fn(Stream) -> Io>;

/// The client. Cloning it shares its connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Keeps its connections for later requests.
    kept: HttpClient<Connector, Full<Bytes>>,
    /// Makes a connection for every request.
    fresh: HttpClient<Connector, Full<Bytes>>,
}

impl Client {
    /// A client that connects to what the resolver finds, and trusts the system's roots and these.
    ///
    /// # Errors
    /// [`SetupError`] if there are no roots, or one of those that were given cannot be read.
    pub(super) fn new(resolver: VettedResolver, roots: Vec<CertificateDer<'static>>) -> Result<Self, SetupError> {
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnector::from((http, tls(roots)?));
        let watched: fn(Stream) -> Io = |stream| TokioIo::new(Watched::new(TokioIo::new(stream)));
        let connector = https.map_response(watched);
        let build = |idle_per_host| {
            HttpClient::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle_per_host)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .build(connector.clone())
        };
        Ok(Self { kept: build(IDLE_PER_HOST), fresh: build(0) })
    }

    /// Sends a request and returns the head of its answer. If a kept connection ends without a byte of an answer, the
    /// request is made again and sent over a new one: the receiver closed a connection that was idle, and a request that
    /// it did read is recognised by its `webhook-id`. `hyper-util` itself repeats only what it has not begun to write.
    ///
    /// # Errors
    /// [`Error`] if no head of an answer came.
    pub(super) async fn send(&self, request: impl Fn() -> Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let number = RequestNumber::next();
        match number.run(self.kept.request(request())).await {
            Err(error) if failure::is_of_kept_connection(&error, number) => self.fresh.request(request()).await,
            result => result,
        }
    }
}

/// HTTP/1.1 is all that is offered.
fn tls(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?);
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
