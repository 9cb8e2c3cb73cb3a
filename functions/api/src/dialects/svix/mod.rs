//! Routes of the `svix` dialect. The function `publish` has the one that creates messages.

mod applications;
mod attempts;
mod authentication;
mod document;
mod endpoints;
mod event_types;
mod health;
mod messages;
mod operational;
mod repetitions;
mod statistics;
mod tasks;

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, post};
use shared::edge::ApiError;
use shared::service::Administrator;
use shared::wire::error::ErrorCode;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::Routes;

/// Parts of the paths of operations that the clients have and this API does not.
const NOT_IMPLEMENTED: [&str; 14] = [
    "attempt-stats",
    "autoconfig",
    "connector",
    "destination",
    "environment",
    "ingest",
    "integration",
    "logout",
    "poller",
    "stream",
    "stream-logout",
    "stream-portal-access",
    "streaming",
    "transformation",
];

pub(crate) fn routes(administrator: &Arc<Administrator>) -> Routes {
    let routes = Router::new()
        .merge(applications::routes())
        .merge(attempts::routes())
        .merge(authentication::routes())
        .merge(endpoints::routes())
        .merge(event_types::routes())
        .merge(messages::routes())
        .merge(operational::routes())
        .merge(statistics::routes())
        .merge(tasks::routes())
        .layer(from_fn_with_state(Arc::clone(administrator), repetitions::layer))
        .merge(document::routes())
        .merge(health::routes());
    // These paths would be those of a message.
    let routes = routes
        .route("/app/{app_id}/msg/bulk-expunge", post(not_implemented))
        .route("/app/{app_id}/msg/expunge-all-contents", post(not_implemented))
        .route("/app/{app_id}/msg/precheck/active", post(not_implemented));
    Router::new().nest("/api/v1", routes.fallback(unknown)).route("/ingest/api/v1/{*path}", any(not_implemented))
}

/// The OpenAPI description of these routes.
pub(crate) fn operations() -> OpenApi {
    let operations = applications::Operations::openapi()
        .merge_from(attempts::Operations::openapi())
        .merge_from(authentication::Operations::openapi())
        .merge_from(endpoints::operations())
        .merge_from(event_types::Operations::openapi())
        .merge_from(messages::Operations::openapi())
        .merge_from(operational::Operations::openapi())
        .merge_from(statistics::Operations::openapi())
        .merge_from(tasks::Operations::openapi())
        .merge_from(document::Operations::openapi())
        .merge_from(health::Operations::openapi());
    OpenApi::default().nest("/api/v1", operations)
}

/// Answers a path that no route has.
async fn unknown(uri: Uri) -> ApiError {
    match uri.path().split('/').any(|segment| NOT_IMPLEMENTED.contains(&segment)) {
        true => not_implemented().await,
        false => ApiError::new(ErrorCode::NotFound, "no resource has this path"),
    }
}

/// Answers an operation that the clients have and this API does not.
async fn not_implemented() -> ApiError {
    let message = "this service does not have the operation";
    ApiError::new(ErrorCode::NotFound, message).with_svix_code(501, "not_implemented")
}
