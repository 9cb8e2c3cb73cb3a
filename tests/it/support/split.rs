//! DynamoDB's transactions as concurrent reads can see them.
//!
//! A query concurrent with a transaction is read-committed: it can find some items of the transaction changed and
//! others not. The embedded engine changes all items atomically and cannot show this. Here the transactions that change
//! endpoints are performed item by item in either order, with a callback between any two items. Their outcome is still
//! atomic, and a write to an item of a transaction in progress is a conflict, as on AWS. A transaction that has begun
//! is completed even if its caller is cancelled.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Call, faults};

type Pause = dyn Fn() -> BoxFuture<'static, ()> + Send + Sync;

/// Splits transactions. Clones share the set of items in progress.
#[derive(Clone)]
pub(crate) struct Splitter(Arc<State>);

struct State {
    /// Whether the items of the next transaction are changed in reverse order.
    backwards: Box<dyn Fn() -> bool + Send + Sync>,
    between: Box<Pause>,
    changing: Mutex<HashSet<String>>,
    conflicts: AtomicUsize,
}

impl Splitter {
    /// Creates a splitter that calls `between` between any two items of a transaction.
    pub(crate) fn new(
        backwards: impl Fn() -> bool + Send + Sync + 'static,
        between: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        let (backwards, between) = (Box::new(backwards), Box::new(between));
        Self(Arc::new(State { backwards, between, changing: Mutex::default(), conflicts: AtomicUsize::new(0) }))
    }

    /// Applies the splitter to the clients of a configuration.
    pub(crate) fn over(&self, sdk: &SdkConfig) -> SdkConfig {
        let client = Split { inner: sdk.http_client().unwrap(), splitter: self.clone() };
        sdk.to_builder().http_client(SharedHttpClient::new(client)).build()
    }

    /// The number of writes that conflicted with a transaction in progress.
    pub(crate) fn conflicts(&self) -> usize {
        self.0.conflicts.load(Ordering::SeqCst)
    }

    /// Marks items as in progress. Returns false if one of them already is.
    fn begin(&self, keys: &[String]) -> bool {
        let mut changing = self.0.changing.lock().unwrap();
        let is_free = keys.iter().all(|key| !changing.contains(key));
        if is_free {
            changing.extend(keys.iter().cloned());
        } else {
            self.0.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        is_free
    }

    fn end(&self, keys: &[String]) {
        let mut changing = self.0.changing.lock().unwrap();
        changing.retain(|key| !keys.contains(key));
    }
}

impl fmt::Debug for Splitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Splitter")
    }
}

#[derive(Debug, Clone)]
struct Split<T> {
    inner: T,
    splitter: Splitter,
}

impl HttpClient for Split<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Split { inner, splitter: self.splitter.clone() })
    }
}

impl HttpConnector for Split<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = Call::read(&request);
        let network = self.clone();
        match call.operation.as_str() {
            "TransactWriteItems" if is_split(&call) => HttpConnectorFuture::new(async move {
                let performed = tokio::spawn(async move { network.perform(&call, &request).await });
                performed.await.map_err(|error| ConnectorError::user(error.into()))?
            }),
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                let key = [key(&call.body)];
                if !self.splitter.begin(&key) {
                    return HttpConnectorFuture::ready(Ok(faults::error(&call, 400, "TransactionConflictException")));
                }
                self.splitter.end(&key);
                self.inner.call(request)
            }
            _ => self.inner.call(request),
        }
    }
}

impl Split<SharedHttpConnector> {
    async fn perform(&self, call: &Call, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let actions: Vec<_> = call.body["TransactItems"].as_array().unwrap().iter().map(action).collect();
        let keys: Vec<_> = actions.iter().map(|(_, body)| key(body)).collect();
        if !self.splitter.begin(&keys) {
            return Ok(conflict(keys.len()));
        }
        let answer = self.perform_each(request, actions).await;
        self.splitter.end(&keys);
        answer
    }

    /// Only the first item of these transactions has a condition.
    async fn perform_each(
        &self,
        request: &HttpRequest,
        mut actions: Vec<(String, Value)>,
    ) -> Result<HttpResponse, ConnectorError> {
        let check = json!({"TransactItems": [{"ConditionCheck": condition(&actions[0].1)}]});
        let checked = self.inner.call(with_body(request, "TransactWriteItems", &check)).await?;
        if !checked.status().is_success() {
            return Ok(checked);
        }
        if (self.splitter.0.backwards)() {
            actions.reverse();
        }
        for (at, (name, mut body)) in actions.into_iter().enumerate() {
            if at > 0 {
                (self.splitter.0.between)().await;
            }
            without_condition(&name, &mut body);
            let answer = self.inner.call(with_body(request, &format!("{name}Item"), &body)).await?;
            assert!(answer.status().is_success(), "{name} {body}: {:?}", answer.body());
        }
        Ok(faults::answer(200, &json!({})))
    }
}

/// Whether a transaction changes an endpoint.
fn is_split(call: &Call) -> bool {
    call.partitions().contains("endpoint")
}

/// The operation of a transaction's entry and its parameters.
fn action(entry: &Value) -> (String, Value) {
    let (name, body) = entry.as_object().unwrap().iter().next().unwrap();
    (name.clone(), body.clone())
}

fn key(body: &Value) -> String {
    let item = body.get("Item").unwrap_or(&body["Key"]);
    format!("{} {}", item["pk"]["S"], item["sk"]["S"])
}

/// The condition of an action as an action of its own.
fn condition(body: &Value) -> Value {
    let item = body.get("Item").unwrap_or(&body["Key"]);
    let mut check = body.clone();
    check.as_object_mut().unwrap().remove("Item");
    check["Key"] = json!({"pk": item["pk"], "sk": item["sk"]});
    check
}

fn without_condition(name: &str, body: &mut Value) {
    let body = body.as_object_mut().unwrap();
    body.remove("ConditionExpression");
    body.remove("ReturnValuesOnConditionCheckFailure");
    if name != "Update" {
        body.remove("ExpressionAttributeValues");
    }
}

/// The error of a write whose item another transaction is changing.
fn conflict(items: usize) -> HttpResponse {
    let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons: Vec<_> = (0..items).map(|_| json!({"Code": "TransactionConflict"})).collect();
    faults::answer(400, &json!({"__type": code, "message": "so the test will have it", "CancellationReasons": reasons}))
}

fn with_body(request: &HttpRequest, operation: &str, body: &Value) -> HttpRequest {
    let mut request = request.try_clone().unwrap();
    request.headers_mut().insert("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    *request.body_mut() = SdkBody::from(body.to_string());
    request
}
