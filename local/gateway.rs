//! What API Gateway does: publishing goes to one function, everything else to the other.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::map_request;
use axum::routing::post_service;
use shared::service::Core;

/// All routes of both functions.
pub fn gateway(core: &Arc<Core>) -> Router {
    let (api, publish) = (api::router(Arc::clone(core)), publish::router(Arc::clone(core)));
    let published = || post_service(publish.clone()).fallback_service(api.clone());
    Router::new()
        .route("/v1/organizations/{organization}/events", published())
        .route("/v1/organizations/{organization}/events/batch", published())
        .layer(map_request(forget_route))
        .fallback_service(api)
}

/// A function's own routes would be taken for nested ones, and named twice over in its log.
async fn forget_route(mut request: Request) -> Request {
    request.extensions_mut().remove::<MatchedPath>();
    request
}
