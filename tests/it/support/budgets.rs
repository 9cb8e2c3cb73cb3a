//! DynamoDB's throughput limit of a partition key: an HTTP client around the engine's client that counts the consumed
//! units of each key of the table and the index, in each second of the test's clock.
//!
//! A key is used up if earlier requests of the same second consumed its budget. The request that consumes the last
//! units passes completely. Unused units do not carry over to the next second, because DynamoDB does not guarantee
//! burst capacity. Requests are performed sequentially, so that each one sees the consumption of all earlier ones.
//! change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::meter::Consumed;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::touched::{Key, Touched};
use super::{Call, Process, TestClock, World, faults, parts};

/// The units that one partition key may consume in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
}

impl Budget {
    /// DynamoDB's limits.
    pub(crate) const FULL: Self = Self { write_units: 1_000.0, read_units: 3_000.0 };

    /// Divides the budget, for a load that is scaled down by the same factor.
    pub(crate) fn scaled_down(self, by: u32) -> Self {
        Self { write_units: self.write_units / f64::from(by), read_units: self.read_units / f64::from(by) }
    }

    const fn of(self, reads: bool) -> f64 {
        if reads { self.read_units } else { self.write_units }
    }
}

/// The handling of a request whose key is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsedUp {
    /// The request is throttled like in DynamoDB: a call for one item or a transaction completely, a batch only for the
    /// items of the key.
    Throttled,
    /// The request is performed and [`Budgets::used_up`] lists the key. Use it if the test controls the rate of the
    /// load: retries of the SDK wait in real time while the test's clock stands still, and would change the rate.
    Recorded,
}

/// The budgets of all keys. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Budgets(Arc<State>);

#[derive(Debug)]
struct State {
    budget: Budget,
    used_up: UsedUp,
    clock: TestClock,
    counts: Mutex<Counts>,
}

/// The counted consumption.
#[derive(Debug, Default)]
struct Counts {
    second: i64,
    /// The units in the current second, by key and by whether they are read units.
    consumed: HashMap<(Key, bool), f64>,
    /// The maximum units of each key in any second.
    highest: BTreeMap<(Key, bool), f64>,
    /// The keys that were used up when a request arrived.
    used_up: BTreeSet<Key>,
}

impl Budgets {
    pub(crate) fn new(world: &World, budget: Budget, used_up: UsedUp) -> Self {
        Self(Arc::new(State { budget, used_up, clock: world.clock.clone(), counts: Mutex::default() }))
    }

    /// Applies the budgets to the clients of a configuration.
    pub(crate) fn over(&self, sdk: &SdkConfig) -> SdkConfig {
        let client = Budgeted { inner: sdk.http_client().unwrap(), budgets: self.clone() };
        sdk.to_builder().http_client(SharedHttpClient::new(client)).build()
    }

    /// A process whose calls to the world's table have these budgets.
    pub(crate) fn process(&self, world: &World) -> Process {
        world.process_on(&self.over(&world.sdk()))
    }

    /// The keys that were used up when a request arrived, with the maximum units that each consumed in a second.
    pub(crate) async fn used_up(&self) -> Vec<String> {
        let counts = self.0.counts.lock().await;
        let most = |key: &Key, reads| counts.highest.get(&(key.clone(), reads)).copied().unwrap_or_default();
        let named = |key| format!("{key}: {} write units, {} read units", most(key, false), most(key, true));
        counts.used_up.iter().map(named).collect()
    }

    async fn counts(&self) -> MutexGuard<'_, Counts> {
        let mut counts = self.0.counts.lock().await;
        let second = self.0.clock.now().unix_seconds();
        if counts.second != second {
            counts.second = second;
            counts.consumed.clear();
        }
        counts
    }

    /// Whether a request may use these keys.
    fn admit<'a>(&self, counts: &mut Counts, keys: impl Iterator<Item = &'a Key>, reads: bool) -> bool {
        let budget = self.0.budget.of(reads);
        let consumed = |key: &Key| counts.consumed.get(&(key.clone(), reads)).copied().unwrap_or_default();
        let used_up: Vec<_> = keys.filter(|key| consumed(key) >= budget).cloned().collect();
        let admitted = used_up.is_empty() || self.0.used_up == UsedUp::Recorded;
        counts.used_up.extend(used_up);
        admitted
    }
}

impl Counts {
    fn add(&mut self, key: &Key, reads: bool, units: f64) {
        let consumed = self.consumed.entry((key.clone(), reads)).or_default();
        *consumed += units;
        let highest = self.highest.entry((key.clone(), reads)).or_default();
        *highest = highest.max(*consumed);
    }

    /// Counts the units of a call for these items. A transaction reports the sum for all items, which have about the
    /// same size.
    fn add_all(&mut self, touched: &[Touched], reads: bool, consumed: Consumed) {
        if reads {
            touched.iter().for_each(|item| self.add(&item.key, reads, consumed.table + consumed.index));
            return;
        }
        let share = consumed.table / f64::from(u32::try_from(touched.len()).unwrap());
        touched.iter().for_each(|item| self.add(&item.key, reads, share));
        let moved: Vec<_> = touched.iter().flat_map(Touched::index_writes).cloned().collect();
        if consumed.index > 0.0 {
            assert_eq!(
                f64::from(u32::try_from(moved.len()).unwrap()),
                consumed.index,
                "the units that the engine reports"
            );
            moved.iter().for_each(|key| self.add(key, reads, 1.0));
        }
    }
}

