//! What surrounds every route: the request id, the rendering of answers that carry it, and the
//! answers for what no route takes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::info;

use super::reply::Enveloped;
use super::{ApiError, AppState};
use crate::clock;
use crate::domain::ids::RequestId;
use crate::telemetry::{RequestContext, metrics};
use crate::wire::error::ErrorCode;

/// Room for what an answer has beside its data, in bytes.
const BESIDE_THE_DATA: usize = 256;

/// An answer whose body is still to be written.
#[derive(Debug, Clone)]
pub(super) enum Unrendered {
    Data(Enveloped),
    Error(ApiError),
}

/// The method that the caller sent.
#[derive(Debug, Clone)]
struct Sent(Method);

/// Completes a router: unknown paths and methods are answered in the error shape, and every answer
/// carries its request id.
pub fn finish(router: Router<AppState>, state: AppState) -> Router {
    let unknown_path = async || ApiError::new(ErrorCode::NotFound, "there is nothing at this path");
    let unknown_method = async |Extension(Sent(method)): Extension<Sent>| {
        ApiError::new(ErrorCode::MethodNotAllowed, format!("{method} is not possible at this path"))
    };
    let routes = router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(state.clone(), with_request_id))
        .with_state(state);
    Router::new().fallback_service(routes).layer(from_fn(without_head))
}

/// axum answers HEAD wherever it answers GET, and names it in `Allow`. The API's description has no HEAD, so it is
/// refused like any other method that a path does not have: as TRACE, which none has.
async fn without_head(mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let is_head = method == Method::HEAD;
    if is_head {
        *request.method_mut() = Method::TRACE;
    }
    request.extensions_mut().insert(Sent(method));
    let mut response = next.run(request).await;
    if is_head {
        *response.body_mut() = Body::empty();
    }
    if let Some(allowed) = response.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok()) {
        let methods: Vec<_> = allowed.split(',').filter(|method| *method != Method::HEAD.as_str()).collect();
        if let Ok(allowed) = HeaderValue::from_str(&methods.join(", ")) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
    }
    response
}

async fn with_request_id(
    State(core): State<AppState>,
    Extension(Sent(method)): Extension<Sent>,
    mut request: Request,
    next: Next,
) -> Response {
    let started_at = core.clock().now();
    let request_id = RequestId::new(started_at, clock::id_bytes());
    let context = RequestContext::new(request_id);
    request.extensions_mut().insert(request_id);
    request.extensions_mut().insert(context.clone());
    // Not the path itself: anything may be in it, once it is mistyped.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = context.clone().scope(next.run(request)).await;
    let code = render(&mut response, request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    let now = core.clock().now();
    // A number in the line only if it is not of 128 bits.
    let duration_ms = u64::try_from(now.since(started_at).as_millis()).unwrap_or(u64::MAX);
    info!(
        %request_id,
        %method,
        route,
        status = response.status().as_u16(),
        code,
        duration_ms,
        organization = context.organization(),
        key = context.key(),
        "request"
    );
    metrics::emit(now);
    response
}

/// Writes the body that waits for its request id, and returns the error's code if it is one.
fn render(response: &mut Response, request_id: RequestId) -> Option<&'static str> {
    let unrendered = response.extensions_mut().remove::<Unrendered>()?;
    let (body, code) = match unrendered {
        Unrendered::Error(error) => {
            error.log(request_id);
            (error.render(request_id), Some(error.code().as_str()))
        }
        Unrendered::Data(enveloped) => (envelope(&enveloped, request_id), None),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    code
}

#[derive(Serialize)]
struct Envelope<'a> {
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<&'a RawValue>,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    request_id: String,
}

fn envelope(parts: &Enveloped, request_id: RequestId) -> Vec<u8> {
    let meta = Meta { request_id: request_id.to_string() };
    let envelope = Envelope { data: &parts.data, pagination: parts.pagination.as_deref(), meta };
    // A page may have megabytes: without enough room the vector would be copied, and be twice as large.
    let mut body = Vec::with_capacity(parts.data.get().len() + BESIDE_THE_DATA);
    serde_json::to_writer(&mut body, &envelope).map(|()| body).unwrap_or_default()
}
