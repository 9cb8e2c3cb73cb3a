//! Network faults between the SDK and AWS: an HTTP client around another one that decides about each request.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::config;

use super::parts::{self, Part};
use super::{Call, Fuse, Gate};

/// The fate of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// The request is performed.
    Pass,
    /// The request is not performed, and the SDK gets an error that it does not retry.
    Refuse,
    /// The request is performed when the gate opens. The caller waits until then.
    Behind(Gate),
    /// The request is performed, which opens `performed`. The response is returned when `gate` opens.
    AnswerBehind { performed: Gate, gate: Gate },
    /// The request is performed and its response is lost. The SDK then retries it.
    LoseAnswer,
    /// The request is not performed, and the service returns this status and error code.
    Error(u16, &'static str),
    /// The request is not performed, and the connection breaks.
    Break,
    /// The request is not performed, and the SDK gets a timeout.
    TimeOut,
    /// The request is not performed, and no response arrives.
    Hang,
    /// This part of a batch is performed, and the response reports the rest as unprocessed.
    Only(Part),
    /// The request and its response pass as long as the fuse lets them.
    Through(Fuse),
}

/// The fate of a call at a process that cannot list events and deliveries. It can write new jobs, but finds nothing for
/// them.
pub(crate) fn without_lists(call: &Call) -> Fate {
    if call.operation == "Query" { Fate::Refuse } else { Fate::Pass }
}

/// The configuration with a network on which each operation, such as `PutItem`, has the fate that the function returns.
/// The SDK makes as many attempts as in a function.
pub(crate) fn over_network(sdk: &SdkConfig, fate: impl Fn(&str) -> Fate + Send + Sync + 'static) -> SdkConfig {
    over_network_by_call(sdk, move |call| fate(&call.operation))
}

/// Like [`over_network`], with a function that gets the complete call.
pub(crate) fn over_network_by_call(sdk: &SdkConfig, fate: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> SdkConfig {
    static NETWORKS: AtomicUsize = AtomicUsize::new(0);
    let client = Network { inner: sdk.http_client().unwrap(), fate: Arc::new(fate) };
    // Clients of one region share the SDK's retry quota, so each network has a region of its own.
    let region = Region::new(format!("network-{}", NETWORKS.fetch_add(1, Ordering::Relaxed)));
    // The number of attempts is that of a function, without the waits between them.
    let retries = config::retries().with_initial_backoff(Duration::from_millis(1));
    sdk.to_builder().region(region).retry_config(retries).http_client(SharedHttpClient::new(client)).build()
}

/// The configuration with a network on which every call passes and is recorded.
pub(crate) fn recorded(sdk: &SdkConfig) -> (SdkConfig, Arc<Mutex<Vec<Call>>>) {
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let record = Arc::clone(&calls);
    let network = over_network_by_call(sdk, move |call| {
        record.lock().unwrap().push(call.clone());
        Fate::Pass
    });
    (network, calls)
}

/// The configuration with a network on which every call passes, and the number of those that `concerns` selects.
pub(crate) fn counted(
    sdk: &SdkConfig,
    concerns: impl Fn(&Call) -> bool + Send + Sync + 'static,
) -> (SdkConfig, Arc<AtomicUsize>) {
    let (network, _, calls) = troubled(sdk, concerns, Fate::Pass);
    (network, calls)
}

/// The configuration with a network on which the calls that `concerns` selects have this fate while the switch is on, and
/// their number. The switch is on at first.
pub(crate) fn troubled(
    sdk: &SdkConfig,
    concerns: impl Fn(&Call) -> bool + Send + Sync + 'static,
    fate: Fate,
) -> (SdkConfig, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (on, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (switch, counter) = (Arc::clone(&on), Arc::clone(&calls));
    let network = over_network_by_call(sdk, move |call| {
        if !concerns(call) {
            return Fate::Pass;
        }
        counter.fetch_add(1, Ordering::SeqCst);
        if switch.load(Ordering::SeqCst) { fate.clone() } else { Fate::Pass }
    });
    (network, on, calls)
}

#[derive(Clone)]
struct Network<T> {
    inner: T,
    fate: Arc<dyn Fn(&Call) -> Fate + Send + Sync>,
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
        let call = Call::read(&request);
        match (self.fate)(&call) {
            Fate::Pass => self.inner.call(request),
            // The SDK does not retry a caller's error, so the test gets the failure immediately.
            Fate::Refuse => HttpConnectorFuture::ready(Err(ConnectorError::user("refused by the test".into()))),
            Fate::Behind(gate) => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move {
                    gate.pass().await;
                    inner.call(request).await
                })
            }
            Fate::AnswerBehind { performed, gate } => {
                let inner = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    let answer = inner.await;
                    performed.open();
                    gate.pass().await;
                    answer
                })
            }
            Fate::Through(fuse) => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move {
                    let performed = async { inner.call(request).await };
                    if call.reads() { fuse.pass_read(performed).await } else { fuse.pass(performed).await }
                })
            }
            Fate::LoseAnswer => {
                let performed = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    performed.await?;
                    Err(ConnectorError::io("lost by the test".into()))
                })
            }
            Fate::Error(status, code) => HttpConnectorFuture::ready(Ok(error(&call, status, code))),
            Fate::Break => HttpConnectorFuture::ready(Err(ConnectorError::io("broken by the test".into()))),
            Fate::TimeOut => HttpConnectorFuture::ready(Err(ConnectorError::timeout("too late for the test".into()))),
            Fate::Hang => HttpConnectorFuture::new(std::future::pending()),
            Fate::Only(part) => self.perform_part(request, &call, part),
        }
    }
}

impl Network<SharedHttpConnector> {
    fn perform_part(&self, mut request: HttpRequest, call: &Call, part: Part) -> HttpConnectorFuture {
        let (performed, left) = parts::split(call, part);
        let performed = performed.map(|body| {
            *request.body_mut() = SdkBody::from(body.to_string());
            self.inner.call(request)
        });
        HttpConnectorFuture::new(async move {
            let Some(performed) = performed else { return Ok(answer(200, &left)) };
            let response = performed.await?;
            let done: Value = serde_json::from_slice(response.body().bytes().unwrap()).unwrap();
            Ok(answer(response.status().as_u16(), &parts::join(done, left)))
        })
    }
}

pub(super) fn error(call: &Call, status: u16, code: &str) -> HttpResponse {
    let namespace = if call.service == "sqs" { "com.amazonaws.sqs" } else { "com.amazonaws.dynamodb.v20120810" };
    answer(status, &json!({"__type": format!("{namespace}#{code}"), "message": "so the test will have it"}))
}

pub(super) fn answer(status: u16, body: &Value) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