/// Implements both the SDK's client and its connector.
#[derive(Debug, Clone)]
struct Budgeted<T> {
    inner: T,
    budgets: Budgets,
}

impl HttpClient for Budgeted<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Budgeted { inner, budgets: self.budgets.clone() })
    }
}

impl HttpConnector for Budgeted<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = Call::read(&request);
        if call.service != "dynamodb" {
            return self.inner.call(request);
        }
        let network = self.clone();
        HttpConnectorFuture::new(async move {
            let mut counts = network.budgets.counts().await;
            if call.operation.starts_with("Batch") {
                network.perform_each(&mut counts, &call, &request).await
            } else {
                network.perform_whole(&mut counts, &call, &request).await
            }
        })
    }
}

impl Budgeted<SharedHttpConnector> {
    /// Performs a call for one item, a query or a transaction.
    async fn perform_whole(
        &self,
        counts: &mut Counts,
        call: &Call,
        request: &HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut touched = Vec::new();
        for item in Touched::by(call) {
            touched.push(self.with_present_mark(item, request).await?);
        }
        let admitted: Vec<_> =
            touched.iter().map(|item| self.budgets.admit(counts, item.keys(), call.reads())).collect();
        if admitted.iter().all(|admitted| *admitted) {
            return self.perform(counts, call, request, &touched).await;
        }
        if call.operation != "TransactWriteItems" {
            return Ok(faults::error(call, 400, "ProvisionedThroughputExceededException"));
        }
        let reasons = admitted.iter().map(|admitted| if *admitted { json!({"Code": "None"}) } else { throttled() });
        let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        let reasons = reasons.collect::<Value>();
        Ok(faults::answer(
            400,
            &json!({"__type": code, "message": "so the test will have it", "CancellationReasons": reasons}),
        ))
    }

    /// Performs each item of a batch separately, as DynamoDB does.
    async fn perform_each(
        &self,
        counts: &mut Counts,
        call: &Call,
        request: &HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut body = call.body.clone();
        let entries = std::mem::take(parts::entries_of(&call.operation, &mut body));
        let (mut done, mut left) = (json!({}), Vec::new());
        let count = entries.len();
        for entry in entries {
            let mut alone = Call { body: body.clone(), ..call.clone() };
            parts::entries_of(&call.operation, &mut alone.body).push(entry.clone());
            let item = Touched::by(&alone).next().unwrap();
            let item = self.with_present_mark(item, request).await?;
            if self.budgets.admit(counts, item.keys(), call.reads()) {
                let response = self.perform(counts, &alone, request, &[item]).await?;
                if !response.status().is_success() {
                    return Ok(response);
                }
                merge(&mut done, serde_json::from_slice(response.body().bytes().unwrap()).unwrap());
            } else if call.operation == "BatchExecuteStatement" {
                merge(&mut done, json!({"Responses": [{"Error": throttled()}]}));
            } else {
                left.push(entry);
            }
        }
        if left.len() == count {
            return Ok(faults::error(call, 400, "ProvisionedThroughputExceededException"));
        }
        let left = match (left.is_empty(), call.reads()) {
            (true, _) => json!({}),
            (false, true) => json!({"UnprocessedKeys": parts::of_table(call, json!({"Keys": left}))}),
            (false, false) => json!({"UnprocessedItems": parts::of_table(call, Value::Array(left))}),
        };
        merge(&mut done, left);
        Ok(faults::answer(200, &done))
    }

    /// Performs a call and counts its units.
    async fn perform(
        &self,
        counts: &mut Counts,
        call: &Call,
        request: &HttpRequest,
        touched: &[Touched],
    ) -> Result<HttpResponse, ConnectorError> {
        let mut body = call.body.clone();
        body["ReturnConsumedCapacity"] = json!("INDEXES");
        let response = self.inner.call(with_body(request, &call.operation, &body)).await?;
        if !touched.is_empty() {
            let answer = serde_json::from_slice(response.body().bytes().unwrap()).unwrap_or_default();
            counts.add_all(touched, call.reads(), Consumed::of(&answer));
        }
        Ok(response)
    }

    /// Reads the index key of an item before it is written.
    async fn with_present_mark(&self, item: Touched, request: &HttpRequest) -> Result<Touched, ConnectorError> {
        let Some(get) = item.read_mark() else { return Ok(item) };
        let response = self.inner.call(with_body(request, "GetItem", &get)).await?;
        let answer: Value = serde_json::from_slice(response.body().bytes().unwrap()).unwrap();
        Ok(item.with_mark(&answer["Item"]))
    }
}

fn with_body(request: &HttpRequest, operation: &str, body: &Value) -> HttpRequest {
    let mut request = request.try_clone().unwrap();
    request.headers_mut().insert("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    *request.body_mut() = SdkBody::from(body.to_string());
    request
}

/// The cancellation reason of an item of a transaction, and the error of a statement.
fn throttled() -> Value {
    json!({"Code": "ThrottlingError", "Message": "so the test will have it"})
}

/// Adds the parts of one response to another.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}
