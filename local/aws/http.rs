//! Serves both services on one port for other processes: the AWS CLI, `sam local` and other SDKs.
//!
//! Credentials and signatures are not checked. Web pages of other origins cannot call the services: the header
//! `X-Amz-Target` requires a CORS preflight request, which the server refuses, and a page whose name was given the address
//! of this machine has another name in `Host` ([`own_names`](crate::own_names)).

use std::future::Future;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answer::{Answer, CONTENT_TYPE, QUERY_ERROR_HEADER};
use super::engines::Engines;
use crate::own_names::only_own_names;

/// DynamoDB's limit on the size of a request.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct ServerState {
    engines: Engines,
    closing: watch::Receiver<bool>,
}

/// Serves until `shutdown` resolves. Then it completes the requests in progress and ends long polls.
pub(crate) async fn serve(
    engines: Engines,
    listener: TcpListener,
    names: Vec<String>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (close, closing) = watch::channel(false);
    let routes = Router::new()
        .fallback(call)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(ServerState { engines, closing });
    axum::serve(listener, only_own_names(routes, names))
        .with_graceful_shutdown(async move {
            shutdown.await;
            close.send_replace(true);
        })
        .await
}

async fn call(State(mut state): State<ServerState>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = tokio::select! {
        biased;
        answer = state.engines.call(target, &body) => answer,
        // Only SQS's long polls wait. A DynamoDB operation that has begun is completed, so its response is awaited.
        _ = state.closing.wait_for(|closing| *closing), if target.starts_with("AmazonSQS.") => {
            Answer::error(503, "com.amazonaws.sqs#ServiceUnavailable", "the local host is stopping")
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], answer.body).into_response();
    if let Some(query_error) = answer.query_error.and_then(|error| HeaderValue::try_from(error).ok()) {
        response.headers_mut().insert(QUERY_ERROR_HEADER, query_error);
    }
    response
}
