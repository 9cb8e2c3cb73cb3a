//! Stands in for API Gateway: routes publishing and the portal to their functions and all other requests to another one.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use shared::service::Parts;
use tokio::time::timeout;
use tower::ServiceExt as _;

/// The body of API Gateway's response when a function does not respond in time.
const TIMED_OUT: &str = r#"{"message":"Service Unavailable"}"#;
/// The time limit of a request, as in `template.yaml`. A retry with an idempotency key relies on the first request
/// having ended by then.
const TIME_LIMIT: Duration = Duration::from_secs(29);

/// Builds the router with all routes of the functions behind API Gateway.
pub fn gateway(parts: &Parts) -> Router {
    let (api, publish) = (api::router(parts.administrator()), publish::router(parts.publisher()));
    let (other, publishing, portal) = (api.clone(), publish, portal::router(parts.administrator()));
    let by_method = any(move |mut request: Request| {
        let function = if request.method() == Method::POST { publishing.clone() } else { other.clone() };
        // Without this, the function would treat its own route as nested and log its path twice.
        request.extensions_mut().remove::<MatchedPath>();
        function.oneshot(request)
    });
    let routes = Router::new()
        .route("/v1/organizations/{organization}/events", by_method.clone())
        .route("/v1/organizations/{organization}/events/batch", by_method.clone())
        .route("/api/v1/app/{app_id}/msg", by_method.clone())
        .route("/api/v1/app/{app_id}/msg/", by_method)
        // A route with a wildcard would add a parameter to those of the pages.
        .fallback(move |request: Request| {
            let rest = request.uri().path().strip_prefix("/portal");
            let is_page = rest.is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with('/'));
            if is_page { portal.clone().oneshot(request) } else { api.clone().oneshot(request) }
        });
    routes.layer(from_fn(end_in_time))
}

async fn end_in_time(request: Request, next: Next) -> Response {
    match timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(CONTENT_TYPE, "application/json")], TIMED_OUT).into_response(),
    }
}
