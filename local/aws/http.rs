//! Both services on one port, for what is not in this process: the AWS CLI, `sam local`, other SDKs.
//!
//! Credentials and signatures are accepted unread. A browser cannot get here from a foreign page: `X-Amz-Target` makes
//! it ask first (CORS), and that is refused.

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

/// DynamoDB's own limit on a request.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct Door {
    engines: Engines,
    closing: watch::Receiver<bool>,
}

/// Serves until `shutdown` resolves; requests under way are finished, long polls ended.
pub(crate) async fn serve(
    engines: Engines,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (close, closing) = watch::channel(false);
    let door =
        Router::new().fallback(call).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(Door { engines, closing });
    axum::serve(listener, door)
        .with_graceful_shutdown(async move {
            shutdown.await;
            close.send_replace(true);
        })
        .await
}

async fn call(State(mut door): State<Door>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = tokio::select! {
        biased;
        answer = door.engines.call(target, &body) => answer,
        // Of SQS only a long poll ever waits; what DynamoDB has begun is finished, so its answer is awaited.
        _ = door.closing.wait_for(|closing| *closing), if target.starts_with("AmazonSQS.") => {
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
