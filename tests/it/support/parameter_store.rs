//! SSM with one parameter: an HTTP client that answers its requests, around another one for the other services.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::text;

/// The name of the parameter.
pub(crate) const PARAMETER: &str = "/pigeonpost/secrets-key";

/// A store with the parameter [`PARAMETER`]. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ParameterStore(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    answer: ParameterAnswer,
    version: i64,
    requests: usize,
}

/// What the store answers.
#[derive(Debug, Clone)]
pub(crate) enum ParameterAnswer {
    /// The parameter's value.
    Value(String),
    /// An error with this status and name.
    Error(u16, &'static str),
}

impl ParameterStore {
    /// A store whose parameter has this value.
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(State { answer: ParameterAnswer::Value(value.into()), version: 1, requests: 0 })))
    }

    /// Changes the answer.
    pub(crate) fn answer(&self, answer: ParameterAnswer) {
        let mut state = self.state();
        state.answer = answer;
        state.version += 1;
    }

    /// How many requests were answered.
    pub(crate) fn requests(&self) -> usize {
        self.state().requests
    }

    /// A configuration whose clients for SSM use this store, and the others what they used.
    pub(crate) fn beside(&self, sdk: &SdkConfig) -> SdkConfig {
        let client = Beside { store: self.clone(), others: sdk.http_client().unwrap() };
        sdk.to_builder().http_client(SharedHttpClient::new(client)).build()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        assert_eq!((text(&body["Name"]), &body["WithDecryption"]), (PARAMETER, &json!(true)));
        let mut state = self.state();
        state.requests += 1;
        let (status, body) = match &state.answer {
            ParameterAnswer::Value(value) => (
                200,
                json!({"Parameter": {"Name": PARAMETER, "Type": "SecureString", "Value": value, "Version": state.version}}),
            ),
            ParameterAnswer::Error(status, name) => {
                (*status, json!({"__type": name, "message": "an error of the test"}))
            }
        };
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.to_string()))
    }
}

struct Beside<T> {
    store: ParameterStore,
    others: T,
}

impl<T> fmt::Debug for Beside<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside(…)")
    }
}

impl HttpClient for Beside<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let others = self.others.http_connector(settings, components);
        SharedHttpConnector::new(Beside { store: self.store.clone(), others })
    }
}

impl HttpConnector for Beside<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match request.headers().get("x-amz-target") {
            Some("AmazonSSM.GetParameter") => HttpConnectorFuture::ready(Ok(self.store.respond(&request))),
            _ => self.others.call(request),
        }
    }
}
