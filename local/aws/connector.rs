//! The HTTP client of the SDK's clients. It calls the engines in this process without a socket.

use aws_sdk_sqs::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::answer::{Answer, CONTENT_TYPE, QUERY_ERROR_HEADER};
use super::engines::Engines;

/// Implements both the SDK's client and its connector, since there is no connection to keep open.
#[derive(Clone, Debug)]
pub(crate) struct InProcess(pub(crate) Engines);

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engines = self.0.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let Some(body) = request.body().bytes() else {
                return Err(ConnectorError::user("the request's body is a stream".into()));
            };
            response(engines.call(target, body).await)
        })
    }
}

fn response(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    let headers = response.headers_mut();
    headers.insert("content-type", CONTENT_TYPE);
    if let Some(query_error) = answer.query_error {
        headers.insert(QUERY_ERROR_HEADER, query_error);
    }
    Ok(response)
}
