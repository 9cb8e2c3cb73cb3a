//! Counts the billable use of DynamoDB and SQS from the requests and responses of the SDK's clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// The size of one billed SQS request, in bytes. A larger request is billed as several.
const QUEUE_REQUEST_BYTES: usize = 64 * 1024;

/// The billable use of DynamoDB and SQS.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bill {
    /// The number of calls by operation, such as `PutItem`. Each retry of the SDK counts.
    pub(crate) calls: BTreeMap<String, u32>,
    /// The write request units of DynamoDB, including those of the index.
    pub(crate) write_units: f64,
    /// The read request units of DynamoDB.
    pub(crate) read_units: f64,
    /// The number of billed SQS requests of 64 KiB each.
    pub(crate) queue_requests: u32,
}

/// Counts the billable use since the last [`take`](Self::take).
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<Bill>>);

impl Meter {
    /// Returns a configuration whose clients are metered, and the meter. Requests to DynamoDB ask for the consumed
    /// units (`ReturnConsumedCapacity`). Returns `None` if the configuration has no HTTP client.
    pub(crate) fn install(sdk: &SdkConfig) -> Option<(SdkConfig, Self)> {
        let meter = Self::default();
        let client = Metered { inner: sdk.http_client()?, meter: meter.clone() };
        Some((sdk.to_builder().http_client(SharedHttpClient::new(client)).build(), meter))
    }

    /// Returns the use since the last call, and starts again at zero.
    pub(crate) fn take(&self) -> Bill {
        std::mem::take(&mut self.bill())
    }

    fn add(&self, operation: &str, request: &Value, response: &Value) {
        let mut bill = self.bill();
        *bill.calls.entry(operation.to_owned()).or_default() += 1;
        if is_dynamodb(operation) {
            let Consumed { table, index } = Consumed::of(response);
            let units_of = if is_read(operation) { &mut bill.read_units } else { &mut bill.write_units };
            *units_of += table + index;
        } else {
            // A response with messages is billed by its size.
            let bytes = payload(&request["Entries"]).max(payload(&response["Messages"]));
            bill.queue_requests += u32::try_from(bytes.div_ceil(QUEUE_REQUEST_BYTES)).unwrap_or(u32::MAX).max(1);
        }
    }

    fn bill(&self) -> MutexGuard<'_, Bill> {
        // A panic in another thread cannot leave a count incomplete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn is_read(operation: &str) -> bool {
    ["GetItem", "BatchGetItem", "Query", "Scan"].contains(&operation)
}

fn is_dynamodb(operation: &str) -> bool {
    let writes =
        ["BatchExecuteStatement", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
    is_read(operation) || writes.contains(&operation)
}

/// The consumed units in a response of DynamoDB. The request must have asked for them with `ReturnConsumedCapacity:
/// INDEXES`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Consumed {
    /// The units of the table.
    pub(crate) table: f64,
    /// The units of its indexes.
    pub(crate) index: f64,
}

impl Consumed {
    /// Sums the units of a response over all its tables.
    pub(crate) fn of(response: &Value) -> Self {
        let capacity = &response["ConsumedCapacity"];
        // A write whose condition failed consumes the same units as a successful write, but its error does not contain
        // them.
        if capacity.is_null()
            && response["__type"].as_str().is_some_and(|error| error.ends_with("CheckFailedException"))
        {
            return Self { table: 1.0, index: 0.0 };
        }
        let units = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or(0.0);
        let of_table = |capacity: &Value| {
            let indexes = capacity["GlobalSecondaryIndexes"].as_object();
            let index = indexes.map_or(0.0, |indexes| indexes.values().map(units).sum());
            Self { table: units(capacity) - index, index }
        };
        let tables = capacity.as_array().map_or_else(|| std::slice::from_ref(capacity), Vec::as_slice);
        let sum = |sum: Self, one: Self| Self { table: sum.table + one.table, index: sum.index + one.index };
        tables.iter().map(of_table).fold(Self::default(), sum)
    }
}

/// The size of the messages in a request or a response of SQS, in bytes.
fn payload(messages: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let bytes = |message: &Value| text(&message["MessageBody"]).max(text(&message["Body"]));
    messages.as_array().into_iter().flatten().map(bytes).sum()
}

/// Implements both the SDK's client and its connector.
#[derive(Clone)]
struct Metered<T> {
    inner: T,
    meter: Meter,
}

impl<T: fmt::Debug> fmt::Debug for Metered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({:?})", self.inner)
    }
}

impl HttpClient for Metered<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Metered { inner, meter: self.meter.clone() })
    }
}

impl HttpConnector for Metered<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let (is_dynamodb, operation) = (service.starts_with("DynamoDB"), operation.to_owned());
        let mut body = read(request.body().bytes().unwrap_or_default());
        if is_dynamodb && let Some(fields) = body.as_object_mut() {
            fields.insert("ReturnConsumedCapacity".to_owned(), json!("INDEXES"));
            *request.body_mut() = SdkBody::from(body.to_string());
        }
        let (answer, meter) = (self.inner.call(request), self.meter.clone());
        HttpConnectorFuture::new(async move {
            let response: HttpResponse = answer.await?;
            meter.add(&operation, &body, &read(response.body().bytes().unwrap_or_default()));
            Ok(response)
        })
    }
}
