//! The layers around all routes: the request id, the rendering of responses that contain it, and the responses for
//! unknown paths and methods.

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::{HeaderValue, Method, header};
use lambda_http::request::RequestContext as GatewayContext;
use tracing::info;

use super::unrendered::Unrendered;
use super::{ApiError, RouterState, compatibility};
use crate::clock::{self, Clock};
use crate::domain::ids::RequestId;
use crate::telemetry::{RequestContext, metrics};
use crate::wire::error::{ErrorCode, ErrorForm};

/// The method of the request as the caller sent it.
#[derive(Debug, Clone)]
struct Sent(Method);

/// Completes a router: unknown paths and methods result in the API's error format, and every response has a request
/// id.
pub fn finish<R: RouterState>(router: Router<R>, state: R) -> Router {
    with_layers(with_fallbacks(router), state)
}

/// Adds the errors for unknown paths and methods.
pub fn with_fallbacks<R: RouterState>(router: Router<R>) -> Router<R> {
    let unknown_path = async || ApiError::new(ErrorCode::NotFound, "no resource has this path");
    let unknown_method = async |Extension(Sent(method)): Extension<Sent>| {
        ApiError::new(ErrorCode::MethodNotAllowed, format!("{method} is not allowed at this path"))
    };
    router.fallback(unknown_path).method_not_allowed_fallback(unknown_method)
}

/// Adds the request id, the rendering of responses that contain it, and the log line. HEAD is refused.
pub fn with_layers<R: RouterState>(router: Router<R>, state: R) -> Router {
    let routes = router.layer(from_fn_with_state(state.access().clock().clone(), with_request_id)).with_state(state);
    Router::new().fallback_service(routes).layer(from_fn(without_head)).layer(from_fn(compatibility::layer))
}

/// Rejects HEAD requests. axum answers HEAD wherever it answers GET, and lists it in `Allow`, but the API's OpenAPI
/// document has no HEAD. So HEAD is treated like TRACE, which no path supports.
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
    State(clock): State<Clock>,
    Extension(Sent(method)): Extension<Sent>,
    mut request: Request,
    next: Next,
) -> Response {
    let started_at = clock.now();
    let request_id = RequestId::new(started_at, clock::id_bytes());
    let context = RequestContext::new(request_id);
    request.extensions_mut().insert(request_id);
    request.extensions_mut().insert(context.clone());
    // The route is logged instead of the path, because a mistyped path may contain anything.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let gateway_request_id = gateway_request_id(&request);
    let form = ErrorForm::of_path(request.uri().path());
    let mut response = context.clone().scope(next.run(request)).await;
    let code = render(&mut response, request_id, form);
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    // A layer around all functions learns from it which organization the path names.
    response.extensions_mut().insert(context.clone());
    let now = clock.now();
    // The value is converted because the log subscriber writes a 128-bit number as a string.
    let duration_ms = u64::try_from(now.since(started_at).as_millis()).unwrap_or(u64::MAX);
    info!(
        %request_id,
        gateway_request_id,
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

/// The id of the request in API Gateway's access log; `None` at the local host.
fn gateway_request_id(request: &Request) -> Option<String> {
    match request.extensions().get::<GatewayContext>() {
        Some(GatewayContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    }
}

/// Writes the body that needs the request id, and returns the error's code if it is one.
fn render(response: &mut Response, request_id: RequestId, form: ErrorForm) -> Option<&'static str> {
    let Unrendered(body) = response.extensions_mut().remove::<Unrendered>()?;
    if let Some(status) = body.status(form) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body.render(request_id, form));
    body.error_code()
}
