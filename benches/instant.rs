//! Responds to DynamoDB and SQS requests from memory without an engine, so that only the cost of the product's code and
//! of the SDK remains. Reads return the items of a copied table. Writes succeed and change nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The HTTP client for the SDK. Clones share all state.
#[derive(Debug, Clone)]
pub(crate) struct InstantAws(Arc<State>);

#[derive(Debug)]
struct State {
    /// The items by partition key and sort key.
    items: HashMap<String, BTreeMap<String, Box<RawValue>>>,
    sent: AtomicUsize,
}

impl InstantAws {
    /// Creates a client that responds like a table with these items, given in DynamoDB's JSON.
    pub(crate) fn new(items: Vec<Box<RawValue>>) -> anyhow::Result<Self> {
        let mut partitions = HashMap::<_, BTreeMap<_, _>>::new();
        for item in items {
            let key: Key<'_> = serde_json::from_str(item.get())?;
            let (partition, sort) = (key.pk.s.to_owned(), key.sk.s.to_owned());
            partitions.entry(partition).or_default().insert(sort, item);
        }
        Ok(Self(Arc::new(State { items: partitions, sent: AtomicUsize::new(0) })))
    }

    /// The number of sent messages.
    pub(crate) fn sent(&self) -> usize {
        self.0.sent.load(Ordering::Relaxed)
    }

    fn answer(&self, target: &str, body: &[u8]) -> Result<String, serde_json::Error> {
        let (_, operation) = target.split_once('.').unwrap_or_default();
        Ok(match operation {
            "GetItem" => {
                let request: GetItem<'_> = serde_json::from_slice(body)?;
                self.item(&request.key).map_or_else(|| "{}".to_owned(), |item| format!(r#"{{"Item":{item}}}"#))
            }
            "BatchGetItem" => {
                let request: BatchGetItem<'_> = serde_json::from_slice(body)?;
                let table = |(table, wanted): (&&str, &Keys<'_>)| {
                    let found = wanted.keys.iter().filter_map(|key| self.item(key));
                    format!(r#""{table}":[{}]"#, joined(found))
                };
                let responses = request.request_items.iter().map(table).collect::<Vec<_>>().join(",");
                format!(r#"{{"Responses":{{{responses}}},"UnprocessedKeys":{{}}}}"#)
            }
            "Query" => {
                let request: Query<'_> = serde_json::from_slice(body)?;
                let values = request.expression_attribute_values;
                let partition = self.0.items.get(values.pk.s).into_iter().flatten();
                let found = partition.filter(|(sort, _)| sort.starts_with(values.prefix.s));
                format!(r#"{{"Items":[{}]}}"#, joined(found.map(|(_, item)| item.get())))
            }
            "SendMessageBatch" => {
                let request: SendMessageBatch<'_> = serde_json::from_slice(body)?;
                self.0.sent.fetch_add(request.entries.len(), Ordering::Relaxed);
                let sent = request.entries.iter().map(|entry| {
                    format!(
                        r#"{{"Id":"{}","MessageId":"059f36b4-87a3-44ab-83d2-66197597a110","MD5OfMessageBody":"7fb5b2a1c0e94b6ebc5a1d0f3e2c4d6b"}}"#,
                        entry.id
                    )
                });
                format!(r#"{{"Successful":[{}]}}"#, sent.collect::<Vec<_>>().join(","))
            }
            "BatchExecuteStatement" => {
                let request: BatchExecuteStatement = serde_json::from_slice(body)?;
                format!(r#"{{"Responses":[{}]}}"#, joined(request.statements.iter().map(|_| "{}")))
            }
            "PutItem" | "UpdateItem" | "BatchWriteItem" => "{}".to_owned(),
            other => return Err(serde::de::Error::custom(format!("the operation {other} is not supported"))),
        })
    }

    fn item(&self, key: &Key<'_>) -> Option<&str> {
        Some(self.0.items.get(key.pk.s)?.get(key.sk.s)?.get())
    }
}

fn joined<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<Vec<_>>().join(",")
}

impl HttpClient for InstantAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InstantAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let answer = self.answer(target, request.body().bytes().unwrap_or_default());
        HttpConnectorFuture::ready(answer.map_err(|error| ConnectorError::user(error.into())).and_then(response))
    }
}

fn response(body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(200).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchExecuteStatement {
    statements: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "S")]
    s: &'a str,
}

#[derive(Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    pk: Text<'a>,
    #[serde(borrow)]
    sk: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetItem<'a> {
    #[serde(borrow)]
    key: Key<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGetItem<'a> {
    #[serde(borrow)]
    request_items: HashMap<&'a str, Keys<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys<'a> {
    #[serde(borrow)]
    keys: Vec<Key<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query<'a> {
    #[serde(borrow)]
    expression_attribute_values: QueryValues<'a>,
}

#[derive(Deserialize)]
struct QueryValues<'a> {
    #[serde(borrow, rename = ":pk")]
    pk: Text<'a>,
    #[serde(borrow, rename = ":prefix")]
    prefix: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch<'a> {
    #[serde(borrow)]
    entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: &'a str,
}
