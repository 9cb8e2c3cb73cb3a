//! Routes of the `svix` dialect. The function `publish` has the one that creates messages.

mod applications;
mod attempts;
mod authentication;
mod document;
mod endpoints;
mod event_types;
mod health;
mod messages;
mod repetitions;
mod tasks;

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use shared::edge::ApiError;
use shared::service::Administrator;
use shared::wire::error::ErrorCode;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::Routes;

/// The beginnings of the paths, after the prefix, of operations that the clients have and this API does not.
const NOT_IMPLEMENTED: [&str; 8] =
    ["connector", "destination", "environment", "ingest", "integration", "stream", "streaming", "transformation"];

pub(crate) fn routes(administrator: &Arc<Administrator>) -> Routes {
    let routes = Router::new()
        .merge(applications::routes())
        .merge(attempts::routes())
        .merge(authentication::routes())
        .merge(endpoints::routes())
        .merge(event_types::routes())
        .merge(messages::routes())
        .merge(tasks::routes())
        .layer(from_fn_with_state(Arc::clone(administrator), repetitions::layer))
        .merge(document::routes())
        .merge(health::routes());
    Router::new().nest("/api/v1", routes.fallback(unknown))
}

/// The OpenAPI description of these routes.
pub(crate) fn operations() -> OpenApi {
    let operations = applications::Operations::openapi()
        .merge_from(attempts::Operations::openapi())
        .merge_from(authentication::Operations::openapi())
        .merge_from(endpoints::Operations::openapi())
        .merge_from(event_types::Operations::openapi())
        .merge_from(messages::Operations::openapi())
        .merge_from(tasks::Operations::openapi())
        .merge_from(document::Operations::openapi())
        .merge_from(health::Operations::openapi());
    OpenApi::default().nest("/api/v1", operations)
}

/// Answers a path that no route has.
async fn unknown(uri: Uri) -> ApiError {
    // The prefix is not in this path.
    let segments: Vec<_> = uri.path().split('/').skip(1).collect();
    let is_known = segments.first().is_some_and(|first| NOT_IMPLEMENTED.contains(first))
        || segments.iter().any(|segment| ["integration", "poller", "transformation"].contains(segment));
    if is_known {
        let message = "this service does not have the operation";
        return ApiError::new(ErrorCode::NotFound, message).with_svix_code(501, "not_implemented");
    }
    ApiError::new(ErrorCode::NotFound, "no resource has this path")
}
