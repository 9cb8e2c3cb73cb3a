//! What can go wrong on the way to AWS: an HTTP client around another that decides about each request.

use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use shared::config;

use super::{Fuse, Gate};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It is performed.
    Pass,
    /// It is not performed, and the caller is told.
    Refuse,
    /// It is performed when the gate is open, and the caller waits so long.
    Behind(Gate),
    /// It is performed, and its answer is lost; the SDK then tries again by itself.
    LoseAnswer,
    /// It is performed, and answered, as far as the fuse lets it.
    Through(Fuse),
}

/// The same table and queue, reached over a network that treats each operation (`PutItem`) so. The
/// SDK tries as often as in a function.
pub(crate) fn over_network(sdk: &SdkConfig, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> SdkConfig {
    let client = Network { inner: sdk.http_client().unwrap(), fate: Arc::new(fate) };
    sdk.to_builder().retry_config(config::retries()).http_client(SharedHttpClient::new(client)).build()
}

#[derive(Clone)]
struct Network<T> {
    inner: T,
    fate: Arc<dyn Fn(&str) -> Fate + Send + Sync>,
}

impl<T: fmt::Debug> fmt::Debug for Network<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({:?})", self.inner)
    }
}

impl HttpClient for Network<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Network { inner, fate: Arc::clone(&self.fate) })
    }
}

impl HttpConnector for Network<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.split('.').next_back().unwrap_or_default();
        match (self.fate)(operation) {
            Fate::Pass => self.inner.call(request),
            // The SDK does not repeat what failed on the caller's side, so that a test meets the failure at once.
            Fate::Refuse => HttpConnectorFuture::ready(Err(ConnectorError::user("refused by the test".into()))),
            Fate::Behind(gate) => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move {
                    gate.pass().await;
                    inner.call(request).await
                })
            }
            Fate::Through(fuse) => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move { fuse.pass(async { inner.call(request).await }).await })
            }
            Fate::LoseAnswer => {
                let performed = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    performed.await?;
                    Err(ConnectorError::io("lost by the test".into()))
                })
            }
        }
    }
}
